package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"releve"
)

// smallPair is a pair whose main lives on a disk of its own, with all that its PostgreSQL says.
func smallPair(t *testing.T, size string) (main, secondary *Cluster, log *record) {
	t.Helper()
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	o := optionsFor(t, releve.Main, mainAddress, secondaryAddress)
	log = new(record)
	o.Dir = filepath.Join(mount(t, "-t", "tmpfs", "-o", "size="+size, "tmpfs"), "pg")
	o.Log = slog.New(slog.NewTextHandler(io.MultiWriter(testOutput{t}, log), &slog.HandlerOptions{Level: slog.LevelWarn}))
	main, secondary = pairOf(t, newCluster(t, o), newCluster(t, optionsFor(t, releve.Secondary, secondaryAddress, mainAddress)))
	return main, secondary, log
}

// tended looks after a main's log as a server does, until the test or the function ends it.
func tended(t *testing.T, c *Cluster) (latest func() LogRoom, end func()) {
	t.Helper()
	var mu sync.Mutex
	var room LogRoom
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			found, err := c.TendLog(ctx)
			if err == nil {
				mu.Lock()
				room = found
				mu.Unlock()
			} else if ctx.Err() == nil {
				t.Logf("the look failed: %v", err)
			}
			_ = pause(ctx, 500*time.Millisecond)
		}
	})
	end = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(end)
	return func() LogRoom {
		mu.Lock()
		defer mu.Unlock()
		return room
	}, end
}

// lookedAt is a look at a main's room. One that does not end in time is made again, as a server
// does.
func lookedAt(t *testing.T, c *Cluster) (room LogRoom) {
	t.Helper()
	until(t, "a look at the room ends", func() bool {
		var err error
		if room, err = c.TendLog(within(t)); !errors.Is(err, context.DeadlineExceeded) {
			must(t, err)
		}
		return err == nil
	})
	return room
}

// recordMuch writes some 24 MB of log for rows that are soon gone.
func recordMuch(t *testing.T, c *Cluster) {
	t.Helper()
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE much AS SELECT repeat(md5(g::text), 60) AS t FROM generate_series(1, 10000) AS g")
	local(t, pool, "DROP TABLE much")
	pool.Close()
}

func freeOn(t *testing.T, dir string) int64 {
	t.Helper()
	d, err := diskOf(dir)
	must(t, err)
	return d.free
}

func slotLost(t *testing.T, c *Cluster) bool {
	t.Helper()
	m, err := c.Mirror(within(t))
	must(t, err)
	return m.Lost
}

func stillWell(t *testing.T, c *Cluster, log *record) {
	t.Helper()
	if log.has("PANIC") || c.ExitError() != nil {
		t.Fatalf("PostgreSQL ended: %v", c.ExitError())
	}
}

func TestTheLogOfAnAbsentMirrorDoesNotFillASmallDisk(t *testing.T) {
	main, secondary, log := smallPair(t, "300m")
	sql(t, openPool(t, main), "CREATE TABLE facts AS SELECT 1 AS n")
	must(t, secondary.Stop(within(t), true))
	latest, _ := tended(t, main)
	least, most := freeOn(t, main.opts.Dir), int64(0)
	for range 25 { // twice the disk
		recordMuch(t, main)
		least, most = min(least, freeOn(t, main.opts.Dir)), max(most, latest().Kept)
	}
	stillWell(t, main, log)
	until(t, "the slot is given up", func() bool { return slotLost(t, main) && latest().Lost })
	t.Logf("at least %d MB were free, at most %d MB were kept", least>>20, most>>20)
	if least < leastFree {
		t.Errorf("%d bytes were free at the least: PostgreSQL ends at %d", least, leastFree)
	}
	until(t, "the log is removed", func() bool { return freeOn(t, main.opts.Dir) > 120<<20 })
	local(t, openPool(t, main), "INSERT INTO facts VALUES (2)")

	must(t, main.RoomToBeCopied())
	must(t, main.RenewSlot(within(t)))
	must(t, main.Checkpoint(within(t)))
	must(t, secondary.Clone(within(t), main.opts.Listen, releve.NewDataID(), nil))
	follow(t, secondary, main)
	if n := count(t, openPool(t, secondary), "SELECT count(*) FROM facts"); n != 2 || slotLost(t, main) {
		t.Errorf("%d rows of 2 on the mirror", n)
	}
	until(t, "the log is kept again", func() bool { return !latest().Lost && latest().Connected })
}

