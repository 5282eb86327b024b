package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"releve"
)

// Runner runs the cluster for one server of a site: a start in vain makes the next wait
// longer, and an owner keeps the log that its mirror will need.
type Runner struct {
	*Cluster
	starts   *attempts
	recovers func() Progress
	explain  func(what releve.Sentence)
	slot     atomic.Bool // the mirror's slot was made since this database became the owner's
	owner    atomic.Bool // it was the owner's when it was looked at last
}

// NewRunner makes the runner of a cluster. recovers gives what is told of one start's
// progress; it may be nil.
func NewRunner(c *Cluster, recovers func() Progress, explain func(what releve.Sentence)) *Runner {
	if recovers == nil {
		recovers = func() Progress { return nil }
	}
	return &Runner{Cluster: c, starts: newAttempts(c.opts.Seat, explain), recovers: recovers, explain: explain}
}

// Limits of what is not allowed to last for ever. A start, a copy and a promotion have none
// but for standing still.
const (
	stopMost   = 10 * time.Second
	followMost = 15 * time.Second
)

// StartPrimary starts the owner's database, with a slot for its mirror.
func (r *Runner) StartPrimary(ctx context.Context) error {
	r.slot.Store(false)
	if err := r.start(ctx, Primary); err != nil {
		return err
	}
	return r.keepForMirror(ctx)
}

func (r *Runner) keepForMirror(ctx context.Context) error {
	err := r.EnsureSlot(ctx)
	r.slot.Store(err == nil)
	return err
}

// StartCopy starts a copy that streams from nobody.
func (r *Runner) StartCopy(ctx context.Context) error {
	if err := r.start(ctx, Isolated); err != nil {
		return err
	}
	return r.DropSlots(ctx)
}

func (r *Runner) start(ctx context.Context, mode Mode) error {
	r.Fence() // what still runs from before runs in another mode, or hangs
	return r.starts.try(ctx, mode, func() error { return r.StartShowing(ctx, mode, r.recovers()) })
}

// Follow has a copy stream from the other under the mirror's name.
func (r *Runner) Follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followMost)
	defer cancel()
	return r.BecomeMirror(ctx)
}

// Stop is fast, not immediate: a connected mirror receives everything first.
func (r *Runner) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopMost)
	defer cancel()
	return r.Cluster.Stop(ctx, true)
}

// Look is where the database stands and, of the owner's, how its mirror is: nil, where that
// cannot be told. Whose it is seldom changes, so the owner's is asked for both in one go. The
// slot that somebody has dropped is made again.
func (r *Runner) Look(ctx context.Context) (own Position, m *MirrorSession, err error) {
	if !r.owner.Load() {
		own, err = r.Position(ctx)
		if err != nil || own.InRecovery {
			return own, nil, err
		}
	}
	session, own, err := r.mirror(ctx)
	if err != nil && own == (Position{}) {
		return own, nil, err
	}
	r.owner.Store(!own.InRecovery)
	if err != nil || own.InRecovery {
		return own, nil, nil
	}
	if session.SlotGone && r.slot.Load() { // until then the start or the promotion is about to make it
		if r.slotAgain(ctx) != nil {
			return own, nil, nil // the next look tries again
		}
	}
	return own, &session, nil
}

func (r *Runner) slotAgain(ctx context.Context) error {
	if err := r.EnsureSlot(ctx); err != nil {
		return err
	}
	r.explain(releve.Say("event-slot-made-again", "seat", string(r.opts.Seat)))
	return nil
}

// Promote makes a copy the owner's database, with a slot for its mirror. What did not become
// one whole is fenced: as a copy it is promoted anew.
func (r *Runner) Promote(ctx context.Context, asked Asked) (Promotion, error) {
	r.slot.Store(false)
	p, err := r.Cluster.Promote(ctx, asked)
	if errors.Is(err, ErrStillPromoting) {
		// It may still happen, and nobody may ever commit to it (R15): as a copy again it
		// is promoted anew, to a timeline of its own.
		r.Fence()
	}
	if err != nil {
		return Promotion{}, err
	}
	if err := r.keepForMirror(ctx); err != nil {
		r.Fence() // a primary is not promoted again
		return Promotion{}, err
	}
	return p, nil
}
