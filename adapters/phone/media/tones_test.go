package media

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// heardIn are the keys that an ear hears in a sound, in packets.
func heardIn(c Clip, aLaw bool) (keys string) {
	var ear ToneEar
	law := c.MuLaw
	if aLaw {
		law = c.ALaw
	}
	for packet := range slices.Chunk(law, packetSamples) {
		if key, pressed := ear.Hear(packet, aLaw); pressed {
			keys += string(key)
		}
	}
	return keys
}

// joined is one sound after the other, with silence before, between and behind.
func joined(clips ...Clip) Clip {
	silence := FromPCM(make([]int16, 777)) // no whole number of pieces
	whole := silence
	for _, c := range clips {
		whole = Clip{MuLaw: slices.Concat(whole.MuLaw, c.MuLaw, silence.MuLaw), ALaw: slices.Concat(whole.ALaw, c.ALaw, silence.ALaw)}
	}
	return whole
}

func TestEachKeyIsHeardAsSoundOnceInEitherLaw(t *testing.T) {
	for _, key := range []byte(layout) {
		clip, ok := KeyTone(key)
		if !ok {
			t.Fatalf("%c is no key", key)
		}
		for _, aLaw := range []bool{true, false} {
			if got, want := heardIn(joined(clip, clip), aLaw), string([]byte{key, key}); got != want {
				t.Errorf("%q pressed twice is heard as %q (A-law: %v)", key, got, aLaw)
			}
		}
	}
	if _, ok := KeyTone('E'); ok {
		t.Error("E is a key")
	}
}

// However the pieces of the ear lie upon the tone.
func TestAKeyIsHeardWhereverItBegins(t *testing.T) {
	clip, _ := KeyTone('5')
	for shift := range earSamples {
		before := FromPCM(make([]int16, shift))
		if got := heardIn(Clip{MuLaw: slices.Concat(before.MuLaw, clip.MuLaw, before.MuLaw)}, false); got != "5" {
			t.Fatalf("%d samples after the beginning it is heard as %q", shift, got)
		}
	}
}

// sounding is a second of tones of that amplitude.
func sounding(amplitude float64, tones ...float64) Clip {
	samples := make([]int16, sampleRate)
	for i := range samples {
		for _, tone := range tones {
			samples[i] += int16(amplitude * math.Sin(2*math.Pi*tone*float64(i)/sampleRate))
		}
	}
	return FromPCM(samples)
}

func TestWhatIsNoKeyIsNotHeardAsOne(t *testing.T) {
	noise := make([]int16, 10*sampleRate)
	for i := range noise {
		noise[i] = int16(rand.IntN(12000) - 6000)
	}
	for name, c := range map[string]Clip{
		"silence":             FromPCM(make([]int16, sampleRate)),
		"noise":               FromPCM(noise),
		"a ringing tone":      sounding(6000, 400),
		"a dial tone":         sounding(4000, 350, 440),
		"one tone of a key":   sounding(6000, 770),
		"two rows":            sounding(4000, 697, 941),
		"faint tones of a 5":  sounding(50, 770, 1336),
		"a 5 among two more":  sounding(4000, 770, 1336, 500, 2100),
		"numbers, one a time": numbered(50),
	} {
		if got := heardIn(c, false); got != "" {
			t.Errorf("%s is heard as %q", name, got)
		}
	}
	if got := heardIn(joined(sounding(400, 770, 1336)), true); got != "5" {
		t.Errorf("a 5 over a bad line is heard as %q", got)
	}
}
