package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
)

func TestAMirrorFollowsCommitByCommit(t *testing.T) {
	ctx := within(t)
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	main := newCluster(t, optionsFor(t, releve.Main, mainAddress, secondaryAddress))
	secondary := newCluster(t, optionsFor(t, releve.Secondary, secondaryAddress, mainAddress))
	createFromTemplate(t, main)
	must(t, main.Start(ctx, Primary))
	must(t, main.EnsureSlot(ctx))
	must(t, main.EnsureSlot(ctx)) // again, harmless

	var done, total int64
	id := releve.NewDataID()
	must(t, secondary.Clone(ctx, mainAddress, id, func(d, n int64) { done, total = d, n }))
	if done == 0 || done != total {
		t.Errorf("progress ended at %d of %d bytes", done, total)
	}
	state, err := secondary.State()
	must(t, err)
	if state.Presence != Ours || state.DataID != id || state.Unusable != "" {
		t.Errorf("the clone: %+v", state)
	}

	must(t, secondary.Start(ctx, CatchUp))
	until(t, "the mirror receives", func() bool {
		p, err := secondary.Position(ctx)
		must(t, err)
		return p.Streaming
	})
	if m, err := main.Mirror(ctx); err != nil || m.Present {
		t.Errorf("a mirror that catches up bears the name: %+v (%v)", m, err)
	}
	must(t, secondary.BecomeMirror(ctx))
	inSync(t, main)

	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int)")
	sql(t, pool, "INSERT INTO facts VALUES (1)")
	acknowledged, err := main.Position(ctx)
	must(t, err)
	mirrored, err := secondary.Position(ctx)
	must(t, err)
	if !mirrored.InRecovery || mirrored.Flush < acknowledged.Flush-pageSize || mirrored.Timeline != 1 {
		t.Errorf("owner %+v, mirror %+v", acknowledged, mirrored)
	}
	until(t, "a reader of the mirror sees the row", func() bool {
		return count(t, openPool(t, secondary), "SELECT count(*) FROM facts") == 1
	})
	m, err := main.Mirror(ctx)
	must(t, err)
	if !m.InSync() || m.User != RoleMirror || m.Flush == 0 || m.PID == 0 {
		t.Errorf("%+v", m)
	}
}

// load is writers that note each row that was acknowledged.
type load struct {
	mu           sync.Mutex
	acknowledged []int
	next         atomic.Int64
	writers      sync.WaitGroup
}

func startLoad(t *testing.T, pool *pgxpool.Pool, writers int) *load {
	l := &load{}
	ctx := within(t)
	for range writers {
		l.writers.Go(func() {
			for {
				n := int(l.next.Add(1))
				if _, err := pool.Exec(ctx, "INSERT INTO facts VALUES ($1)", n); err != nil {
					return
				}
				l.mu.Lock()
				l.acknowledged = append(l.acknowledged, n)
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) rows() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int(nil), l.acknowledged...)
}

func (l *load) missingFrom(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	return count(t, pool, "SELECT count(*) FROM unnest($1::int[]) AS a(n) WHERE n NOT IN (SELECT n FROM facts)", l.rows())
}

func TestAPromotionUnderLoadKeepsEveryAcknowledgedRow(t *testing.T) {
	for _, fault := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(fault.String(), func(t *testing.T) {
			main, secondary := pair(t)
			pool := openPool(t, main)
			sql(t, pool, "CREATE TABLE facts (n int PRIMARY KEY)")
			l := startLoad(t, pool, 4)
			until(t, "rows are acknowledged", func() bool { return len(l.rows()) >= 200 })
			pids, err := main.members()
			must(t, err)
			for _, pid := range pids {
				must(t, syscall.Kill(pid, fault))
			}
			began := time.Now()
			p, err := secondary.Promote(within(t), Asked{ID: "promotion"})
			must(t, err)
			t.Logf("promoted in %s: %+v", time.Since(began), p)
			if p.Timeline != 2 || p.Fork == 0 || p.Fork < p.LastFlush && p.Tail == TailNone {
				t.Errorf("%+v", p)
			}
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGCONT) // it wakes, and commits wait for ever
			}
			promoted := openPool(t, secondary)
			local(t, promoted, "INSERT INTO facts VALUES (-1)")
			main.Fence()
			l.writers.Wait()
			if n := l.missingFrom(t, promoted); n > 0 {
				t.Errorf("%d of %d acknowledged rows are lost", n, len(l.rows()))
			}
		})
	}
}

