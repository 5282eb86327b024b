package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve"
	"releve/rules/takeover"
)

// commit is one transaction in a log.
type commit struct {
	position int // in the log, from 1
	term     releve.Term
	owner    *server
	opens    bool   // of a term's first commit, and of each later start's
	spool    string // whose records these are, by incarnation …
	upTo     uint64 // … and how far that spool is stored with it
	facts    []releve.FactID
	acked    bool
}

// fork is where a timeline left the one before.
type fork struct {
	timeline releve.Timeline // the one that was left
	at       int
}

// mode is how a PostgreSQL runs.
type mode string

const (
	stopped mode = ""
	primary mode = "primary"
	standby mode = "copy"
)

// cluster is a server's PostgreSQL. What is on its disk outlives it.
type cluster struct {
	kind     takeover.DiskKind
	id       releve.DataID
	timeline releve.Timeline
	history  []fork
	log      []*commit // flushed
	mixed    bool      // rows of two histories lie in it

	runs    mode
	follows bool
	broken  bool          // its disk is full: it does not start
	resumed chan struct{} // closed while it may run
	exited  chan struct{} // of the current start
	why     string

	reported int        // as primary: how far its mirror says that it has flushed
	waiting  []*waiting // commits that wait for that
	session  session    // as a mirror

	starts    int           // so far
	refuses   error         // what a start and a copy fail with
	ill       error         // what a proof of its health finds
	slow      time.Duration // that a promotion and a copy take longer
	unplayed  releve.LSN    // of what a copy has, it has yet to replay
	abandoned int           // promotions that were cancelled under way
}

// waiting is a COMMIT that waits for the mirror.
type waiting struct {
	*commit
	store *store
	done  chan error
}

var (
	errNotRunning = errors.New("PostgreSQL does not run")
	errLost       = errors.New("the connection to PostgreSQL was lost")
)

func newCluster() cluster {
	c := cluster{kind: takeover.DiskEmpty, resumed: make(chan struct{}), exited: make(chan struct{})}
	close(c.resumed)
	close(c.exited)
	return c
}

// lsn is a position as PostgreSQL would tell it. That of an empty log is not 0.
func (s *site) lsn(position int) releve.LSN { return s.origin + releve.LSN(position+1) }

func (c *cluster) paused() bool {
	select {
	case <-c.resumed:
		return false
	default:
		return true
	}
}

func (c *cluster) pause() {
	if !c.paused() {
		c.resumed = make(chan struct{})
	}
}

func (c *cluster) resume() {
	if c.paused() {
		close(c.resumed)
	}
}

// lives says that it runs and is not paused.
func (c *cluster) lives(as mode) bool { return c.runs == as && !c.paused() }

// exit is the end of the postmaster. Whoever waits for a COMMIT is in doubt.
func (c *cluster) exit(why string) {
	c.resume()
	if c.runs == stopped {
		return
	}
	c.runs, c.follows, c.why = stopped, false, why
	close(c.exited)
	c.drop(func(*waiting) bool { return true }, errLost)
}

// drop ends the wait of commits.
func (c *cluster) drop(which func(*waiting) bool, why error) {
	kept := c.waiting[:0]
	for _, w := range c.waiting {
		if which(w) {
			w.done <- why
		} else {
			kept = append(kept, w)
		}
	}
	c.waiting = kept
}

func (c *cluster) begin(as mode) {
	c.runs, c.follows, c.why, c.exited, c.reported = as, false, "", make(chan struct{}), 0
	c.starts++
}

// has says whether a commit is in this log.
func (c *cluster) has(x *commit) bool {
	return len(c.log) >= x.position && c.log[x.position-1] == x
}

// postgres is the cluster as a process drives it.
type postgres struct{ *process }

func (p postgres) die() die { return p.dice.of(p.seat, ofDatabase) }

// awake waits while PostgreSQL is paused: it answers nothing then.
func (p postgres) awake(ctx context.Context) error {
	p.mu.Lock()
	resumed := p.database.resumed
	p.mu.Unlock()
	if !comes(ctx, resumed) {
		return errors.Join(p.alive(), context.Cause(ctx))
	}
	return p.alive()
}