// What the slot keeps is under its bound, and others take the room.
func TestTheLogIsGivenUpWhenOthersFillTheDisk(t *testing.T) {
	main, secondary, log := smallPair(t, "400m")
	must(t, secondary.Stop(within(t), true))
	for range 3 {
		recordMuch(t, main)
	}
	room := lookedAt(t, main)
	if room.Stranger != "" || room.Lost || room.Kept < 48<<20 || room.Kept > room.Bound {
		t.Fatalf("before: %+v", room)
	}
	fill(t, filepath.Dir(main.opts.Dir), 24<<20)
	until(t, "the log is given up", func() bool { // a checkpoint that is under way may have been before the bound was lowered
		room = lookedAt(t, main)
		return room.Lost && slotLost(t, main)
	})
	if free := freeOn(t, main.opts.Dir); free < 56<<20 {
		t.Errorf("%d bytes are free afterwards, of %d that were kept", free, room.Kept)
	}
	recordMuch(t, main)
	stillWell(t, main, log)
	must(t, main.do(within(t), limit, "SELECT pg_create_physical_replication_slot('backup_tool', true)"))
	recordMuch(t, main)
	if room = lookedAt(t, main); room.Stranger != "backup_tool" {
		t.Errorf("who keeps most is not named: %+v", room)
	}
}

// slowMirror holds the mirror's slot, says every second that it is there, and takes in some
// 6 MB a second, of which it has nothing on its disk yet.
func slowMirror(t *testing.T, c *Cluster) {
	t.Helper()
	var from string
	must(t, c.ask(within(t), limit, []any{&from},
		"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = $1", RoleMirror))
	conn, err := pgconn.Connect(within(t), fmt.Sprintf("host=%s port=%d user=%s dbname=%s replication=true",
		c.path("run"), c.opts.port(), RoleClone, superuser))
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		done.Wait()
		conn.Close(within(t))
	})
	conn.Frontend().Send(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s PHYSICAL %s", RoleMirror, from)})
	must(t, conn.Frontend().Flush())
	done.Go(func() {
		reply := &pgproto3.CopyData{Data: make([]byte, 34)} // positions and time: nothing is known (manual §55.4)
		reply.Data[0] = 'r'
		said := time.Time{}
		for pause(ctx, 20*time.Millisecond) == nil {
			if _, err := conn.ReceiveMessage(ctx); err != nil {
				return // its slot was given up
			}
			if time.Since(said) > 500*time.Millisecond {
				said = time.Now()
				conn.Frontend().Send(reply)
				if err := conn.Frontend().Flush(); err != nil {
					return
				}
			}
		}
	})
	until(t, "the slot is held", func() bool {
		var held bool
		must(t, c.ask(within(t), limit, []any{&held}, "SELECT active FROM pg_replication_slots WHERE slot_name = $1", RoleMirror))
		return held
	})
}

// A mirror that is there, and slow, may have more than one that is away, and in the end no
// more than the disk has.
func TestASlowMirrorKeepsItsLogUntilTheDiskNeedsIt(t *testing.T) {
	main, secondary, log := smallPair(t, "900m")
	must(t, secondary.Stop(within(t), true))
	slowMirror(t, main)
	look := func() (LogRoom, logBounds) {
		room := lookedAt(t, main)
		b, _, err := main.logBounds()
		must(t, err)
		return room, b
	}
	room, bounds := look()
	for room.Kept <= bounds.away+segmentSize {
		recordMuch(t, main)
		room, bounds = look()
	}
	must(t, main.Checkpoint(within(t)))
	if room, _ = look(); room.Lost || !room.Connected || slotLost(t, main) {
		t.Fatalf("it was given up at %+v of %+v", room, bounds)
	}
	latest, _ := tended(t, main)
	for range 15 {
		recordMuch(t, main)
	}
	until(t, "the slot is given up", func() bool { return slotLost(t, main) && latest().Lost })
	stillWell(t, main, log)
}

