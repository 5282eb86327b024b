package licences

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"releve"
	"releve/rules/licence"
)

// shelf is the directory of licences: a file each, as an operator could have copied it there,
// and beside them what is remembered.
type shelf string

const (
	ending = ".licence"
	memory = "seen.json"
	papers = "study.json"
)

func (s shelf) file(name string) string { return filepath.Join(string(s), name) }

// name is of a licence's file. Serials are safe in names, and two of one serial stand apart.
func name(l licence.Licence) string { return l.Serial + "." + l.ID[:8] + ending }

// put keeps a licence, whole or not at all.
func (s shelf) put(l kept) error {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(s.file(name(l.Licence)), l.text, 0o600)
}

// files are the names of all licences, in order. Before the first there is no directory.
func (s shelf) files() (names []string, err error) {
	entries, err := os.ReadDir(string(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// read reads one file, and no more of it than a licence may have.
func (s shelf) read(name string) ([]byte, error) {
	f, err := os.Open(s.file(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, licence.Largest+1))
}

// remembered is what was remembered; nothing, where that was lost.
func (s shelf) remembered() (m licence.Memory, err error) {
	text, err := os.ReadFile(s.file(memory))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return licence.Memory{}, err
	}
	return m, nil
}

func (s shelf) remember(m licence.Memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("what is remembered of licences: %w", err)
	}
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(s.file(memory), append(text, '\n'), 0o600)
}

// read takes what is on the shelf. A licence whose file is gone is gone; where the other server
// has it, it comes back from there. What cannot be read is told, and kept for whoever looks.
func (k *Keeper) read() {
	names, err := k.shelf.files()
	k.noteDisk("shelf", err)
	if err != nil {
		return // what is held goes on counting
	}
	k.held = nil
	broken := map[string]bool{}
	for _, name := range names[:min(len(names), licence.Most)] {
		l, err := k.take(name)
		if err != nil {
			broken[name] = true
			if !k.broken[name] {
				k.o.Front.Explain(releve.Say("licence-unreadable", "file", k.shelf.file(name), "why", releve.Reason(err)))
			}
			continue
		}
		k.held = append(k.held, l)
	}
	k.broken = broken
	k.showBroken()
}

// showBroken has the screens name one file that cannot be read, as long as there is one.
func (k *Keeper) showBroken() {
	what := releve.Sentence{}
	for name := range k.broken {
		if file := k.shelf.file(name); what.Code == "" || file < what.Args["file"] {
			what = releve.Say("licence-broken", "file", file, "count", fmt.Sprint(len(k.broken)))
		}
	}
	k.o.Front.Notice("licence file", what)
}

func (k *Keeper) take(name string) (kept, error) {
	text, err := k.shelf.read(name)
	if err != nil {
		return kept{}, err
	}
	l, err := k.o.Issuers.Read(text)
	if err == nil {
		err = l.For(k.o.Site)
	}
	return kept{l, licence.Tidy(text)}, err
}

// noteDisk has the screens show that the disk does not keep something, as long as it does not.
func (k *Keeper) noteDisk(what string, err error) {
	if err == nil {
		k.o.Front.Notice("licences "+what, releve.Sentence{})
		return
	}
	k.o.Front.Notice("licences "+what, releve.Say("licence-disk", "dir", string(k.shelf), "cause", releve.Reason(err)))
	k.o.Log.Warn("licences are not kept", "what", what, "err", err)
}

// has says whether a text is held already.
func (k *Keeper) has(id string) bool {
	return slices.ContainsFunc(k.held, func(l kept) bool { return l.ID == id })
}

// sentence is one as a key.
func sentence(s releve.Sentence) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("a sentence cannot be written as JSON: " + err.Error())
	}
	return string(bytes.TrimSpace(text))
}
