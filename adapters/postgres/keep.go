package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// Slots keep log on the disk that the database itself lives on: the mirror's for when it is
// back, the salvage slot for a parting. PostgreSQL dies when it cannot make its next file of
// log, and what is kept then keeps it from ever starting again. So how much may be kept
// follows the room that there is, at the start and while it runs, for others write on that
// disk too. What is over the bound is given up by PostgreSQL itself at a checkpoint
// (max_slot_wal_keep_size): a slot that lost its log stays as the witness of that, and a
// sender that holds it is ended first. We make the checkpoint when one is needed, for the
// next could come too late.

const (
	// leastKept is kept whatever the room: to give up less would free nothing.
	leastKept = 2 * segmentSize

	// mostKept is where a whole copy is the shorter way for a mirror, on a disk of any size.
	mostKept = 16 << 30

	// leastLog and mostLog bound the log between two checkpoints, which needs no slot. A
	// checkpoint costs little on a database of this size, so a small disk has more of them.
	leastLog, mostLog = 2 * segmentSize, 512 << 20

	// checkpointTries: a checkpoint may begin before its process has read the new bound, though
	// sessions have.
	checkpointTries = 3

	// connectedFor: a mirror that was there a moment ago is about to be again.
	connectedFor = time.Minute
)

// logBounds is how much of its disk the log may take, in bytes.
type logBounds struct {
	away      int64 // kept for a mirror that is away
	connected int64 // kept for one that is there, and slow
	log       int64 // between two checkpoints, kept for nobody
}

// boundsOn shares out what the log could have of its disk: what is free, and what it takes
// already. A mirror that is away may have one half at most. One that is there, and advances,
// may have all but a quarter, in which tables grow meanwhile, what is left to others, and the
// log of the next checkpoint.
func (c *Cluster) boundsOn(d disk, taken int64) logBounds {
	room := d.free + taken
	b := logBounds{log: min(max(room/8, leastLog), mostLog)}
	most := max(room-room/4-d.spare()-b.log, leastKept)
	if fixed := c.opts.KeepWAL; fixed > 0 {
		b.away, b.connected = min(fixed, most), min(fixed, most)
		return b
	}
	b.connected = min(most, mostKept)
	b.away = min(max(room/2, leastKept), b.connected)
	return b
}

func (b logBounds) of(connected bool) int64 {
	if connected {
		return b.connected
	}
	return b.away
}

// settings are those of roomFile.
func (b logBounds) settings(kept int64) []setting {
	return []setting{
		{"max_slot_wal_keep_size", megabytes(kept)},
		{"max_wal_size", megabytes(b.log)},
		{"min_wal_size", megabytes(max(min(b.log/2, 80<<20), leastLog))},
	}
}

func megabytes(bytes int64) string { return fmt.Sprintf("%dMB", bytes>>20) }

// roomFile holds the settings that follow the disk: they change while PostgreSQL runs.
func (c *Cluster) roomFile() string { return c.path("conf", "room.conf") }

func (c *Cluster) logDir() string { return c.path("data", "pg_wal") }

// logTakes is what the files of the log take, in bytes. They all have one size, and PostgreSQL
// makes them whole under another name.
func (c *Cluster) logTakes() (bytes int64, err error) {
	entries, err := os.ReadDir(c.logDir())
	for _, e := range entries {
		if segmentForm.MatchString(e.Name()) {
			bytes += segmentSize
		}
	}
	return bytes, err
}

// logBounds are those of now, with the disk that they are on. Before there is any data they
// are those of its future disk.
func (c *Cluster) logBounds() (logBounds, disk, error) {
	taken, err := c.logTakes()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return logBounds{}, disk{}, err
	}
	d, err := diskOf(existing(c.logDir()))
	return c.boundsOn(d, taken), d, err
}

