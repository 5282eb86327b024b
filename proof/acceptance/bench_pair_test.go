package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	postgresPrograms = "/usr/lib/postgresql/15/bin"
	postgresAccount  = "postgres" // PostgreSQL refuses to run as root
	bareMirrorName   = "mirror"
)

// barePair is PostgreSQL alone: a primary and its synchronous mirror, relieved by
// somebody who promotes as soon as one question to the primary fails. It doubts
// nothing and protects against nothing, and so is the floor of any takeover.
type barePair struct {
	dir     string
	primary *barePostgres // stopped between two measurements
	copies  int
}

// barePostgres is one of the two, reached by its socket in the pair's directory.
type barePostgres struct {
	dir, data string
	port      int
	process   *part
}

func newBarePair(b *testing.B) *barePair {
	b.Helper()
	p := &barePair{dir: newDir(b)}
	postgres := must(accountOf(postgresAccount))(b)
	if err := os.Chown(p.dir, int(postgres.Uid), int(postgres.Gid)); err != nil {
		b.Fatal(err)
	}
	p.primary = p.next()
	p.primary.tool(b, "initdb", "-D", p.primary.data, "-U", postgresAccount, "--auth=trust")
	return p
}

// next is where the pair's next copy lives.
func (p *barePair) next() *barePostgres {
	p.copies++
	return &barePostgres{dir: p.dir, data: filepath.Join(p.dir, fmt.Sprint("data", p.copies)), port: 5600 + p.copies}
}

// relieve kills the primary and gives the time from there to the first commit on
// the promoted mirror, which is the primary of the next measurement.
func (p *barePair) relieve(b *testing.B) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mirror := p.startBoth(ctx, b)
	defer p.primary.stop()
	defer mirror.stop()
	onPrimary, onMirror := p.primary.open(ctx, b), mirror.open(ctx, b)
	defer onPrimary.Close(ctx)
	defer onMirror.Close(ctx)
	execute(ctx, b, onPrimary, "create table if not exists row (at timestamptz)", "insert into row values (now())")

	died := time.Now()
	killAll(freeze(p.primary.members))
	if _, err := onPrimary.Exec(ctx, "select 1"); err == nil {
		b.Fatal("a primary that was killed still answers")
	}
	execute(ctx, b, onMirror, "select pg_promote()", "insert into row values (now())")
	took := time.Since(died)
	p.primary.stop()
	p.primary = mirror
	return took
}

// startBoth starts the primary and a new copy of it, and waits until each commit
// waits for the copy.
func (p *barePair) startBoth(ctx context.Context, b *testing.B) (mirror *barePostgres) {
	b.Helper()
	p.primary.start(ctx, b, "-c", "synchronous_standby_names="+bareMirrorName)
	mirror = p.next()
	mirror.tool(b, "pg_basebackup", "-h", p.dir, "-p", fmt.Sprint(p.primary.port), "-U", postgresAccount, "-D", mirror.data, "-c", "fast", "-R")
	mirror.start(ctx, b, "-c", fmt.Sprintf("primary_conninfo=host=%s port=%d user=%s application_name=%s",
		p.dir, p.primary.port, postgresAccount, bareMirrorName))
	db := p.primary.open(ctx, b)
	defer db.Close(ctx)
	eventually(b, 20*time.Second, "a synchronous mirror", func() error {
		var state string
		return db.QueryRow(ctx, "select sync_state from pg_stat_replication where state = 'streaming' and sync_state = 'sync'").Scan(&state)
	})
	return mirror
}

func execute(ctx context.Context, b *testing.B, db *pgx.Conn, statements ...string) {
	b.Helper()
	for _, sql := range statements {
		if _, err := db.Exec(ctx, sql); err != nil {
			b.Fatalf("%s: %v", sql, err)
		}
	}
}

// start starts PostgreSQL with settings of the product's that weigh on time, and
// waits until it answers.
func (p *barePostgres) start(ctx context.Context, b *testing.B, settings ...string) {
	b.Helper()
	cmd := p.program(b, "postgres", slices.Concat([]string{"-D", p.data, "-k", p.dir, "-h", "", "-p", fmt.Sprint(p.port),
		"-c", "wal_level=logical", "-c", "shared_buffers=64MB", "-c", "restart_after_crash=off",
		"-c", "max_standby_streaming_delay=0", "-c", "wal_retrieve_retry_interval=200ms"}, settings)...)
	var err error
	if p.process, err = launch(p.data+".log", cmd); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.stop)
	eventually(b, 30*time.Second, "PostgreSQL answers", func() error {
		db, err := p.connect(ctx)
		if err == nil {
			err = db.Close(ctx)
		}
		return errors.Join(err, p.ended())
	})
}

func (p *barePostgres) ended() error {
	if p.process.running() {
		return nil
	}
	return errors.New(tail(p.data+".log", 10))
}

func (p *barePostgres) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", p.dir, p.port, postgresAccount))
}

func (p *barePostgres) open(ctx context.Context, b *testing.B) *pgx.Conn {
	b.Helper()
	return must(p.connect(ctx))(b)
}

func (p *barePostgres) members() []process { return family(0, p.data) }

// stop ends PostgreSQL in order, or what a kill has left of it at once.
func (p *barePostgres) stop() {
	if p.process.running() {
		p.process.signal(syscall.SIGINT)
		_, _ = p.process.wait(10 * time.Second)
	}
	killAll(p.members())
}

// tool runs one of PostgreSQL's programs to its end.
func (p *barePostgres) tool(b *testing.B, name string, args ...string) {
	b.Helper()
	if out, err := p.program(b, name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (p *barePostgres) program(b *testing.B, name string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(filepath.Join(postgresPrograms, name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: must(accountOf(postgresAccount))(b)}
	return cmd
}
