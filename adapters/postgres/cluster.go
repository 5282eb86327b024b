// Package postgres runs the one PostgreSQL of this server: it finds the
// programs, creates the data, starts and watches the postmaster, follows the
// other server, promotes, rewinds, clones, checks and fences.
//
// It carries out and reports; it never decides. Who may be a primary is the
// agent's to know (RULES R2 to R6).
//
// Everything lives in one directory:
//
//	data/           the cluster, with data/releve.identity that says whose it is
//	data.new/       a creation or clone that is not finished
//	data.aside-T/   data that was replaced, whole, kept until somebody deletes it
//	aside/          where data set aside runs while its rows are salvaged
//	data.unusable   why data/ must not be started again
//	data.damaged    pages of data/ that were found bad
//	probe           what Health writes and syncs
//	tail-T/         WAL that a promotion left behind and should not have (RULES R4)
//	conf/           configuration, written by us before every start
//	run/            the socket, closed to every other account
//	tls/            its certificates, readable by PostgreSQL's account; written before every start
//
// Absent on purpose: pg_ctl (we are the parent, so that a death is seen at once),
// ALTER SYSTEM (wiped before every start) and passwords (socket and certificates).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"releve"
)

// Roles of the cluster. The application names that replication shows are the same
// words, and only a finished, verified mirror bears RoleMirror (RULES R1).
const (
	RoleOwner  = "releve"        // owns the database of the same name; our sessions
	RoleMirror = "releve_mirror" // streams to the other server's mirror
	RoleClone  = "releve_clone"  // base backups and pg_rewind
	superuser  = "postgres"
	database   = "releve"
)

// Options say where the cluster lives and whom it talks to.
type Options struct {
	Installation                // zero when none was found: what needs it looks again, and fails
	Hint         string         // of Find: where programs of the data's own version are looked for
	Dir          string         // of everything above; created when missing
	Listen       netip.AddrPort // for the other server's mirror, TLS only; the zero value listens nowhere
	Upstream     netip.AddrPort // the other server's PostgreSQL
	Seat         releve.Seat
	SiteID       string
	TLS          Certificates
	Account      string // unix account for PostgreSQL when we run as root
	KeepWAL      int64  // bytes kept for a mirror that is away, at most; 0 follows the disk
	CopyRate     int64  // bytes a second of a copy, at most; 0 is 50 MB
	Log          *slog.Logger
}

const (
	defaultCopyRate = 50 << 20

	leastCopyRate, mostCopyRate = 32 << 10, 1 << 30 // what pg_basebackup takes

	defaultPort   = 5432
	maxSocketPath = 107 // sun_path of sockaddr_un is 108 bytes with its final zero
)

// Cluster is this server's PostgreSQL. Its methods may be called from several
// goroutines; those that change the data directory run one at a time, and Fence
// waits for none of them.
type Cluster struct {
	opts    Options
	log     *slog.Logger
	account func() (account, error) // as whom we are ourselves now, which a start changes once
	work    chan struct{}           // held by what changes the data directory
	aside   bool                    // data that was set aside and is only read (OpenAside)

	keeps int64     // how much log PostgreSQL was last told to keep; the turn's holder changes it
	room  *roomLook // TendLog's, while it has not ended
	mode  Mode      // of the latest configuration; the turn's holder changes it

	logToken string // of the latest start: what begins the lines of PostgreSQL's log; the turn's holder changes it

	asking statements // of our own sessions, not answered yet

	advanced atomic.Uint64 // where the mirror was when the salvage slot had come there

	stalls time.Duration // after which what makes no progress is ended; 0 is stallLimit

	mu      sync.Mutex // for moments only: Fence takes it
	tls     Certificates
	found   Installation
	current *postmaster
	disk    *diskLook // Health's latest
	fences  int       // a start that sees this change gives up
}

// New checks options without touching the disk.
func New(o Options) (*Cluster, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	forgetVariables()
	if o.CopyRate == 0 {
		o.CopyRate = defaultCopyRate
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Cluster{
		opts:    o,
		found:   o.Installation,
		tls:     o.TLS,
		log:     o.Log,
		account: func() (account, error) { return lookupAccount(o.Account) },
		work:    make(chan struct{}, 1),
	}, nil
}

func (o *Options) validate() error {
	var errs []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	complain(!filepath.IsAbs(o.Dir), "PostgreSQL's directory %q is not an absolute path", o.Dir)
	complain(!o.Seat.Valid(), "seat %q is neither main nor secondary", o.Seat)
	complain(o.SiteID == "", "the site has no id: take the one that `releve init` wrote")
	complain(o.Listen.IsValid() && len(o.TLS.Shown) == 0,
		"PostgreSQL listens on %s for the other server but has no certificates", o.Listen)
	complain(o.KeepWAL < 0, "KeepWAL is negative: %d", o.KeepWAL)
	complain(o.CopyRate != 0 && (o.CopyRate < leastCopyRate || o.CopyRate > mostCopyRate),
		"%d bytes a second is no rate for a copy: choose one from %d to %d", o.CopyRate, leastCopyRate, mostCopyRate)
	complain(len(o.socket()) > maxSocketPath,
		"the socket's path has %d bytes and the system allows %d: choose a directory with a shorter name than %s",
		len(o.socket()), maxSocketPath, o.Dir)
	return errors.Join(errs...)
}

// port names the socket, and is listened on when there is an address.
func (o *Options) port() uint16 {
	if o.Listen.IsValid() {
		return o.Listen.Port()
	}
	return defaultPort
}

func (o *Options) socket() string {
	return filepath.Join(o.Dir, "run", fmt.Sprintf(".s.PGSQL.%d", o.port()))
}

func (c *Cluster) path(name ...string) string {
	return filepath.Join(append([]string{c.opts.Dir}, name...)...)
}

func (c *Cluster) dataDir() string { return c.path("data") }

// begin waits for its turn to change the data directory, and returns the function
// that ends the turn.
func (c *Cluster) begin(ctx context.Context) (end func(), err error) {
	select {
	case c.work <- struct{}{}:
		return func() { <-c.work }, nil
	case <-ctx.Done():
		return nil, releve.Because(context.Cause(ctx), "another operation on "+c.dataDir()+" has not ended",
			"cause-occupied", "directory", c.dataDir())
	}
}

// beginStopped is begin for what needs PostgreSQL not to run, and data that is ours if
// there is any.
func (c *Cluster) beginStopped(ctx context.Context) (end func(), err error) {
	end, err = c.begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.requireStopped(ctx); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

func (c *Cluster) requireStopped(ctx context.Context) error {
	if p := c.postmaster(); p != nil && p.running() {
		return fmt.Errorf("PostgreSQL is running (process %d): stop it first", p.cmd.Process.Pid)
	}
	state, err := c.Whose()
	if err != nil {
		return err
	}
	if state.Presence == Foreign {
		return state.Foreign
	}
	if err := c.setModes(); err != nil {
		return err
	}
	return c.waitQuiet(ctx)
}

func (c *Cluster) postmaster() *postmaster {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}