// A disk that is full to the last byte, with log that is kept: it starts all the same.
func TestAFullDiskIsFreedOfKeptLogBeforeAStart(t *testing.T) {
	main, secondary, log := smallPair(t, "300m")
	sql(t, openPool(t, main), "CREATE TABLE facts AS SELECT 1 AS n")
	must(t, secondary.Stop(within(t), true))
	for range 3 {
		recordMuch(t, main)
	}
	must(t, main.Checkpoint(within(t)))
	local(t, openPool(t, main), "INSERT INTO facts VALUES (2)")
	main.Fence()
	<-main.Exited()
	fill(t, filepath.Dir(main.opts.Dir), 0)
	must(t, main.Start(within(t), Primary))
	if n := count(t, openPool(t, main), "SELECT count(*) FROM facts"); n != 2 {
		t.Errorf("%d rows of 2", n)
	}
	if !log.has("the log kept for the other server was given up") {
		t.Error("nothing is said of it")
	}
	must(t, main.EnsureSlot(within(t)))
	lookedAt(t, main)
	must(t, secondary.Start(within(t), CatchUp))
	if err := secondary.AwaitStream(within(t)); !errors.Is(err, releve.ErrLogGone) {
		t.Errorf("the mirror learns: %v", err)
	}
	until(t, "the owner knows that the mirror needs a copy", func() bool { return slotLost(t, main) })
	if err := main.RoomToBeCopied(); !errors.Is(err, releve.ErrNoRoom) {
		t.Errorf("it would be copied from, without room for the log of that time: %v", err)
	}
}

// A log on a disk of its own is bound by that one, and the others are looked at as well.
func TestTheDiskOfTheLogIsWhereItIsLinkedTo(t *testing.T) {
	small := mount(t, "-t", "tmpfs", "-o", "size=150m", "tmpfs")
	c := newCluster(t, optionsFor(t, releve.Main, freeAddress(t), freeAddress(t)))
	createFromTemplate(t, c)
	moveTo(t, small, c.logDir())
	must(t, c.Start(within(t), Primary))
	must(t, c.EnsureSlot(within(t)))
	room := lookedAt(t, c)
	if room.Directory != filepath.Join(small, "pg_wal") || room.Free > 150<<20 || room.Bound > 75<<20 || room.Bound < leastKept {
		t.Errorf("the disk of the log is not the small one: %+v", room)
	}
	if len(room.Disks) != 2 || room.Disks[1].Directory != room.Directory || room.Disks[1].Total != 150<<20 {
		t.Errorf("the disks are %+v", room.Disks)
	}
	if c.keeps != room.Bound {
		t.Errorf("PostgreSQL may keep %d bytes, and %d are the bound", c.keeps, room.Bound)
	}
	well(t, c)
	ballast := fill(t, small, leastFree/2)
	ill(t, c, ErrDiskFull, small)
	must(t, os.Remove(ballast))
	well(t, c)
}

// A bound that PostgreSQL could not be told is told again, though it has not changed since.
func TestABoundThatWasNotHeardIsToldAgain(t *testing.T) {
	c := alone(t)
	b, _, err := c.logBounds()
	must(t, err)
	over, cancel := context.WithCancel(within(t))
	cancel()
	if held, err := c.hold(over, b, leastKept, true); err == nil || held {
		t.Fatalf("it was told in no time (%v)", err)
	}
	held, err := c.hold(within(t), b, leastKept, true)
	if err != nil || !held {
		t.Fatalf("it is not told: %v", err)
	}
	until(t, "PostgreSQL takes it", func() (taken bool) {
		must(t, c.ask(within(t), limit, []any{&taken},
			"SELECT pg_size_bytes(current_setting('max_slot_wal_keep_size')) = $1", int64(leastKept)))
		return taken
	})
}

