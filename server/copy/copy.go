// Package copy makes this server's data a copy of the other's (RULES R10, R11): it weighs what
// is on the disk, sets aside what only this server has, rewinds where that loses nothing and
// clones where it would, and brings lost data back from the mirror (SPEC M5).
package copy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/server/order"
)

// PostgreSQL is this server's, as a copy needs it.
type PostgreSQL interface {
	Fence()
	StartCopied(ctx context.Context, progress func(done, total int64)) error
	AwaitStream(context.Context) error // fails with releve.ErrLogGone when nothing will come
	DropSlots(context.Context) error
	DropSalvageSlot(context.Context) error

	LatestTimeline() (releve.Timeline, error)
	// Beyond counts the commits on a timeline after its fork.
	Beyond(context.Context, releve.Timeline, releve.LSN) (commits int, err error)
	// OnlyFollowed fails unless the data never was anything but a mirror's of that source.
	OnlyFollowed(ctx context.Context, source netip.AddrPort) error
	SetAside(ctx context.Context, why string) (where string, err error)

	Rewind(
		ctx context.Context, source netip.AddrPort, id releve.DataID, progress func(done, total int64),
	) (needed bool, err error)
	Clone(ctx context.Context, source netip.AddrPort, id releve.DataID, progress func(done, total int64)) error
	DropReplaced() error // what earlier clones replaced

	// CloneBeside clones and verifies beside the data that is there; Exchange puts one in the other's
	// place in one step, and back again; DropBeside removes what is not in place.
	CloneBeside(ctx context.Context, source netip.AddrPort, id releve.DataID, progress func(done, total int64)) error
	Exchange() error
	DropBeside() error
	Rest(context.Context) (time.Time, error)      // it receives no more; as of when it is
	Replayed(context.Context) (releve.LSN, error) // how far a copy has come

	// RestoreBeside copies the mirror and keeps the old data; RestoreOver removes it.
	RestoreBeside(
		ctx context.Context, mirror netip.AddrPort, id releve.DataID, progress func(done, total int64),
	) (aside string, err error)
	RestoreOver(ctx context.Context, mirror netip.AddrPort, id releve.DataID, progress func(done, total int64)) error
	CatchUpWith(ctx context.Context, mirror netip.AddrPort) error
	CatchUpWithOwner(ctx context.Context, owner netip.AddrPort) error
}

// Say is told what is done, and how far it is.
type Say = func(releve.Sentence, *releve.Progress)

// Options are what a Copier is made of.
type Options struct {
	PostgreSQL PostgreSQL
	Disk       func() (takeover.DiskKind, releve.DataID, error) // whose the data is
	Other      netip.AddrPort                                   // of the other server's PostgreSQL
	Link       order.Link
	Copied     func() // is told that this data is a copy of the other's now; nil: nobody is
	Log        *slog.Logger
}

// Copier makes copies, one at a time.
type Copier struct {
	Options
	ready finished
}

// New makes a copier.
func New(o Options) *Copier {
	if o.Copied == nil {
		o.Copied = func() {}
	}
	return &Copier{Options: o}
}

// finished is a copy that is whole and has not started yet. What keeps it from starting is
// seldom the copy: it is tried again before the whole database travels once more.
type finished struct {
	id    releve.DataID
	of    takeover.Promotion
	tries int
}

const readyTries = 3

// streamLimit: a receiver tries five times a second.
const streamLimit = 5 * time.Second

// Rejoin makes the data a copy of the other's. Data with rows that only it has is
// moved aside whole before anything else: salvage will need it.
func (c *Copier) Rejoin(ctx context.Context, other takeover.Promotion, say Say) (releve.DataID, error) {
	id, err := c.rejoin(ctx, other, say)
	if err == nil {
		c.Copied()
	}
	return id, err
}

