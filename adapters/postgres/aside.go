package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"releve"
)

// ErrNoSuchAside is returned for a name that no data set aside bears.
var ErrNoSuchAside = errors.New("no data set aside has that name")

// asideForm is what setAside names data. Names come from the other server too.
var asideForm = regexp.MustCompile(`^data\.aside-\d{8}T\d{6}\.\d{3}Z$`)

const salvagedSuffix = ".salvaged"

// Unsalvaged are the names of data that was set aside for its rows and of which nobody has
// said yet that they are in the site's database, oldest first.
func (c *Cluster) Unsalvaged() ([]string, error) {
	entries, err := os.ReadDir(c.opts.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot look for data that was set aside: %w", err)
	}
	var names []string
	for _, e := range entries {
		if asideForm.MatchString(e.Name()) && !c.salvaged(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// salvaged says that nothing is to be found in data set aside: it was looked through,
// or a clone replaced it that lacked nothing.
func (c *Cluster) salvaged(name string) bool {
	if _, err := os.Stat(c.path(name + salvagedSuffix)); err == nil {
		return true
	}
	reason, err := os.ReadFile(c.path(name + ".reason"))
	return err == nil && strings.HasPrefix(string(reason), replacedBy)
}

// MarkSalvaged remembers that the rows of data set aside are in the site's database. The
// data stays.
func (c *Cluster) MarkSalvaged(name string) error {
	if !asideForm.MatchString(name) {
		return fmt.Errorf("%w: %q", ErrNoSuchAside, name)
	}
	who, err := c.account()
	if err != nil {
		return err
	}
	return who.writeFile(c.path(name+salvagedSuffix), []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// Aside is data that was set aside, running by itself: it listens on no address, its
// socket is in a directory of its own, and nobody writes to it.
type Aside struct {
	site *Cluster // beside which it lies
	own  *Cluster
	name string
}

// asideSettings come after all others. What the recovery of killed data writes must not
// drive out the log that is to be read, and nothing of PostgreSQL's own may add to it.
var asideSettings = []setting{
	{"wal_keep_size", "1TB"},
	{"max_slot_wal_keep_size", "-1"},
	{"autovacuum", "off"},
	{"max_wal_size", "1TB"},
	{"checkpoint_timeout", "1d"},
}

// OpenAside starts data that was set aside and returns when it can be read. Close ends it.
func (c *Cluster) OpenAside(ctx context.Context, name string) (*Aside, error) {
	if info, err := os.Stat(c.path(name)); !asideForm.MatchString(name) || err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%w: %q", ErrNoSuchAside, name)
	}
	own, err := New(Options{
		Installation: c.installation(), Hint: c.opts.Hint, Dir: c.path("aside"), Seat: c.opts.Seat, SiteID: c.opts.SiteID,
		Account: c.opts.Account, Log: c.log.With("aside", name),
	})
	if err != nil {
		return nil, err
	}
	own.aside = true
	if err := own.link(c.path(name)); err != nil {
		return nil, fmt.Errorf("cannot prepare %s for reading: %w", name, err)
	}
	if err := own.Start(ctx, Primary); err != nil {
		return nil, fmt.Errorf("the data in %s does not start: %w", c.path(name), err)
	}
	return &Aside{site: c, own: own, name: name}, nil
}

// link makes data that lies elsewhere this cluster's. The directory is ours, so the account
// cannot exchange the link for another.
func (c *Cluster) link(data string) error {
	if _, err := c.prepare(); err != nil {
		return err
	}
	if err := removeFile(c.dataDir()); err != nil {
		return err
	}
	return os.Symlink(data, c.dataDir())
}

// Close stops the data set aside, for certain.
func (a *Aside) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), changeLimit)
	defer cancel()
	if err := a.own.Stop(ctx, true); err != nil {
		a.own.log.Info("data set aside is stopped by force", "err", err)
	}
	a.own.Fence()
}

// Parting compares both histories. The fork may be too early where timeline numbers cannot
// tell (RULES R10): then rows are found that the site has as well.
func (a *Aside) Parting(ctx context.Context) (releve.Parting, error) {
	theirs, err := a.site.descent(ctx)
	if err != nil {
		return releve.Parting{}, fmt.Errorf("where the data set aside left the site's is not known yet: %w", err)
	}
	ours, err := a.own.descent(ctx)
	if err != nil {
		return releve.Parting{}, err
	}
	p := releve.Parting{Timeline: ours.timeline, Fork: ours.leaves(theirs)}
	p.Term, err = a.lastTerm(ctx)
	return p, err
}

// descent is a timeline with those it comes from.
type descent struct {
	forks    []releve.Fork // oldest first
	timeline releve.Timeline
}

func (c *Cluster) descent(ctx context.Context) (descent, error) {
	p, err := c.Position(ctx)
	if err != nil {
		return descent{}, err
	}
	forks, err := c.History(p.Timeline)
	return descent{forks, p.Timeline}, err
}

// leaves is where d parted from other: at the first fork that they do not have in common.
func (d descent) leaves(other descent) releve.LSN {
	common := releve.LSN(0)
	for i := 0; ; i++ {
		a, b := d.fork(i), other.fork(i)
		switch {
		case a == nil && b == nil:
			return common // the same numbers all along: they may lie
		case a == nil:
			return b.At
		case b == nil:
			return a.At
		case *a != *b:
			return min(a.At, b.At)
		}
		common = a.At
	}
}

func (d descent) fork(i int) *releve.Fork {
	if i < len(d.forks) {
		return &d.forks[i]
	}
	return nil
}

func (a *Aside) lastTerm(ctx context.Context) (releve.Term, error) {
	var known bool
	var term int64
	err := a.one(ctx, []any{&known}, `SELECT to_regclass('promotion') IS NOT NULL`)
	if err == nil && known {
		err = a.one(ctx, []any{&term}, `SELECT coalesce(max(term), 0) FROM promotion`)
	}
	if err != nil {
		return 0, fmt.Errorf("the data in %s does not say its term: %w", a.name, err)
	}
	return releve.Term(term), nil
}
