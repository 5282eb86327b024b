package media

import "github.com/zaf/g711"

// A Clip is a piece of sound at 8 kHz in both encodings of G.711. It is made once,
// never changed afterwards, and may be played in any number of calls at a time.
type Clip struct {
	MuLaw []byte
	ALaw  []byte
}

// Silence as G.711 writes it: a sample of value zero.
const (
	muLawSilence = 0xFF
	aLawSilence  = 0xD5
)

// FromPCM encodes linear samples at 8 kHz.
func FromPCM(samples []int16) Clip {
	c := Clip{MuLaw: make([]byte, len(samples)), ALaw: make([]byte, len(samples))}
	for i, sample := range samples {
		c.MuLaw[i] = g711.EncodeUlawFrame(sample)
		c.ALaw[i] = g711.EncodeAlawFrame(sample)
	}
	return c
}

// packet writes the 20 ms that begin at a sample into payload, filled up with silence
// where the clip is over.
func (c Clip) packet(payload []byte, from int, aLaw bool) {
	sound, silence := c.MuLaw, byte(muLawSilence)
	if aLaw {
		sound, silence = c.ALaw, aLawSilence
	}
	n := copy(payload, sound[min(from, len(sound)):])
	for i := n; i < len(payload); i++ {
		payload[i] = silence
	}
}
