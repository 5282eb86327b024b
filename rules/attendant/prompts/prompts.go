// Package prompts holds the built-in prompts, as a voice of espeak-ng says them: robotic
// but intelligible, until the site gives its own (SPEC C1).
//
// words.tsv has the words; make.sh speaks them into the sound files kept beside it.
package prompts

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

// Names lists the prompts that each language has, in the order of words.tsv.
func Names() []string {
	var names []string
	for line := range strings.Lines(words) {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	return names
}

// WAV is the sound file of a prompt: 8 kHz, mono, 16 bits. It fails for a name or a
// language that is not there.
func WAV(language releve.Language, name string) ([]byte, error) {
	wav, err := sounds.ReadFile(string(language) + "/" + name + ".wav")
	if err != nil {
		return nil, fmt.Errorf("no prompt %q in language %q: the names are %s, the languages fr and en",
			name, language, strings.Join(Names(), ", "))
	}
	return wav, nil
}
