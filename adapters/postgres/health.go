package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"releve"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What Health finds, for errors.Is. The sentence of the [releve.Fault] around each says what
// was seen and what to do.
var (
	ErrDiskFull   = releve.Known("the disk of the database is full", "cause-disk-full")
	ErrDiskWedged = releve.Known("the disk of the database does not take a write", "cause-disk-refuses")
	ErrFilesGone  = releve.Known("files of the database are gone", "cause-files-gone")
	ErrDamaged    = releve.Known("the database is damaged", "cause-damaged")
	ErrNoAnswer   = releve.Known("PostgreSQL does not answer", "cause-no-answer")
)

const (
	// healthLimit bounds a whole look: with one look a second, what is wrong is known within
	// two (SPEC M5). A busy disk may take that long for one fsync, so one look that finds a
	// wedged disk may be a slow one.
	healthLimit = time.Second

	// leastFree is when a disk counts as full: PostgreSQL dies when it cannot make its next
	// WAL file.
	leastFree = segmentSize

	// knockEvery: a new session costs PostgreSQL a fork, the look itself next to nothing.
	knockEvery = 5 * time.Second
)

// Health finds out by doing, within a second, whether this PostgreSQL can still be trusted
// with commits: a write with fsync (RULES R12), a look for the files that it lives on, a
// query, and what it has complained of in its log. It may be called once a second, by one
// goroutine. It returns nil, or a [releve.Fault] of one of the errors above; the disk
// before PostgreSQL, which suffers from it.
func (c *Cluster) Health(ctx context.Context) error {
	look, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	disk := c.lookAtDisk()
	if disk.running() && time.Since(disk.began) > healthLimit {
		return c.wedged()
	}
	answer := c.examineAnswer(look)
	select {
	case <-disk.done:
	case <-look.Done():
	}
	switch {
	case !disk.running():
		return firstOf(disk.err, c.complaint(), answer)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return c.wedged()
}

// diskLook is one look at the disk. On a wedged disk it never ends.
type diskLook struct {
	began time.Time
	done  chan struct{}
	err   error // once done is closed
}

func (l *diskLook) running() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// lookAtDisk begins a look, or joins one that has not ended: they do not pile up.
func (c *Cluster) lookAtDisk() *diskLook {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.disk == nil || !c.disk.running() {
		l := &diskLook{began: time.Now(), done: make(chan struct{})}
		c.disk = l
		go func() {
			l.err = c.examineDisk()
			close(l.done)
		}()
	}
	return c.disk
}

// firstOf is the first error there is: one verdict for each failure.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) wedged() error {
	return c.fault(ErrDiskWedged, "database-disk-wedged", "limit", healthLimit.String())
}

func (c *Cluster) noAnswer(cause error) error {
	return c.fault(ErrNoAnswer, "database-no-answer", "cause", releve.Reason(cause), "limit", healthLimit.String())
}

func (c *Cluster) fault(cause error, code string, pairs ...string) *releve.Fault {
	fault := &releve.Fault{Cause: cause, Why: releve.Say(code, pairs...)}
	return fault.With("directory", c.opts.Dir)
}

// examineDisk looks at the files and writes to their disk.
func (c *Cluster) examineDisk() error {
	return firstOf(c.missingFile(), c.noRoom(), c.diskFault(c.probeDisk()))
}

// vital is what no running cluster is without. PostgreSQL may not notice for long that one
// is gone: it has open what it needs.
var vital = []string{"PG_VERSION", "global/pg_control", "global/pg_filenode.map", "base", "pg_xact", "pg_wal", identityFile}

func (c *Cluster) missingFile() error {
	for _, name := range vital {
		if _, err := os.Lstat(c.path("data", name)); err != nil {
			return c.diskFault(err)
		}
	}
	return nil
}

// noRoom asks what an account without rights may still use: we may be root, and write
// into what the file system holds back. The log may be on a disk of its own.
func (c *Cluster) noRoom() error { return firstOf(c.noRoomIn(c.dataDir()), c.noRoomIn(c.logDir())) }

func (c *Cluster) noRoomIn(dir string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return c.diskFault(&fs.PathError{Op: "statfs", Path: dir, Err: err})
	}
	free, code := int64(s.Bavail)*s.Bsize, ""
	switch {
	case free < leastFree:
		code = "database-disk-full"
	case s.Files > 0 && s.Ffree == 0:
		code = "database-disk-no-inodes"
	default:
		return nil
	}
	return &releve.Fault{Cause: ErrDiskFull, Why: releve.Say(code, "directory", place(dir), "free", strconv.FormatInt(free, 10))}
}

// probeFormat is of one length: each look writes over what the one before wrote. To cut the file off
// and give its block back each time would cost more than the write.
const probeFormat = "2006-01-02T15:04:05.000000000Z\n"

// probeDisk writes a few bytes and waits until they are on the disk. That there is room for more
// is noRoom's to see.
func (c *Cluster) probeDisk() error {
	// The directory is the account's: never follow a link that it may have put there.
	file, err := os.OpenFile(c.path("probe"), os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(time.Now().UTC().Format(probeFormat))
	return errors.Join(err, file.Sync(), file.Close())
}

// diskFault tells the kinds of what the file system answers apart.
func (c *Cluster) diskFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return c.fault(ErrDiskFull, "database-disk-full", "free", "0")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return c.fault(ErrFilesGone, "database-files-gone", "file", pathOf(err))
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return c.fault(ErrDamaged, "database-damaged", "said", err.Error())
	}
	return c.fault(ErrDiskWedged, "database-disk-refuses", "cause", releve.Reason(err))
}

