package comparison

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	"releve/screen/view"
)

// What a comparison is refused with.
var (
	errRunning   = releve.Refused(releve.ErrBusy, "the mirror is being verified already")
	errNotInSync = releve.Explained(releve.ErrForbidden, "there is no mirror in sync to be compared with", "cause-not-in-sync")

	errChanged = releve.Known("the duty or the copy changed meanwhile", "cause-changed")
)

// Pair is how both servers stand to each other.
type Pair struct {
	Owner  bool          // this server is on duty with its database
	InSync bool          // and the other is its mirror
	Copy   releve.DataID // of that mirror
}

// Options are what a prover is made of. Its functions do not wait, but for Forward.
type Options struct {
	Own   Database
	Other Mirror
	Seat  releve.Seat // of this server
	Pair  func() Pair
	Hour  time.Duration // of the night, since midnight
	File  string        // where the last Record is kept

	Forward  func(ctx context.Context, emit func(view.Procedure)) error // has the other server prove it
	Tell     func(what releve.Sentence)
	Show     func(*view.Procedure) // nil: none runs
	Verified func(Record)
	Log      *slog.Logger
}

// Prover proves the mirror each night, soon after it joined, and when asked.
type Prover struct {
	Options
	busy chan struct{}

	mu   sync.Mutex
	last Record
}

// New reads what was found last. A file that cannot be read costs a comparison.
func New(o Options) *Prover {
	p := &Prover{Options: o, busy: make(chan struct{}, 1)}
	raw, err := os.ReadFile(o.File)
	if err == nil {
		err = json.Unmarshal(raw, &p.last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Log.Warn("what the last comparison found is not known", "err", err)
		p.last = Record{}
	}
	p.Verified(p.last)
	return p
}

// Times of the schedule.
const (
	lookEvery   = 15 * time.Second
	settledFor  = 2 * time.Minute  // in sync, before a copy is compared: a site that has just changed has other cares
	tryAgain    = 10 * time.Minute // after a comparison that did not come to its end
	changeEvery = 500 * time.Millisecond
)

// Run keeps the schedule until ctx ends.
func (p *Prover) Run(ctx context.Context) {
	var settled, next time.Time
	var seen releve.DataID
	for pause(ctx, lookEvery) == nil {
		now, pair := time.Now(), p.Pair()
		if !pair.Owner || !pair.InSync || pair.Copy != seen {
			settled, seen = now, pair.Copy
			continue
		}
		if now.Sub(settled) < settledFor || now.Before(next) || !p.record().Due(now, p.Hour, pair.Copy) {
			continue
		}
		if err := p.ProveHere(ctx, func(view.Procedure) {}); err != nil {
			next = time.Now().Add(tryAgain)
		}
	}
}

func (p *Prover) record() Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// VerifyMirror has the server on duty prove its mirror, and emits how far it is. Findings are in
// what is emitted, and are no error.
func (p *Prover) VerifyMirror(ctx context.Context, emit func(view.Procedure)) error {
	if !p.Pair().Owner {
		return p.forward(ctx, emit)
	}
	return p.ProveHere(ctx, emit)
}

// forward finds the cause of a refusal again: the link carries words.
func (p *Prover) forward(ctx context.Context, emit func(view.Procedure)) error {
	refused := ""
	err := p.Forward(ctx, func(v view.Procedure) {
		if v.Failed != nil {
			refused = v.Failed.Code
		}
		emit(v)
	})
	switch {
	case err == nil:
		return nil
	case refused == runsAlready:
		return errRunning
	case refused == notInSync:
		return errNotInSync
	}
	return err
}

// The sentences of a refusal.
const (
	runsAlready = "before-proof-runs"
	notInSync   = "before-not-protected"
)

// ProveHere proves the mirror of this server, which is on duty.
func (p *Prover) ProveHere(ctx context.Context, emit func(view.Procedure)) error {
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	default:
		return refuse(runsAlready, errRunning, emit)
	}
	pair := p.Pair()
	if !pair.Owner || !pair.InSync {
		return refuse(notInSync, errNotInSync, emit)
	}
	ctx, cancel := p.whileUnchanged(ctx, pair.Copy)
	defer cancel()
	defer p.Show(nil)
	found, err := Comparison{
		Owner: p.Own, Mirror: p.Other, Seat: p.Seat,
		Found: func(what releve.Sentence) { p.Tell(what) },
		Show:  func(v view.Procedure) { p.Show(&v); emit(v) },
	}.Run(ctx)
	if err != nil {
		p.Tell(releve.Say("event-verify-failed", "why", releve.Reason(err)))
		return err
	}
	return p.keep(Record{Data: pair.Copy, At: time.Now(), Rows: found.Rows, Differences: found.Differences})
}

func refuse(code string, cause error, emit func(view.Procedure)) error {
	why, now := releve.Say(code), time.Now().UTC()
	emit(view.Procedure{Name: Name, Started: now, Finished: now, Failed: &why})
	return cause
}

// whileUnchanged ends with the duty of this server, or with the copy that is compared.
func (p *Prover) whileUnchanged(ctx context.Context, copyOf releve.DataID) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for pause(ctx, changeEvery) == nil {
			if now := p.Pair(); !now.Owner || now.Copy != copyOf {
				cancel(errChanged)
			}
		}
	})
	return ctx, func() {
		cancel(context.Canceled)
		watch.Wait()
	}
}

// keep remembers what was found, and says it.
func (p *Prover) keep(r Record) error {
	p.mu.Lock()
	p.last = r
	p.mu.Unlock()
	p.Verified(r)
	other := string(p.Seat.Other())
	if r.Differences > 0 {
		p.Tell(releve.Say("event-mirror-differs", "other", other, "differences", strconv.Itoa(r.Differences)))
	} else {
		p.Tell(releve.Say("event-verified", "other", other, "rows", strconv.FormatInt(r.Rows, 10)))
	}
	raw, err := json.Marshal(r)
	if err == nil {
		err = renameio.WriteFile(p.File, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("what the comparison found could not be kept, and will be looked for again: %w", err)
	}
	return nil
}
