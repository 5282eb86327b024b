package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"releve"
	"releve/adapters/postgres"
	"releve/rules/takeover"
	"releve/server/agent"
)

// database is PostgreSQL as the agent needs it.
type database struct {
	cluster  *postgres.Cluster
	upstream netip.AddrPort
	prepare  func(context.Context) ([]postgres.Fork, error) // asks the other for a checkpoint and its history
	starts   *attempts
	recovers func(releve.Sentence, *releve.Progress) // told how a start advances; may be nil
	ready    finished
	slot     atomic.Bool // the mirror's slot was made since this database became the owner's
	log      *slog.Logger
}

// finished is a copy that is whole and has not started yet. What keeps it from starting is
// seldom the copy: it is tried again before the whole database travels once more.
type finished struct {
	id    releve.DataID
	of    takeover.Promotion
	tries int
}

const readyTries = 3

// Limits of what is not allowed to last for ever. A start, a copy and a promotion have none
// but for standing still.
const (
	stopLimit   = 10 * time.Second
	followLimit = 15 * time.Second
	streamLimit = 5 * time.Second // a receiver tries five times a second
)

func (d *database) Disk() (takeover.DiskKind, releve.DataID, error) {
	s, err := d.cluster.Whose()
	if errors.Is(err, fs.ErrPermission) { // nobody knows whose it is, and the telephone answers all the same
		d.log.Error("PostgreSQL is not started", "err", err)
		return takeover.DiskForeign, "", nil
	}
	if err != nil {
		return "", "", err
	}
	switch {
	case s.Presence == postgres.Foreign:
		d.log.Error("PostgreSQL is not started", "err", s.Foreign)
		return takeover.DiskForeign, "", nil
	case s.Presence == postgres.Absent:
		return takeover.DiskEmpty, "", nil
	case s.Unusable != "":
		return takeover.DiskUnusable, "", nil
	}
	return takeover.DiskOurs, s.DataID, nil
}

func (d *database) Create(ctx context.Context) (releve.DataID, error) {
	id := releve.NewDataID()
	return id, d.cluster.Create(ctx, id)
}

func (d *database) StartPrimary(ctx context.Context) error {
	d.slot.Store(false)
	if err := d.start(ctx, postgres.Primary); err != nil {
		return err
	}
	return d.keepForMirror(ctx)
}

func (d *database) keepForMirror(ctx context.Context) error {
	err := d.cluster.EnsureSlot(ctx)
	d.slot.Store(err == nil)
	return err
}

func (d *database) StartCopy(ctx context.Context) error {
	if err := d.start(ctx, postgres.Isolated); err != nil {
		return err
	}
	return d.cluster.DropSlots(ctx)
}

func (d *database) start(ctx context.Context, mode postgres.Mode) error {
	d.cluster.Fence() // what still runs from before runs in another mode, or hangs
	return d.starts.try(ctx, mode, func() error {
		return d.cluster.StartShowing(ctx, mode, d.recovery())
	})
}

func (d *database) recovery() postgres.Progress {
	if d.recovers == nil {
		return nil
	}
	return progress("copy-starts", d.recovers)
}

func (d *database) Follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followLimit)
	defer cancel()
	return d.cluster.BecomeMirror(ctx)
}

// Stop is fast, not immediate: a connected mirror receives everything first.
func (d *database) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	return d.cluster.Stop(ctx, true)
}

func (d *database) Fence()                  { d.cluster.Fence() }
func (d *database) Exited() <-chan struct{} { return d.cluster.Exited() }

func (d *database) Why() string {
	return releve.Reason(d.cluster.ExitError())
}

func (d *database) Look(ctx context.Context) (takeover.Database, error) {
	p, err := d.cluster.Position(ctx)
	return takeover.Database{
		Up: err == nil, InRecovery: p.InRecovery, Streaming: p.Streaming, Flush: p.Flush, Replay: p.Replay, Timeline: p.Timeline,
	}, err
}

// Health is bounded by itself. A disk or a database that did not answer in time may only
// be busy.
func (d *database) Health(ctx context.Context) error {
	err := d.cluster.Health(ctx)
	if errors.Is(err, postgres.ErrDiskWedged) || errors.Is(err, postgres.ErrNoAnswer) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", agent.ErrSlow, err)
	}
	return err
}

// Mirror reads the owner's own position first: what the mirror has flushed later
// is then at least as far as all that was written before.
func (d *database) Mirror(ctx context.Context) (takeover.Mirror, error) {
	own, err := d.cluster.Position(ctx)
	if err != nil {
		return takeover.Mirror{}, err
	}
	m, err := d.cluster.Mirror(ctx)
	if err != nil {
		return takeover.Mirror{}, err
	}
	if m.SlotGone && d.slot.Load() { // until then the start or the promotion is about to make it
		if err := d.slotAgain(ctx); err != nil {
			return takeover.Mirror{}, err
		}
	}
	return takeover.Mirror{Streaming: m.InSync(), Foreign: m.Foreign != "", Lost: m.Lost, Flush: m.Flush, Own: own.Flush}, nil
}

