package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/postgres"
	"releve/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit of each thing that a test waits for; generous, because machines are noisy.
const limit = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !true(); {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", limit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// server is one of the two, a real PostgreSQL as a [verify.Database].
type server struct {
	*postgres.Cluster
	t       *testing.T
	dir     string
	bin     string
	listens netip.AddrPort
	pool    *pgxpool.Pool
}

func (s *server) Freeze(ctx context.Context, table string) (verify.Frozen, error) {
	f, err := s.Cluster.Freeze(ctx, table)
	if err != nil {
		return verify.Frozen{}, err
	}
	return verify.Frozen{At: f.At, Own: f.Own, Release: f.Release}, nil
}

func (s *server) SnapshotAt(ctx context.Context, at releve.LSN) (verify.Snapshot, error) {
	return s.Cluster.SnapshotAt(ctx, at)
}

func (s *server) CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error) {
	return s.Cluster.CheckPages(ctx, progress)
}

// newSite is a main on duty, and a secondary that has no data yet.
func newSite(t *testing.T) (main, secondary *server) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-") // short: it will hold PostgreSQL's socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755)) // PostgreSQL runs under another account
	o := site.Defaults()
	o.Dir, o.Name, o.PBX, o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = dir, "Hôpital", freeAddress(t, 3), "9", "a", "b"
	first, second := freeAddress(t, 1), freeAddress(t, 2)
	o.Main.Host, o.Main.DatabasePort = first.Addr(), first.Port()
	o.Secondary.Host, o.Secondary.DatabasePort = second.Addr(), second.Port()
	o.Main.Data, o.Secondary.Data = "m", "s"
	written, err := site.Init(o)
	must(t, err)
	main, secondary = newServer(t, written.Main), newServer(t, written.Secondary)
	must(t, main.Create(within(t), releve.NewDataID()))
	must(t, main.Start(within(t), postgres.Primary))
	must(t, main.EnsureSlot(within(t)))
	return main, secondary
}

// freeAddress is an address of 127.0.0.0/8 and a port that nobody uses.
func freeAddress(t *testing.T, house int) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.89.%d.%d:0", os.Getpid()%250, house))
	must(t, err)
	defer l.Close() //nolint:errcheck // it was never used
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func newServer(t *testing.T, file string) *server {
	t.Helper()
	c, mistakes := config.Load(file)
	for _, m := range mistakes {
		t.Fatal(m)
	}
	found, err := postgres.Find("")
	if err != nil && !errors.Is(err, postgres.ErrOldMinor) {
		t.Fatal(err)
	}
	s := &server{t: t, dir: filepath.Join(c.Site.Data, "pg"), bin: found.Bin, listens: netip.MustParseAddrPort(c.Database.Listen)}
	s.Cluster, err = postgres.New(postgres.Options{
		Installation: found, Dir: s.dir, Listen: s.listens, Upstream: netip.MustParseAddrPort(c.Database.Other),
		Seat: c.Site.Seat, SiteID: c.Site.ID, CA: c.Peer.CA, Cert: c.Peer.Certificate, Key: c.Peer.Key, Account: c.Database.Account,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("seat", c.Site.Seat),
	})
	must(t, err)
	must(t, os.MkdirAll(c.Site.Data, 0o755))
	s.pool, err = s.Pool(context.Background(), 8)
	must(t, err)
	t.Cleanup(func() {
		s.Fence()
		<-s.Exited()
		s.pool.Close()
	})
	return s
}

// mirrors makes s the owner's mirror, in sync. It has its data already.
func (s *server) mirrors(owner *server) {
	s.t.Helper()
	ctx := within(s.t)
	must(s.t, s.Start(ctx, postgres.CatchUp))
	until(s.t, "the mirror has caught up under its first name", func() bool {
		p, err := s.Position(ctx)
		must(s.t, err)
		return p.Streaming
	})
	must(s.t, s.BecomeMirror(ctx))
	until(s.t, "the mirror is in sync", func() bool {
		m, err := owner.Mirror(ctx)
		must(s.t, err)
		return m.InSync()
	})
}

func (s *server) clone(owner *server) {
	s.t.Helper()
	must(s.t, s.Clone(within(s.t), owner.listens, releve.NewDataID(), nil))
}

// do runs a statement; its commit waits for nobody.
func (s *server) do(statement string) {
	s.t.Helper()
	ctx := within(s.t)
	tx, err := s.pool.Begin(ctx)
	must(s.t, err)
	defer tx.Rollback(ctx) //nolint:errcheck // of a transaction that ended
	if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = local; "+statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
	must(s.t, tx.Commit(ctx))
}

// standsAlone lets the server's commits wait for nobody: it has no mirror that streams.
func (s *server) standsAlone() {
	s.t.Helper()
	ctx := within(s.t)
	config := s.pool.Config().ConnConfig.Copy()
	config.User, config.Database = "postgres", "postgres"
	conn, err := pgx.ConnectConfig(ctx, config)
	must(s.t, err)
	defer conn.Close(ctx) //nolint:errcheck // it was asked
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()"} {
		_, err := conn.Exec(ctx, statement)
		must(s.t, err)
	}
	until(s.t, "a commit returns", func() bool {
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := s.pool.Exec(soon, "SELECT pg_logical_emit_message(true, 'test', '')")
		return err == nil
	})
}

// alter changes the bytes of a stopped server's table behind PostgreSQL's back, once, and
// makes its checksums right again: a difference that nothing but a comparison finds.
func (s *server) alter(file, from, to string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "data", file)
	content, err := os.ReadFile(path)
	must(s.t, err)
	at := bytes.Index(content, []byte(from))
	if at < 0 || len(from) != len(to) || bytes.Contains(content[at+1:], []byte(from)) {
		s.t.Fatalf("%q stands not exactly once in %s", from, path)
	}
	s.program("pg_checksums", "--disable", "--no-sync", "-D", filepath.Join(s.dir, "data"))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(s.t, err)
	_, err = f.WriteAt([]byte(to), int64(at))
	must(s.t, errors.Join(err, f.Close()))
	s.program("pg_checksums", "--enable", "--no-sync", "-D", filepath.Join(s.dir, "data"))
}

// program runs one of PostgreSQL's under its account.
func (s *server) program(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		account, err := user.Lookup("postgres")
		must(s.t, err)
		uid, errUID := strconv.Atoi(account.Uid)
		gid, errGID := strconv.Atoi(account.Gid)
		must(s.t, errors.Join(errUID, errGID))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", name, err, out)
	}
}