func (c *Copier) rejoin(ctx context.Context, other takeover.Promotion, say Say) (releve.DataID, error) {
	c.PostgreSQL.Fence()
	forks, err := Prepare(ctx, c.Link)
	if err != nil {
		return "", fmt.Errorf("the other server cannot be copied from yet: %w", err)
	}
	if id := c.ready.id; c.mayStart(other) {
		c.ready.tries++
		if err := c.startCopied(ctx, say); !errors.Is(err, releve.ErrLogGone) {
			return id, err
		}
		c.PostgreSQL.Fence()
	}
	id := releve.NewDataID()
	c.ready = finished{of: other}
	old := c.weigh(ctx, forks, other.Timeline)
	if old.keep != "" {
		if err := c.setAside(ctx, old, say); err != nil {
			return "", err
		}
	}
	if old.rewind {
		if err = c.rewind(ctx, id, say); err == nil || c.ready.id != "" && !errors.Is(err, releve.ErrLogGone) {
			return id, err
		}
		c.ready.id = ""
		c.Log.Warn("the rewind led nowhere, a clone follows", "err", err)
		c.PostgreSQL.Fence()
	}
	if err := c.clone(ctx, id, say); err != nil {
		return "", err
	}
	return id, nil
}

// mayStart: the copy on this disk is the one that was finished last, of the server that is on
// duty still.
func (c *Copier) mayStart(other takeover.Promotion) bool {
	kind, id, err := c.Disk()
	return err == nil && kind == takeover.DiskOurs && id != "" &&
		id == c.ready.id && c.ready.of == other && c.ready.tries < readyTries
}

func (c *Copier) rewind(ctx context.Context, id releve.DataID, say Say) error {
	say(releve.Say("copy-rewinds"), nil)
	if _, err := c.PostgreSQL.Rewind(ctx, c.Other, id, Progress("copy-rewinds", say)); err != nil {
		return err
	}
	c.ready.id = id
	return c.startCopied(ctx, say)
}

func (c *Copier) clone(ctx context.Context, id releve.DataID, say Say) error {
	if err := c.PostgreSQL.DropReplaced(); err != nil { // what was replaced before takes the room of what comes
		return err
	}
	say(releve.Say("copy-clones"), nil)
	if err := c.PostgreSQL.Clone(ctx, c.Other, id, Progress("copy-clones", say)); err != nil {
		return err
	}
	c.ready.id = id
	return errors.Join(c.PostgreSQL.DropReplaced(), c.startCopied(ctx, say))
}

// startCopied fails where the other server no longer has the log that the copy needs
// next. A copy that merely does not receive yet is finished all the same.
func (c *Copier) startCopied(ctx context.Context, say Say) error {
	say(releve.Say("copy-starts"), nil)
	if err := c.PostgreSQL.StartCopied(ctx, Progress("copy-starts", say)); err != nil {
		return err
	}
	wait, enough := context.WithTimeout(ctx, streamLimit)
	defer enough()
	if err := c.PostgreSQL.AwaitStream(wait); errors.Is(err, releve.ErrLogGone) {
		return err
	}
	err := errors.Join(c.PostgreSQL.DropSlots(ctx), c.PostgreSQL.DropSalvageSlot(ctx))
	if err == nil {
		c.ready = finished{} // what comes later is another story
	}
	return err
}

// Restore replaces this server's lost or damaged data by a copy of the mirror's, which
// goes on following, and leaves it running as a copy that has all that the mirror has. The
// old data is set aside whole. It is removed only where the disk has no room for both, and
// its log proves that the mirror has every commit.
func (c *Copier) Restore(ctx context.Context, say Say) (releve.DataID, error) {
	c.PostgreSQL.Fence()
	id := releve.NewDataID()
	say(releve.Say("copy-clones"), nil)
	report := Progress("copy-clones", say)
	aside, err := c.PostgreSQL.RestoreBeside(ctx, c.Other, id, report)
	if errors.Is(err, releve.ErrNoRoom) {
		say(releve.Say("copy-no-room"), nil)
		err = c.PostgreSQL.RestoreOver(ctx, c.Other, id, report)
	}
	if err != nil {
		return "", err
	}
	if aside != "" {
		say(releve.Say("copy-set-aside", "commits", "0", "where", aside), nil)
	}
	if err := c.startRestored(ctx, say); err != nil {
		return "", err
	}
	return id, nil
}

