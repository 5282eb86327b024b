// Package salvage brings back what an old owner committed alone (SPEC M6). Data with rows
// of its own is set aside whole when its server becomes a mirror again; here it is
// looked through, what is found is stored in the site's database, and an operator decides.
//
// The owner of the database does it all, from its own place: it looks at both servers'
// disks again and again, so that nothing depends on who was told what before a crash.
// What was found is never deleted, nor is the data that it was found in.
package salvage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"releve"
)

// Disk is one server's disk, this one's or the other's.
type Disk interface {
	Pending(context.Context) ([]string, error) // data set aside and not yet salvaged
	Extract(ctx context.Context, directory string) (releve.Salvage, error)
	Salvaged(ctx context.Context, directory string) error // what was found there is stored
}

// Book is the site's database. It is ours while this server is on duty.
type Book interface {
	OnDuty() bool
	Keep(context.Context, releve.Salvage) (releve.Salvage, error) // gives it a number; once for each directory
	Apply(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error)
	Discard(ctx context.Context, id int64) (releve.Salvage, error)
	All(context.Context) ([]releve.Salvage, error) // without their rows, whatever the duty; so One
	One(ctx context.Context, id int64, limit int) (releve.Salvage, error)
	Follow(context.Context) error // moves the owner's slot to where the mirror is (RULES R11)
}

// Options are what a Salvager is made of.
type Options struct {
	Own, Other Disk
	Book       Book
	Forward    func(context.Context, Order) ([]releve.Salvage, error) // to the server on duty
	Tell       func(what releve.Sentence)
	Log        *slog.Logger
}

// Verb is what an operator orders.
type Verb string

// The orders.
const (
	VerbExtract Verb = "extract" // look now
	VerbApply   Verb = "apply"
	VerbDiscard Verb = "discard"
)

// Order is an operator's, carried out by the server on duty.
type Order struct {
	Verb    Verb  `json:"verb"`
	ID      int64 `json:"id,omitempty"`
	DryRun  bool  `json:"dry_run,omitempty"`
	Replace bool  `json:"replace,omitempty"` // rows in conflict too
}

// Salvager is one server's.
type Salvager struct {
	Options
	looking chan struct{} // held by the one look under way
	told    map[string]bool
}

// New makes a salvager. It looks by itself from Run on.
func New(o Options) *Salvager {
	return &Salvager{Options: o, looking: make(chan struct{}, 1), told: map[string]bool{}}
}

// How often the owner's slot follows the mirror, and how often the disks are looked at: seldom
// after a look that failed, because starting data that does not start costs.
const (
	followEvery = 3 * time.Second
	lookEvery   = 10 * time.Second
	lookSeldom  = 10 * time.Minute
)

// Run looks, while this server is on duty, until ctx ends.
func (s *Salvager) Run(ctx context.Context) {
	follow := time.NewTimer(releve.UntilBeat(time.Now(), followEvery))
	defer follow.Stop()
	wait := lookEvery
	look := time.NewTimer(followEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-follow.C:
			follow.Reset(releve.UntilBeat(time.Now(), followEvery))
			s.follow(ctx)
		case <-look.C:
			wait = min(2*wait, lookSeldom)
			if _, err := s.look(ctx); err == nil {
				wait = lookEvery
			}
			look.Reset(wait)
		}
	}
}

func (s *Salvager) follow(ctx context.Context) {
	if !s.Book.OnDuty() {
		return
	}
	if err := s.Book.Follow(ctx); err != nil {
		s.Log.Debug("the salvage slot stays where it is", "err", err)
	}
}

// look salvages what both disks hold and returns what it stored. The first failure on a
// disk ends the look there and not on the other.
func (s *Salvager) look(ctx context.Context) ([]releve.Salvage, error) {
	if !s.Book.OnDuty() {
		return nil, nil
	}
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	own, errOwn := s.lookAt(ctx, s.Own)
	other, errOther := s.lookAt(ctx, s.Other)
	return append(own, other...), errors.Join(errOwn, errOther)
}

func (s *Salvager) lookAt(ctx context.Context, disk Disk) (stored []releve.Salvage, err error) {
	pending, err := disk.Pending(ctx)
	if err != nil {
		s.Log.Debug("a disk cannot be looked at", "err", err) // the other server may be away
		return nil, nil
	}
	for _, directory := range pending {
		kept, err := s.salvage(ctx, disk, directory)
		if err != nil {
			s.failed(ctx, directory, err)
			return stored, fmt.Errorf("%s: %w", directory, err)
		}
		s.say(kept)
		stored = append(stored, kept)
	}
	return stored, nil
}

func (s *Salvager) salvage(ctx context.Context, disk Disk, directory string) (releve.Salvage, error) {
	found, err := disk.Extract(ctx, directory)
	if err != nil {
		return releve.Salvage{}, err
	}
	kept, err := s.Book.Keep(ctx, found)
	if err != nil {
		return releve.Salvage{}, err
	}
	return kept, disk.Salvaged(ctx, directory)
}

// failed tells an operator once, and the log each time.
func (s *Salvager) failed(ctx context.Context, directory string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.Log.Warn("data set aside was not salvaged", "directory", directory, "err", err)
	if !s.told[directory] {
		s.told[directory] = true
		s.Tell(releve.Say("event-salvage-failed", "directory", directory, "why", releve.Reason(err)))
	}
}

func (s *Salvager) say(kept releve.Salvage) {
	pairs := []string{
		"id", fmt.Sprint(kept.ID), "seat", string(kept.Seat),
		"commits", fmt.Sprint(kept.Commits), "transactions", fmt.Sprint(kept.Transactions),
		"new", fmt.Sprint(kept.Counts.New), "conflict", fmt.Sprint(kept.Counts.Conflict), "why", kept.Why,
	}
	switch {
	case kept.Method == releve.SalvageCompared:
		s.Tell(releve.Say("event-salvage-compared", pairs...))
	case !kept.Agree():
		s.Tell(releve.Say("event-salvage-differs", pairs...))
	}
	if kept.State == releve.SalvageOpen {
		s.Tell(releve.Say("event-salvaged", pairs...))
	} else {
		s.Tell(releve.Say("event-salvage-settled", pairs...))
	}
}

// Do carries an order out here when this server is on duty, else on the other.
func (s *Salvager) Do(ctx context.Context, o Order) ([]releve.Salvage, error) {
	if s.Book.OnDuty() {
		return s.Carry(ctx, o)
	}
	return s.Forward(ctx, o)
}

// Carry carries an order out here.
func (s *Salvager) Carry(ctx context.Context, o Order) ([]releve.Salvage, error) {
	if !s.Book.OnDuty() {
		return nil, releve.ErrNotOnDuty
	}
	var after releve.Salvage
	var err error
	event := ""
	switch o.Verb {
	case VerbExtract:
		return s.look(ctx)
	case VerbApply:
		after, err = s.Book.Apply(ctx, o.ID, o.DryRun, o.Replace)
		event = "event-salvage-applied"
	case VerbDiscard:
		after, err = s.Book.Discard(ctx, o.ID)
		event = "event-salvage-discarded"
	default:
		return nil, fmt.Errorf("%q is nothing that is done to a salvage", o.Verb)
	}
	if err != nil {
		return nil, err
	}
	if !o.DryRun {
		s.Tell(releve.Say(event,
			"id", fmt.Sprint(o.ID), "rows", fmt.Sprint(after.Counts.Applied), "left", fmt.Sprint(after.Counts.Undecided())))
	}
	return []releve.Salvage{after}, nil
}
