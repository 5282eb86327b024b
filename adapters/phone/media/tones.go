package media

import (
	"math"
	"strings"
	"time"

	"github.com/zaf/g711"
)

// A key as sound is two tones at once, of its row and of its column on the keypad (ITU-T Q.23).
var (
	rows    = [...]float64{697, 770, 852, 941}
	columns = [...]float64{1209, 1336, 1477, 1633}
)

// layout is the keypad, row by row.
const layout = "123A456B789C*0#D"

const (
	// toneLevel is each tone's amplitude: some 9 dB below the loudest that G.711 carries, together.
	toneLevel = 5600
	// toneSamples last 120 ms: what is told by [ToneEar] is told twice.
	toneSamples = sampleRate * 12 / 100
)

// KeyTone is a key as sound, for whoever hears no other: 120 ms. false: it is no key.
func KeyTone(key byte) (Clip, bool) {
	at := strings.IndexByte(layout, key)
	if at < 0 {
		return Clip{}, false
	}
	row, column := rows[at/len(columns)], columns[at%len(columns)]
	samples := make([]int16, toneSamples)
	for i := range samples {
		t := 2 * math.Pi * float64(i) / sampleRate
		samples[i] = int16(toneLevel * (math.Sin(row*t) + math.Sin(column*t)))
	}
	return FromPCM(samples), true
}

// Cadence is a tone of so many hertz, and the silence behind it: a tone of the network (ITU-T E.180).
func Cadence(hertz float64, sounds, silent time.Duration) Clip {
	samples := make([]int16, int((sounds+silent)*sampleRate/time.Second))
	for i := range int(sounds * sampleRate / time.Second) {
		samples[i] = int16(cadenceLevel * math.Sin(2*math.Pi*hertz*float64(i)/sampleRate))
	}
	return FromPCM(samples)
}

// cadenceLevel is the amplitude of such a tone: some 20 dB below the loudest that G.711 carries.
const cadenceLevel = 3000

// A ToneEar hears keys that come as sound. It asks whether a piece of it is made of two tones of a keypad, one of
// each group and as loud as one another, and of little else; and it believes a key that three pieces on end say (ITU-T Q.24:
// what lasts 40 ms is a key). Voices hardly ever do that: minutes of them are in the tests.
type ToneEar struct {
	piece  []float64
	heard  byte // in the piece before; 0: no key
	run    int  // pieces on end that said so
	held   byte // the key that was told and has not been let go
	absent int  // pieces on end without it
}

const (
	// earSamples is a piece: 12.75 ms, the least that tells the rows apart (73 Hz).
	earSamples = 102
	// believed is how many pieces on end have to say the same key, and letGo how many without it end it.
	believed, letGo = 3, 2
	// faintest is a tone's amplitude below which it is noise on the line: some 30 dB below ours.
	faintest = 180
	// pure is the share of a piece's energy that the two tones have to be.
	pure = 0.75
	// apart is by how much the other tones of a group have to be fainter, as amplitudes (8 dB), and twist by how much
	// the two groups may differ.
	apart, twist = 2.5, 2.5
)

// Hear takes in the sound of one packet, and gives the key that has come, once for each press.
func (e *ToneEar) Hear(payload []byte, aLaw bool) (key byte, pressed bool) {
	for _, b := range payload {
		e.piece = append(e.piece, float64(level(b, aLaw)))
		if len(e.piece) < earSamples {
			continue
		}
		if e.hears(keyIn(e.piece)) {
			key, pressed = e.held, true
		}
		e.piece = e.piece[:0]
	}
	return key, pressed
}

// hears takes in what a piece says, and tells whether that makes a press of it.
func (e *ToneEar) hears(now byte) bool {
	if now != e.heard {
		e.heard, e.run = now, 0
	}
	e.run++
	if e.held != 0 && now == e.held {
		e.absent = 0
		return false
	}
	if e.absent++; e.absent >= letGo {
		e.held = 0
	}
	if now == 0 || e.run < believed {
		return false
	}
	e.held, e.absent = now, 0
	return true
}

func level(b byte, aLaw bool) int16 {
	if aLaw {
		return g711.DecodeAlawFrame(b)
	}
	return g711.DecodeUlawFrame(b)
}

// keyIn is the key that a piece of sound is, 0 for none.
func keyIn(piece []float64) byte {
	all := 0.0
	for _, v := range piece {
		all += v * v
	}
	// A tone of amplitude a has the energy a²/2 in each sample.
	half := float64(len(piece)) / 2
	if all < 2*half*faintest*faintest*pure {
		return 0
	}
	row, low, alone := loudest(piece, rows[:])
	column, high, too := loudest(piece, columns[:])
	if min(low, high) < faintest || !alone || !too || low > twist*high || high > twist*low || (low*low+high*high)*half < pure*all {
		return 0
	}
	return layout[row*len(columns)+column]
}

// loudest is which of some tones is the loudest in a piece, its amplitude (Goertzel's algorithm), and whether it stands alone.
func loudest(piece, tones []float64) (which int, amplitude float64, alone bool) {
	second := 0.0
	for i, tone := range tones {
		turn := 2 * math.Cos(2*math.Pi*tone/sampleRate)
		before, last := 0.0, 0.0
		for _, v := range piece {
			before, last = last, v+turn*last-before
		}
		power := last*last + before*before - turn*last*before
		a := 2 * math.Sqrt(max(power, 0)) / float64(len(piece))
		if a > amplitude {
			which, amplitude, a = i, a, amplitude
		}
		second = max(second, a)
	}
	return which, amplitude, amplitude > apart*second
}
