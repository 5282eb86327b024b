package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
)

// TestNoSafeRecordIsLostAndNoneIsInvented appends, crashes and opens again, in any
// order. A crash leaves any part of the write whose fsync did not return, and
// all of those before.
func TestNoSafeRecordIsLostAndNoneIsInvented(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "crash")
		must(t, err)
		m := &model{t: t, dir: dir}
		m.restart(r)
		r.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"stored": m.stored,
			"renew":  m.renew,
			"crash":  m.crash,
			"":       m.check,
		})
		must(t, m.spool.Close())
	})
}

type model struct {
	t     *testing.T
	dir   string
	spool *Spool
	safe  []string // calls that were promised and not dropped as stored, oldest first
	gone  int      // how many at the front the database has
	next  int
}

// some makes the facts of one append.
func (m *model) some(r *rapid.T) (facts []releve.Fact, calls []string) {
	for range rapid.IntRange(1, 5).Draw(r, "facts") {
		call := fmt.Sprint(m.next)
		m.next++
		f := fact(m.t, call)
		f.At = time.Unix(int64(m.next), 0)
		facts, calls = append(facts, f), append(calls, call)
	}
	return facts, calls
}

func (m *model) append(r *rapid.T) {
	facts, calls := m.some(r)
	must(m.t, m.spool.Append(within(m.t), facts...))
	m.safe = append(m.safe, calls...)
}

func (m *model) stored(r *rapid.T) {
	upTo := rapid.IntRange(0, len(m.safe)).Draw(r, "upTo")
	m.spool.Stored(m.spool.Incarnation(), uint64(upTo))
	m.gone = max(m.gone, upTo)
}

func (m *model) renew(*rapid.T) {
	must(m.t, m.spool.Renew(within(m.t)))
	m.safe, m.gone = m.safe[m.gone:], 0
}

// crash cuts the last write short, or leaves a hole in it, and starts again.
func (m *model) crash(r *rapid.T) {
	path := filepath.Join(m.dir, "spool")
	before := m.spool.file.end
	facts, calls := m.some(r)
	must(m.t, m.spool.Append(within(m.t), facts...))
	must(m.t, m.spool.Close())
	content, err := os.ReadFile(path)
	must(m.t, err)
	torn := content[before:]
	switch rapid.SampledFrom([]string{"cut", "hole"}).Draw(r, "crash") {
	case "cut":
		content = content[:int(before)+rapid.IntRange(0, len(torn)).Draw(r, "kept")]
	case "hole":
		from := rapid.IntRange(0, len(torn)).Draw(r, "from")
		clear(torn[from:rapid.IntRange(from, len(torn)).Draw(r, "to")])
	}
	must(m.t, os.WriteFile(path, content, 0o600))
	m.restart(r)
	m.gone = 0
	got := m.read()
	kept := len(got) - len(m.safe)
	if kept < 0 || kept > len(calls) || !slices.Equal(got[len(m.safe):], calls[:kept]) {
		r.Fatalf("after the crash %q, promised %q, in flight %q", got, m.safe, calls)
	}
	m.safe = append(m.safe, calls[:kept]...)
}

func (m *model) restart(r *rapid.T) {
	s, err := Open(m.dir, releve.Main, Options{})
	if err != nil {
		r.Fatalf("a crash made the spool unusable: %v", err)
	}
	m.spool = s
}

func (m *model) read() []string { return calls(m.t, m.spool, 0) }

func (m *model) check(r *rapid.T) {
	if got := m.read(); !slices.Equal(got, m.safe[m.gone:]) {
		r.Fatalf("the spool holds %q, promised %q", got, m.safe[m.gone:])
	}
	if waiting := m.spool.Waiting(); waiting != len(m.safe)-m.gone {
		r.Fatalf("%d waiting, expected %d", waiting, len(m.safe)-m.gone)
	}
}

// FuzzOpen opens whatever a disk may hold: either refused and untouched, or
// open with records of a prefix of the file, and usable.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir, Options{})
	for range 2 {
		must(f, s.Append(within(f), fact(f, "a"), fact(f, "b")))
	}
	must(f, s.Close())
	whole, err := os.ReadFile(filepath.Join(dir, "spool"))
	must(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(bytes.Clone(whole), whole[len(whole)/2:]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "spool")
		must(t, os.WriteFile(path, content, 0o600))
		s, err := Open(dir, releve.Main, Options{})
		after, errRead := os.ReadFile(path)
		must(t, errRead)
		if err != nil {
			if !bytes.Equal(after, content) || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherSeat) {
				t.Fatalf("refused with %v, file changed: %t", err, !bytes.Equal(after, content))
			}
			return
		}
		defer s.Close()
		if !bytes.HasPrefix(content, after) || int64(len(content)-len(after)) != s.Opened().CutBytes {
			t.Fatalf("%d bytes became %d, said to be cut: %d", len(content), len(after), s.Opened().CutBytes)
		}
		appendCalls(t, s, "next")
		found := calls(t, s, 0)
		if len(found) != s.Opened().Records+1 || found[len(found)-1] != "next" {
			t.Fatalf("%d records opened, then read %q", s.Opened().Records, found)
		}
	})
}
