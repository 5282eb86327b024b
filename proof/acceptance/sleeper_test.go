package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// The agent alone of a main falls asleep between the commit that opens its database, which
// the mirror has answered for, and the opening. It wakes after the secondary took over, and
// hears nothing of that at first. What it decided in a term that was its own it does not
// carry out in one that may not be: it looks again first (R9, R19). Nobody notices anything:
// a call waits, as at each proof of duty that expired, and its PostgreSQL, which was awake
// all the time, acknowledges nothing, since the mirror that would answer for a commit is
// gone (R1, H10).
func TestTheAgentSleepsBetweenADecisionAndItsDeed(t *testing.T) {
	s := normalSite(t)
	silence := cut(t, "telephone", append(between(pbxHost, mainHost), between(pbxHost, secondaryHost)...)...) // nobody's verdict, nobody's binding
	apart := s.cutAgents(t)
	s.main.kill9(t)
	s.main.start(t)
	sessions := s.sessionsBeforeTheOpening(t)

	lock := s.lockPromotions(t)
	apart() // it hears the other, is sure of its duty, and begins to open
	s.waitBackend(t, "the opening waits for the lock", "wait_event_type = 'Lock' and query ilike 'insert into promotion%'")
	signalled(t, s.secondary.receiver, syscall.SIGSTOP)
	t.Cleanup(s.secondary.thaw)
	if err := lock.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.waitBackend(t, "the commit waits for the mirror", "wait_event = 'SyncRep' and query = 'commit'")
	signalled(t, s.main.agent, syscall.SIGSTOP)
	t.Cleanup(s.main.thaw)
	signalled(t, s.secondary.receiver, syscall.SIGCONT)
	s.waitBackend(t, "the mirror has answered for the commit", "wait_event = 'ClientRead' and query = 'commit' and state = 'idle'")
	silence()

	calls := s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute)
	checkServed(t, calls, s.secondary)
	s.waitOwner(t, s.secondary, 20*time.Second)
	s.checkRecorded(t, s.secondary, calls)
	term := s.secondary.mustView(t).Term

	apart = s.cutAgents(t)
	woken := time.Now()
	committed := sessions.commit()
	s.main.thaw()
	eventually(t, 10*time.Second, "the main looks again before it opens", func() error {
		if log, err := os.ReadFile(s.main.log()); err != nil || !strings.Contains(string(log), "job=open err=\"this process was stopped") {
			return errors.Join(errNotYet, err)
		}
		return nil
	})
	select {
	case err := <-committed:
		t.Errorf("a COMMIT was answered by the main whose duty was gone: %v", err)
	case <-time.After(3 * time.Second): // what the story asks, not a wait for something
	}
	apart()
	s.checkLostDuty(t, woken, term, committed, sessions)
	for _, f := range s.ledger.since(woken, releve.Main) {
		t.Errorf("the old main acknowledged %s of call %s after it woke", f.Kind, f.Call)
	}
}

// cutAgents lets the agents hear nothing of each other; their databases do.
func (s *site) cutAgents(t *testing.T) (heal func()) {
	t.Helper()
	set, err := s.main.settings()
	if err != nil {
		t.Fatal(err)
	}
	return cut(t, "agents", append(tcpPorts(set.Peer.Listen.Port()), between(mainHost, secondaryHost)...)...)
}

// sessionsBeforeTheOpening are sessions on a main whose PostgreSQL follows nobody and whose
// agent records nothing yet.
func (s *site) sessionsBeforeTheOpening(t *testing.T) *sessions {
	t.Helper()
	eventually(t, 20*time.Second, "the mirror follows the main that was started again", func() error {
		rows, err := s.main.query("select application_name from pg_stat_replication where state = 'streaming' and sync_state in ('sync', 'quorum')")
		if err == nil && len(rows) != 1 {
			err = fmt.Errorf("mirrors: %v", rows)
		}
		return err
	})
	return s.holdSessions(t)
}

// lockPromotions keeps everybody from the table that each opening writes, until it is closed.
func (s *site) lockPromotions(t *testing.T) *pgx.Conn {
	t.Helper()
	db, err := s.main.openDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) }) // closed twice when all goes well
	for _, sql := range []string{"begin", "lock table promotion in share mode"} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// waitBackend waits until the main has a session of the agent's of which that is true.
func (s *site) waitBackend(t *testing.T, what, condition string) {
	t.Helper()
	eventually(t, 10*time.Second, what, func() error {
		rows, err := s.main.query("select pid::text from pg_stat_activity where application_name <> 'acceptance' and " + condition)
		if err == nil && len(rows) == 0 {
			all, _ := s.main.query("select concat_ws(' ', application_name, state, wait_event_type, wait_event, left(query, 60)) from pg_stat_activity")
			err = fmt.Errorf("sessions:\n%s", strings.Join(all, "\n"))
		}
		return err
	})
}

// receiver is the process by which a mirror's PostgreSQL takes what is streamed to it.
func (s *server) receiver() (int, error) {
	for _, p := range s.postgres() {
		if strings.Contains(p.command, "walreceiver") {
			return p.pid, nil
		}
	}
	return 0, fmt.Errorf("the %s server's PostgreSQL receives from nobody: %v", s.seat, s.postgres())
}
