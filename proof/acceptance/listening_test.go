package acceptance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// pcm is sound: 16-bit samples at 8 kHz.
type pcm []int16

func pcmOf(raw []byte) pcm {
	p := make(pcm, len(raw)/2)
	for i := range p {
		p[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return p
}

func (p pcm) length() time.Duration { return time.Duration(len(p)) * time.Second / 8000 }

// promptsSaid are French prompts one after the other, as sox reads their files;
// each fills its last packet of 20 ms up with silence.
func promptsSaid(t *testing.T, names ...string) pcm {
	t.Helper()
	var said pcm
	for _, name := range names {
		out, _ := sox(t, nil, slices.Concat([]string{filepath.Join("..", "..", "rules", "attendant", "prompts", "fr", name+".wav")}, rawPCM, []string{"-"})...)
		said = append(said, out...)
		said = append(said, make(pcm, (packetSamples-len(said)%packetSamples)%packetSamples)...)
	}
	return said
}

// rawPCM is pcm in the words of sox.
var rawPCM = []string{"-t", "raw", "-r", "8000", "-c", "1", "-b", "16", "-e", "signed-integer"}

// sox runs sox with sound on its input, and gives the sound and the words that
// come out.
func sox(t *testing.T, in pcm, args ...string) (out pcm, said string) {
	t.Helper()
	var input, output, words bytes.Buffer
	_ = binary.Write(&input, binary.LittleEndian, []int16(in)) // to memory
	cmd := exec.Command("sox", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &input, &output, &words
	if err := cmd.Run(); err != nil {
		t.Fatalf("sox %v: %v: %s; `make test` installs sox", args, err, &words)
	}
	return pcmOf(output.Bytes()), words.String()
}

// through is the sound after effects of sox.
func (p pcm) through(t *testing.T, effects ...string) pcm {
	t.Helper()
	out, _ := sox(t, p, slices.Concat(rawPCM, []string{"-"}, rawPCM, []string{"-"}, effects)...)
	return out
}

// measures are what sox says of a sound, the silence around it cut off.
type measures struct {
	seconds   float64
	rms, peak float64 // dB below full scale
}

// trimmed cuts the silence before a sound off: less than 0.5 % of full scale.
var trimmed = []string{"silence", "1", "0.01", "0.5%"}

var measured = regexp.MustCompile(`(?m)^(Length s|RMS lev dB|Pk lev dB) +(\S+)`)

func (p pcm) measure(t *testing.T) measures {
	t.Helper()
	_, said := sox(t, p, slices.Concat(rawPCM, []string{"-", "-n"}, trimmed, []string{"reverse"}, trimmed, []string{"stats"})...)
	found := map[string]float64{}
	for _, m := range measured.FindAllStringSubmatch(said, -1) {
		found[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	if len(found) != 3 {
		t.Fatalf("sox found nothing to measure in %v of sound: %s", p.length(), said)
	}
	return measures{found["Length s"], found["RMS lev dB"], found["Pk lev dB"]}
}

// near says whether two sounds are as long and as loud to a listener.
func (m measures) near(o measures) bool {
	return math.Abs(m.seconds-o.seconds) <= 0.2 && math.Abs(m.rms-o.rms) <= 1 && math.Abs(m.peak-o.peak) <= 1
}

func (p pcm) checkHeard(t *testing.T, recording pcm) {
	t.Helper()
	if err := p.heardIn(t, recording); err != nil {
		t.Error(err)
	}
}

// heardIn is nil when a recording holds these words: by sox as long and as loud,
// and by comparison syllable for syllable, nothing stretched, cut out or clipped.
// A telephone on a busy machine may miss one syllable in twenty.
func (p pcm) heardIn(t *testing.T, recording pcm) error {
	t.Helper()
	want, got := p.measure(t), recording.measure(t)
	heard, of, stretched := p.follow(recording)
	if !got.near(want) || heard*20 < of*19 || stretched.Abs() > 200*time.Millisecond {
		return fmt.Errorf("heard %d of %d syllables, stretched by %v: %+v, the prompts are %+v", heard, of, stretched, got, want)
	}
	t.Logf("heard %d of %d syllables, stretched by %v: %+v", heard, of, stretched, got)
	return nil
}

const (
	syllable = 800   // samples: 100 ms
	lead     = 16000 // how far into the recording the first one is looked for
	slip     = 1600  // how far one may be from where the one before says
)

// follow looks for each syllable of p in a recording, in order, near where the one
// before was, and says how many of the audible ones are there and by how much the
// last is late against the first.
func (p pcm) follow(recording pcm) (heard, of int, stretched time.Duration) {
	var first, last int
	for at := 0; at+syllable <= len(p); at += syllable {
		s := p[at : at+syllable]
		if s.energy() < 1e6*syllable { // a pause fits anywhere; 1000 is 30 dB below full scale
			continue
		}
		of++
		from, to := at+last-slip, at+last+slip
		if heard == 0 {
			from, to = at, at+lead
		}
		if found, ok := s.findIn(recording, from, to); ok {
			last = found - at
			if heard == 0 {
				first = last
			}
			heard++
		}
	}
	return heard, of, time.Duration(last-first) * time.Second / 8000
}

// without is the sound with so many samples silenced, once in each stretch of it.
func (p pcm) without(from, every, n int) pcm {
	holed := slices.Clone(p)
	for ; from+n <= len(holed); from += every {
		clear(holed[from : from+n])
	}
	return holed
}

func (p pcm) energy() float64 {
	sum := 0.0
	for _, v := range p {
		sum += float64(v) * float64(v)
	}
	return sum
}

// findIn gives the place between two others where p fits a recording best. It is
// there when what differs is the rounding of G.711: 26 dB below the sound.
func (p pcm) findIn(recording pcm, from, to int) (place int, found bool) {
	least := p.energy() / 400
	for at := max(0, from); at <= min(to, len(recording)-len(p)); at++ {
		if d := p.difference(recording[at:], least); d < least {
			least, place, found = d, at, true
		}
	}
	return place, found
}

// difference is the energy of what is left of p without another sound, or any
// number above the limit once it is passed.
func (p pcm) difference(other pcm, limit float64) float64 {
	sum := 0.0
	for i, v := range p {
		d := float64(v) - float64(other[i])
		if sum += d * d; sum > limit {
			break
		}
	}
	return sum
}

// A prompt that is there, though not as it was spoken, is not taken for it.
func TestTheHarnessHearsWhatIsWrongWithAPrompt(t *testing.T) {
	prompt := promptsSaid(t, "greeting", "menu")
	late := append(make(pcm, 4000), prompt...)
	if err := prompt.heardIn(t, late); err != nil {
		t.Errorf("half a second late: %v", err)
	}
	middle := len(prompt) / 2
	for wrong, recording := range map[string]pcm{
		"3 % slower":       prompt.through(t, "speed", "0.97"),
		"clipped":          prompt.through(t, "gain", "12", "gain", "-12"),
		"one packet in 20": prompt.without(middle, 20*packetSamples, packetSamples),
		"a hole of 0.6 s":  prompt.without(middle, middle, 4800),
		"cut short":        prompt[:middle],
		"another prompt":   promptsSaid(t, "again", "noanswer"),
	} {
		if err := prompt.heardIn(t, recording); err == nil {
			t.Errorf("%s: taken for the prompt", wrong)
		} else {
			t.Logf("%s: %v", wrong, err)
		}
	}
}
