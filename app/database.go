package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"releve"
	"releve/agent"
	"releve/postgres"
	"releve/takeover"
	"releve/view"
)

// database is PostgreSQL as the agent needs it.
type database struct {
	cluster  *postgres.Cluster
	upstream netip.AddrPort
	log      *slog.Logger
}

// Limits of what is not allowed to last for ever. A start replays the log since
// the last checkpoint, at most max_wal_size.
const (
	startLimit   = 2 * time.Minute
	stopLimit    = 10 * time.Second
	promoteLimit = 30 * time.Second
	followLimit  = 15 * time.Second
	checkLimit   = 30 * time.Second
)

func (d *database) Disk() (takeover.DiskKind, releve.DataID, error) {
	s, err := d.cluster.State()
	if err != nil {
		return "", "", err
	}
	switch {
	case s.Presence == postgres.Foreign:
		d.log.Error("the data directory is not this site's", "why", s.Why)
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
	if err := d.start(ctx, postgres.Primary); err != nil {
		return err
	}
	return d.cluster.EnsureSlot(ctx)
}

func (d *database) StartCopy(ctx context.Context) error {
	if err := d.start(ctx, postgres.Isolated); err != nil {
		return err
	}
	return d.cluster.DropSlots(ctx)
}

func (d *database) start(ctx context.Context, mode postgres.Mode) error {
	d.cluster.Fence() // what still runs from before runs in another mode, or hangs
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return d.cluster.Start(ctx, mode)
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
	if err := d.cluster.ExitError(); err != nil {
		return err.Error()
	}
	return ""
}

func (d *database) Look(ctx context.Context) (takeover.Database, error) {
	p, err := d.cluster.Position(ctx)
	return takeover.Database{
		Up: err == nil, InRecovery: p.InRecovery, Streaming: p.Streaming, Flush: p.Flush, Timeline: p.Timeline,
	}, err
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
	return takeover.Mirror{Streaming: m.InSync(), Foreign: m.Foreign != "", Flush: m.Flush, Own: own.Flush}, nil
}

func (d *database) Promote(ctx context.Context) (takeover.Promotion, error) {
	ctx, cancel := context.WithTimeout(ctx, promoteLimit)
	defer cancel()
	p, err := d.cluster.Promote(ctx)
	if errors.Is(err, postgres.ErrTail) {
		return takeover.Promotion{}, fmt.Errorf("%w: %w", agent.ErrUnsafe, err)
	}
	if err != nil {
		return takeover.Promotion{}, err
	}
	return takeover.Promotion{Timeline: p.Timeline, Fork: p.Fork}, d.cluster.EnsureSlot(ctx)
}

// Rejoin makes the data a copy of the other's. Data with rows that only it has is
// moved aside whole before anything else: salvage will need it.
func (d *database) Rejoin(ctx context.Context, other takeover.Promotion, say func(view.Sentence, *view.Progress)) (releve.DataID, error) {
	d.cluster.Fence()
	id := releve.NewDataID()
	if err := d.copy(ctx, other, id, say); err != nil {
		return "", err
	}
	say(view.Say("copy-starts"), nil)
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := d.cluster.Start(ctx, postgres.CatchUp); err != nil {
		return "", err
	}
	return id, d.cluster.DropSlots(ctx)
}

func (d *database) copy(ctx context.Context, other takeover.Promotion, id releve.DataID, say func(view.Sentence, *view.Progress)) error {
	if d.rewindable(ctx, other, say) {
		say(view.Say("copy-rewinds"), nil)
		_, err := d.cluster.Rewind(ctx, d.upstream, id, progress("copy-rewinds", say))
		if err == nil {
			return nil
		}
		d.log.Warn("the rewind failed, a clone follows", "err", err)
	}
	say(view.Say("copy-clones"), nil)
	return d.cluster.Clone(ctx, d.upstream, id, progress("copy-clones", say))
}

// rewindable says whether a rewind would lose nothing. When it would, the data is
// set aside whole.
func (d *database) rewindable(ctx context.Context, other takeover.Promotion, say func(view.Sentence, *view.Progress)) bool {
	kind, _, err := d.Disk()
	if err != nil || kind != takeover.DiskOurs {
		return false
	}
	control, err := d.cluster.Control()
	if err != nil {
		d.log.Warn("the control file cannot be read, a clone follows", "err", err)
		return d.setAside(ctx, "its control file cannot be read", 0, say)
	}
	if other.Fork == 0 || control.Timeline >= other.Timeline {
		return other.Fork == 0 && control.Timeline == other.Timeline
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	lone, err := d.cluster.Beyond(ctx, control.Timeline, other.Fork)
	switch {
	case err != nil:
		d.log.Warn("this server's log cannot be read", "err", err)
		return d.setAside(ctx, "its log cannot be read", 0, say)
	case lone > 0:
		return d.setAside(ctx, "it holds commits of its own", lone, say)
	}
	return true
}

func (d *database) setAside(ctx context.Context, reason string, commits int, say func(view.Sentence, *view.Progress)) bool {
	where, err := d.cluster.SetAside(ctx, reason)
	if err != nil {
		d.log.Error("the old data could not be set aside", "err", err)
	}
	say(view.Say("copy-set-aside", "commits", fmt.Sprint(commits), "where", where), nil)
	return false
}

func progress(code string, say func(view.Sentence, *view.Progress)) postgres.Progress {
	began := time.Now()
	return func(done, total int64) {
		p := &view.Progress{Done: done, Total: total, Unit: "B", PerSec: float64(done) / max(time.Since(began).Seconds(), 0.001)}
		if p.PerSec > 0 && total > done {
			p.TimeLeft = time.Duration(float64(total-done) / p.PerSec * float64(time.Second))
		}
		say(view.Say(code), p)
	}
}

func (d *database) Checkpoint(ctx context.Context) error { return d.cluster.Checkpoint(ctx) }