func TestAReaderOnTheMirrorDoesNotDelayAPromotion(t *testing.T) {
	main, secondary := pair(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts AS SELECT 1 AS n")
	reader, err := openPool(t, secondary).Acquire(within(t))
	must(t, err)
	defer reader.Release()
	until(t, "the mirror has the table", func() bool {
		_, err = reader.Exec(within(t), "SELECT * FROM facts")
		return err == nil
	})
	_, err = reader.Exec(within(t), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM facts")
	must(t, err)
	sql(t, pool, "TRUNCATE facts") // replay conflicts with what the reader holds
	main.Fence()
	began := time.Now()
	_, err = secondary.Promote(within(t), Asked{ID: "promotion"})
	must(t, err)
	t.Logf("promoted in %s", time.Since(began))
	if _, err := reader.Exec(within(t), "SELECT 1"); err == nil {
		t.Error("the reader's session went on into the new term")
	}
}

func TestDamageInWhatTheMirrorHadNotYetReplayedIsFound(t *testing.T) {
	for name, offset := range map[string]releve.LSN{"in a record's body": 40, "in its length": 2} {
		t.Run(name, func(t *testing.T) {
			main, secondary := pair(t)
			ctx := within(t)
			pool := openPool(t, main)
			sql(t, pool, "CREATE TABLE facts (n int)")
			paused := pauseReplay(t, secondary)
			for n := range 6 {
				sql(t, pool, "INSERT INTO facts VALUES ($1)", n) // acknowledged: flushed there, not replayed
			}
			main.Fence()
			flipByte(t, filepath.Join(secondary.dataDir(), "pg_wal"), paused.Timeline, paused.Replay+offset)
			p, err := secondary.Promote(ctx, Asked{ID: "promotion"})
			if !errors.Is(err, ErrTail) || p.Tail != TailDamaged {
				t.Errorf("%+v (%v)", p, err)
			}
			if p.Fork != paused.Replay || p.LastFlush <= p.Fork {
				t.Errorf("replayed to %s, then %+v", paused.Replay, p)
			}
			evidence, err := filepath.Glob(filepath.Join(secondary.opts.Dir, "tail-*Z", "0000000100*"))
			if err != nil || len(evidence) == 0 {
				t.Errorf("the WAL left behind is not kept: %v (%v)", evidence, err)
			}
		})
	}
}

// A promotion that was not seen to end has left the old timeline all the same, short of what the
// mirror had. The next attempt begins on the timeline that it made; it is judged by what the
// first had left, and so is each after it (R4).
func TestAPromotionThatIsTriedAgainIsJudgedByWhatTheFirstHadLeft(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int)")
	paused := pauseReplay(t, secondary)
	for n := range 6 {
		sql(t, pool, "INSERT INTO facts VALUES ($1)", n) // acknowledged: flushed there, not replayed
	}
	main.Fence()
	asked := Asked{ID: "secondary-2-copy", Timeline: paused.Timeline}
	at, err := secondary.Position(ctx)
	must(t, err)
	_, first, err := secondary.keepTail(asked.ID, at) // as Promote begins …
	must(t, err)
	flipByte(t, filepath.Join(secondary.dataDir(), "pg_wal"), paused.Timeline, paused.Replay+40)
	must(t, secondary.do(ctx, limit, "SELECT pg_promote(false)")) // … and is killed before it sees the end
	until(t, "it is promoted", func() bool {
		p, err := secondary.Position(ctx)
		return err == nil && !p.InRecovery
	})
	for range 2 {
		secondary.Fence()
		must(t, secondary.Start(ctx, Isolated))
		p, err := secondary.Promote(ctx, asked)
		if !errors.Is(err, ErrTail) || p.Tail != TailDamaged || p.Fork != paused.Replay {
			t.Fatalf("first was %+v, then %+v (%v)", first, p, err)
		}
	}
	evidence, err := filepath.Glob(filepath.Join(secondary.opts.Dir, "tail-*Z", "0000000100*"))
	if err != nil || len(evidence) == 0 {
		t.Errorf("the WAL left behind is not kept: %v (%v)", evidence, err)
	}
	secondary.Fence()
	must(t, secondary.Start(ctx, Isolated))
	p, err := secondary.Promote(ctx, Asked{ID: "secondary-3-copy"}) // an operator has nothing better
	if err != nil || p.Tail == TailDamaged {
		t.Errorf("on an operator's word: %+v (%v)", p, err)
	}
}

// pauseReplay holds a mirror's replay where it has caught up, so that what comes next is
// flushed and not even read ahead.
func pauseReplay(t *testing.T, mirror *Cluster) (at Position) {
	t.Helper()
	ctx := within(t)
	until(t, "all that came is replayed", func() bool {
		p, err := mirror.Position(ctx)
		must(t, err)
		return p.Replay == p.Flush
	})
	must(t, mirror.do(ctx, limit, "SELECT pg_wal_replay_pause()"))
	until(t, "replay is paused", func() bool {
		var paused bool
		must(t, mirror.ask(ctx, limit, []any{&paused}, "SELECT pg_get_wal_replay_pause_state() = 'paused'"))
		return paused
	})
	at, err := mirror.Position(ctx)
	must(t, err)
	return at
}

func flipByte(t *testing.T, dir string, timeline releve.Timeline, at releve.LSN) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, segmentName(timeline, at)), os.O_RDWR, 0)
	must(t, err)
	defer file.Close()
	var b [1]byte
	_, err = file.ReadAt(b[:], int64(at%segmentSize))
	must(t, err)
	b[0] ^= 0x10
	_, err = file.WriteAt(b[:], int64(at%segmentSize))
	must(t, err)
}

