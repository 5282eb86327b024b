package identity

import (
	"bytes"
	"errors"
	"os"
	"slices"
)

// Watch tells of the files of a machine when they have changed. Whoever looks every few
// seconds goes on with what somebody copied there, without a restart. It is for one goroutine.
type Watch struct {
	files Files
	seen  [][]byte // of the latest that were used
}

// NewWatch knows what the files hold now.
func NewWatch(files Files) *Watch { return &Watch{files, files.texts()} }

// Look gives the credentials if the files have changed and fit, and nil if there is nothing
// new. The error is that of Load, or of fit, each time until they do: files are copied one
// after the other.
func (w *Watch) Look(fit func(*Credentials) error) (*Credentials, error) {
	now := w.files.texts()
	if same(w.seen, now) {
		return nil, nil
	}
	c, err := Load(w.files)
	if err == nil {
		err = fit(c)
	}
	if err != nil {
		return nil, err
	}
	if !same(now, w.files.texts()) { // changed while they were read
		return nil, nil
	}
	w.seen = now
	return c, nil
}

func (f Files) texts() (all [][]byte) {
	for _, file := range f.all() {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			text = []byte(err.Error())
		}
		all = append(all, text)
	}
	return all
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