func pathOf(err error) string {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Path
	}
	return err.Error()
}

// healthQuery reads what PostgreSQL counted, and looks for the files of the site's own
// relations and for the WAL file being written: the first that is missing, and how many
// pages were found damaged. It locks nothing that a migration waits for. What
// PostgreSQL drops is emptied at once, and removed by a later checkpoint.
const healthQuery = `
SELECT coalesce((SELECT sum(checksum_failures) FROM pg_stat_database), 0)::bigint,
       coalesce((SELECT min(path) FROM
         (SELECT pg_relation_filepath(oid) FROM pg_class
          WHERE oid >= $1 AND relkind IN ('r', 'i', 'S', 't', 'm') AND relpersistence <> 't'
          UNION ALL
          SELECT 'pg_wal/' || pg_walfile_name(pg_current_wal_flush_lsn()) WHERE NOT pg_is_in_recovery()) AS f (path)
         WHERE path IS NOT NULL AND (pg_stat_file(path, true)).size IS NULL), '')`

// examineAnswer asks PostgreSQL. A file that is missing is looked for twice: it may have
// been dropped between the look into the catalogue and the look at the disk.
func (c *Cluster) examineAnswer(ctx context.Context) error {
	p := c.postmaster()
	if p == nil || !p.running() {
		return c.fault(ErrNoAnswer, "database-stopped", "cause", releve.Reason(c.ExitError()))
	}
	if err := c.held(ctx, p); err != nil {
		return c.noAnswer(err)
	}
	damaged, missing, err := p.ask(ctx)
	if err == nil && missing != "" {
		first := missing
		if damaged, missing, err = p.ask(ctx); missing != first {
			missing = ""
		}
	}
	switch {
	case err != nil:
		return c.answerFault(err)
	case missing != "":
		return c.fault(ErrFilesGone, "database-files-gone", "file", c.path("data", missing))
	case max(damaged, c.damaged()) > 0:
		return c.fault(ErrDamaged, "database-pages-damaged", "pages", strconv.FormatInt(max(damaged, c.damaged()), 10))
	}
	if dir := p.ailments.suspected(); dir != "" {
		return c.tryRoom(ctx, p, dir)
	}
	return nil
}

// ask runs the query of a look in the site's own database.
func (p *postmaster) ask(ctx context.Context) (damaged int64, missing string, err error) {
	err = p.site.QueryRow(ctx, healthQuery, firstOfUsers).Scan(&damaged, &missing)
	return damaged, missing, err
}

// roomProbe has PostgreSQL write as much as its next WAL file takes, by its own account: a
// quota binds it and not us. A base backup and pg_rewind pass over a file of this name.
const roomProbe = "pgsql_tmp.releve_probe"

// tryRoom finds out by doing whether a session of somebody's found no room because there is
// none. It is tried again at each look until there is some.
func (c *Cluster) tryRoom(ctx context.Context, p *postmaster, dir string) error {
	file := c.path("data", dir, roomProbe)
	_, err := p.site.Exec(ctx, fmt.Sprintf(`COPY (SELECT repeat('0', 8191) FROM generate_series(1, %d)) TO '%s'`,
		leastFree/8192, strings.ReplaceAll(file, "'", "''")))
	if err := removeFile(file); err != nil {
		return c.diskFault(err)
	}
	if refusal := (*pgconn.PgError)(nil); errors.As(err, &refusal) && full(refusal.Code, refusal.Message) {
		p.ailments.suspect(dir)
		return c.fault(ErrDiskFull, "database-disk-full")
	}
	return nil
}

// answerFault: an answer by error is an answer, unless it says that files or the disk are.
// Recovery cancels queries that it conflicts with (class 40).
func (c *Cluster) answerFault(err error) error {
	refusal := (*pgconn.PgError)(nil)
	if !errors.As(err, &refusal) {
		return c.noAnswer(err)
	}
	if strings.HasPrefix(refusal.Code, "40") {
		return nil
	}
	if kind := ailmentOf(refusal.Code, refusal.Message); kind != nil {
		return c.ailmentFault(ailment{kind: kind, said: refusal.Message})
	}
	return c.noAnswer(err)
}

// held finds a postmaster that cannot begin sessions: those that are open work on without
// it. A stopped one is seen in /proc at no cost, another one by knocking now and then.
func (c *Cluster) held(ctx context.Context, p *postmaster) error {
	if state := processState(p.cmd.Process.Pid); state == 'T' || state == 't' {
		return releve.Known(fmt.Sprintf("process %d is stopped", p.cmd.Process.Pid),
			"cause-process-stopped", "process", fmt.Sprint(p.cmd.Process.Pid))
	}
	if time.Since(p.knocked) < knockEvery {
		return nil
	}
	if err := c.knock(ctx); err != nil {
		return releve.Because(err, "it takes no new session", "cause-no-session")
	}
	p.knocked = time.Now()
	return nil
}

// knock has the postmaster fork a session that ends before it begins: it asks for
// encryption and hears no (manual §55.2.10, SSLRequest), which costs half a session. A
// postmaster that is held takes no part in the connection itself, the kernel makes it; one
// that can fork no more answers by itself, with an error, or closes before we have asked.
func (c *Cluster) knock(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.opts.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	answer := make([]byte, 512)
	if _, err := io.ReadFull(conn, answer[:1]); err != nil {
		return err
	}
	if answer[0] != 'N' && answer[0] != 'S' {
		n, _ := io.ReadFull(conn, answer[1:]) // what came tells the cause, whole or not
		return fmt.Errorf("it answers %q", strings.TrimRight(string(answer[1:n+1]), "\x00\n"))
	}
	return nil
}
