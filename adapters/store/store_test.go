package store_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"releve"
	"releve/adapters/store"
	"releve/proof/practice/freeze"
)

func TestOpeningTwiceForOnePromotionWritesItOnce(t *testing.T) {
	p := newSite(t, alone)
	id := releve.PromotionID("ours")
	for range 2 {
		p.open(func(o *store.Options) { o.Promotion, o.Term = id, 3 })
	}
	if n := p.count("SELECT count(*) FROM promotion WHERE id = $1 AND term = 3 AND seat = 'main'", string(id)); n != 1 {
		t.Errorf("%d promotions, expected 1", n)
	}
}

func TestADatabaseThatAnotherTermWroteIsRefused(t *testing.T) {
	p := newSite(t, alone)
	p.open(func(o *store.Options) { o.Term = 5 })
	for name, opt := range map[string]store.Options{
		"an earlier term":             {Term: 4, Seat: releve.Main, Lone: true, Promotion: "earlier"},
		"the same term, another seat": {Term: 5, Seat: releve.Secondary, Lone: true, Promotion: "rival"},
	} {
		_, err := store.Open(within(t), p.pool(), opt)
		t.Log(name)
		says(t, err, "written in term 5 by main", "compare the journals")
	}
	if n := p.count("SELECT count(*) FROM promotion"); n != 1 {
		t.Errorf("%d promotions, expected 1", n)
	}
}

func TestAPoolThatDoesNotMirrorIsRefused(t *testing.T) {
	p := newSite(t, alone)
	pool := p.pool(func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "off" })
	_, err := store.Open(within(t), pool, store.Options{Term: 1, Seat: releve.Main, Promotion: "any"})
	says(t, err, `synchronous_commit is "off" and must be "on"`)
}

func TestAPoolThatIsNotWatchedIsRefused(t *testing.T) {
	p := newSite(t, alone)
	pool, err := pgxpool.New(within(t), p.url)
	must(t, err)
	t.Cleanup(pool.Close)
	_, err = store.Open(within(t), pool, store.Options{Term: 1, Seat: releve.Main, Lone: true, Promotion: "any"})
	says(t, err, "store.Configure")
}

func TestACommitWithoutTheVoteWaitsUntilTheVoteComes(t *testing.T) {
	p := newSite(t, alone)
	s := p.openWithoutVote()
	done := goWrite(within(t), s, "201")
	p.untilWaiting()
	if n := p.count("SELECT count(*) FROM extension"); n != 0 {
		t.Errorf("%d rows visible while the commit waits", n)
	}
	select {
	case err := <-done:
		t.Fatalf("acknowledged without mirror or vote: %v", err)
	default:
	}
	must(t, s.SetLone(within(t), true))
	must(t, answer(t, done))
	must(t, s.Write(within(t), insert(within(t), "202")))
	if n := p.count("SELECT count(*) FROM extension"); n != 2 {
		t.Errorf("%d rows, expected 2", n)
	}
}

func TestManyWaitingCommitsAreAllReleased(t *testing.T) {
	p := newSite(t, alone)
	s := p.openWithoutVote()
	var writes []<-chan error
	for _, number := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12") { // more than the pool has sessions
		writes = append(writes, goWrite(within(t), s, number))
	}
	p.untilWaiting()
	must(t, s.SetLone(within(t), true))
	for _, done := range writes {
		must(t, answer(t, done))
	}
	if n := p.count("SELECT count(*) FROM extension"); n != len(writes) {
		t.Errorf("%d rows, expected %d", n, len(writes))
	}
}

func TestACallerWhoGivesUpDoesNotEndACommit(t *testing.T) {
	p := newSite(t, alone)
	s := p.openWithoutVote()
	ctx, giveUp := context.WithCancel(within(t))
	done := goWrite(ctx, s, "201")
	pid := p.untilWaiting()
	giveUp()
	if still := p.waiting(); still != pid {
		t.Errorf("backend %d no longer waits", pid)
	}
	must(t, s.SetLone(within(t), true))
	must(t, answer(t, done)) // an error had the cancellation ended it
}

// held is a transaction that stays open until it is let go.
type held struct {
	started chan struct{}
	letGo   func()
	done    <-chan error
}

func hold(t *testing.T, s *store.Store, number string) *held {
	released := make(chan struct{})
	h := &held{started: make(chan struct{}), letGo: sync.OnceFunc(func() { close(released) })}
	t.Cleanup(h.letGo)
	ctx := within(t)
	h.done = inBackground(func() error {
		return s.Write(ctx, func(tx pgx.Tx) error {
			close(h.started)
			<-released
			return insert(ctx, number)(tx)
		})
	})
	select {
	case <-h.started:
	case <-ctx.Done():
		t.Fatal("the transaction did not begin")
	}
	return h
}

// untilBarrier waits until nobody enters any more.
func untilBarrier(t *testing.T, s *store.Store) {
	t.Helper()
	eventually(t, "the barrier is up", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		err := s.Write(ctx, func(pgx.Tx) error { return errNothing })
		return errors.Is(err, context.DeadlineExceeded)
	})
}

var errNothing = errors.New("nothing to write")

