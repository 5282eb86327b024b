package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// ErrOtherCluster is returned when the other server's data does not descend from
// the same creation as ours: nothing but a clone makes a mirror of ours.
var ErrOtherCluster = releve.Known("the two servers' data were created apart", "cause-other-cluster")

// Progress is told how many bytes of how many are there; it may be nil.
type Progress = func(done, total int64)

// origin is what the other server's PostgreSQL says of itself.
type origin struct {
	inRecovery bool
	systemID   string
	major      int
	identity   identity
	timeline   releve.Timeline
	received   releve.LSN // what it has on its disk, replayed or not
	bytes      int64      // of its tables
	log        []string   // the files in its log's directory
}

const originLimit = 5 * time.Second // one connection with TLS and one query

// inspectOrigin accepts a server on duty only.
func (c *Cluster) inspectOrigin(ctx context.Context, source netip.AddrPort) (origin, error) {
	o, err := c.inspect(ctx, source)
	if err == nil && o.inRecovery {
		err = fmt.Errorf("the PostgreSQL at %s is itself a mirror: copy from the server on duty", source)
	}
	return o, err
}

// originQuery: the role that copies may list files and not ask for a database's size.
const originQuery = `
SELECT pg_is_in_recovery(), (SELECT system_identifier::text FROM pg_control_system()),
       current_setting('server_version_num')::int, pg_read_binary_file($1),
       greatest(k.timeline_id, r.min_recovery_end_timeline),
       CASE WHEN pg_is_in_recovery()
            THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            ELSE pg_current_wal_flush_lsn() END,
       (SELECT sum((pg_stat_file(format('base/%s/%s', d, f), true)).size)::bigint
        FROM pg_ls_dir('base', false, false) AS d, pg_ls_dir('base/' || d, true, false) AS f),
       ARRAY (SELECT f FROM pg_ls_dir('pg_wal', false, false) AS f)
FROM pg_control_checkpoint() AS k, pg_control_recovery() AS r`

// inspect asks before anything of ours is touched. It takes the same road as
// pg_basebackup and pg_rewind, so what would stop them stops us here with a sentence.
func (c *Cluster) inspect(ctx context.Context, source netip.AddrPort) (origin, error) {
	ctx, cancel := context.WithTimeout(ctx, originLimit)
	defer cancel()
	conn, err := connect(ctx, c.cloneInfo(source))
	if err != nil {
		return origin{}, releve.Because(err, fmt.Sprintf("the other server's PostgreSQL at %s does not let us in", source),
			"cause-not-let-in", "other", source.String())
	}
	defer conn.Close(ctx) // a question only, nothing to lose
	var o origin
	var version int
	var raw []byte
	var received lsnText
	err = conn.QueryRow(ctx, originQuery, identityFile).
		Scan(&o.inRecovery, &o.systemID, &version, &raw, &o.timeline, &received, &o.bytes, &o.log)
	if err != nil {
		return origin{}, releve.Because(err, fmt.Sprintf("the PostgreSQL at %s does not say whose it is", source),
			"cause-nobodys", "other", source.String())
	}
	o.major, o.received = version/10000, releve.LSN(received)
	if err := json.Unmarshal(raw, &o.identity); err != nil {
		return origin{}, releve.Because(err, fmt.Sprintf("the PostgreSQL at %s does not say whose it is", source),
			"cause-nobodys", "other", source.String())
	}
	return o, c.accept(source, o)
}

// connect is pgx.Connect that knows libpq's hostaddr: where to connect, when host is the
// name in a certificate.
func connect(ctx context.Context, info string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(info)
	if err != nil {
		return nil, err
	}
	if at, ok := config.RuntimeParams["hostaddr"]; ok {
		delete(config.RuntimeParams, "hostaddr")
		config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{at}, nil }
	}
	return pgx.ConnectConfig(ctx, config)
}

func (c *Cluster) accept(source netip.AddrPort, o origin) error {
	switch {
	case o.identity.Site != c.opts.SiteID:
		return fmt.Errorf("the PostgreSQL at %s belongs to another site (%s, ours is %s): check [database] other",
			source, o.identity.Site, c.opts.SiteID)
	case o.major != c.installation().Version.Major:
		return fmt.Errorf("the PostgreSQL at %s is version %d, ours is %d: install the same on both servers",
			source, o.major, c.installation().Version.Major)
	}
	return nil
}

func (c *Cluster) cloneInfo(source netip.AddrPort) string {
	return c.conninfo(source, RoleClone, RoleClone) + " dbname=" + superuser
}

// Rewind undoes what this server wrote after its history left that of source, which must
// have made a checkpoint since its promotion (RULES R11), and gives the data its
// new id. The target may have been stopped or killed. needed tells whether there was
// something to undo; by timeline numbers alone, which can lie (RULES R10).
//
// It destroys replication slots and the rows that only this server had. When it fails
// midway the data is marked unusable, and only Clone helps.
func (c *Cluster) Rewind(
	ctx context.Context, source netip.AddrPort, newID releve.DataID, progress Progress,
) (needed bool, err error) {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	old, err := c.readyToRewind(ctx, source)
	if err != nil {
		return false, err
	}
	if err := c.markUnusable(old, "a rewind did not end: clone it"); err != nil {
		return false, err
	}
	// PostgreSQL's single-user mode, with which pg_rewind finishes a crashed target, refuses
	// a standby.
	if err := c.setSignals(Primary); err != nil {
		return false, err
	}
	if needed, err = c.rewind(ctx, source, progress); err != nil {
		return needed, errors.Join(err, c.markUnusable(old, "a rewind failed, clone it: "+err.Error()))
	}
	if err := c.writeIdentity(c.dataDir(), newID); err != nil {
		return needed, err
	}
	return needed, removeFile(c.path("data.unusable"))
}

