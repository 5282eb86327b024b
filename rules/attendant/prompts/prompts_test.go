package prompts

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"releve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a conversation asks for by name; see package attendant.
var asked = []string{
	"greeting", "menu", "transfer", "invalid", "busy", "noanswer", "operator", "failed", "again", "closing",
}

func TestEachLanguageSaysEverything(t *testing.T) {
	if got := Names(); len(got) != len(asked) {
		t.Fatalf("words.tsv has %v, a conversation asks for %v", got, asked)
	}
	for _, language := range []releve.Language{releve.French, releve.English} {
		for _, name := range asked {
			wav, err := WAV(language, name)
			if err != nil {
				t.Errorf("%s: %v", language, err)
				continue
			}
			t.Run(string(language)+"/"+name, func(t *testing.T) { isSpeech(t, wav) })
		}
	}
}

func TestAMissingPromptIsNamed(t *testing.T) {
	_, err := WAV(releve.French, "gretting")
	if err == nil || !regexp.MustCompile(`"gretting".*greeting`).MatchString(err.Error()) {
		t.Errorf("got %v, want an error that names the missing prompt and those there are", err)
	}
}

// isSpeech has sox listen: a telephone's format, one to ten seconds, as loud as a voice.
func isSpeech(t *testing.T, wav []byte) {
	t.Helper()
	stat := listen(t, wav)
	if seconds := stat("Length s"); seconds < 1 || seconds > 10 {
		t.Errorf("lasts %.1f s", seconds)
	}
	if peak := stat("Pk lev dB"); peak < -4 || peak > -2 {
		t.Errorf("peaks at %.1f dB, want -3", peak)
	}
	if loudness := stat("RMS lev dB"); loudness < -30 || loudness > -15 {
		t.Errorf("is %.1f dB loud, want a voice", loudness)
	}
	format := wav[20:36]
	want := []byte{1, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0}
	if !bytes.Equal(format, want) {
		t.Errorf("format % x, want PCM, mono, 8000 Hz, 16 bits", format)
	}
}

// listen returns sox's statistics of a sound file by their names.
func listen(t *testing.T, wav []byte) func(name string) float64 {
	t.Helper()
	sox := exec.CommandContext(t.Context(), "sox", "-t", "wav", "-", "-n", "stats")
	sox.Stdin = bytes.NewReader(wav)
	out, err := sox.CombinedOutput()
	if err != nil {
		t.Fatalf("sox (Debian's package sox is needed): %v: %s", err, out)
	}
	return func(name string) float64 {
		found := regexp.MustCompile(regexp.QuoteMeta(name) + `\s+(-?[0-9.]+)`).FindSubmatch(out)
		if found == nil {
			t.Fatalf("sox said nothing of %q:\n%s", name, out)
		}
		value, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
