// Package spool keeps facts on this server's disk until the database has them
// (RULES R14). It needs nothing but the disk: it works with PostgreSQL dead.
//
// One append-only file, one goroutine that writes it. Facts that arrive while an
// fsync runs share the next one. The file is never rewritten; when everything in
// it is stored and its owner agrees, a new file with a new incarnation takes its
// place.
package spool

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"releve"
)

var (
	// ErrFull says that the spool is at its bound or its disk is full: no more
	// messages are taken, calls are still answered (R14).
	ErrFull = releve.Known("spool is full: bring the database back so that it drains, or free its disk", "cause-spool-full")
	// ErrDamaged says that a record that had been safe can no longer be read.
	ErrDamaged = releve.Known("spool is damaged", "cause-spool-damaged")
	// ErrOtherSeat says that the file was written by the other server.
	ErrOtherSeat = errors.New("spool belongs to the other seat")
	// ErrInUse says that another process has the file open.
	ErrInUse = errors.New("spool is in use")
	// ErrFailed says that the disk failed a write or an fsync. After that nothing the kernel says of
	// this file can be trusted, so nothing more is appended to it.
	ErrFailed = releve.Known("spool failed: check the disk, then restart this server", "cause-spool-failed")
	// ErrClosed says that Close was called.
	ErrClosed = releve.Known("spool is closed", "cause-spool-closed")
)

// Defaults of Options, in bytes.
const (
	DefaultBound = 1 << 30
	renewSize    = 4 << 20
)

// Options are what a spool may be told. The zero value is usable.
type Options struct {
	// Bound is the size in bytes above which Append returns ErrFull; 0 means 1 GiB.
	Bound int64
	// MayRenew says whether a file whose facts are all stored may go. It may not
	// while the pair is out of sync (R14: who sends a spool keeps it until then). It is
	// called by the writer and must not wait; nil means never.
	MayRenew func() bool
	Log      *slog.Logger
}

// Opened is what Open found.
type Opened struct {
	Path     string
	Created  bool
	Records  int   // whole records found
	CutBytes int64 // of a torn tail, never acknowledged to anybody, cut off
}

// Spool is an open spool. Its methods may be called from any goroutine.
type Spool struct {
	seat   releve.Seat
	opt    Options
	opened Opened
	runs   *runs

	queue   chan request
	nudge   chan struct{}
	closing chan struct{}
	done    chan struct{}
	once    sync.Once

	// mu guards what readers see. Only the writer changes file and layout.
	mu       sync.RWMutex
	file     *file
	stored   uint64
	renewDue bool
	changed  chan struct{}
	trouble  error         // the last write was not taken
	turned   chan struct{} // closed when that changes

	failed error // the writer's own
}

// file is the open file with where its records stand.
type file struct {
	*os.File
	layout
	seed        uint32
	incarnation string
}

// Open opens the spool of a seat in dir, or creates it. A torn tail is cut off
// and reported by Opened; a file that is damaged, in use or of the other seat is
// refused with a [releve.Fault] that says the way out, and left as it is.
func Open(dir string, seat releve.Seat, opt Options) (*Spool, error) {
	if opt.Bound == 0 {
		opt.Bound = DefaultBound
	}
	if opt.MayRenew == nil {
		opt.MayRenew = func() bool { return false }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Spool{
		seat: seat, opt: opt, opened: Opened{Path: filepath.Join(dir, "spool")},
		queue: make(chan request, queueLength), nudge: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}), turned: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		return nil, s.located(err)
	}
	var err error
	if s.runs, err = beginRun(dir, s.opened.Created); err != nil {
		s.opt.Log.Warn("the runs of this server are not noted: calls that a crash cuts may stay without their end", "cause", err)
	}
	go s.write()
	return s, nil
}

// located says which spool it is that cannot be taken.
func (s *Spool) located(err error) error {
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		return fault.With("file", s.opened.Path, "directory", filepath.Dir(s.opened.Path))
	}
	return fmt.Errorf("%s: %w", s.opened.Path, err)
}

func (s *Spool) open() error {
	if err := os.MkdirAll(filepath.Dir(s.opened.Path), 0o700); err != nil {
		return err
	}
	found, err := os.OpenFile(s.opened.Path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return s.first()
	}
	if err != nil {
		return err
	}
	if s.file, err = s.take(found); err != nil {
		return errors.Join(err, found.Close())
	}
	return nil
}

// take reads what an earlier process left and makes it durable: its last write may
// have been cut short before its fsync.
func (s *Spool) take(found *os.File) (*file, error) {
	if err := lock(found); err != nil {
		return nil, err
	}
	h, line, err := readHeader(found)
	if err != nil {
		return nil, err
	}
	if h.Seat != s.seat {
		return nil, &releve.Fault{Cause: ErrOtherSeat, Why: releve.Say("spool-other-seat", "seat", string(h.Seat), "other", string(s.seat))}
	}
	info, err := found.Stat()
	if err != nil {
		return nil, err
	}
	f := &file{File: found, incarnation: h.Incarnation, seed: crc32.Checksum(line, castagnoli)}
	if f.layout, err = scan(found, int64(len(line)), info.Size(), f.seed); err != nil {
		return nil, err
	}
	s.opened.Records = int(f.last)
	if s.opened.CutBytes = info.Size() - f.end; s.opened.CutBytes > 0 {
		s.opt.Log.Warn("torn end of the spool cut off: it had not been acknowledged",
			"path", s.opened.Path, "bytes", s.opened.CutBytes, "records", s.opened.Records)
		if err := found.Truncate(f.end); err != nil {
			return nil, err
		}
	}
	return f, found.Sync()
}