func TestTailsAreToldApartInRealWAL(t *testing.T) {
	c := alone(t)
	ctx := within(t)
	// Three records: one over many pages, one over a file's end, and the end of a file itself.
	emit := func(bytes int) (begin releve.LSN) {
		var at lsnText
		must(t, c.ask(ctx, limit, []any{&at, nil},
			"SELECT pg_current_wal_insert_lsn(), pg_logical_emit_message(false, 'test', repeat('x', $1))::text", bytes))
		return releve.LSN(at)
	}
	pages := emit(100_000)
	files := emit(segmentSize)
	filesEnd := emit(8)
	switched := emit(8)
	must(t, c.do(ctx, limit, "SELECT pg_switch_wal()"))
	switchedEnd := segmentStart(switched) + segmentSize
	local(t, openPool(t, c), "CREATE TABLE flushed ()") // a checkpoint would remove the old files
	c.Fence()

	nextPage := func(l releve.LSN) releve.LSN { return l - l%pageSize + pageSize }
	for name, test := range map[string]struct {
		fork, flushed releve.LSN
		spoil         func(dir string)
		want          Tail
	}{
		"whole":                  {pages, files, nil, TailRecords},
		"cut at a page":          {pages, nextPage(pages) + pageSize, nil, TailUnfinished},
		"cut at a file":          {files, segmentStart(files) + segmentSize, nil, TailUnfinished},
		"one bit in it":          {pages, files, func(dir string) { flipByte(t, dir, 1, pages+50_000) }, TailDamaged},
		"one bit in its length":  {pages, files, func(dir string) { flipByte(t, dir, 1, pages+1) }, TailDamaged},
		"one bit in a page head": {pages, files, func(dir string) { flipByte(t, dir, 1, nextPage(pages)) }, TailDamaged},
		"over a file, whole":     {files, filesEnd, nil, TailRecords},
		"whole to a file's end":  {switched, switchedEnd, nil, TailRecords},
		"nothing behind":         {switchedEnd, switchedEnd, nil, TailNone},
	} {
		kept, _, err := c.keepTail(releve.PromotionID(name), Position{Timeline: 1, Replay: pages})
		must(t, err)
		copied := receivedOnly(t, kept, test.flushed)
		if test.spoil != nil {
			test.spoil(copied)
		}
		tail, detail, err := c.tail(ctx, copied, releve.Fork{Timeline: 1, At: test.fork}, test.flushed)
		if err != nil || tail != test.want {
			t.Errorf("%s: %s, want %s (%v): %s", name, tail, test.want, err, detail)
		}
	}
}

