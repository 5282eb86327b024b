package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/agent"
	"releve/takeover"
	"releve/view"
)

var errKilled = errors.New("the process is gone")

// takes is slow work: it ends early with ctx, and a server that died in the
// middle does nothing more.
func (s *server) takes(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.alive {
		return errKilled
	}
	return nil
}

// journal is a disk that survives its server. It can refuse, or hang as a wedged
// one does: beyond any limit when deaf.
type journal struct {
	*server
	kept    takeover.Durable
	known   bool
	refuses error
	hangs   bool
	slow    time.Duration
	deaf    chan struct{} // a save returns only once it is closed, whatever its limit
	begun   int           // saves asked for …
	ended   int           // … and answered
}

func (j *journal) Load() (takeover.Durable, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept, j.known, nil
}

func (j *journal) Save(ctx context.Context, d takeover.Durable) error {
	j.mu.Lock()
	j.begun++
	hangs, deaf, slow := j.hangs, j.deaf, j.slow
	j.mu.Unlock()
	defer j.change(func() { j.ended++ })
	if deaf != nil {
		<-deaf
	}
	if err := j.takes(ctx, slow); err != nil {
		return err
	}
	if hangs {
		<-ctx.Done()
		return fmt.Errorf("the disk does not answer: %w", ctx.Err())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.alive {
		return errKilled
	}
	if j.refuses != nil {
		return j.refuses
	}
	j.kept, j.known = d, true
	if o := j.other().journal; o.known && o.kept.Term == d.Term && o.kept.Vote && d.Vote && !j.forced {
		j.t.Errorf("both servers hold the vote of term %d", d.Term)
	}
	return nil
}

func (j *journal) onDisk() takeover.Durable {
	d, _, _ := j.Load()
	return d
}

// saving says that a save is asked for and does not return.
func (j *journal) saving() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.begun > j.ended
}

// How a PostgreSQL can run.
const (
	stopped = ""
	primary = "primary"
	standby = "copy"
)

// postgres is a database of one number: how many rows are on its disk.
type postgres struct {
	*server
	kind     takeover.DiskKind
	id       releve.DataID
	runs     string
	follows  bool
	broken   bool  // does not start, and stops
	refuses  error // what a start fails with
	deafness bool  // nothing reaches this copy
	hangs    bool  // … and its owner's PostgreSQL still takes it for connected
	lacks    bool  // … for the owner no longer has the log that it needs, and knows it
	ill      error // what a proof of its health finds
	flush    releve.LSN
	timeline releve.Timeline
	exited   chan struct{}
	why      string
	unplayed releve.LSN    // of what this copy has, it has yet to replay
	slow     time.Duration // added to each promotion and each copy
	canceled []string      // work that ended because its purpose was gone
	fenced   int
}

// exit is the end of the postmaster. The caller holds the lock.
func (p *postgres) exit(why string) {
	if p.runs == stopped {
		return
	}
	p.runs, p.follows, p.why = stopped, false, why
	close(p.exited)
}

func (p *postgres) boot(runs string) {
	p.runs, p.follows, p.why, p.exited = runs, false, "", make(chan struct{})
}

// streams says whether rows reach this copy. The caller holds the lock.
func (p *postgres) streams() bool {
	o := &p.other().postgres
	return p.follows && !p.lacks && !p.deafness && o.runs == primary && o.timeline == p.timeline && p.alive && o.alive && !p.frozen() && !o.server.frozen()
}

func (p *postgres) receive() {
	if p.streams() {
		p.flush = p.other().postgres.flush
	}
}

func (p *postgres) running() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs
}

func (p *postgres) cancelled() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.canceled)
}

// work is slow work on the database, with the change it makes at its end.
func (p *postgres) work(ctx context.Context, name string, lasts time.Duration, change func() error) error {
	err := p.takes(ctx, lasts)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled) && p.alive:
		p.canceled = append(p.canceled, name)
		return err
	case err != nil:
		return err
	case p.refuses != nil:
		return p.refuses
	case p.broken:
		return errors.New("PostgreSQL does not start")
	}
	return change()
}

func (p *postgres) Disk() (takeover.DiskKind, releve.DataID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kind, p.id, nil
}

func (p *postgres) Create(ctx context.Context) (releve.DataID, error) {
	err := p.work(ctx, "create", 100*time.Millisecond, func() error {
		p.kind, p.id, p.timeline, p.flush = takeover.DiskOurs, releve.NewDataID(), 1, 1
		return nil
	})
	return p.id, err
}

func (p *postgres) StartPrimary(ctx context.Context) error {
	return p.work(ctx, "start", 100*time.Millisecond, func() error { p.boot(primary); return nil })
}