func TestNoLoneCommitComesAfterTheBarrier(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	h := hold(t, s, "201")
	switched := inBackground(func() error { return s.SetLone(within(t), false) })
	untilBarrier(t, s)
	select {
	case err := <-switched:
		t.Fatalf("the barrier passed a transaction in flight: %v", err)
	default:
	}
	h.letGo()
	must(t, answer(t, switched))
	if n := p.count("SELECT count(*) FROM extension"); n != 1 {
		t.Errorf("%d rows when the barrier has passed, expected that of the transaction held open", n)
	}
	must(t, answer(t, h.done))
	done := goWrite(within(t), s, "202")
	p.untilWaiting()
	must(t, s.SetLone(within(t), true))
	must(t, answer(t, done))
}

func TestABarrierThatIsGivenUpLeavesTheModeAsItWas(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	h := hold(t, s, "201")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	says(t, s.SetLone(ctx, false), "lone=false not reached", "1 transactions in flight")
	must(t, s.Write(within(t), insert(within(t), "202"))) // lone still: it would wait
	h.letGo()
	must(t, answer(t, h.done))
}

func TestABarrierWaitsForTheBackendOfALostSession(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	var pid int
	err := s.Write(within(t), func(tx pgx.Tx) error {
		must(t, tx.QueryRow(within(t), "SELECT pg_backend_pid()").Scan(&pid))
		freeze.Stop(t, pid)
		must(t, tx.Conn().PgConn().Conn().Close())
		return insert(within(t), "201")(tx)
	})
	resume := func() error { return syscall.Kill(pid, syscall.SIGCONT) }
	defer func() { _ = resume() }()
	if err == nil {
		t.Fatal("a write over a broken session succeeded")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	says(t, s.SetLone(ctx, false), "1 lost sessions")
	must(t, resume())
	must(t, s.SetLone(within(t), false))
}

func TestACommitThatAStrangerCancelsIsInDoubt(t *testing.T) {
	p := newSite(t, alone)
	var doubts atomic.Int64
	s := p.openWithoutVote(counting(&doubts))
	done := goWrite(within(t), s, "201")
	pid := p.untilWaiting()
	p.count("SELECT pg_cancel_backend($1)::int", pid)
	err := answer(t, done)
	if _, ok := errors.AsType[*store.InDoubt](err); !ok || doubts.Load() != 1 {
		t.Errorf("got %v and %d in doubt: PostgreSQL's warning without the vote is no acknowledgement", err, doubts.Load())
	}
	says(t, err, "in doubt", "stopped waiting for the mirror")
}

func TestAFenceSendsNoCancelAndEndsEveryWait(t *testing.T) {
	p := newSite(t, alone)
	var dials atomic.Int64
	pool := p.pool(func(cfg *pgxpool.Config) {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return dial(ctx, network, address)
		}
	})
	s, err := store.Open(within(t), pool, store.Options{Term: 1, Seat: releve.Main, Lone: true, Promotion: "first"})
	must(t, err)
	must(t, s.SetLone(within(t), false))
	var cleaned chan struct{}
	done := inBackground(func() error {
		return s.Write(within(t), func(tx pgx.Tx) error {
			cleaned = tx.Conn().PgConn().CleanupDone()
			return insert(within(t), "201")(tx)
		})
	})
	pid := p.untilWaiting()
	before := dials.Load()
	s.Release()
	err = answer(t, done)
	if _, ok := errors.AsType[*store.InDoubt](err); !ok || !errors.Is(err, store.ErrFenced) {
		t.Errorf("got %v, expected a commit in doubt at the fence", err)
	}
	<-cleaned
	if sent := dials.Load() - before; sent != 0 || p.waiting() != pid {
		t.Errorf("%d connections made after the fence, backend %d waits: %t", sent, pid, p.waiting() == pid)
	}
	_, errRead := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 1)
	for what, err := range map[string]error{
		"write": s.Write(within(t), insert(within(t), "202")), "switch": s.SetLone(within(t), true), "read": errRead,
	} {
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s after the fence: %v", what, err)
		}
	}
}

func TestAFenceEndsAWaitAtABarrier(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	h := hold(t, s, "201")
	switched := inBackground(func() error { return s.SetLone(within(t), false) })
	untilBarrier(t, s)
	queued := goWrite(within(t), s, "202")
	s.Release()
	for _, done := range []<-chan error{switched, queued} {
		if err := answer(t, done); !errors.Is(err, store.ErrFenced) {
			t.Errorf("got %v", err)
		}
	}
	h.letGo()
	if err := answer(t, h.done); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the transaction held open ended with %v", err)
	}
}

func TestOpeningWithoutVoteOrMirrorEndsWithItsContext(t *testing.T) {
	p := newSite(t, alone)
	opt := store.Options{Term: 1, Seat: releve.Main, Promotion: "first"}
	ctx, giveUp := context.WithCancel(within(t))
	pool := p.pool()
	opened := inBackground(func() error {
		_, err := store.Open(ctx, pool, opt)
		return err
	})
	p.untilWaiting() // the first migration's commit
	giveUp()
	if err := answer(t, opened); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p.open(func(o *store.Options) { o.Promotion = "first" }) // with the vote
	if n := p.count("SELECT count(*) FROM promotion"); n != 1 {
		t.Errorf("%d promotions, expected 1", n)
	}
}

func TestAFailedTransactionLeavesNothing(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	err := s.Write(within(t), func(tx pgx.Tx) error {
		must(t, insert(within(t), "201")(tx))
		return errNothing
	})
	if !errors.Is(err, errNothing) {
		t.Errorf("got %v", err)
	}
	if n := p.count("SELECT count(*) FROM extension"); n != 0 {
		t.Errorf("%d rows of a transaction that failed", n)
	}
}
