package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"releve"
	keys "releve/doors/identity"
)

// scratch holds what all tests share: certificates of both seats and a template.
var scratch string

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" {
		beParent(dir)
		return
	}
	if dir := os.Getenv(accountEnv); dir != "" {
		beAccount(dir)
		return
	}
	dir, err := os.MkdirTemp("", "relpg-shared-")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o711), makeCertificates(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot make certificates:", err)
		os.Exit(1)
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// limit of each thing that a test waits for; generous, because machines are noisy.
const limit = 2 * time.Minute

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// until looks again and again until true, and fails the test at the limit.
func until(t testing.TB, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !true(); {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", limit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testPrograms names a variable: the directory of the PostgreSQL to test with, the system's
// when it is not set (scripts/test.sh).
const testPrograms = "RELEVE_TEST_POSTGRESQL"

func installed(t testing.TB) Installation {
	t.Helper()
	inst, err := Find(os.Getenv(testPrograms))
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

var hosts atomic.Uint32

// freeAddress is an address of 127.0.0.0/8 that nobody uses.
func freeAddress(t testing.TB) netip.AddrPort {
	t.Helper()
	n := hosts.Add(1)
	l, err := net.Listen("tcp", fmt.Sprintf("127.88.%d.%d:0", os.Getpid()%250, n%250+1))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// openDir is a directory that PostgreSQL's account can pass through; t.TempDir's are not.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "relpg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

const testSite = "site-under-test"

func optionsFor(t testing.TB, seat releve.Seat, listen, upstream netip.AddrPort) Options {
	t.Helper()
	return Options{
		Installation: installed(t), Dir: filepath.Join(openDir(t), "pg"), Listen: listen, Upstream: upstream,
		Seat: seat, SiteID: testSite, Account: "postgres",
		TLS: certificatesIn(t, scratch, seat),
		Log: slog.New(slog.NewTextHandler(testOutput{t}, nil)).With("seat", seat),
	}
}

type testOutput struct{ t testing.TB }

func (o testOutput) Write(p []byte) (int, error) {
	fmt.Fprintf(o.t.Output(), "%s", p)
	return len(p), nil
}

// record is a log that is read while it is written.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) has(text string) bool { return r.times(text) > 0 }

func (r *record) times(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), text)
}

// overheard is alone, with all that it and its PostgreSQL say.
func overheard(t testing.TB) (*Cluster, *record) {
	t.Helper()
	log := new(record)
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	o.Log = slog.New(slog.NewTextHandler(io.MultiWriter(testOutput{t}, log), &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := newCluster(t, o)
	createFromTemplate(t, c)
	must(t, c.Start(within(t), Primary))
	return c, log
}

func newCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopForGood(t, c) })
	return c
}

// stopForGood leaves no process behind, whatever the test did.
func stopForGood(t testing.TB, c *Cluster) {
	c.Fence()
	<-c.Exited()
	if p := c.postmaster(); p != nil {
		<-p.logged
	}
	end := time.Now().Add(limit)
	for {
		pids, err := c.members()
		if err == nil && len(pids) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("processes %v are left (%v)", pids, err)
			return
		}
		killAll(pids)
		time.Sleep(2 * time.Millisecond)
	}
}

// template is the data of one Create, made by the first test that needs any.
var template = sync.OnceValues(func() (string, error) {
	inst, err := Find(os.Getenv(testPrograms))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(scratch, "template")
	c, err := New(Options{Installation: inst, Dir: dir, Seat: releve.Main, SiteID: testSite, Account: "postgres"})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return c.dataDir(), c.Create(ctx, releve.NewDataID())
})

// createFromTemplate spares a test the seconds of initdb.
func createFromTemplate(t testing.TB, c *Cluster) {
	t.Helper()
	data, err := template()
	if err == nil {
		_, err = c.prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", data, c.dataDir()).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	if err := c.writeIdentity(c.dataDir(), releve.NewDataID()); err != nil {
		t.Fatal(err)
	}
}

// alone is a created, running primary without other server.
func alone(t testing.TB) *Cluster {
	t.Helper()
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	createFromTemplate(t, c)
	if err := c.Start(ctx, Primary); err != nil {
		t.Fatal(err)
	}
	return c
}

// pair is a main on duty and its mirror on the secondary, in sync.
func pair(t testing.TB) (main, secondary *Cluster) {
	t.Helper()
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	return pairOf(t, newCluster(t, optionsFor(t, releve.Main, mainAddress, secondaryAddress)),
		newCluster(t, optionsFor(t, releve.Secondary, secondaryAddress, mainAddress)))
}

// pairOf makes a pair of two clusters without data.
func pairOf(t testing.TB, main, secondary *Cluster) (*Cluster, *Cluster) {
	t.Helper()
	ctx := within(t)
	createFromTemplate(t, main)
	must(t, main.Start(ctx, Primary))
	must(t, main.EnsureSlot(ctx))
	must(t, secondary.Clone(ctx, main.opts.Listen, releve.NewDataID(), nil))
	follow(t, secondary, main)
	return main, secondary
}

// follow starts c as owner's mirror and waits until commits wait for it.
func follow(t testing.TB, c, owner *Cluster) {
	t.Helper()
	ctx := within(t)
	must(t, c.Start(ctx, CatchUp))
	must(t, c.DropSlots(ctx))
	until(t, "the mirror has caught up under its first name", func() bool {
		p, err := c.Position(ctx)
		must(t, err)
		return p.Streaming
	})
	must(t, c.BecomeMirror(ctx))
	inSync(t, owner)
}

func inSync(t testing.TB, owner *Cluster) {
	t.Helper()
	until(t, "the mirror is in sync", func() bool {
		m, err := owner.Mirror(within(t))
		must(t, err)
		return m.InSync()
	})
}

func openPool(t testing.TB, c *Cluster) *pgxpool.Pool {
	t.Helper()
	pool, err := c.Pool(context.Background(), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func sql(t testing.TB, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(within(t), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// local runs a statement whose commit waits for nobody.
func local(t testing.TB, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	ctx := within(t)
	tx, err := pool.Begin(ctx)
	must(t, err)
	defer tx.Rollback(ctx)
	_, err = tx.Exec(ctx, "SET LOCAL synchronous_commit = local")
	must(t, err)
	if _, err := tx.Exec(ctx, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	must(t, tx.Commit(ctx))
}

func count(t testing.TB, pool *pgxpool.Pool, query string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(within(t), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// makeCertificates writes an authority and the files of each seat.
func makeCertificates(dir string) error {
	valid := keys.Validity{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
	authority, err := keys.NewAuthority(testSite, valid)
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(dir, "ca.pem"), authority.Certificate(), 0o600)
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		certificates, private, wrong := authority.Issue(keys.Identity{Site: testSite, Seat: seat}, valid)
		err = errors.Join(err, wrong,
			os.WriteFile(filepath.Join(dir, string(seat)+".pem"), certificates, 0o600),
			os.WriteFile(filepath.Join(dir, string(seat)+".key"), private, 0o600))
	}
	return err
}

// certificatesIn are those of a seat, in a directory of files as `releve init` writes them.
func certificatesIn(t testing.TB, dir string, seat releve.Seat) Certificates {
	t.Helper()
	held, err := keys.Load(filesIn(dir, seat))
	must(t, err)
	files, err := held.ForPostgres(testSite, seat, "")
	must(t, err)
	return Certificates(files)
}

func filesIn(dir string, seat releve.Seat) keys.Files {
	file := func(name string) string { return filepath.Join(dir, name) }
	return keys.Files{
		Authority: file("ca.pem"), Certificate: file(string(seat) + ".pem"), Key: file(string(seat) + ".key"),
		Other: file(string(seat.Other()) + ".pem"),
	}
}