// slotAgain makes the slot that somebody has dropped.
func (d *database) slotAgain(ctx context.Context) error {
	if err := d.cluster.EnsureSlot(ctx); err != nil {
		return err
	}
	d.starts.explain("warning", releve.Say("event-slot-made-again", "seat", string(d.starts.seat)))
	return nil
}

func (d *database) Promote(ctx context.Context) (takeover.Promotion, error) {
	d.slot.Store(false)
	p, err := d.cluster.Promote(ctx)
	if errors.Is(err, postgres.ErrStillPromoting) {
		// It may still happen, and nobody may ever commit to it (R15): as a copy again it
		// is promoted anew, to a timeline of its own.
		d.cluster.Fence()
	}
	if errors.Is(err, postgres.ErrTail) {
		return takeover.Promotion{}, fmt.Errorf("%w: %w", agent.ErrUnsafe, err)
	}
	if err != nil {
		return takeover.Promotion{}, err
	}
	if err := d.keepForMirror(ctx); err != nil {
		d.cluster.Fence() // a primary is not promoted again: as a copy it is
		return takeover.Promotion{}, err
	}
	return takeover.Promotion{Timeline: p.Timeline, Fork: p.Fork}, nil
}

// Rejoin makes the data a copy of the other's. Data with rows that only it has is
// moved aside whole before anything else: salvage will need it.
func (d *database) Rejoin(ctx context.Context, other takeover.Promotion, say func(releve.Sentence, *releve.Progress)) (releve.DataID, error) {
	d.cluster.Fence()
	forks, err := d.prepare(ctx)
	if err != nil {
		return "", fmt.Errorf("the other server cannot be copied from yet: %w", err)
	}
	if id := d.ready.id; d.mayStart(other) {
		d.ready.tries++
		if err := d.startCopied(ctx, say); !errors.Is(err, postgres.ErrLogGone) {
			return id, err
		}
		d.cluster.Fence()
	}
	id := releve.NewDataID()
	d.ready = finished{of: other}
	old := d.weigh(ctx, forks, other.Timeline)
	if old.keep != "" {
		if err := d.setAside(ctx, old, say); err != nil {
			return "", err
		}
	}
	if old.rewind {
		if err = d.rewind(ctx, id, say); err == nil || d.ready.id != "" && !errors.Is(err, postgres.ErrLogGone) {
			return id, err
		}
		d.ready.id = ""
		d.log.Warn("the rewind led nowhere, a clone follows", "err", err)
		d.cluster.Fence()
	}
	if err := d.clone(ctx, id, say); err != nil {
		return "", err
	}
	return id, nil
}

// mayStart: the copy on this disk is the one that was finished last, of the server that is on
// duty still.
func (d *database) mayStart(other takeover.Promotion) bool {
	kind, id, err := d.Disk()
	return err == nil && kind == takeover.DiskOurs && id != "" && id == d.ready.id && d.ready.of == other && d.ready.tries < readyTries
}

func (d *database) rewind(ctx context.Context, id releve.DataID, say func(releve.Sentence, *releve.Progress)) error {
	say(releve.Say("copy-rewinds"), nil)
	if _, err := d.cluster.Rewind(ctx, d.upstream, id, progress("copy-rewinds", say)); err != nil {
		return err
	}
	d.ready.id = id
	return d.startCopied(ctx, say)
}

func (d *database) clone(ctx context.Context, id releve.DataID, say func(releve.Sentence, *releve.Progress)) error {
	if err := d.cluster.DropReplaced(); err != nil { // what was replaced before takes the room of what comes
		return err
	}
	say(releve.Say("copy-clones"), nil)
	if err := d.cluster.Clone(ctx, d.upstream, id, progress("copy-clones", say)); err != nil {
		return err
	}
	d.ready.id = id
	return errors.Join(d.cluster.DropReplaced(), d.startCopied(ctx, say))
}

// startCopied fails where the other server no longer has the log that the copy needs
// next. A copy that merely does not receive yet is finished all the same.
func (d *database) startCopied(ctx context.Context, say func(releve.Sentence, *releve.Progress)) error {
	say(releve.Say("copy-starts"), nil)
	if err := d.cluster.StartShowing(ctx, postgres.CatchUp, progress("copy-starts", say)); err != nil {
		return err
	}
	wait, enough := context.WithTimeout(ctx, streamLimit)
	defer enough()
	if err := d.cluster.AwaitStream(wait); errors.Is(err, postgres.ErrLogGone) {
		return err
	}
	err := errors.Join(d.cluster.DropSlots(ctx), d.cluster.DropSalvageSlot(ctx))
	if err == nil {
		d.ready = finished{} // what comes later is another story
	}
	return err
}