func (c *Copier) startRestored(ctx context.Context, say Say) error {
	say(releve.Say("copy-starts"), nil)
	if err := c.PostgreSQL.StartCopied(ctx, Progress("copy-starts", say)); err != nil {
		return err
	}
	return errors.Join(c.PostgreSQL.CatchUpWith(ctx, c.Other), c.PostgreSQL.DropSlots(ctx), c.PostgreSQL.DropSalvageSlot(ctx))
}

// oldData is what lies on this disk before it becomes a copy of the other's.
type oldData struct {
	keep    string // why it must be kept whole, "" when nothing is only there
	commits int    // that only it has, as far as that can be counted
	rewind  bool   // nothing would be lost by a rewind
}

// weigh judges the data on this disk. Timeline numbers lie, so data on the other's
// own timeline is never taken for a part of it (R10).
func (c *Copier) weigh(ctx context.Context, forks []releve.Fork, theirs releve.Timeline) oldData {
	kind, _, err := c.Disk()
	if err != nil {
		return oldData{keep: err.Error()}
	}
	if kind != takeover.DiskOurs {
		return oldData{}
	}
	ours, err := c.PostgreSQL.LatestTimeline()
	if err != nil {
		return oldData{keep: err.Error()}
	}
	for _, f := range forks {
		if f.Timeline == ours {
			return c.weighBeyond(ctx, f)
		}
	}
	if ours == theirs {
		return c.weighCopy(ctx)
	}
	return oldData{keep: fmt.Sprintf("the other server's history does not tell where timeline %d (theirs is %d) was left",
		ours, theirs)}
}

// weighCopy judges data that may never have been anything but a mirror's: the log that it
// needs is gone, or an operator wants another copy.
func (c *Copier) weighCopy(ctx context.Context) oldData {
	if err := c.PostgreSQL.OnlyFollowed(ctx, c.Other); err != nil {
		return oldData{keep: err.Error()}
	}
	return oldData{}
}

func (c *Copier) weighBeyond(ctx context.Context, f releve.Fork) oldData {
	lone, err := c.PostgreSQL.Beyond(ctx, f.Timeline, f.At)
	switch {
	case err != nil:
		return oldData{keep: err.Error()}
	case lone > 0:
		return oldData{keep: fmt.Sprintf("it holds %d commits that the other server never had", lone), commits: lone}
	}
	return oldData{rewind: true}
}

// setAside moves the data away whole. When it cannot, there is no clone: what a clone
// replaces is not kept.
func (c *Copier) setAside(ctx context.Context, old oldData, say Say) error {
	where, err := c.PostgreSQL.SetAside(ctx, old.keep)
	if err != nil {
		return releve.Because(err, "the old data could not be set aside, and it holds rows of its own ("+old.keep+")",
			"cause-not-aside")
	}
	say(releve.Say("copy-set-aside", "commits", fmt.Sprint(old.commits), "where", where), nil)
	return nil
}

// Progress tells, under a sentence, how far something is and how long it will take.
func Progress(code string, say Say) func(done, total int64) {
	began := time.Now()
	return func(done, total int64) {
		p := &releve.Progress{
			Done: done, Total: total, Unit: "B",
			PerSec: float64(done) / max(time.Since(began).Seconds(), 0.001),
		}
		if p.PerSec > 0 && total > done {
			p.TimeLeft = time.Duration(float64(total-done) / p.PerSec * float64(time.Second))
		}
		say(releve.Say(code), p)
	}
}