// readyToRewind returns the id of the data that is about to change.
func (c *Cluster) readyToRewind(ctx context.Context, source netip.AddrPort) (releve.DataID, error) {
	state, err := c.requireUsable()
	if err != nil {
		return "", err
	}
	if err := c.configure(Primary); err != nil {
		return "", err
	}
	o, err := c.inspectOrigin(ctx, source)
	if err != nil {
		return "", err
	}
	if o.systemID != state.SystemID {
		return "", fmt.Errorf("%w (ours %s, theirs %s): clone instead of rewinding", ErrOtherCluster, state.SystemID, o.systemID)
	}
	return state.DataID, c.roomToRewind(o)
}

// roomToRewind: a rewind copies the source's whole log, which may have been kept for this very
// server, and removes what is superfluous here only afterwards.
func (c *Cluster) roomToRewind(o origin) error {
	bytes := int64(copyLog)
	for _, name := range o.log {
		if _, err := os.Stat(filepath.Join(c.logDir(), name)); segmentForm.MatchString(name) && errors.Is(err, fs.ErrNotExist) {
			bytes += segmentSize
		}
	}
	return roomUnder(c.logDir(), bytes)
}

func (c *Cluster) rewind(ctx context.Context, source netip.AddrPort, progress Progress) (needed bool, err error) {
	needed = true
	report := linesOf(progress)
	err = c.runMoving(ctx, program{
		name: "pg_rewind",
		args: []string{"--target-pgdata=" + c.dataDir(), "--source-server=" + patiently(c.cloneInfo(source)),
			"--config-file=" + c.path("conf", "postgresql.conf"), "--progress"},
		line: func(line string) {
			needed = needed && !strings.Contains(line, "no rewind required")
			report(line)
		},
	}, func() error { return roomLeftUnder(c.logDir()) })
	return needed, err
}

// replacedBy is the reason that Clone gives for what it sets aside.
const replacedBy = "replaced by a clone of "

// DropReplaced removes what earlier clones replaced and set aside, and nothing
// that was set aside for another reason. The caller knows that no row was only there.
func (c *Cluster) DropReplaced() error {
	reasons, err := filepath.Glob(c.path("data.aside-*.reason"))
	if err != nil {
		return err
	}
	for _, file := range reasons {
		reason, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(reason), replacedBy) {
			continue
		}
		if err := errors.Join(os.RemoveAll(strings.TrimSuffix(file, ".reason")), os.Remove(file)); err != nil {
			return fmt.Errorf("cannot remove what a clone replaced: %w", err)
		}
	}
	return nil
}

// Clone replaces the data by a copy of source's, verified against its manifest and
// with a new id. What was there is set aside whole, at the very end.
func (c *Cluster) Clone(ctx context.Context, source netip.AddrPort, newID releve.DataID, progress Progress) error {
	end, err := c.beginStopped(ctx)
	if err != nil {
		return err
	}
	defer end()
	fresh, err := c.cloneFresh(ctx, source, newID, progress)
	if err != nil {
		return err
	}
	if _, err := c.setAside(replacedBy + source.String()); err != nil {
		return err
	}
	return c.swapIn(fresh)
}

// cloneFresh makes a verified copy of source's data where data is made that is not the data yet. The
// caller has the turn, and PostgreSQL is stopped.
func (c *Cluster) cloneFresh(
	ctx context.Context, source netip.AddrPort, newID releve.DataID, progress Progress,
) (fresh string, err error) {
	o, err := c.readyToClone(ctx, source)
	if err != nil {
		return "", err
	}
	if err := c.roomFor(o.bytes + copyLog); err != nil {
		return "", err
	}
	if fresh, err = c.freshDir(); err != nil {
		return "", err
	}
	if err := c.copyFrom(ctx, source, fresh, linesOf(progress)); err != nil {
		return "", fmt.Errorf("cannot clone the other server's data: %w", err)
	}
	return fresh, c.writeCopyIdentity(fresh, newID)
}

// readyToClone asks the source first. What an earlier attempt left only takes up room.
func (c *Cluster) readyToClone(ctx context.Context, source netip.AddrPort) (origin, error) {
	if _, err := c.freshDir(); err != nil {
		return origin{}, err
	}
	return c.inspectOrigin(ctx, source)
}

// copyFrom never uses the mirror's name: a base backup under it would acknowledge
// commits onto half a directory (RULES R1). It is slow on purpose: calls share the disks
// and the line.
func (c *Cluster) copyFrom(ctx context.Context, source netip.AddrPort, dir string, line func(string)) error {
	err := c.runMoving(ctx, program{
		name: "pg_basebackup",
		args: []string{"--dbname=" + patiently(c.cloneInfo(source)), "--pgdata=" + dir,
			"--wal-method=stream", "--checkpoint=fast", "--progress", fmt.Sprintf("--max-rate=%dk", c.opts.CopyRate>>10)},
		line: line,
	}, c.roomLeft)
	if err != nil {
		return err
	}
	return c.runMoving(ctx, program{name: "pg_verifybackup", args: []string{"--quiet", dir}}, unguarded)
}

// kilobytes is how pg_basebackup and pg_rewind report: "  1234/56789 kB (2%)".
var kilobytes = regexp.MustCompile(`(\d+)/(\d+) kB`)

// linesOf makes a reader of the programs' progress reports.
func linesOf(report Progress) func(string) {
	return func(line string) {
		found := kilobytes.FindStringSubmatch(line)
		if found == nil || report == nil {
			return
		}
		done, errDone := strconv.ParseInt(found[1], 10, 64)
		total, errTotal := strconv.ParseInt(found[2], 10, 64)
		if errDone == nil && errTotal == nil {
			report(done<<10, total<<10)
		}
	}
}