// existing is the nearest directory above a path that exists, itself included.
func existing(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); err == nil {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// writeRoom writes how much log may be kept. The caller has the turn.
func (c *Cluster) writeRoom(b logBounds, kept int64) error {
	who, err := c.account()
	if err == nil {
		err = who.writeFile(c.roomFile(), writeSettings(b.settings(kept)), 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot write how much log may be kept: %w", err)
	}
	return nil
}

// LogRoom is the log that is kept for others, and the disks that this server lives on.
// Sizes are in bytes.
type LogRoom struct {
	Disks []Disk

	Owner     bool   // the rest is an owner's
	Directory string // of the log
	Free      int64  // on its disk
	Kept      int64  // by all slots, from the oldest on
	Stranger  string // the slot that keeps most, where it is none of ours
	Bound     int64  // of Kept
	Fixed     bool   // the bound is the site's own, and not the disk's
	Connected bool   // the mirror holds its slot
	Lost      bool   // the log of the mirror's slot was given up
}

// TendLog looks at the room for the log that is kept, and gives up what is over its bound.
// It may be called twice a second, by one goroutine. Giving up lasts as long as a checkpoint.
func (c *Cluster) TendLog(ctx context.Context) (LogRoom, error) {
	look, err := c.lookAtRoom(ctx)
	if err != nil {
		return LogRoom{}, err
	}
	room := LogRoom{Disks: look.disks}
	slots, owner, err := c.slots(ctx)
	if err != nil || !owner { // a mirror keeps nothing for anybody
		return room, err
	}
	room.Owner, room.Directory, room.Free = true, look.directory, look.log.free
	room.add(slots)
	p := c.postmaster()
	if room.Connected {
		p.connected = time.Now()
	}
	room.Bound = look.bounds.of(time.Since(p.connected) < connectedFor)
	room.Fixed = room.Bound == c.opts.KeepWAL
	over := slots.over(room.Bound)
	held, err := c.hold(ctx, look.bounds, room.Bound, over)
	if err != nil || !held || !over {
		return room, err
	}
	for tries := 0; err == nil && slots.over(room.Bound) && tries < checkpointTries; tries++ {
		if err = c.giveUp(ctx, room.Bound); err == nil {
			slots, _, err = c.slots(ctx)
		}
	}
	room.Lost = room.Lost || slots.lost(RoleMirror)
	return room, err
}

func (r *LogRoom) add(slots slotList) {
	for _, s := range slots {
		if s.kept() > r.Kept {
			r.Kept, r.Stranger = s.kept(), s.stranger()
		}
		if s.name == RoleMirror {
			r.Connected, r.Lost = s.active, s.lost
		}
	}
}

// roomLook is one look at the disks. On one that hangs it never ends.
type roomLook struct {
	done      chan struct{}
	disks     []Disk // what follows is there once done is closed
	directory string // of the log
	log       disk
	bounds    logBounds
	err       error
}

// lookAtRoom waits for a look until ctx ends; one that has not ended is joined.
func (c *Cluster) lookAtRoom(ctx context.Context) (*roomLook, error) {
	l := c.room
	if l == nil {
		l = &roomLook{done: make(chan struct{})}
		c.room = l
		go func() {
			defer close(l.done)
			l.look(c)
		}()
	}
	select {
	case <-l.done:
		c.room = nil
		return l, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *roomLook) look(c *Cluster) {
	if l.disks, l.err = c.disks(); l.err == nil {
		l.directory = place(c.logDir())
		l.bounds, l.log, l.err = c.logBounds()
	}
}

// slot is a replication slot and what it keeps.
type slot struct {
	name         string
	active, lost bool
	from, to     releve.LSN // 0 when it keeps nothing
}

func (s slot) kept() int64 {
	if s.from == 0 || s.from > s.to {
		return 0
	}
	return int64(s.to - s.from)
}

func (s slot) stranger() string {
	if s.name == RoleMirror || s.name == salvageSlot {
		return ""
	}
	return s.name
}

// beyond compares as PostgreSQL does, in whole files (xlog.c, KeepLogSeg).
func (s slot) beyond(bound int64) bool {
	return s.kept() > 0 && int64(s.to/segmentSize)-int64(s.from/segmentSize) > bound/segmentSize
}

type slotList []slot

func (l slotList) over(bound int64) bool {
	return slices.ContainsFunc(l, func(s slot) bool { return s.beyond(bound) })
}

const slotsQuery = `
SELECT CASE WHEN r.recovering THEN NULL ELSE pg_current_wal_insert_lsn() END,
       coalesce(s.slot_name, ''), coalesce(s.active, false), coalesce(s.wal_status = 'lost', false), s.restart_lsn
FROM (SELECT pg_is_in_recovery() AS recovering) AS r LEFT JOIN pg_replication_slots AS s ON true`

func (l slotList) lost(name string) bool {
	return slices.ContainsFunc(l, func(s slot) bool { return s.name == name && s.lost })
}

// slots are those of an owner; a mirror's need no bound.
func (c *Cluster) slots(ctx context.Context) (all slotList, owner bool, err error) {
	pool, err := c.control()
	if errors.Is(err, errNotRunning) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	rows, err := pool.Query(ctx, slotsQuery)
	if err != nil {
		return nil, false, err
	}
	all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s slot, err error) {
		var from, to lsnText
		err = row.Scan(&to, &s.name, &s.active, &s.lost, &from)
		s.from, s.to = releve.LSN(from), releve.LSN(to)
		return s, err
	})
	owner = err == nil && len(all) > 0 && all[0].to > 0
	return all, owner, err
}

// hold has PostgreSQL keep to the bound at its own checkpoints too. Small changes are left
// alone until something is over it. What starts or ends just now is not waited for.
func (c *Cluster) hold(ctx context.Context, b logBounds, bound int64, now bool) (held bool, err error) {
	select {
	case c.work <- struct{}{}:
		defer func() { <-c.work }()
	default:
		return false, nil
	}
	if change := max(bound, c.keeps) - min(bound, c.keeps); change == 0 || !now && change < max(c.keeps/8, segmentSize) {
		return true, nil
	}
	if err := c.writeRoom(b, bound); err != nil {
		return false, err
	}
	if err := c.do(ctx, askLimit, "SELECT pg_reload_conf()"); err != nil {
		return false, fmt.Errorf("cannot bound the log that is kept: %w", err)
	}
	c.keeps = bound
	return true, nil
}

// reloadLimit is how long PostgreSQL may take to read its configuration again.
const reloadLimit = 5 * time.Second

// giveUp makes the checkpoint at which PostgreSQL gives up what is over the bound, and
// removes the log that it kept.
func (c *Cluster) giveUp(ctx context.Context, bound int64) error {
	wait, cancel := context.WithTimeout(ctx, reloadLimit)
	defer cancel()
	for read := false; !read; {
		if err := c.ask(wait, askLimit, []any{&read},
			`SELECT pg_size_bytes(current_setting('max_slot_wal_keep_size')) <= $1`, bound); err != nil {
			return fmt.Errorf("the bound of the kept log is not known to PostgreSQL: %w", err)
		}
		if !read {
			if err := pause(wait, lookEvery); err != nil {
				return fmt.Errorf("PostgreSQL does not take the bound of the kept log: %w", err)
			}
		}
	}
	return c.Checkpoint(ctx)
}

// ErrKeptLog says that the site's own bound is more than the disk can hold.
var ErrKeptLog = errors.New("the log that may be kept for an absent mirror does not fit on its disk")

// ExamineKept compares the site's own bound with the disk, now: nil when it fits, or when
// there is none. It is held to what the disk has in any case.
func (c *Cluster) ExamineKept() error {
	fixed := c.opts.KeepWAL
	if fixed == 0 {
		return nil
	}
	room, d, err := c.logBounds()
	if err != nil || fixed <= room.connected {
		return err
	}
	return &releve.Fault{Cause: ErrKeptLog, Why: releve.Say("kept-log-too-large",
		"size", fmt.Sprint(fixed), "directory", existing(c.logDir()),
		"free", fmt.Sprint(d.free), "most", fmt.Sprint(room.connected))}
}

// leastToStart is what PostgreSQL needs to come up: it may have to make a file of log before
// the first checkpoint, at which it removes any.
const leastToStart = 3 * segmentSize

// freeLog gives up, before a start, what slots kept, when there is no room to start without:
// recovery needs the log from the latest checkpoint on, and nothing before it. PostgreSQL then
// finds at its first checkpoint that the slots have lost theirs.
func (c *Cluster) freeLog() error {
	d, err := diskOf(c.logDir())
	if err != nil || d.free >= leastToStart {
		return err
	}
	if _, err := os.Stat(c.path("data", "backup_label")); !errors.Is(err, fs.ErrNotExist) {
		return err // a copy's recovery begins where that says
	}
	control, err := c.Control()
	if err != nil {
		return err
	}
	return c.removeLog(segmentStart(control.RedoLSN), leastToStart-d.free)
}

// removeLog removes what lies before a position, where that frees so many bytes at least. The
// log's directory is the account's, so that nothing in it is followed out of it.
func (c *Cluster) removeLog(before releve.LSN, least int64) error {
	log, err := os.OpenRoot(c.logDir())
	if err != nil {
		return err
	}
	defer log.Close()
	entries, err := fs.ReadDir(log.FS(), ".")
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return !segmentForm.MatchString(e.Name()) || segmentLSN(e.Name()) >= before
	})
	if int64(len(entries))*segmentSize < least {
		return nil // it would not start, and the mirror may still need it
	}
	for _, e := range entries {
		if err := log.Remove(e.Name()); err != nil {
			return fmt.Errorf("the disk is full, and the log kept for the other server cannot be removed: %w", err)
		}
	}
	c.log.Warn("the disk was full: the log kept for the other server was given up",
		"directory", c.logDir(), "files", len(entries))
	return syncDir(c.logDir())
}

// RoomToBeCopied refuses to be copied from while the log of the time that the copy takes
// could not be kept: the copy would be made in vain.
func (c *Cluster) RoomToBeCopied() error {
	room, d, err := c.logBounds()
	if err != nil || room.connected > leastKept || c.opts.KeepWAL > 0 && c.opts.KeepWAL <= leastKept {
		return err
	}
	return &releve.Fault{Cause: releve.ErrNoRoom, Why: releve.Say("copy-source-no-room",
		"seat", string(c.opts.Seat), "directory", place(c.logDir()), "free", fmt.Sprint(d.free))}
}
