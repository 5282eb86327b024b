package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"releve"
	"syscall"
)

const (
	// queueLength lets every call of a large server (200 channels) have a fact
	// waiting while one fsync runs; at the bound Append waits, for as long as its
	// context lets it.
	queueLength = 256

	// batchBytes bounds what one fsync covers, and so how long one can take.
	batchBytes = 1 << 20
)

// request is one caller that waits.
type request struct {
	payloads [][]byte
	renew    bool
	answer   chan error // of capacity 1: the writer never waits for a caller
}

// ask hands a request to the writer and waits for its answer.
func (s *Spool) ask(ctx context.Context, r request) error {
	r.answer = make(chan error, 1)
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	select {
	case s.queue <- r:
	case <-s.closing:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("spool: not appended, the disk does not keep up: %w", context.Cause(ctx))
	}
	select {
	case err := <-r.answer:
		return err
	case <-s.done:
		return s.lastAnswer(r)
	case <-ctx.Done():
		return fmt.Errorf("spool: not confirmed, the disk does not answer: %w", context.Cause(ctx))
	}
}

// lastAnswer is for a request that entered the queue while the writer left.
func (s *Spool) lastAnswer(r request) error {
	select {
	case err := <-r.answer:
		return err
	default:
		return ErrClosed
	}
}

// write is the one goroutine that changes the file.
func (s *Spool) write() {
	defer close(s.done)
	for {
		select {
		case r := <-s.queue:
			s.serve(r)
		case <-s.nudge:
		case <-s.closing:
			s.serveRest()
			return
		}
		s.renewIfDue()
	}
}

// serveRest answers those who were queued before Close.
func (s *Spool) serveRest() {
	for {
		select {
		case r := <-s.queue:
			s.serve(r)
		default:
			return
		}
	}
}

// serve writes a request and those queued behind it under one fsync.
func (s *Spool) serve(first request) {
	if first.renew {
		first.answer <- s.renew()
		return
	}
	batch, rest := s.gather(first)
	err := s.appendBatch(batch)
	s.took(err)
	for _, r := range batch {
		r.answer <- err
	}
	if rest != nil {
		s.serve(*rest)
	}
}

// gather takes what is queued already, up to batchBytes. A request to renew ends
// the batch and comes back as rest.
func (s *Spool) gather(first request) (batch []request, rest *request) {
	batch = []request{first}
	for size := first.size(); size < batchBytes; {
		select {
		case r := <-s.queue:
			if r.renew {
				return batch, &r
			}
			batch = append(batch, r)
			size += r.size()
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func (r request) size() (n int) {
	for _, payload := range r.payloads {
		n += prefixSize + len(payload)
	}
	return n
}

// appendBatch makes a batch durable and then shows it to readers.
func (s *Spool) appendBatch(batch []request) error {
	if s.failed != nil {
		return s.failed
	}
	next := s.file.layout
	var content []byte
	for _, r := range batch {
		for _, payload := range r.payloads {
			f := frame{sequence: next.last + 1, durable: s.file.last, payload: payload}
			content = f.appendTo(content, s.file.seed)
			next.note(f)
		}
	}
	if next.end > s.opt.Bound {
		return ErrFull
	}
	if _, err := s.file.WriteAt(content, s.file.end); err != nil {
		return s.undo(err)
	}
	if err := s.file.Sync(); err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.show(s.file, next)
	return nil
}

// undo takes back a write that the disk had no room for. Nobody was promised it,
// so the file is whole again and later facts may find room.
func (s *Spool) undo(cause error) error {
	if err := s.file.Truncate(s.file.end); err != nil {
		return s.fail(errors.Join(cause, err))
	}
	if errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, cause)
	}
	return s.fail(cause)
}

// fail is final: after a failed fsync the kernel may drop the pages and report
// the next one as good.
func (s *Spool) fail(cause error) error {
	s.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
	s.opt.Log.Error("spool failed", "path", s.opened.Path, "cause", cause)
	return s.failed
}

// show lets readers see what is durable now. It is called under mu.
func (s *Spool) show(f *file, l layout) {
	s.file = f
	s.file.layout = l
	close(s.changed)
	s.changed = make(chan struct{})
}

// renewIfDue starts a new file when the old one is large and of no more use.
func (s *Spool) renewIfDue() {
	if s.failed != nil {
		return
	}
	s.mu.RLock()
	due := s.renewDue
	spent := s.file.end > renewSize && s.stored == s.file.last
	s.mu.RUnlock()
	if !due && !(spent && s.opt.MayRenew()) {
		return
	}
	if err := s.renew(); err != nil {
		s.opt.Log.Warn("spool not renewed, going on with the old file", "path", s.opened.Path, "cause", err)
		return
	}
	s.took(nil)
}

// renew replaces the file; what is not stored goes with it.
func (s *Spool) renew() error {
	if s.failed != nil {
		return s.failed
	}
	payloads, err := s.unstored()
	if err != nil {
		return fmt.Errorf("%s: %w", s.opened.Path, err)
	}
	fresh, err := s.fresh(payloads)
	if err != nil {
		return fmt.Errorf("%s: no new file: %w", s.opened.Path, err)
	}
	if err := s.install(fresh); err != nil {
		// Which of the two files a restart would find is not known any more.
		return s.fail(errors.Join(err, fresh.Close()))
	}
	old := s.file
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored, s.renewDue = 0, false
	s.show(fresh, fresh.layout)
	return old.Close()
}

// unstored is what a new file must carry on.
func (s *Spool) unstored() ([][]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	frames, err := s.file.read(s.stored, int(s.file.last-s.stored))
	payloads := make([][]byte, len(frames))
	for i, f := range frames {
		payloads[i] = f.payload
	}
	return payloads, err
}

// lock makes the file this process's own until it is closed, so that two servers
// started on one data directory do not write over each other.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return &releve.Fault{Cause: ErrInUse, Why: releve.Say("spool-in-use")}
	}
	return err
}
