// Package spoken holds what is said on the telephone to who is called about an alarm, as a voice of espeak-ng says it.
//
// words.tsv has the words: those of the call, and each kind of alarm by its sentence of the catalogue without the server,
// which is said after it. make.sh speaks them into the sound files kept beside it.
package spoken

import (
	"embed"
	"fmt"
	"strings"

	"releve"
)

var (
	//go:embed fr/*.wav en/*.wav
	sounds embed.FS
	//go:embed words.tsv
	words string
)

// Names lists what each language has, in the order of words.tsv.
func Names() (names []string) {
	for line := range strings.Lines(words) {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	return names
}

// Words are those of a name, "" where it is not there.
func Words(language releve.Language, name string) string {
	for line := range strings.Lines(words) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case fields[0] != name || len(fields) != 3:
		case language == releve.French:
			return fields[1]
		default:
			return fields[2]
		}
	}
	return ""
}

// WAV is the sound file of a name: 8 kHz, mono, 16 bits. It fails for a name or a language that is not there.
func WAV(language releve.Language, name string) ([]byte, error) {
	wav, err := sounds.ReadFile(string(language) + "/" + name + ".wav")
	if err != nil {
		return nil, fmt.Errorf("nothing is spoken for %q in language %q", name, language)
	}
	return wav, nil
}
