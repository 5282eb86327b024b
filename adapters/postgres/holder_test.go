package postgres

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A transaction that somebody left open: ours do not wait for it for ever, it is named, and
// its end lets them go on.
func TestAForgottenTransactionIsKnownAndEnded(t *testing.T) {
	c := alone(t)
	pool := openPool(t, c)
	local(t, pool, "CREATE TABLE call (n int)")
	someone := stranger(t, c)
	for _, statement := range []string{"SET application_name = 'psql'", "BEGIN", "LOCK TABLE call IN SHARE MODE"} {
		_, err := someone.Exec(within(t), statement).ReadAll()
		must(t, err)
	}
	if held, err := c.Holders(within(t)); err != nil || len(held) != 0 || c.asking.lasting(0) {
		t.Errorf("before anything waits: %+v, %v", held, err)
	}
	record := func() error {
		_, err := pool.Exec(within(t), "BEGIN; SET LOCAL synchronous_commit = local; INSERT INTO call VALUES (1); COMMIT")
		return err
	}
	waits := make(chan error, 1)
	began := time.Now()
	go func() { waits <- record() }()
	var held []Holder
	until(t, "who holds us up is known", func() bool {
		var err error
		held, err = c.Holders(within(t))
		must(t, err)
		return len(held) > 0
	})
	if len(held) != 1 || !strings.Contains(held[0].Who, "psql") ||
		held[0].PID != int(someone.PID()) || time.Since(held[0].Since) > limit {
		t.Errorf("%+v", held)
	}
	if err, refusal := <-waits, (*pgconn.PgError)(nil); !errors.As(err, &refusal) || refusal.Code != "55P03" {
		t.Errorf("after %s ours gives up with %v", time.Since(began), err)
	}
	must(t, c.EndHolder(within(t), Holder{PID: held[0].PID, Started: "another session of that number"}))
	if _, err := someone.Exec(within(t), "SELECT 1").ReadAll(); err != nil {
		t.Errorf("another's session was ended: %v", err)
	}
	must(t, c.EndHolder(within(t), held[0]))
	until(t, "ours goes on", func() bool { return record() == nil })
	if held, err := c.Holders(within(t)); err != nil || len(held) != 0 || c.asking.lasting(0) {
		t.Errorf("%+v, %v, and the count of what is asked stands at %d", held, err, c.asking.asked.Load())
	}
}

// What was asked this moment waits for nobody yet: those who look on one beat do not make each
// other look closer.
func TestWhatWasAskedThisMomentIsNotLasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s statements
		if s.lasting(0) {
			t.Error("nothing was asked")
		}
		s.begin()
		if s.lasting(prompt) || !s.lasting(0) {
			t.Error("it was asked this moment")
		}
		time.Sleep(prompt)
		s.begin() // while another is under way
		if !s.lasting(prompt) {
			t.Error("it was asked a while ago")
		}
		s.end()
		s.end()
		if s.lasting(0) {
			t.Error("all is answered")
		}
		s.begin()
		if s.lasting(prompt) {
			t.Error("it counts from the one before")
		}
	})
}
