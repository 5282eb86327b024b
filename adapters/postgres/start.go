package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"releve"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrFenced is returned by a start that a fence overtook.
var ErrFenced = releve.Known("PostgreSQL was fenced while it started", "cause-fenced")

// postmaster is one running PostgreSQL, from its start to its end.
type postmaster struct {
	cmd    *exec.Cmd
	log    *serverLog
	pool   *pgxpool.Pool // our own questions; closed when the postmaster is gone
	site   *pgxpool.Pool // those of Health, one at a time, in the site's database
	exited chan struct{}
	err    error         // how it ended, once exited is closed
	logged chan struct{} // closed when its log is read to the end

	ailments ailments
	knocked  time.Time // Health has last seen it begin a session

	connected time.Time // TendLog has last seen the mirror there; at first, the start
}

// Start starts PostgreSQL in a mode and returns when it accepts connections in that
// mode, or with the reason why not: it ended, ctx did, a fence came, or it woke up
// writable although it should follow. In the last cases nothing is left running.
// A mirror accepts none before its data is consistent, for which a fresh clone may need
// the other server. It may take as long as it advances: a start that does not fails with
// ErrStalled.
func (c *Cluster) Start(ctx context.Context, mode Mode) error {
	return c.StartShowing(ctx, mode, nil)
}

// StartCopied starts what was copied from the other server, and receives the rest.
func (c *Cluster) StartCopied(ctx context.Context, progress Progress) error {
	return c.StartShowing(ctx, CatchUp, progress)
}

// StartShowing is Start that tells how much of the log is replayed.
func (c *Cluster) StartShowing(ctx context.Context, mode Mode, progress Progress) error {
	before := c.fenceCount()
	end, err := c.beginStopped(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := c.readyToStart(mode); err != nil {
		return err
	}
	recovery := c.newRecovery(mode, progress)
	p, err := c.spawn(before)
	if err != nil {
		return err
	}
	if err := c.waitServing(ctx, p, recovery); err != nil {
		c.kill(p)
		return err
	}
	c.log.Info("PostgreSQL accepts connections", "mode", mode, "pid", p.cmd.Process.Pid)
	return nil
}

func (c *Cluster) readyToStart(mode Mode) error {
	if err := c.tend(); err != nil {
		return err
	}
	if _, err := c.requireUsable(); err != nil {
		return err
	}
	if mode != Primary && !c.opts.Upstream.IsValid() {
		return errors.New("a mirror needs the address of the other server's PostgreSQL: set [database] other")
	}
	if mode == Primary {
		if err := c.freeLog(); err != nil {
			return err
		}
	}
	c.logToken = newLogToken()
	if err := c.configure(mode); err != nil {
		return err
	}
	if err := c.forgetAlterSystem(); err != nil {
		return err
	}
	if mode == Primary {
		if err := c.leaveCopy(); err != nil {
			return err
		}
	}
	return c.setSignals(mode)
}

func (c *Cluster) fenceCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fences
}

// spawn forks the postmaster, unless a fence came since the start began.
func (c *Cluster) spawn(before int) (*postmaster, error) {
	who, err := c.account()
	if err != nil {
		return nil, err
	}
	p, err := c.newPostmaster()
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(filepath.Join(c.installation().Bin, "postgres"),
		"-D", c.dataDir(), "-c", "config_file="+c.path("conf", "postgresql.conf"))
	p.cmd.Dir, p.cmd.Env = c.opts.Dir, append(sessionsFirst(), environment...)
	p.cmd.SysProcAttr = who.process(syscall.SIGQUIT) // immediate shutdown, children included

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fences != before {
		p.closePools()
		return nil, ErrFenced
	}
	if err := p.launch(); err != nil {
		p.closePools()
		return nil, c.notTraversable(who, err)
	}
	goesBefore(p.cmd.Process.Pid, postmasterScore)
	c.current = p
	return p, nil
}

func (c *Cluster) newPostmaster() (*postmaster, error) {
	pool, err := c.newPool(superuser, superuser, controlSessions, controlName)
	if err != nil {
		return nil, err
	}
	site, err := c.newPool(superuser, database, 1, controlName)
	if err != nil {
		pool.Close()
		return nil, err
	}
	p := &postmaster{pool: pool, site: site, exited: make(chan struct{}), logged: make(chan struct{}), connected: time.Now()}
	p.log = &serverLog{token: c.logToken, note: p.ailments.read, each: c.logEntry}
	return p, nil
}