// first makes the first file of a data directory, and the directory durable.
func (s *Spool) first() (err error) {
	s.opened.Created = true
	if s.file, err = s.fresh(nil); err != nil {
		return err
	}
	if err = s.install(s.file); err == nil {
		err = syncDir(filepath.Dir(filepath.Dir(s.opened.Path)))
	}
	if err != nil {
		return errors.Join(err, s.file.Close())
	}
	return nil
}

// fresh makes a durable file of a new incarnation beside the one in place, with
// the payloads given.
func (s *Spool) fresh(payloads [][]byte) (*file, error) {
	h := header{Format: format, Seat: s.seat, Incarnation: rand.Text()}
	content, err := h.line()
	if err != nil {
		return nil, err
	}
	raw, err := os.OpenFile(s.opened.Path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	f := &file{File: raw, incarnation: h.Incarnation, seed: crc32.Checksum(content, castagnoli)}
	f.end = int64(len(content))
	for i, payload := range payloads {
		// The file appears whole or not at all, so each record is as safe as the last.
		next := frame{sequence: uint64(i) + 1, durable: uint64(i), payload: payload}
		content = next.appendTo(content, f.seed)
		f.note(next)
	}
	if err := f.fill(content); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return f, nil
}

func (f *file) fill(content []byte) error {
	if err := lock(f.File); err != nil {
		return err
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		return err
	}
	return f.Sync()
}

// install puts a fresh file in the place of the one before.
func (s *Spool) install(f *file) error {
	if err := os.Rename(f.Name(), s.opened.Path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.opened.Path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Opened is what Open found on the disk.
func (s *Spool) Opened() Opened { return s.opened }

// Append makes facts durable: it returns after their fsync, or with the reason
// why they are not promised. When ctx ends first the facts may still become
// durable; they are then stored once, as any fact.
func (s *Spool) Append(ctx context.Context, facts ...releve.Fact) error {
	payloads := make([][]byte, len(facts))
	for i, fact := range facts {
		payload, err := json.Marshal(fact)
		if err == nil && len(payload) > maxFact {
			err = fmt.Errorf("it has %d bytes, a record has at most %d", len(payload), maxFact)
		}
		if err != nil {
			return fmt.Errorf("spool: fact %s of call %s: %w", fact.ID, fact.Call, err)
		}
		payloads[i] = payload
	}
	if len(payloads) == 0 {
		return nil
	}
	return s.ask(ctx, request{payloads: payloads})
}

// Renew puts a new file with a new incarnation in the place of this one. What is not
// stored goes with it under new sequences; storing a fact twice stores it once.
// The caller says by calling that the old file need not be kept (R14).
func (s *Spool) Renew(ctx context.Context) error { return s.ask(ctx, request{renew: true}) }

// Read returns at most limit durable records after a sequence that the database has not
// acknowledged, in order. Where they begin is of the same file as they are: a place of the file
// before would have its facts taken for missing (R14).
func (s *Spool) Read(after uint64, limit int) (releve.SpoolPage, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	frames, err := s.file.read(max(after, s.stored), limit)
	if err != nil {
		return releve.SpoolPage{}, fmt.Errorf("%s: %w", s.opened.Path, err)
	}
	page := releve.SpoolPage{Incarnation: s.file.incarnation}
	for _, f := range frames {
		page.Records = append(page.Records, f.record())
	}
	return page, nil
}

// read returns at most limit frames after a sequence, and no more than maxRead bytes of them
// but always one, so that they fit into an answer to the other server.
func (f *file) read(after uint64, limit int) ([]frame, error) {
	if after >= f.last || limit <= 0 {
		return nil, nil
	}
	frames := make([]frame, 0, min(uint64(limit), f.last-after))
	at := f.index[after/stride]
	for bytes := int64(0); len(frames) < cap(frames); {
		next, err := readFrame(f, at, f.end, f.seed)
		if errors.Is(err, errNoFrame) {
			return nil, fmt.Errorf("%w: byte %d no longer reads", ErrDamaged, at)
		}
		if err != nil {
			return nil, err
		}
		at += next.size()
		if next.sequence > after {
			if bytes += int64(next.size()); bytes > maxRead && len(frames) > 0 {
				break
			}
			frames = append(frames, next)
		}
	}
	return frames, nil
}

// Stored says that the database has acknowledged every record of an incarnation
// up to a sequence. Word of an earlier incarnation changes nothing. A sequence
// beyond our last means that this file was put back from an older copy: it says nothing of the facts
// that bear those numbers here, so they go into a new incarnation (R14).
func (s *Spool) Stored(incarnation string, upTo uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case incarnation != s.file.incarnation || upTo <= s.stored || s.renewDue:
		return
	case upTo > s.file.last:
		s.opt.Log.Error("the database knows more of this spool than its file holds: starting a new incarnation",
			"path", s.opened.Path, "stored", upTo, "last", s.file.last)
		s.stored = 0
		s.renewDue = true
	default:
		s.stored = upTo
	}
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Waiting is how many durable records the database has not acknowledged.
func (s *Spool) Waiting() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int(s.file.last - s.stored)
}

// Changed is closed at the next append. Take it before reading.
func (s *Spool) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// Close ends the writer and closes the file. What was queued is written first.
func (s *Spool) Close() error {
	s.once.Do(func() { close(s.closing) })
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
