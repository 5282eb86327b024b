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

// A ToneEar hears keys that come as sound, where nobody speaks: it asks whether a piece is made of two
// tones of a keypad and of little else. What a voice does to such an ear was not weighed.
type ToneEar struct {
	piece []float64
	heard byte // in the piece before; 0: no key
	told  bool
}

const (
	// earSamples is a piece: 25.6 ms, the least that tells the rows apart (73 Hz), four in a tone.
	earSamples = 205
	// faintest is a tone's amplitude below which it is noise on the line: some 30 dB below ours.
	faintest = 180
	// pure is the share of a piece's energy that the two tones have to be.
	pure = 0.7
)

// Hear takes in the sound of one packet, and gives the key that has come, once for each press: it was
// heard in two pieces on end.
func (e *ToneEar) Hear(payload []byte, aLaw bool) (key byte, pressed bool) {
	for _, b := range payload {
		e.piece = append(e.piece, float64(level(b, aLaw)))
		if len(e.piece) < earSamples {
			continue
		}
		now := keyIn(e.piece)
		e.piece = e.piece[:0]
		switch {
		case now != e.heard:
			e.heard, e.told = now, false
		case now != 0 && !e.told:
			e.told, key, pressed = true, now, true
		}
	}
	return key, pressed
}

func level(b byte, aLaw bool) int16 {
	if aLaw {
		return g711.DecodeAlawFrame(b)
	}
	return g711.DecodeUlawFrame(b)
}

// keyIn is the key that a piece of sound is, 0 for none.
func keyIn(piece []float64) byte {
	row, low := loudest(piece, rows[:])
	column, high := loudest(piece, columns[:])
	all := 0.0
	for _, v := range piece {
		all += v * v
	}
	// A tone of amplitude a has the energy a²/2 in each sample.
	both := (low*low + high*high) / 2 * float64(len(piece))
	if min(low, high) < faintest || both < pure*all {
		return 0
	}
	return layout[row*len(columns)+column]
}

// loudest is which of some tones is the loudest in a piece, and its amplitude (Goertzel's algorithm).
func loudest(piece, tones []float64) (which int, amplitude float64) {
	for i, tone := range tones {
		turn := 2 * math.Cos(2*math.Pi*tone/sampleRate)
		before, last := 0.0, 0.0
		for _, v := range piece {
			before, last = last, v+turn*last-before
		}
		power := last*last + before*before - turn*last*before
		if a := 2 * math.Sqrt(max(power, 0)) / float64(len(piece)); a > amplitude {
			which, amplitude = i, a
		}
	}
	return which, amplitude
}
