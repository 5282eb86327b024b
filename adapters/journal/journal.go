// Package journal keeps what must survive a crash on this machine: one small
// value, whole and durable, or refused. It never repairs and never guesses: a
// server without its journal has no vote and no duty (RULES R6).
//
// The file can be read, and checked, by hand:
//
//	{"format":"releve-journal-1","site":"…","seat":"main","sequence":7}
//	{ … the payload … }
//	<SHA-256 of the two lines above>
package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"releve"
)

// What Open fails with, in a [releve.Fault] that says the way out, and what a save does.
var (
	// ErrDamaged says that the journal is cut, changed or gone although it had been written.
	ErrDamaged = releve.Known("journal is damaged", "cause-journal-damaged")
	// ErrOtherVersion says that the journal is whole and not of a format that we read.
	ErrOtherVersion = errors.New("journal is of another version")
	// ErrOtherSite says that the journal is of another establishment.
	ErrOtherSite = errors.New("journal is of another site")
	// ErrOtherSeat says that the journal is of the other server.
	ErrOtherSeat = errors.New("journal is of the other seat")
	// ErrUnsure says that an earlier save did not end well, so what the disk holds is not
	// known. If that save was given up and has ended since, the next one goes by how it ended;
	// if the disk refused its end, only Open reads it again.
	ErrUnsure = releve.Known("journal is unsure since an earlier save: check the disk", "cause-journal-unsure")
)

const (
	format   = "releve-journal-1"
	name     = "journal"
	previous = "journal.previous" // for a human; never read by us
	fresh    = "journal.new"
)

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	dir string

	// turn holds the state; who has taken it is the one who may read or write.
	turn chan state
}

type state struct {
	header  header
	payload json.RawMessage // nil until the first save
	unsure  error
	begun   <-chan result // a save that was given up and has not ended
}

// now is the state after what has ended of a save that was given up: how it ended says
// what the disk holds.
func (s state) now() state {
	select {
	case r := <-s.begun:
		return r.state
	default:
		return s
	}
}

// header is the first line.
type header struct {
	Format   string      `json:"format"`
	Site     string      `json:"site"`
	Seat     releve.Seat `json:"seat"`
	Sequence uint64      `json:"sequence"`
}

// Open reads the journal in dir. A directory that never had one is not an error: Load
// then says so. Anything but a whole journal of this site and seat is refused with a
// [releve.Fault] of ErrDamaged, ErrOtherVersion, ErrOtherSite or ErrOtherSeat, and left as it is.
func Open(dir, site string, seat releve.Seat) (*Journal, error) {
	if err := errors.Join(os.MkdirAll(dir, 0o700), syncDir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	s := state{header: header{Format: format, Site: site, Seat: seat}}
	content, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = neverWritten(dir)
	case err == nil:
		s.header, s.payload, err = decode(content, s.header)
	}
	if err != nil {
		return nil, located(err, dir)
	}
	j := &Journal{dir: dir, turn: make(chan state, 1)}
	j.turn <- s
	return j, nil
}

// located says which journal it is that cannot be taken.
func located(err error, dir string) error {
	path := filepath.Join(dir, name)
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.With("file", path, "directory", dir)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// neverWritten tells a new directory from one that lost its journal: a save never
// leaves the previous version without the current one.
func neverWritten(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, previous))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		return &releve.Fault{Cause: ErrDamaged, Why: releve.Say("journal-gone", "previous", previous)}
	}
	return err
}