// work is slow work on the database, with the change that it makes at its end.
func (p postgres) work(ctx context.Context, low, high time.Duration, change func() error) error {
	if err := p.acts(); err != nil {
		return err
	}
	if err := p.takes(ctx, p.die().mostly(low, high)); err != nil {
		return err
	}
	if err := p.postgres().awake(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead
	}
	defer p.review()
	return change()
}

// lasts is a promotion or a copy, which a test can have last longer.
func (p postgres) lasts(ctx context.Context, low, high time.Duration, change func() error) error {
	p.mu.Lock()
	longer := p.database.slow
	p.mu.Unlock()
	return p.work(ctx, longer+low, longer+high, change)
}

func (p *process) postgres() postgres { return postgres{p} }

func (p postgres) Disk() (takeover.DiskKind, releve.DataID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.database.kind, p.database.id, nil
}

func (p postgres) Create(ctx context.Context) (id releve.DataID, err error) {
	err = p.work(ctx, 100*time.Millisecond, 400*time.Millisecond, func() error {
		if p.database.broken {
			return errors.New("no space left on device")
		}
		id = p.newID()
		p.database.kind, p.database.id, p.database.timeline = takeover.DiskOurs, id, 1
		return nil
	})
	return id, err
}

// newID is the name of a new copy. The caller holds the lock.
func (p postgres) newID() releve.DataID {
	return releve.DataID(fmt.Sprintf("%s-%x", p.seat, p.die().next()>>40))
}

func (p postgres) StartPrimary(ctx context.Context) error { return p.begin(ctx, primary) }
func (p postgres) StartCopy(ctx context.Context) error    { return p.begin(ctx, standby) }

func (p postgres) begin(ctx context.Context, as mode) error {
	p.Fence()
	return p.work(ctx, 30*time.Millisecond, 300*time.Millisecond, func() error {
		if err := p.database.refuses; err != nil {
			return err
		}
		if p.database.broken || p.database.kind != takeover.DiskOurs {
			return errors.New("PostgreSQL does not start")
		}
		p.database.begin(as)
		return nil
	})
}

func (p postgres) Follow(ctx context.Context) error {
	return p.work(ctx, 10*time.Millisecond, 200*time.Millisecond, func() error {
		if p.database.runs != standby {
			return errors.New("only a copy can follow")
		}
		p.database.follows = true
		return nil
	})
}

// stopLimit is that of the product.
const stopLimit = 10 * time.Second

// Stop waits until a connected mirror has everything.
func (p postgres) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	return p.work(ctx, 10*time.Millisecond, 200*time.Millisecond, func() error {
		if m := &p.other().database; p.database.runs == primary && m.session.up {
			m.receive(&p.database, len(p.database.log))
		}
		p.database.exit("stopped")
		return nil
	})
}

func (p postgres) Fence() {
	if p.acts() == nil {
		p.change(func() {
			if !p.dead {
				p.fenced++
				p.database.exit("fenced")
			}
		})
	}
}

func (p postgres) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.database.exited
}

func (p postgres) Why() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.database.why
}

