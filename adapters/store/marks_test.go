package store_test

// What was seen to go wrong without a rule, each as a test of its own (RULES, the *run*
// marks). Each shows first that PostgreSQL does what the mark says, so that a version that
// does not is noticed.

import (
	"context"
	"errors"
	"testing"
	"time"

	"releve"
	"releve/adapters/store"
	"releve/adapters/store/internal/pgtest"
)

// R1: nextval logs ahead, and then does not wait. So nothing of the store's is a number
// drawn from a sequence.
func TestASequenceGivesOutNumbersThatNoMirrorHas(t *testing.T) {
	p := newSite(t, alone)
	p.open()
	// That of goose's own table numbers migrations, which nobody is given.
	if n := p.count("SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relname !~ '^goose_'"); n != 0 {
		t.Errorf("%d sequences in the store's database", n)
	}

	_, err := p.own.Exec(within(t), "CREATE SEQUENCE ticket")
	must(t, err)
	p.count("SELECT nextval('ticket')") // logs 32 more
	_, err = p.own.Exec(within(t), "SET synchronous_commit = on")
	must(t, err)
	number := 0
	ctx, cancel := context.WithTimeout(within(t), limit/2)
	defer cancel()
	if err := p.own.QueryRow(ctx, "SELECT nextval('ticket')").Scan(&number); err != nil || number != 2 {
		t.Errorf("%d (%v): PostgreSQL waits for the mirror with a bare number now, R1 could be relaxed", number, err)
	}
}

// seenAndNotMirrored ends a waiting commit without fence or vote, and shows that its
// row is visible and that the mirror, which was away, has nothing of it. A new owner without
// the vote can acknowledge nothing on the strength of what it sees.
func seenAndNotMirrored(t *testing.T, end func(t *testing.T, c *pgtest.Cluster, p *site)) {
	c := pgtest.Run(t)
	mirror := c.RunMirror(t)
	p := newSite(t, c)
	s := p.open(func(o *store.Options) { o.Lone = false })
	must(t, s.Write(within(t), insert(within(t), "200"))) // the mirror has it
	must(t, mirror.Stop())
	done := goWrite(context.Background(), s, "201")
	p.untilWaiting()
	end(t, c, p)
	if err := answer(t, done); err == nil {
		t.Error("the commit was acknowledged")
	} else if _, doubted := errors.AsType[*store.InDoubt](err); !doubted {
		t.Errorf("the commit is not in doubt: %v", err)
	}
	s.Release()
	<-c.Exited()
	must(t, c.Start())
	p.reach(c)
	if n := p.count("SELECT count(*) FROM extension"); n != 2 {
		t.Errorf("%d rows are visible of 2: PostgreSQL hides what is not mirrored now, R7 could be relaxed", n)
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := store.Open(ctx, p.pool(), store.Options{Term: 2, Seat: releve.Main, Promotion: "another"})
	if _, doubted := errors.AsType[*store.InDoubt](err); !doubted {
		t.Errorf("without vote and mirror the store serves what it sees: %v", err)
	}

	must(t, mirror.Start("-c", "primary_conninfo=")) // alone: what it has without the owner
	theirs := (&site{t: t, name: p.name, url: mirror.URL(p.name)}).pool()
	var rows string
	eventually(t, "the mirror has replayed what it has", func() bool {
		return theirs.QueryRow(within(t), "SELECT string_agg(number, ' ') FROM extension").Scan(&rows) == nil && rows != ""
	})
	if rows != "200" {
		t.Errorf("the mirror has %s: nothing is shown by this test", rows)
	}
}

// R7: after a backend was killed its row is visible and not mirrored.
func TestARowWhoseBackendWasKilledIsSeenAndNotMirrored(t *testing.T) {
	seenAndNotMirrored(t, func(t *testing.T, c *pgtest.Cluster, p *site) {
		_, err := p.own.Exec(within(t), "SELECT pg_terminate_backend($1)", p.waiting())
		must(t, err)
		eventually(t, "the backend is gone", func() bool { return p.waiting() == 0 })
		must(t, c.Stop())
	})
}

// R7, R9: a fast stop makes the rows of waiting commits visible.
func TestARowThatWaitedAtAFastStopIsSeenAndNotMirrored(t *testing.T) {
	seenAndNotMirrored(t, func(t *testing.T, c *pgtest.Cluster, _ *site) { must(t, c.StopFast()) })
}

// R8: a TRUNCATE that waits behind one reader hangs every reader after it. A read on a call
// has a limit.
func TestAReadBehindAWaitingTruncateEndsAtItsLimit(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	reader, err := p.own.Begin(within(t))
	must(t, err)
	_, err = reader.Exec(within(t), "SELECT * FROM call")
	must(t, err)
	truncating := connect(t, p.url)
	truncated := inBackground(func() error {
		_, err := truncating.Exec(within(t), "TRUNCATE call")
		return err
	})
	watch := &site{t: t, name: p.name, own: connect(t, p.url)}
	eventually(t, "the TRUNCATE waits", func() bool {
		return watch.count("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'") == 1
	})
	ctx, cancel := context.WithTimeout(within(t), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := s.Calls(ctx, releve.CallQuery{}, releve.CallMark{}, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a plain read: %v: PostgreSQL lets it pass a waiting TRUNCATE now, R8 could be relaxed", err)
	}
	if took := time.Since(began); took > limit/2 {
		t.Errorf("the read ended %s after its limit", took)
	}
	must(t, reader.Rollback(within(t)))
	must(t, answer(t, truncated))
	_, err = s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 1)
	must(t, err)
}