func TestBoundsOfKeptLog(t *testing.T) {
	const mb, gb = 1 << 20, 1 << 30
	for _, c := range []struct {
		name               string
		free, taken, total int64
		fixed              int64
		want               logBounds
	}{
		{"300 MB", 214 * mb, 16 * mb, 300 * mb, 0, logBounds{108 * mb, 108 * mb, 32 * mb}},
		{"900 MB", 800 * mb, 48 * mb, 900 * mb, 0, logBounds{424 * mb, 485 * mb, 106 * mb}},
		{"an ordinary disk", 40 * gb, 0, 100 * gb, 0, logBounds{16 * gb, 16 * gb, 512 * mb}},
		{"a disk that others fill", 2 * gb, 1 * gb, 100 * gb, 0, logBounds{896 * mb, 896 * mb, 384 * mb}},
		{"a disk that others have filled", 10 * mb, 100 * mb, 100 * gb, 0, logBounds{leastKept, leastKept, leastLog}},
		{"the site's own", 40 * gb, 0, 100 * gb, 2 * gb, logBounds{2 * gb, 2 * gb, 512 * mb}},
		{"the site's own, and no room for it", 2 * gb, 1 * gb, 100 * gb, 8 * gb, logBounds{896 * mb, 896 * mb, 384 * mb}},
	} {
		cluster := &Cluster{opts: Options{KeepWAL: c.fixed}}
		got := cluster.boundsOn(disk{free: c.free, total: c.total}, c.taken)
		if slack := int64(2 * mb); !near(got.away, c.want.away, slack) ||
			!near(got.connected, c.want.connected, slack) || !near(got.log, c.want.log, slack) {
			t.Errorf("%s: %d, %d and %d MB, expected %d, %d and %d", c.name,
				got.away>>20, got.connected>>20, got.log>>20, c.want.away>>20, c.want.connected>>20, c.want.log>>20)
		}
	}
}

func near(a, b, by int64) bool { return a-b <= by && b-a <= by }

// Whatever the disk: what is kept, what the next checkpoint needs and what is left to others
// fit on it, unless hardly anything is kept.
func TestKeptLogAlwaysFitsOnItsDisk(t *testing.T) {
	for range 20000 {
		d := disk{total: rand.Int64N(1 << rand.Int64N(45))}
		d.free = rand.Int64N(d.total + 1)
		taken := rand.Int64N(d.total - d.free + 1)
		b := (&Cluster{opts: Options{KeepWAL: rand.Int64N(2) * rand.Int64N(1<<42)}}).boundsOn(d, taken)
		for _, kept := range []int64{b.away, b.connected} {
			if kept > leastKept && kept+b.log+d.spare() > (d.free+taken)/4*3+3 ||
				kept < 0 || b.away > b.connected || b.log < leastLog {
				t.Fatalf("%+v with %d of log: %+v", d, taken, b)
			}
		}
	}
}

func TestABoundOfTheSitesOwnIsComparedWithTheDisk(t *testing.T) {
	o := optionsFor(t, releve.Main, freeAddress(t), freeAddress(t))
	o.Dir = filepath.Join(mount(t, "-t", "tmpfs", "-o", "size=300m", "tmpfs"), "not", "made", "yet")
	for size, fits := range map[int64]bool{0: true, 64 << 20: true, 150 << 20: true, 200 << 20: false, 8 << 30: false} {
		o.KeepWAL = size
		err := newCluster(t, o).ExamineKept()
		fault := (*releve.Fault)(nil)
		if fits != (err == nil) || !fits &&
			(!errors.Is(err, ErrKeptLog) || !errors.As(err, &fault) || fault.Why.Args["most"] == "") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