func (p *postgres) StartCopy(ctx context.Context) error {
	return p.work(ctx, "start", 100*time.Millisecond, func() error { p.boot(standby); return nil })
}

func (p *postgres) Follow(ctx context.Context) error {
	return p.work(ctx, "follow", 50*time.Millisecond, func() error {
		if p.runs != standby {
			return errors.New("only a copy can follow")
		}
		p.follows = true
		return nil
	})
}

func (p *postgres) Stop(ctx context.Context) error {
	return p.work(ctx, "stop", 50*time.Millisecond, func() error {
		p.other().postgres.receive()
		p.exit("stopped")
		return nil
	})
}

func (p *postgres) Fence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fenced++
	p.exit("fenced")
}

func (p *postgres) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

func (p *postgres) Why() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

func (p *postgres) Look(context.Context) (takeover.Database, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receive()
	return takeover.Database{
		Up: p.runs != stopped, InRecovery: p.runs == standby, Streaming: p.streams(), Flush: p.flush, Replay: p.flush - p.unplayed, Timeline: p.timeline, Why: p.why,
	}, nil
}

func (p *postgres) Mirror(context.Context) (takeover.Mirror, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.other().postgres
	o.receive()
	return takeover.Mirror{Streaming: o.streams() || o.hangs, Lost: o.lacks, Flush: o.flush, Own: p.flush}, nil
}

func (p *postgres) Promote(ctx context.Context) (takeover.Promotion, error) {
	var done takeover.Promotion
	err := p.work(ctx, "promote", 100*time.Millisecond+p.slow, func() error {
		if p.runs != standby {
			return errors.New("only a copy can be promoted")
		}
		if p.flush < p.acked {
			p.t.Errorf("the %s is promoted at row %d, and row %d was acknowledged", p.seat, p.flush, p.acked)
		}
		p.runs, p.follows, p.timeline = primary, false, p.timeline+1
		done = takeover.Promotion{Timeline: p.timeline, Fork: p.flush}
		return nil
	})
	return done, err
}

func (p *postgres) Rejoin(ctx context.Context, _ takeover.Promotion, tell func(view.Sentence, *view.Progress)) (releve.DataID, error) {
	tell(view.Say("copying"), &view.Progress{Done: 1, Total: 2, Unit: "bytes"})
	defer tell(view.Sentence{}, nil)
	err := p.work(ctx, "rejoin", 300*time.Millisecond+p.slow, func() error {
		o := p.other().postgres
		if o.runs != primary {
			return errors.New("there is nothing to copy from")
		}
		p.exit("copied over")
		p.lacks, p.deafness = false, false
		p.kind, p.id, p.flush, p.timeline = takeover.DiskOurs, releve.NewDataID(), o.flush, o.timeline
		p.boot(standby)
		return nil
	})
	return p.id, err
}

func (p *postgres) Checkpoint(context.Context) error { return nil }

// Restore copies the mirror, which goes on as it is.
func (p *postgres) Restore(ctx context.Context, tell func(view.Sentence, *view.Progress)) (releve.DataID, error) {
	defer tell(view.Sentence{}, nil)
	p.change(func() { p.broken, p.ill = false, nil }) // what was broken is set aside
	err := p.work(ctx, "restore", 300*time.Millisecond+p.slow, func() error {
		o := p.other().postgres
		if o.runs != standby {
			return errors.New("there is no mirror to copy from")
		}
		p.kind, p.id, p.flush, p.timeline = takeover.DiskOurs, releve.NewDataID(), o.flush, o.timeline
		p.boot(standby)
		return nil
	})
	return p.id, err
}

func (p *postgres) Health(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ill
}

// store is the right to commit in a term.
type store struct {
	*server
	open, lone bool
	slow       time.Duration // added to each opening
	opening    int           // that are under way …
	openings   int           // … and the most that ever were
	waits      bool          // the first commit of one that is not lone, for a mirror that does not come
	hangs      bool          // whether commits may be alone is not changed while it does
	terms      []releve.Term // opened, in order
}