// Restore replaces this server's lost or damaged data by a copy of the mirror's, which
// goes on following, and leaves it running as a copy that has all that the mirror has. The
// old data is set aside whole. It is removed only where the disk has no room for both, and
// its log proves that the mirror has every commit.
func (d *database) Restore(ctx context.Context, say func(releve.Sentence, *releve.Progress)) (releve.DataID, error) {
	d.cluster.Fence()
	id := releve.NewDataID()
	say(releve.Say("copy-clones"), nil)
	report := progress("copy-clones", say)
	aside, err := d.cluster.Restore(ctx, d.upstream, id, postgres.SetAside, report)
	if errors.Is(err, postgres.ErrNoRoom) {
		say(releve.Say("copy-no-room"), nil)
		aside, err = d.cluster.Restore(ctx, d.upstream, id, postgres.Removed, report)
	}
	if err != nil {
		return "", err
	}
	if aside != "" {
		say(releve.Say("copy-set-aside", "commits", "0", "where", aside), nil)
	}
	if err := d.startRestored(ctx, say); err != nil {
		return "", err
	}
	return id, nil
}

func (d *database) startRestored(ctx context.Context, say func(releve.Sentence, *releve.Progress)) error {
	say(releve.Say("copy-starts"), nil)
	if err := d.cluster.StartShowing(ctx, postgres.CatchUp, progress("copy-starts", say)); err != nil {
		return err
	}
	return errors.Join(d.cluster.CatchUpWith(ctx, d.upstream), d.cluster.DropSlots(ctx), d.cluster.DropSalvageSlot(ctx))
}

// oldData is what lies on this disk before it becomes a copy of the other's.
type oldData struct {
	keep    string // why it must be kept whole, "" when nothing is only there
	commits int    // that only it has, as far as that can be counted
	rewind  bool   // nothing would be lost by a rewind
}

// weigh judges the data on this disk. Timeline numbers lie, so data on the other's
// own timeline is never taken for a part of it (R10).
func (d *database) weigh(ctx context.Context, forks []postgres.Fork, theirs releve.Timeline) oldData {
	kind, _, err := d.Disk()
	if err != nil {
		return oldData{keep: err.Error()}
	}
	if kind != takeover.DiskOurs {
		return oldData{}
	}
	ours, err := d.cluster.LatestTimeline()
	if err != nil {
		return oldData{keep: err.Error()}
	}
	for _, f := range forks {
		if f.Timeline == ours {
			return d.weighBeyond(ctx, f)
		}
	}
	if ours == theirs {
		return d.weighCopy(ctx)
	}
	return oldData{keep: fmt.Sprintf("the other server's history does not tell where timeline %d (theirs is %d) was left", ours, theirs)}
}

// weighCopy judges data that may never have been anything but a mirror's: the log that it
// needs is gone, or an operator wants another copy.
func (d *database) weighCopy(ctx context.Context) oldData {
	if err := d.cluster.OnlyFollowed(ctx, d.upstream); err != nil {
		return oldData{keep: err.Error()}
	}
	return oldData{}
}

func (d *database) weighBeyond(ctx context.Context, f postgres.Fork) oldData {
	lone, err := d.cluster.Beyond(ctx, f.Timeline, f.At)
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
func (d *database) setAside(ctx context.Context, old oldData, say func(releve.Sentence, *releve.Progress)) error {
	where, err := d.cluster.SetAside(ctx, old.keep)
	if err != nil {
		return releve.Because(err, "the old data could not be set aside, and it holds rows of its own ("+old.keep+")", "cause-not-aside")
	}
	say(releve.Say("copy-set-aside", "commits", fmt.Sprint(old.commits), "where", where), nil)
	return nil
}

func progress(code string, say func(releve.Sentence, *releve.Progress)) postgres.Progress {
	began := time.Now()
	return func(done, total int64) {
		p := &releve.Progress{Done: done, Total: total, Unit: "B", PerSec: float64(done) / max(time.Since(began).Seconds(), 0.001)}
		if p.PerSec > 0 && total > done {
			p.TimeLeft = time.Duration(float64(total-done) / p.PerSec * float64(time.Second))
		}
		say(releve.Say(code), p)
	}
}

func (d *database) Checkpoint(ctx context.Context) error { return d.cluster.Checkpoint(ctx) }
