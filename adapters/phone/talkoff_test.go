package phone_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/zaf/g711"

	"releve/adapters/phone"
	"releve/adapters/phone/media"
)

// speech is all that the product says, in both languages: 16-bit samples at 8 kHz.
func speech(t *testing.T) (all []float64) {
	t.Helper()
	prompts, err := phone.LoadPrompts()
	if err != nil {
		t.Fatal(err)
	}
	spoken, err := phone.LoadSpoken()
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []phone.Prompts{prompts, spoken} {
		for _, clip := range set {
			for _, b := range clip.MuLaw {
				all = append(all, float64(g711.DecodeUlawFrame(b)))
			}
		}
	}
	return all
}

// spokenFaster is a voice that is so many times as high, and as fast.
func spokenFaster(voice []float64, times float64) []float64 {
	said := make([]float64, 0, int(float64(len(voice))/times))
	for at := 0.0; int(at)+1 < len(voice); at += times {
		low, part := int(at), at-math.Floor(at)
		said = append(said, voice[low]*(1-part)+voice[low+1]*part)
	}
	return said
}

// An ear for keys as sound listens to everybody who speaks before he presses any. Minutes of speech, as loud and as high as
// voices are, over a line that hums and hisses, are no key (ITU-T Q.24 asks for fewer than some ten an hour).
func TestVoicesAreNotKeys(t *testing.T) {
	voice := speech(t)
	var listened time.Duration
	for _, times := range []float64{0.7, 0.85, 1, 1.15, 1.35, 1.6} {
		said := spokenFaster(voice, times)
		for _, gain := range []float64{0.1, 0.5, 1.4} {
			for _, noise := range []float64{0, 60} {
				var ear media.ToneEar
				packet := make([]byte, 0, 160)
				for i, v := range said {
					v = v*gain + noise*rand.NormFloat64() + noise*math.Sin(2*math.Pi*50*float64(i)/8000)
					if packet = append(packet, g711.EncodeAlawFrame(int16(max(-32000, min(32000, v))))); len(packet) < cap(packet) {
						continue
					}
					if key, pressed := ear.Hear(packet, true); pressed {
						t.Errorf("%v into speech %.2f times as high and %.1f times as loud, noise %.0f: key %c", time.Duration(i)*time.Second/8000, times, gain, noise, key)
					}
					packet = packet[:0]
				}
				listened += time.Duration(len(said)) * time.Second / 8000
			}
		}
	}
	t.Logf("listened to %v of speech", listened.Round(time.Second))
	if listened < 20*time.Minute {
		t.Errorf("only %v of speech", listened)
	}
}

// A key is heard however telephones send it within ITU-T Q.24: 50 ms and longer, off by 1.5 %, one tone 6 dB louder than
// the other, faint or loud, with noise 15 dB below.
func TestKeysOfManyTelephonesAreHeard(t *testing.T) {
	rows, columns := []float64{697, 770, 852, 941}, []float64{1209, 1336, 1477, 1633}
	const layout = "123A456B789C*0#D"
	heard, of := 0, 0
	for range 40 {
		for key := range layout {
			off, level := 1+(rand.Float64()-0.5)*0.03, 600+rand.Float64()*9000
			low, high := level, level*math.Pow(10, (rand.Float64()-0.5)*12/20)
			samples := make([]byte, 0, 4000)
			begins, lasts := 800+rand.IntN(102), 400+rand.IntN(400)
			for i := range 3200 {
				v := rand.NormFloat64() * min(low, high) / 8
				if i >= begins && i < begins+lasts {
					at := 2 * math.Pi * float64(i) / 8000 * off
					v += low*math.Sin(rows[key/4]*at) + high*math.Sin(columns[key%4]*at)
				}
				samples = append(samples, g711.EncodeUlawFrame(int16(max(-32000, min(32000, v)))))
			}
			var ear media.ToneEar
			var keys string
			for packet := range slices.Chunk(samples, 160) {
				if k, pressed := ear.Hear(packet, false); pressed {
					keys += string(k)
				}
			}
			of++
			if want := layout[key : key+1]; keys == want {
				heard++
			} else if keys != "" {
				t.Errorf("%s for %d ms, off by %.3f, levels %.0f and %.0f is heard as %q", want, lasts/8, off-1, low, high, keys)
			}
		}
	}
	t.Logf("heard %d of %d", heard, of)
	if heard*1000 < of*995 {
		t.Errorf("heard %d of %d keys", heard, of)
	}
}