func (p *postmaster) closePools() {
	p.pool.Close()
	p.site.Close()
}

// launch starts the process and the goroutine that lives as long as it.
func (p *postmaster) launch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	started := make(chan error, 1)
	go func() {
		err := onOneThread(func() error {
			err := p.cmd.Start()
			w.Close()
			started <- err
			if err != nil {
				return err
			}
			return p.cmd.Wait()
		})
		p.ended(err)
	}()
	if err := <-started; err != nil {
		r.Close()
		return err
	}
	go p.readLog(r)
	return nil
}

// ended tells everybody at once, before anything that could take time.
func (p *postmaster) ended(err error) {
	p.err = err
	close(p.exited)
	p.closePools()
}

// logGrace is how long orphans of a dead postmaster may still write to its log.
const logGrace = time.Second

func (p *postmaster) readLog(r *os.File) {
	defer close(p.logged)
	defer r.Close()
	go func() {
		<-p.exited
		_ = r.SetReadDeadline(time.Now().Add(logGrace))
	}()
	_, _ = io.Copy(p.log, r) // ends with the last writer, or at the deadline
	p.log.flush()
}

// logEntry passes on what PostgreSQL says. FATAL is the end of one session, and a mirror
// whose owner is away says it five times a second.
func (c *Cluster) logEntry(e logEntry) {
	level := slog.LevelDebug
	switch e.severity {
	case "PANIC":
		level = slog.LevelError
	case "ERROR":
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, e.text(), "from", "postgres", "process", e.process)
}

func (c *Cluster) waitServing(ctx context.Context, p *postmaster, r *recovery) error {
	mode := r.mode
	if err := c.waitReady(ctx, p, r); err != nil {
		return err
	}
	position, err := c.firstAnswer(ctx, p)
	if err != nil {
		return err
	}
	if following := mode != Primary; position.InRecovery != following {
		return fmt.Errorf("PostgreSQL came up with recovery %t, as %s it must be %t: "+
			"it was stopped before anything was committed",
			position.InRecovery, mode, following)
	}
	return nil
}

func (c *Cluster) waitReady(ctx context.Context, p *postmaster, r *recovery) error {
	for {
		file, err := c.readPidFile()
		if err == nil && file.pid == p.cmd.Process.Pid && file.status == "ready" {
			return nil
		}
		if err := p.ailments.starved(); err != nil {
			return err
		}
		if err := r.look(p); err != nil {
			return p.notReady(err)
		}
		if err := p.soon(ctx); err != nil {
			return err
		}
	}
}

// firstAnswer asks where PostgreSQL is until it says so. On a busy machine the first session
// of a start may come later than a look waits; an answer by error is an answer.
func (c *Cluster) firstAnswer(ctx context.Context, p *postmaster) (Position, error) {
	silent := stall{limit: c.stallLimit()}
	for {
		position, err := c.Position(ctx)
		if refusal := (*pgconn.PgError)(nil); err == nil || errors.As(err, &refusal) {
			return position, err
		}
		if err := silent.at(time.Now(), ""); err != nil {
			return Position{}, p.notReady(err)
		}
		if err := p.soon(ctx); err != nil {
			return Position{}, err
		}
	}
}

// soon waits for the next look at a start that has not ended.
func (p *postmaster) soon(ctx context.Context) error {
	select {
	case <-p.exited:
		<-p.logged
		return p.failure()
	case <-ctx.Done():
		return p.notReady(context.Cause(ctx))
	case <-time.After(lookEvery):
		return nil
	}
}

func (p *postmaster) notReady(err error) error {
	return p.because(err, "PostgreSQL does not accept connections yet", "cause-not-ready")
}

// because says beside the reason what PostgreSQL said last.
func (p *postmaster) because(err error, text, code string) error {
	last := ""
	if said := p.log.entries(); len(said) > 0 {
		last = said[len(said)-1].text()
	}
	return releve.Because(err, fmt.Sprintf("%s (%s)", text, cmp.Or(last, "it said nothing")), code, "cause", last)
}

// remedy is what to do about what a program said.
type remedy struct{ said, code, do string }

