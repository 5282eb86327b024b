package spool

import (
	"context"
	"errors"
	"strconv"
	"time"

	"releve"
)

// calmFor is how long a spool must have taken what came before its trouble counts as over: at
// its bound a small fact may find room where the next does not.
const calmFor = 5 * time.Second

// Watch tells, until ctx ends, of a spool that takes no more facts: explain once, notice for as
// long as it lasts (R14). What was cut off when it was opened is said first.
func (s *Spool) Watch(
	ctx context.Context,
	explain func(what releve.Sentence), notice func(about string, what releve.Sentence),
) {
	if cut := s.opened.CutBytes; cut > 0 {
		explain(releve.Say("event-spool-cut", "bytes", strconv.FormatInt(cut, 10)))
	}
	s.watch(ctx, explain, notice, calmFor)
}

func (s *Spool) watch(ctx context.Context, explain func(releve.Sentence), notice func(string, releve.Sentence), calm time.Duration) {
	told := ""
	for {
		turned, err := s.state()
		var over <-chan time.Time
		switch what := s.sentence(err); {
		case err == nil && told != "":
			over = time.After(calm)
		case err != nil && what.Code != told:
			told = what.Code
			explain(what)
			notice("spool", what)
		}
		select {
		case <-ctx.Done():
			return
		case <-turned:
		case <-over:
			told = ""
			explain(releve.Say("event-spool-takes", "seat", string(s.seat)))
			notice("spool", releve.Sentence{})
		}
	}
}

func (s *Spool) sentence(err error) releve.Sentence {
	code := "event-spool-full"
	if errors.Is(err, ErrFailed) {
		code = "event-spool-failed"
	}
	return releve.Say(code, "seat", string(s.seat), "why", releve.Reason(err))
}

// state is why the spool takes nothing, nil where it does, and what is closed when that
// turns.
func (s *Spool) state() (turned <-chan struct{}, why error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.turned, s.trouble
}

// took is told by the writer what became of the last write.
func (s *Spool) took(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (err == nil) == (s.trouble == nil) && errors.Is(err, ErrFailed) == errors.Is(s.trouble, ErrFailed) {
		return
	}
	s.trouble = err
	close(s.turned)
	s.turned = make(chan struct{})
}