// decode checks a file against what this server expects in its header.
func decode(content []byte, want header) (header, json.RawMessage, error) {
	lines := bytes.Split(content, []byte("\n"))
	if len(lines) != 4 || len(lines[3]) != 0 {
		return header{}, nil, &releve.Fault{
			Cause: ErrDamaged, Why: releve.Say("journal-cut", "lines", strconv.Itoa(bytes.Count(content, []byte("\n")))),
		}
	}
	if digest(lines[0], lines[1]) != string(lines[2]) {
		return header{}, nil, &releve.Fault{Cause: ErrDamaged, Why: releve.Say("journal-changed")}
	}
	var h header
	if err := json.Unmarshal(lines[0], &h); err != nil || h.Format != format || !json.Valid(lines[1]) {
		return header{}, nil, &releve.Fault{Cause: ErrOtherVersion, Why: releve.Say("journal-other-version", "found", h.Format, "expected", format)}
	}
	switch {
	case h.Site != want.Site:
		return header{}, nil, &releve.Fault{Cause: ErrOtherSite, Why: releve.Say("journal-other-site", "found", h.Site, "expected", want.Site)}
	case h.Seat != want.Seat:
		return header{}, nil, &releve.Fault{
			Cause: ErrOtherSeat, Why: releve.Say("journal-other-seat", "seat", string(h.Seat), "other", string(want.Seat)),
		}
	}
	return h, lines[1], nil
}

func digest(header, payload []byte) string {
	h := sha256.New()
	for _, line := range [][]byte{header, payload} {
		h.Write(line)
		h.Write([]byte("\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func encode(h header, payload json.RawMessage) ([]byte, error) {
	first, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s\n%s\n%s\n", first, payload, digest(first, payload)), nil
}

// Load returns the payload last saved; ok is false when nothing ever was. It fails
// with ErrUnsure after a save that did not end well, and waits for one that runs.
func (j *Journal) Load() (payload json.RawMessage, ok bool, err error) {
	s := (<-j.turn).now()
	j.turn <- s
	return s.payload, s.payload != nil && s.unsure == nil, s.unsure
}

// Save makes a payload durable, however long the disk takes.
func (j *Journal) Save(payload any) error { return j.SaveWithin(context.Background(), payload) }

// SaveWithin makes a payload durable before it returns, or gives up when ctx ends: a
// wedged disk looks alive (R12). After giving up, the disk may hold the old payload or
// the new one, so every later Load and Save fails with ErrUnsure, at once, until the disk has
// ended what was given up: a disk that stalled and answers again takes the next payload.
func (j *Journal) SaveWithin(ctx context.Context, payload any) error {
	line, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("journal: payload: %w", err)
	}
	var s state
	select {
	case s = <-j.turn:
	case <-ctx.Done():
		return fmt.Errorf("journal: not saved, another save is running: %w", context.Cause(ctx))
	}
	if s = s.now(); s.unsure != nil {
		j.turn <- s
		return s.unsure
	}
	saved := make(chan result, 1)
	go func(before state) { saved <- j.save(before, line) }(s) // it may go on when we have given up
	select {
	case r := <-saved:
		j.turn <- r.state
		return r.err
	case <-ctx.Done():
		s.unsure, s.begun = fmt.Errorf("%w: %w", ErrUnsure, context.Cause(ctx)), saved
		j.turn <- s
		return fmt.Errorf("journal: the disk did not answer in time: %w", context.Cause(ctx))
	}
}

// result is how a save ended, and the state it leaves.
type result struct {
	state state
	err   error
}

func (j *Journal) save(s state, payload json.RawMessage) result {
	next := state{header: s.header, payload: payload}
	next.header.Sequence++
	content, err := encode(next.header, payload)
	if err == nil {
		err = j.prepare(content)
	}
	if err != nil {
		return result{s, fmt.Errorf("journal: not saved, the one before stands: %w", err)}
	}
	if err := j.install(); err != nil {
		s.unsure = fmt.Errorf("%w, then restart this server: %w", ErrUnsure, err)
		return result{s, s.unsure}
	}
	return result{next, nil}
}

// prepare makes the new file durable beside the one in place, which it keeps
// under a second name. Until install nothing has changed.
func (j *Journal) prepare(content []byte) error {
	if err := writeDurably(filepath.Join(j.dir, fresh), content); err != nil {
		return err
	}
	kept := filepath.Join(j.dir, previous)
	if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := os.Link(filepath.Join(j.dir, name), kept)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the first save
	}
	return err
}

func (j *Journal) install() error {
	if err := os.Rename(filepath.Join(j.dir, fresh), filepath.Join(j.dir, name)); err != nil {
		return err
	}
	return syncDir(j.dir)
}

func writeDurably(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
