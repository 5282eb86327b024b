package config_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"releve"
	"releve/config"
)

func TestAFileSaysItsLanguageWhateverElseIsWrongWithIt(t *testing.T) {
	for text, want := range map[string]releve.Language{
		"[site]\nlanguage = \"fr\"\t# of what is written\n":           releve.French,
		"[site]\nname = \"a\nlanguage = 'en'\n[pbx\n":                 releve.English,
		"[attendant]\nlanguage = \"fr\"\n":                            "",
		"[site]\n# language = \"fr\"\n[attendant]\nlanguage=\"fr\"\n": "",
		"[site]\nlanguage = \"de\"\n":                                 "",
		"[site]\nname = \"\"\"\nlanguage = 'fr'\n\"\"\"\n":            "",
		"site = { id = \"S\", language = \"fr\" }\n":                  releve.French,
		"": "",
	} {
		file := filepath.Join(t.TempDir(), "main.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := config.LanguageOf(file); got != want {
			t.Errorf("%q is told in %q, want %q", text, got, want)
		}
	}
	if got := config.LanguageOf(filepath.Join(t.TempDir(), "absent.toml")); got != "" {
		t.Errorf("no file is told in %q", got)
	}
	pipe := filepath.Join(t.TempDir(), "pipe") // nobody would ever write into it
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := config.LanguageOf(pipe); got != "" {
		t.Errorf("what is no file is told in %q", got)
	}
}
