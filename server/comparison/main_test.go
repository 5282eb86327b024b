package comparison_test

import (
	"bytes"
	"context"
	"errors"
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
	"releve/adapters/postgres"
	"releve/proof/sitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = sitetest.Limit(2 * time.Minute)

var within, must, until = limit.Within, sitetest.Must, limit.Until

// server is one of the two, a real PostgreSQL.
type server struct {
	sitetest.Server
	t    *testing.T
	pool *pgxpool.Pool
}

// newSite is a main on duty, and a secondary that has no data yet.
func newSite(t *testing.T) (main, secondary *server) {
	t.Helper()
	first, second := sitetest.New(t, nil)
	main, secondary = newServer(t, first), newServer(t, second)
	must(t, main.Create(within(t), releve.NewDataID()))
	must(t, main.Start(within(t), postgres.Primary))
	must(t, main.EnsureSlot(within(t)))
	return main, secondary
}

func newServer(t *testing.T, made sitetest.Server) *server {
	t.Helper()
	pool, err := made.Pool(context.Background(), 8)
	must(t, err)
	t.Cleanup(func() {
		made.Fence()
		<-made.Exited()
		pool.Close()
	})
	return &server{made, t, pool}
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
	must(s.t, s.Clone(within(s.t), owner.Options.Listen, releve.NewDataID(), nil))
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
	path := filepath.Join(s.Options.Dir, "data", file)
	content, err := os.ReadFile(path)
	must(s.t, err)
	at := bytes.Index(content, []byte(from))
	if at < 0 || len(from) != len(to) || bytes.Contains(content[at+1:], []byte(from)) {
		s.t.Fatalf("%q stands not exactly once in %s", from, path)
	}
	s.program("pg_checksums", "--disable", "--no-sync", "-D", filepath.Join(s.Options.Dir, "data"))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(s.t, err)
	_, err = f.WriteAt([]byte(to), int64(at))
	must(s.t, errors.Join(err, f.Close()))
	s.program("pg_checksums", "--enable", "--no-sync", "-D", filepath.Join(s.Options.Dir, "data"))
}

// program runs one of PostgreSQL's under its account.
func (s *server) program(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.Options.Bin, name), args...)
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
