package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/attendant/prompts"
)

// Duration is how long the clip lasts when played.
func (c Clip) Duration() time.Duration {
	return time.Duration(len(c.MuLaw)) * time.Second / sampleRate
}

func TestSilenceIsASampleOfZero(t *testing.T) {
	if zero := FromPCM([]int16{0}); muLawSilence != zero.MuLaw[0] || aLawSilence != zero.ALaw[0] {
		t.Errorf("silence is %x and %x, a sample of zero is %x and %x", muLawSilence, aLawSilence, zero.MuLaw[0], zero.ALaw[0])
	}
}

func TestTheBuiltInPromptsCanBePlayed(t *testing.T) {
	for _, language := range []releve.Language{releve.French, releve.English} {
		for _, name := range prompts.Names() {
			wav, err := prompts.WAV(language, name)
			if err != nil {
				t.Fatal(err)
			}
			clip, err := ParseWAV(wav)
			if err != nil {
				t.Errorf("%s/%s: %v", language, name, err)
			}
			if clip.Duration() < time.Second {
				t.Errorf("%s/%s lasts %v", language, name, clip.Duration())
			}
		}
	}
}

func TestAChunkOfOddLengthIsPassedOver(t *testing.T) {
	file := wav(riffChunk("fmt ", telephone), riffChunk("LIST", []byte("odd")), riffChunk("data", []byte{1, 0, 2, 0}))
	clip, err := ParseWAV(file)
	if err != nil || len(clip.MuLaw) != 2 {
		t.Errorf("got %d samples, %v, want 2", len(clip.MuLaw), err)
	}
}

func TestAFileThatCannotBePlayedSaysWhy(t *testing.T) {
	stereo := bytes.Clone(telephone)
	stereo[2] = 2
	sound := riffChunk("data", []byte{1, 0, 2, 0})
	stories := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "not a WAV file"},
		{"an MP3", []byte("ID3\x04 and a good deal more"), "not a WAV file"},
		{"stereo", wav(riffChunk("fmt ", stereo), sound), "2 channel(s)"},
		{"no format", wav(sound), `"fmt " part is missing`},
		{"a short format", wav(riffChunk("fmt ", telephone[:8]), sound), "format is cut off"},
		{"no data", wav(riffChunk("fmt ", telephone)), `"data" part is missing`},
		{"no sound", wav(riffChunk("fmt ", telephone), riffChunk("data", nil)), "holds no sound"},
		{"cut off", wav(riffChunk("fmt ", telephone), sound[:10]), "4 bytes announced, 2 there"},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			_, err := ParseWAV(story.file)
			if !errors.Is(err, ErrWAV) || !strings.Contains(err.Error(), story.want) {
				t.Errorf("got %v, want an ErrWAV that says %q", err, story.want)
			}
		})
	}
}

// telephone is the format chunk of PCM, mono, 8000 Hz, 16 bits.
var telephone = []byte{1, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0}

func wav(chunks ...[]byte) []byte {
	return append([]byte("RIFF\x00\x00\x00\x00WAVE"), bytes.Join(chunks, nil)...)
}

func riffChunk(name string, body []byte) []byte {
	chunk := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body))), body...)
	if len(body)%2 == 1 {
		chunk = append(chunk, 0)
	}
	return chunk
}

func FuzzParseWAV(f *testing.F) {
	f.Add(wav(riffChunk("fmt ", telephone), riffChunk("LIST", []byte("odd")), riffChunk("data", []byte{1, 0, 2, 0})))
	f.Fuzz(func(t *testing.T, file []byte) {
		clip, err := ParseWAV(file)
		if (err == nil) == (len(clip.MuLaw) == 0) || len(clip.MuLaw) != len(clip.ALaw) {
			t.Errorf("%d and %d samples with error %v", len(clip.MuLaw), len(clip.ALaw), err)
		}
	})
}