// receivedOnly copies WAL files as a mirror would have them that received up to a position.
func receivedOnly(t *testing.T, dir string, flushed releve.LSN) string {
	t.Helper()
	copied := openDir(t)
	must(t, os.Chmod(copied, 0o755))
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		begin := segmentLSN(e.Name())
		if !segmentForm.MatchString(e.Name()) || begin >= flushed {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		name := filepath.Join(copied, e.Name())
		must(t, os.WriteFile(name, content[:min(flushed-begin, segmentSize)], 0o644))
		must(t, os.Truncate(name, segmentSize)) // the rest reads as zeros
	}
	return copied
}

func TestAMirrorKilledInsideAPromotionIsNoSecondPrimary(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	sql(t, openPool(t, main), "CREATE TABLE facts (n int)")
	main.Fence()
	must(t, secondary.do(ctx, limit, "SELECT pg_promote(false)"))
	until(t, "the promotion has removed the standby's signal", func() bool {
		_, err := os.Stat(filepath.Join(secondary.dataDir(), "standby.signal"))
		return os.IsNotExist(err)
	})
	must(t, secondary.postmaster().cmd.Process.Kill())
	<-secondary.Exited()
	must(t, secondary.Start(ctx, CatchUp))
	p, err := secondary.Position(ctx)
	must(t, err)
	if !p.InRecovery {
		t.Errorf("it came back writable: %+v", p)
	}
	_, err = openPool(t, secondary).Exec(ctx, "INSERT INTO facts VALUES (1)")
	if err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a write: %v", err)
	}
}