func (s *store) Open(ctx context.Context, term releve.Term, lone bool, _ releve.PromotionID, sure func() error) error {
	s.change(func() { s.opening++; s.openings = max(s.openings, s.opening) })
	defer s.change(func() { s.opening-- })
	lasts := 20*time.Millisecond + s.slow
	if s.waits && !lone {
		lasts = 24 * time.Hour
		defer time.Sleep(100 * time.Millisecond) // its session is let go
	}
	err := s.postgres.work(ctx, "open", lasts, func() error {
		if s.postgres.runs != primary {
			return errors.New("the database takes no writes")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := sure(); err != nil {
		return err
	}
	return s.postgres.work(ctx, "opened", 0, func() error {
		s.open, s.lone, s.terms = true, lone, append(s.terms, term)
		return nil
	})
}

func (s *store) SetLone(ctx context.Context, lone bool) error {
	for s.hanging() {
		if err := s.takes(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return s.postgres.work(ctx, "lone", 20*time.Millisecond, func() error { s.lone = lone; return nil })
}

func (s *store) hanging() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hangs
}

func (s *store) Close() { s.change(func() { s.open = false }) }

// telephone is this server's way to the PBX.
type telephone struct{ *server }

func (p telephone) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mute || p.pbxDown
}

func (p telephone) Options(ctx context.Context) error {
	if p.silent() {
		<-ctx.Done()
		return ctx.Err()
	}
	return ctx.Err()
}

func (p telephone) CheckOther(ctx context.Context, q agent.CheckQuestion) (takeover.Reply, error) {
	p.mu.Lock()
	o := p.other()
	silent, there := p.mute || o.mute || !o.alive || o.frozen(), o.agent
	p.mu.Unlock()
	if silent {
		<-ctx.Done()
		return takeover.Reply{}, ctx.Err()
	}
	return there.CheckMe(ctx, q), nil
}

func (p telephone) Keep(u takeover.Users) { p.change(func() { p.wanted = u }) }

func (p telephone) Bound() takeover.Users {
	p.mu.Lock()
	defer p.mu.Unlock()
	return takeover.Users{Reception: p.reception == p.seat, Standby: p.standby}
}

func (p telephone) RegisterNow() {} // the next refresh is a tenth of a second away

func (p telephone) BindingThere(ctx context.Context) (bool, error) {
	if err := p.Options(ctx); err != nil {
		return false, err
	}
	return p.Bound().Reception, nil
}

// errOwnCall is what a PBX says that gives our own calls to nobody: then only a
// caller's overflow is proof.
var errOwnCall = errors.New("480 Temporarily Unavailable")

// rings is how long a PBX lets a call wait for a server before it overflows.
const rings = 3 * time.Second

// overflowed is our own call given back by the PBX: its main said nothing.
func (p telephone) overflowed(ctx context.Context) (agent.TestCall, error) {
	if d := p.agent.Verify(ctx, "own@pbx", releve.ReasonNoAnswer, true); !d.Answer {
		return agent.TestCall{}, errors.New("486 Busy Here")
	}
	return agent.TestCall{AnsweredAfter: time.Second, SoundAfter: time.Second, AnsweredBy: string(p.seat)}, nil
}

func (p telephone) TestCall(ctx context.Context, _ string) (agent.TestCall, error) {
	p.mu.Lock()
	on, failure := p.reception, p.testCall
	dead, lost := on != "" && !p.servers[on].alive, p.lost
	p.mu.Unlock()
	if failure != nil {
		return agent.TestCall{}, failure
	}
	if on == "" {
		return agent.TestCall{}, errors.New("480 Temporarily Unavailable")
	}
	if lost {
		time.Sleep(rings)
	}
	if dead || lost {
		return p.overflowed(ctx)
	}
	if stance, _ := p.servers[on].agent.Stance(); stance != takeover.OnDuty {
		return agent.TestCall{}, errors.New("486 Busy Here")
	}
	p.change(func() { p.servers[on].voice.load.LastInvite = time.Now() })
	return agent.TestCall{AnsweredAfter: 20 * time.Millisecond, SoundAfter: 40 * time.Millisecond, AnsweredBy: string(on)}, nil
}

// voice is the calls of a server.
type voice struct {
	*server
	load  agent.Load
	well  error
	drops int
}

func (v *voice) Drop() { v.change(func() { v.drops++ }) }

func (v *voice) Well() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.well
}

func (v *voice) Load() agent.Load {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.load
}

// spool counts the facts on a server's disk.
type spool struct{ *server }

func (s spool) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spooled
}

// diary keeps what the agent wrote.
type diary struct {
	mu      sync.Mutex
	entries []view.Entry
}

func (d *diary) Write(step ...view.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, step...)
}

func (d *diary) all() []view.Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.entries)
}

// of are the entries that say this.
func (d *diary) of(code string) []view.Entry {
	return slices.DeleteFunc(d.all(), func(e view.Entry) bool { return e.What.Code != code })
}

// codes of an entry's evidence.
func evidence(e view.Entry) []string {
	var codes []string
	for _, s := range e.Evidence {
		codes = append(codes, s.Code)
	}
	return codes
}