// asks is a question to PostgreSQL, answered in a moment by one that runs.
func (p postgres) asks(ctx context.Context, answer func()) error {
	if err := p.takes(ctx, p.die().between(200*time.Microsecond, 3*time.Millisecond)); err != nil {
		return err
	}
	if err := p.awake(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.database.runs == stopped {
		return errNotRunning
	}
	answer()
	return nil
}

// Look reads the owner's own position first, as the product does.
func (p postgres) Look(ctx context.Context) (seen takeover.Database, mirror *takeover.Mirror, err error) {
	p.mu.Lock()
	p.looked++
	own := p.lsn(len(p.database.log))
	p.mu.Unlock()
	err = p.asks(ctx, func() {
		c := &p.database
		seen = takeover.Database{
			Up: true, InRecovery: c.runs == standby, Streaming: p.receives(), Flush: p.lsn(len(c.log)), Timeline: c.timeline,
		}
		if c.unplayed > 0 {
			seen.Replay = seen.Flush - c.unplayed
		}
		if c.runs == primary {
			mirror = &takeover.Mirror{
				Own: own, Streaming: p.sends(),
				Lost: p.other().database.session.tooOld, Flush: p.lsn(c.reported),
			}
		}
	})
	return seen, mirror, err
}

func (p postgres) Promote(ctx context.Context, _ releve.PromotionID, _ takeover.Candidate) (done takeover.Promotion, err error) {
	err = p.lasts(ctx, 30*time.Millisecond, 600*time.Millisecond, func() error {
		c := &p.database
		if c.runs != standby {
			return errors.New("only a copy can be promoted")
		}
		c.history = append(c.history[:len(c.history):len(c.history)], fork{c.timeline, len(c.log)})
		c.runs, c.follows, c.reported, c.timeline = primary, false, 0, c.timeline+1
		done = takeover.Promotion{Timeline: c.timeline, Fork: p.lsn(len(c.log))}
		return nil
	})
	if err == nil {
		err = p.acts() // PostgreSQL is promoted, and the server may not live to know
	}
	if errors.Is(err, context.Canceled) {
		p.mu.Lock()
		p.database.abandoned++
		p.mu.Unlock()
	}
	return done, err
}

// Rejoin makes this data a copy of the other's. Rows that only it had are set aside.
func (p postgres) Rejoin(
	ctx context.Context, _ takeover.Promotion, tell func(releve.Sentence, *releve.Progress),
) (id releve.DataID, err error) {
	p.Fence()
	if err = p.copyable(ctx); err != nil {
		return "", err
	}
	if err = p.work(ctx, time.Millisecond, 20*time.Millisecond, p.wipe); err != nil {
		return "", err
	}
	return p.cloned(ctx, tell)
}

// Renew makes a newer copy, which takes the place of the one that is there when it is whole.
func (p postgres) Renew(ctx context.Context, tell func(releve.Sentence, *releve.Progress)) (id releve.DataID, err error) {
	p.Fence()
	if err = p.copyable(ctx); err != nil {
		return "", err
	}
	return p.cloned(ctx, tell)
}

// Rest ends what a copy receives.
func (p postgres) Rest(ctx context.Context) (time.Time, error) { return time.Time{}, p.StartCopy(ctx) }

func (p postgres) cloned(ctx context.Context, tell func(releve.Sentence, *releve.Progress)) (id releve.DataID, err error) {
	tell(releve.Say("copy-clones"), &releve.Progress{Done: 1, Total: 2, Unit: "B"})
	err = p.lasts(ctx, 100*time.Millisecond, 1500*time.Millisecond, func() error {
		o := &p.other().database
		if !o.lives(primary) || !p.network.both() {
			return errors.New("there is nothing to copy from")
		}
		id = p.newID()
		p.copyOf(o, id)
		p.database.begin(standby)
		return nil
	})
	return id, err
}

// copyable asks the other to make ready.
func (p postgres) copyable(ctx context.Context) error {
	ready, err := ask(ctx, p.process, peerLink, func(_ context.Context, there *process) (bool, error) {
		there.mu.Lock()
		defer there.mu.Unlock()
		return there.database.lives(primary), nil
	})
	if err == nil && !ready {
		err = errors.New("the other server cannot be copied from yet")
	}
	return err
}

// wipe is where a rewind or clone begins: one that stops half way leaves nothing usable.
func (p postgres) wipe() error {
	if err := p.database.refuses; err != nil {
		return err
	}
	if p.database.broken {
		return errors.New("no space left on device")
	}
	for _, x := range p.database.log {
		if !p.other().database.has(x) {
			p.figures.Salvage++
			p.ledger.setAside(p.server, x)
		}
	}
	if p.without.Rewind {
		return nil
	}
	p.database.kind, p.database.id, p.database.log, p.database.history = takeover.DiskUnusable, "", nil, nil
	return nil
}

func (p postgres) copyOf(o *cluster, id releve.DataID) {
	c := &p.database
	c.kind, c.id, c.timeline, c.history = takeover.DiskOurs, id, o.timeline, o.history
	c.session.deaf, c.session.tooOld = false, false
	if !p.without.Rewind || len(c.log) == 0 {
		c.log, c.mixed = o.log[:len(o.log):len(o.log)], o.mixed
	}
}

func (p postgres) Checkpoint(context.Context) error { return nil }