// diverge leaves main stopped with a row of its own and secondary on duty with another.
func diverge(t *testing.T) (main, secondary *Cluster) {
	t.Helper()
	main, secondary = pair(t)
	ctx := within(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (who text)")
	must(t, secondary.Stop(ctx, true))
	local(t, pool, "INSERT INTO facts VALUES ('main alone')")
	main.Fence()
	must(t, secondary.Start(ctx, CatchUp))
	_, err := secondary.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	local(t, openPool(t, secondary), "INSERT INTO facts VALUES ('secondary on duty')")
	must(t, secondary.EnsureSlot(ctx))
	must(t, secondary.Checkpoint(ctx))
	return main, secondary
}

func TestCommitsThatOnlyTheOldOwnerHasAreCountedBeforeARewind(t *testing.T) {
	main, secondary := diverge(t)
	ctx := within(t)
	forks, err := secondary.History(2)
	must(t, err)
	commits, err := main.Beyond(ctx, 1, forks[0].At)
	if err != nil || commits < 1 {
		t.Errorf("%d commits after the fork (%v), and it made one alone", commits, err)
	}
	if err := removeFile(filepath.Join(main.dataDir(), "pg_wal", segmentName(1, forks[0].At))); err != nil {
		t.Fatal(err)
	}
	if commits, err := main.Beyond(ctx, 1, forks[0].At); err == nil {
		t.Errorf("%d commits in a log that is not there", commits)
	}
}

func TestDamageAfterTheForkIsNoProofOfAbsence(t *testing.T) {
	main, secondary := diverge(t)
	forks, err := secondary.History(2)
	must(t, err)
	flipByte(t, filepath.Join(main.dataDir(), "pg_wal"), 1, forks[0].At+40)
	if commits, err := main.Beyond(within(t), 1, forks[0].At); err == nil {
		t.Errorf("%d commits in a damaged log", commits)
	}
}

func TestAnOldOwnerIsRewoundAndFollows(t *testing.T) {
	main, secondary := diverge(t)
	ctx := within(t)
	id := releve.NewDataID()
	began := time.Now()
	needed, err := main.Rewind(ctx, secondary.opts.Listen, id, nil)
	must(t, err)
	t.Logf("rewound in %s", time.Since(began))
	if !needed {
		t.Error("it had a row of its own and no rewind was needed")
	}
	if state, err := main.State(); err != nil || state.DataID != id || state.Unusable != "" {
		t.Errorf("%+v (%v)", state, err)
	}
	follow(t, main, secondary)
	sql(t, openPool(t, secondary), "INSERT INTO facts VALUES ('both')")
	until(t, "the old owner has the new owner's rows and no others", func() bool {
		pool := openPool(t, main)
		return count(t, pool, "SELECT count(*) FROM facts WHERE who IN ('both', 'secondary on duty')") == 2 &&
			count(t, pool, "SELECT count(*) FROM facts") == 2
	})
	if p, err := main.Position(ctx); err != nil || p.Timeline != 2 {
		t.Errorf("%+v (%v)", p, err)
	}
}

func TestARewindThatWasInterruptedLeavesOnlyAClone(t *testing.T) {
	main, secondary := diverge(t)
	interrupted, interrupt := context.WithCancel(within(t))
	_, err := main.Rewind(interrupted, secondary.opts.Listen, releve.NewDataID(), func(int64, int64) { interrupt() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the interruption is told as: %v", err)
	}
	if state, err := main.State(); err != nil || state.Unusable == "" {
		t.Errorf("%+v (%v)", state, err)
	}
	if err := main.Start(within(t), CatchUp); err == nil || !strings.Contains(err.Error(), "must not be started") {
		t.Errorf("Start: %v", err)
	}
	must(t, main.Clone(within(t), secondary.opts.Listen, releve.NewDataID(), nil))
	follow(t, main, secondary)
	aside, err := filepath.Glob(filepath.Join(main.opts.Dir, "data.aside-*Z", "PG_VERSION"))
	if err != nil || len(aside) != 1 {
		t.Errorf("what was there is not kept whole: %v (%v)", aside, err)
	}
}

func TestACleanHandoverNeedsNoRewind(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	sql(t, openPool(t, main), "CREATE TABLE facts (n int)")
	must(t, main.Stop(ctx, true))
	p, err := secondary.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	if p.Tail != TailNone {
		t.Errorf("%+v", p)
	}
	if commits, err := main.Beyond(ctx, 1, p.Fork); err != nil || commits != 0 {
		t.Errorf("%d commits after a clean handover (%v)", commits, err)
	}
	must(t, secondary.EnsureSlot(ctx))
	must(t, secondary.Checkpoint(ctx))
	needed, err := main.Rewind(ctx, secondary.opts.Listen, releve.NewDataID(), nil)
	must(t, err)
	if needed {
		t.Error("a rewind was needed after a clean handover")
	}
	follow(t, main, secondary)
	sql(t, openPool(t, secondary), "INSERT INTO facts VALUES (1)")
	// And back: the receiver ends with the owner, and the copy no longer says which timeline it
	// follows.
	must(t, secondary.Stop(ctx, true))
	back, err := main.Promote(ctx, Asked{ID: "back", Timeline: p.Timeline})
	must(t, err)
	if back.Tail != TailNone || back.Timeline != 3 || back.Fork <= p.Fork {
		t.Errorf("%+v", back)
	}
}

func TestTwoServersThatPromotedApartShowItInTheirForks(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	pool := openPool(t, main)
	sql(t, pool, "CREATE TABLE facts (n int)")
	must(t, secondary.Stop(ctx, true))
	local(t, pool, "INSERT INTO facts VALUES (1)")
	must(t, main.Stop(ctx, true))
	for _, c := range []*Cluster{main, secondary} {
		must(t, c.Start(ctx, CatchUp))
		_, err := c.Promote(ctx, Asked{ID: "promotion"})
		must(t, err)
		c.Fence() // the next one must not hear of it
	}
	mine, err := main.History(2)
	must(t, err)
	theirs, err := secondary.History(2)
	must(t, err)
	if len(mine) != 1 || len(theirs) != 1 || mine[0].Timeline != 1 || theirs[0].Timeline != 1 {
		t.Fatalf("%v %v", mine, theirs)
	}
	if mine[0].At == theirs[0].At {
		t.Errorf("both timelines 2 seem to be one: %v", mine)
	}
	if _, err := main.History(3); err == nil {
		t.Error("a timeline that never was has a history")
	}
}

func TestOnlyTheOtherServersCertificateReplicates(t *testing.T) {
	main, secondary := pair(t)
	connect := func(c *Cluster, role, extra string) error {
		conn, err := connect(within(t), c.conninfo(main.opts.Listen, role, "test")+extra)
		if err == nil {
			conn.Close(within(t))
		}
		return err
	}
	must(t, connect(secondary, RoleClone, " dbname=postgres"))
	must(t, connect(secondary, RoleMirror, " replication=true"))
	for what, err := range map[string]error{
		"our own certificate":       connect(main, RoleClone, " dbname=postgres"),
		"the superuser":             connect(secondary, superuser, " dbname=postgres"),
		"the owner of the database": connect(secondary, RoleOwner, " dbname=releve"),
		"the mirror in a database":  connect(secondary, RoleMirror, " dbname=postgres"),
		"the clone in our database": connect(secondary, RoleClone, " dbname=releve"),
	} {
		if err == nil {
			t.Errorf("%s was let in from outside", what)
		}
	}
	plain := fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=disable",
		main.opts.Listen.Addr(), main.opts.Listen.Port(), RoleClone)
	if _, err := pgx.Connect(within(t), plain); err == nil {
		t.Error("a connection in clear was let in")
	}
}

func TestAReceiverThatOnlyBearsTheNameIsForeign(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	ctx, stop := context.WithCancel(within(t))
	received := openDir(t)
	must(t, os.Chmod(received, 0o777))
	done := make(chan error, 1)
	go func() {
		_, err := secondary.run(ctx, "", nil, "pg_receivewal", "--directory="+received,
			"--dbname="+secondary.conninfo(main.opts.Listen, RoleClone, strings.ToUpper(RoleMirror)))
		done <- err
	}()
	defer func() { stop(); <-done }()
	until(t, "somebody bears the name", func() bool {
		m, err := main.Mirror(within(t))
		must(t, err)
		if m.Present && (m.Foreign == "" || m.InSync()) {
			t.Fatalf("it passes for the mirror: %+v", m)
		}
		return m.Present
	})
}

func TestALostLogIsToldUntilTheMirrorIsCopiedAnew(t *testing.T) {
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	o := optionsFor(t, releve.Main, mainAddress, secondaryAddress)
	o.KeepWAL = 64 << 20
	c, secondary := pairOf(t, newCluster(t, o), newCluster(t, optionsFor(t, releve.Secondary, secondaryAddress, mainAddress)))
	ctx := within(t)
	lost := func() bool {
		m, err := c.Mirror(ctx)
		must(t, err)
		return m.Lost
	}
	if lost() {
		t.Fatal("it is lost while it streams")
	}
	must(t, secondary.Stop(ctx, true))
	switches := 0
	until(t, "the slot has lost its WAL", func() bool {
		must(t, c.do(ctx, limit, "SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()"))
		must(t, c.Checkpoint(ctx))
		switches++
		return lost()
	})
	if kept := int64(switches) * segmentSize; kept < o.KeepWAL {
		t.Errorf("lost after %d bytes, and %d are to be kept", kept, o.KeepWAL)
	}
	must(t, c.Stop(ctx, true))
	must(t, c.Start(ctx, Primary))
	must(t, c.EnsureSlot(ctx))
	if !lost() {
		t.Error("a restart has forgotten it")
	}

	must(t, secondary.Start(ctx, CatchUp))
	if err := secondary.AwaitStream(ctx); !errors.Is(err, releve.ErrLogGone) {
		t.Errorf("the mirror learns: %v", err)
	}
	secondary.Fence()
	must(t, secondary.OnlyFollowed(ctx, mainAddress))
	must(t, c.RenewSlot(ctx))
	if lost() {
		t.Error("made anew, it is still lost")
	}
	must(t, secondary.Clone(ctx, mainAddress, releve.NewDataID(), nil))
	follow(t, secondary, c)
	must(t, secondary.Stop(ctx, true))
	must(t, c.DropSlots(ctx))
	var slots int
	must(t, c.ask(ctx, limit, []any{&slots}, "SELECT count(*) FROM pg_replication_slots"))
	if slots != 0 {
		t.Errorf("%d slots are left", slots)
	}
}

func TestDataThatWasWritableIsNoMereCopy(t *testing.T) {
	main, secondary := pair(t)
	ctx := within(t)
	must(t, secondary.Stop(ctx, true))
	must(t, secondary.OnlyFollowed(ctx, main.opts.Listen))
	if err := main.OnlyFollowed(ctx, secondary.opts.Listen); err == nil {
		t.Error("an owner that runs is a copy")
	}
	must(t, secondary.Start(ctx, Isolated))
	_, err := secondary.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	secondary.Fence()
	if err := secondary.OnlyFollowed(ctx, main.opts.Listen); err == nil || !strings.Contains(err.Error(), "writable") {
		t.Errorf("after a promotion: %v", err)
	}
	if state, err := secondary.State(); err != nil || state.Copy {
		t.Errorf("%+v (%v)", state, err)
	}
}

func TestDataCreatedApartIsNotRewound(t *testing.T) {
	ctx := within(t)
	owner := alone(t)
	other := newCluster(t, optionsFor(t, releve.Secondary, freeAddress(t), owner.opts.Listen))
	must(t, other.Create(ctx, releve.NewDataID()))
	_, err := other.Rewind(ctx, owner.opts.Listen, releve.NewDataID(), nil)
	if !errors.Is(err, ErrOtherCluster) {
		t.Errorf("Rewind: %v", err)
	}
	must(t, other.Start(ctx, Primary)) // untouched
	must(t, other.Stop(ctx, true))

	o := other.opts
	o.SiteID = "another-site"
	o.Dir = filepath.Join(openDir(t), "pg")
	if err := newCluster(t, o).Clone(ctx, owner.opts.Listen, releve.NewDataID(), nil); err == nil ||
		!strings.Contains(err.Error(), "another site") {
		t.Errorf("a clone across sites: %v", err)
	}
	if err := other.Clone(ctx, freeAddress(t), releve.NewDataID(), nil); err == nil ||
		!strings.Contains(err.Error(), "does not let us in") {
		t.Errorf("a clone of nobody: %v", err)
	}
}

// Guides for a full disk say to drop it: the owner makes the slot again, and the mirror goes on.
func TestASlotThatSomebodyDroppedIsMadeAgain(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	slotGone(t, main)
	must(t, main.EnsureSlot(within(t)))
	follow(t, secondary, main)
}

// A start, a promotion and the watch may all be about to make it: it is there for each of them.
func TestTheSlotIsMadeByManyAtOnce(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	for range 20 {
		slotGone(t, main)
		ctx := within(t)
		made := make(chan error)
		for range 4 {
			go func() { made <- main.EnsureSlot(ctx) }()
		}
		for range 4 {
			must(t, <-made)
		}
	}
}

// When what the mirror needs went with the slot, both are told, and only a copy helps.
func TestASlotThatWasMadeAgainTooLateIsToldToBoth(t *testing.T) {
	main, secondary := pair(t)
	must(t, secondary.Stop(within(t), true))
	slotGone(t, main)
	pool := openPool(t, main)
	local(t, pool, "CREATE TABLE facts (n int)")
	until(t, "the log that the mirror needs is gone", func() bool {
		local(t, pool, "INSERT INTO facts VALUES (1)")
		must(t, main.do(within(t), limit, "SELECT pg_switch_wal()"))
		must(t, main.Checkpoint(within(t)))
		return count(t, pool, "SELECT count(*) FROM pg_ls_waldir() WHERE name <= '000000010000000000000005'") == 0
	})
	must(t, main.EnsureSlot(within(t)))
	must(t, secondary.Start(within(t), CatchUp))
	until(t, "the mirror is told", func() bool { // a receiver streams for a moment before it is refused
		return errors.Is(secondary.BecomeMirror(within(t)), releve.ErrLogGone)
	})
	until(t, "the owner knows that the mirror cannot follow", func() bool {
		m, err := main.Mirror(within(t))
		must(t, err)
		return m.Lost && !m.SlotGone
	})
	secondary.Fence()
	_, err := secondary.SetAside(within(t), "too old")
	must(t, err)
	must(t, main.RenewSlot(within(t)))
	must(t, secondary.Clone(within(t), main.opts.Listen, releve.NewDataID(), nil))
	follow(t, secondary, main)
	if m, err := main.Mirror(within(t)); err != nil || m.Lost {
		t.Errorf("it follows, and is still called lost: %+v, %v", m, err)
	}
}

// slotGone drops the mirror's slot as somebody's hand does, and waits until that is seen.
func slotGone(t *testing.T, owner *Cluster) {
	t.Helper()
	until(t, "the slot can be dropped", func() bool {
		return owner.do(within(t), limit, "SELECT pg_drop_replication_slot($1)", RoleMirror) == nil
	})
	m, err := owner.Mirror(within(t))
	must(t, err)
	if !m.SlotGone || m.Lost {
		t.Fatalf("%+v", m)
	}
}
