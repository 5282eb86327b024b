package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"releve"
	"releve/adapters/store"
	"releve/adapters/store/internal/pgtest"
)

// limit ends a test that hangs; nothing is measured by it.
const limit = 60 * time.Second

// alone is a primary that waits for a mirror that is not there: a commit
// without the vote hangs on it. Each test has a database of its own.
var alone *pgtest.Cluster

func TestMain(m *testing.M) {
	var err error
	if alone, err = pgtest.New(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := errors.Join(alone.Remove(), goleak.Find()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// within is a context that ends long after anything should have happened.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// must fails the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition, looking again and again.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(limit), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// site is a database with a session of the test's own beside the store's pool.
type site struct {
	t    testing.TB
	name string
	url  string
	own  *pgx.Conn
}

var databases atomic.Int64

func newSite(t testing.TB, c *pgtest.Cluster) *site {
	t.Helper()
	p := &site{t: t, name: fmt.Sprintf("site%d", databases.Add(1))}
	admin := connect(t, c.URL("postgres"))
	_, err := admin.Exec(within(t), "CREATE DATABASE "+p.name)
	must(t, err)
	p.reach(c)
	return p
}

// reach connects the test's own session, again after a restart.
func (p *site) reach(c *pgtest.Cluster) {
	p.url = c.URL(p.name)
	p.own = connect(p.t, p.url)
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t), url)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // its cluster may be gone
	_, err = conn.Exec(within(t), "SET synchronous_commit = local")
	must(t, err)
	return conn
}

// pool makes a pool as the application does.
func (p *site) pool(change ...func(*pgxpool.Config)) *pgxpool.Pool {
	p.t.Helper()
	cfg, err := pgxpool.ParseConfig(p.url)
	must(p.t, err)
	for _, f := range change {
		f(cfg)
	}
	store.Configure(cfg)
	pool, err := pgxpool.NewWithConfig(within(p.t), cfg)
	must(p.t, err)
	p.t.Cleanup(pool.Close)
	return pool
}

// open opens a store that has the vote, and releases it with the test.
func (p *site) open(change ...func(*store.Options)) *store.Store {
	p.t.Helper()
	opt := store.Options{Term: 1, Seat: releve.Main, Lone: true, Promotion: releve.PromotionID(rand.Text())}
	for _, f := range change {
		f(&opt)
	}
	pool := p.pool()
	s, err := store.Open(within(p.t), pool, opt)
	must(p.t, err)
	p.t.Cleanup(s.Release)
	return s
}

// openWithoutVote opens a store whose commits wait for the mirror.
func (p *site) openWithoutVote(change ...func(*store.Options)) *store.Store {
	s := p.open(change...)
	must(p.t, s.SetLone(within(p.t), false))
	return s
}

// counting counts the commits that are in doubt.
func counting(doubts *atomic.Int64) func(*store.Options) {
	return func(o *store.Options) { o.OnDoubt = func(open []releve.Sentence) { doubts.Store(int64(len(open))) } }
}

// count runs a query that gives one number.
func (p *site) count(sql string, args ...any) (n int) {
	p.t.Helper()
	must(p.t, p.own.QueryRow(within(p.t), sql, args...).Scan(&n))
	return n
}

// waiting returns the backend that waits for the mirror, 0 when none does.
func (p *site) waiting() int {
	return p.count(`SELECT coalesce(min(pid), 0) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event = 'SyncRep'`)
}

// untilWaiting waits until a COMMIT waits for the mirror.
func (p *site) untilWaiting() (pid int) {
	p.t.Helper()
	eventually(p.t, "a COMMIT waits for the mirror", func() bool { pid = p.waiting(); return pid != 0 })
	return pid
}

// insert is a transaction that leaves a trace.
func insert(ctx context.Context, number string) func(pgx.Tx) error {
	return func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO extension (number, name) VALUES ($1, 'somebody')", number)
		return err
	}
}

// goWrite writes in the background.
func goWrite(ctx context.Context, s *store.Store, number string) <-chan error {
	return inBackground(func() error { return s.Write(ctx, insert(ctx, number)) })
}

func inBackground(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// answer waits for what inBackground does.
func answer(t testing.TB, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Fatal("no answer")
		return nil
	}
}

// says fails unless err says each of the words.
func says(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
}