// advice for what PostgreSQL's log says most often when it does not start.
var advice = []remedy{
	{"Address already in use", "address-taken", "another program listens there: stop it, or change [database] listen"},
	{"Cannot assign requested address", "address-foreign", "this machine does not have that address: correct [database] listen"},
	{"No space left on device", "no-space", "the disk is full: make room"},
	{"certificate file", "certificates", "renew the certificates with `releve certificates renew`"},
	{"private key file", "certificates", "renew the certificates with `releve certificates renew`"},
	{"could not locate a valid checkpoint record", "no-checkpoint",
		"the data is damaged: set it aside and clone it from the other server"},
	{"does not contain minimum recovery point", "other-history",
		"the data left the other server's history: rewind it or clone it"},
	{"is not a child of this server's history", "other-history",
		"the data left the other server's history: rewind it or clone it"},
}

// failure explains the end of a postmaster by the last entries of its log.
func (p *postmaster) failure() error {
	said := p.log.entries()
	end := &programError{program: "PostgreSQL", err: p.ending(), lines: spoken(said)}
	advised := slices.IndexFunc(advice, func(a remedy) bool { return end.said(a.said) })
	end.lines = spoken(grave(said))
	if advised < 0 {
		return end
	}
	do := advice[advised]
	return releve.Explained(end, fmt.Sprintf("%v: %s", end, do.do), "cause-"+do.code, "why", releve.Reason(end))
}

// grave are the entries of a log that can tell why its program ended (manual, table 20.2),
// each with its detail and hint; what it went about before is no reason.
func grave(said []logEntry) (reasons []logEntry) {
	told := false
	for _, e := range said {
		told = e.severity == "FATAL" || e.severity == "PANIC" || e.goesOn() && told
		if told {
			reasons = append(reasons, e)
		}
	}
	return reasons
}

func spoken(said []logEntry) []string {
	lines := make([]string, len(said))
	for i, e := range said {
		lines[i] = e.text()
	}
	return lines
}

func (p *postmaster) ending() error {
	if p.err == nil {
		return releve.Known("exit status 0", "cause-ended")
	}
	return p.err
}

// Exited is closed when the postmaster of the latest start is gone. Before any
// start it is closed.
func (c *Cluster) Exited() <-chan struct{} {
	if p := c.postmaster(); p != nil {
		return p.exited
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// ExitError is how the postmaster of the latest start ended with its last words,
// nil while it runs.
func (c *Cluster) ExitError() error {
	p := c.postmaster()
	switch {
	case p == nil:
		return errNotRunning
	case p.running():
		return nil
	}
	return p.failure()
}

func (p *postmaster) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Stop ends PostgreSQL and waits for it until ctx ends. Fast ends every session and
// makes the rows of waiting commits visible, the mirror having them or not (RULES R9);
// otherwise it waits for the sessions to leave by themselves.
func (c *Cluster) Stop(ctx context.Context, fast bool) error {
	p := c.postmaster()
	if p == nil {
		return nil
	}
	signal := syscall.SIGTERM
	if fast {
		signal = syscall.SIGINT
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop PostgreSQL: %w", err)
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return p.because(context.Cause(ctx), "PostgreSQL has not stopped", "cause-not-stopped")
	}
}

const (
	askedFor  = 300 * time.Millisecond // between asking a fenced PostgreSQL to end and killing it
	killedFor = 700 * time.Millisecond // for the kernel to carry out the kill
)

// Fence makes sure within a second that no session can commit any more: an immediate
// shutdown, then SIGKILL for every process (RULES R9). It works on stopped processes,
// also after the postmaster died without its backends, and any number of times. A
// process in an uninterruptible wait for the disk outlives it and can do nothing else.
func (c *Cluster) Fence() {
	c.mu.Lock()
	c.fences++
	p := c.current
	c.mu.Unlock()
	if p != nil {
		c.kill(p)
	}
}

func (c *Cluster) kill(p *postmaster) {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	p.goneWithin(askedFor)
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // it makes no more children while we kill them
	pids, err := c.members()
	if err != nil {
		c.log.Error("cannot look for PostgreSQL's processes", "err", err)
	}
	killAll(pids)
	_ = p.cmd.Process.Kill()
	p.goneWithin(killedFor)
}

func (p *postmaster) goneWithin(limit time.Duration) {
	select {
	case <-p.exited:
	case <-time.After(limit):
	}
}
