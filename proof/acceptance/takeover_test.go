package acceptance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
	"releve/rules/takeover"
)

func TestTwoHundredCallersArePutThroughAndRecordedOnBothServers(t *testing.T) {
	s := normalSite(t)
	calls := s.callIn(t, callsToPhone(200, 20)).wait(t, 2*time.Minute)
	if len(calls) != 200 {
		t.Errorf("%d callers, want 200", len(calls))
	}
	checkServed(t, calls, s.main)
	s.checkRecorded(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}

// takeOver lets the main server die under load, by die, and checks what callers
// and records went through. It leaves the secondary on duty.
func (s *site) takeOver(t *testing.T, die func(testing.TB)) {
	t.Helper()
	s.takeOverAmong(t, callsToPhone(0, 10), 50, 60, die)
}

// takeOverAmong is takeOver with those callers, so many of them greeted before the
// death and so many after it.
func (s *site) takeOverAmong(t *testing.T, l load, early, late int, die func(testing.TB)) {
	t.Helper()
	term := s.main.mustView(t).Term
	promotions := len(s.main.promotions(t))
	load := s.callIn(t, l)
	load.waitGreeted(t, early, time.Time{})

	began := time.Now()
	die(t)
	died := time.Now() // until here the main may have answered, and died with the call in progress
	load.waitGreeted(t, late, died)
	calls := load.finish(t)

	before, after := split(calls, died)
	checkServed(t, after, s.secondary)
	checkOutlived(t, before, s.main, began)
	s.checkDuty(t, s.secondary, term+1)
	s.checkRecorded(t, s.secondary, after) // the first commit of a term is its promotion, and comes after the answers
	if now := s.secondary.promotions(t); len(now) != promotions+1 {
		t.Errorf("promotions: %v, want one more than %d", now, promotions)
	}
	s.checkLedger(t, s.secondary)
	checkExplained(t, s.secondary, began, calls, s.ruleOfTakeover())
	s.checkExplainedAt(t, s.secondary, began, term+1)
	if times := s.overflowToAnswer(began, s.secondary); len(times) > 0 {
		t.Logf("from overflow to answer: first call %v, median of all %v", times[0], median(times))
	}
}

func TestTheMainIsKilledUnderLoadAndTheSecondaryAnswersTheNextCall(t *testing.T) {
	s := normalSite(t)
	together := s.cutAgents(t) // of these calls the secondary is told nothing
	held := s.callIn(t, load{rate: 1, calls: 1, rings: true, patience: 30 * time.Second})
	held.waitGreeted(t, 1, time.Time{})
	s.takeOver(t, func(t testing.TB) { s.main.kill9(t) })
	together()

	// Its last caller is cut, which nobody can know while it is dead and itself says when it is back.
	s.checkNobodyTalks(t, s.secondary, releve.Unknown)
	s.bringBack(t)
	s.checkNobodyTalks(t, s.main, releve.Cut)
	s.checkNobodyTalks(t, s.secondary, releve.Cut)
	s.checkRecordsCounted(t)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
	for _, o := range held.wait(t, time.Minute) {
		checkOver(t, o)
	}
}

// checkNobodyTalks waits until a server shows no call as in progress, for no channel is busy,
// and some whose end is the one named.
func (s *site) checkNobodyTalks(t testing.TB, by *server, end string) {
	t.Helper()
	eventually(t, 20*time.Second, "no call in progress", func() error {
		var listed []releve.Call
		if err := json.Unmarshal([]byte(by.mustRun(t, "calls", "--limit", "1000", "--output", "json")), &listed); err != nil {
			return err
		}
		for _, c := range listed {
			if c.Outcome == "" {
				return fmt.Errorf("the %s server shows call %s of %v as in progress", by.seat, c.Call, c.At)
			}
		}
		if !slices.ContainsFunc(listed, func(c releve.Call) bool { return c.Outcome == end }) {
			return fmt.Errorf("of %d calls on the %s server none has the end %q", len(listed), by.seat, end)
		}
		return nil
	})
}

// The machine that hosts the main hangs, and later goes on where it was. For five
// seconds its PostgreSQL is awake and its agent is not: nobody there can say no but
// the mirror that is gone (H10, R1).
func TestTheMainFreezesIsRelievedAndLearnsItWhenItWakes(t *testing.T) {
	s := normalSite(t)
	sessions := s.holdSessions(t)
	held := s.callIn(t, load{rate: 1, calls: 1, rings: true, patience: 20 * time.Second})
	held.waitGreeted(t, 1, time.Time{})

	s.takeOver(t, func(testing.TB) { s.main.freeze() })
	term := s.secondary.mustView(t).Term
	mirrored, err := s.secondary.recordedFacts()
	if err != nil {
		t.Fatal(err)
	}

	woken := time.Now()
	committed := sessions.commit() // to a PostgreSQL that does not run at the moment
	s.main.thawPostgres()
	select {
	case err := <-committed:
		t.Errorf("the waiting COMMIT was answered while the agent slept: %v", err)
	case <-time.After(5 * time.Second): // what the story asks, not a wait for something
	}
	s.main.thaw()

	eventually(t, 20*time.Second, "the old main knows that it lost the duty", func() error {
		v, err := s.main.view()
		if err == nil && (v.Owner != releve.Secondary || v.Main.Duty == releve.Active) {
			err = errNotYet
		}
		return err
	})
	s.checkLostDuty(t, woken, term, committed, sessions)
	for _, o := range held.wait(t, 2*time.Minute) {
		if !o.released() || o.moved != 1 {
			t.Errorf("the caller who was on the line when the main froze did not go on with the secondary, moved %d: %v", o.moved, o)
		}
	}
	for _, f := range s.ledger.since(woken, releve.Main) { // on its way when the main froze
		if mirrored[f.ID] != 1 {
			t.Errorf("the old main acknowledged %s of call %s after it woke, and its mirror did not have it", f.Kind, f.Call)
		}
	}
}

// checkLostDuty fails the test for anything that the woken main did as if it were
// still on duty.
func (s *site) checkLostDuty(t *testing.T, woken time.Time, term releve.Term, committed <-chan error, sessions *sessions) {
	t.Helper()
	select {
	case err := <-committed:
		if err == nil {
			t.Error("the old main acknowledged a COMMIT after it had lost the duty")
		}
	case <-time.After(20 * time.Second):
		t.Error("the session with the waiting COMMIT is still open: the old main is not fenced")
	}
	if err := sessions.stillOpen(); err == nil {
		t.Error("a session opened before can still read: the old main is not fenced")
	}
	checkServed(t, s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute), s.secondary)
	s.checkDuty(t, s.secondary, term)
	if answers := s.ear.takenUp(mainHost, woken); len(answers) > 0 {
		t.Errorf("the old main answered %d calls after it woke, first %s", len(answers), answers[0].call)
	}
	for _, e := range s.pbx.events(woken, "register") {
		if e.args["user"] == "reception" && strings.Contains(e.args["contact"], mainHost) {
			t.Errorf("the old main took the reception user back at %v", e.at)
		}
	}
	if rows, err := s.secondary.query("select row from acceptance_probe where row = $1", sessions.row); err != nil || len(rows) > 0 {
		t.Errorf("rows of the COMMIT that was never acknowledged: %v, %v", rows, err)
	}
	s.checkLedger(t, s.secondary)
}

// sessions are two of our own on the main's PostgreSQL, opened while it was well:
// one with a transaction to commit, one idle.
type sessions struct {
	writing, idle *pgx.Conn
	row           string // what the transaction writes
}

func (s *site) holdSessions(t *testing.T) *sessions {
	t.Helper()
	ctx := t.Context()
	held := sessions{row: rand.Text()}
	for _, place := range []**pgx.Conn{&held.writing, &held.idle} {
		db, err := s.main.openDatabase(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close(context.Background()) })
		*place = db
	}
	for _, sql := range []string{
		"create table if not exists acceptance_probe (row text)", "begin",
		"insert into acceptance_probe values ('" + held.row + "')",
	} {
		if _, err := held.writing.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	return &held
}

// commit sends COMMIT; the channel tells how it was answered.
func (held *sessions) commit() <-chan error {
	answer := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := held.writing.Exec(ctx, "commit")
		answer <- err
	}()
	return answer
}

// untilEnd tells when PostgreSQL ends the idle session, or after half a minute that it
// did not.
func (held *sessions) untilEnd() <-chan time.Time {
	ended := make(chan time.Time, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := held.idle.Exec(ctx, "select pg_sleep(30)"); err != nil {
			ended <- time.Now()
		}
		close(ended)
	}()
	return ended
}

// stillOpen is nil when the idle session still answers.
func (held *sessions) stillOpen() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := held.idle.Exec(ctx, "select 1")
	return err
}

// The reception user stays with a contact that is dead, and the PBX refuses
// another: callers are answered on the standby's own user meanwhile (DESIGN §4).
func TestARegistrarThatRefusesASecondContact(t *testing.T) {
	s := ownSite(t, plan{
		settings: map[string]string{"pbx.expires": `"10s"`},
		pbx:      map[string]string{"IPBX_REGISTER_EXTRA": "refuse"},
	})
	for cycle := range 3 {
		t.Logf("cycle %d", cycle+1)
		began := time.Now()
		s.takeOver(t, func(t testing.TB) { s.main.kill9(t) })
		refused := slices.DeleteFunc(s.pbx.events(began, "register-refused"), func(e pbxEvent) bool {
			return e.args["user"] != "reception" || !strings.Contains(e.args["contact"], secondaryHost)
		})
		if len(refused) == 0 {
			t.Error("the PBX refused the secondary's contact not once: nothing is shown")
		}
		load := s.callIn(t, callsToPhone(0, 2))
		eventually(t, 40*time.Second, "the reception user at the secondary", func() error {
			return s.pbx.registered("reception", secondaryHost)
		})
		s.bringBack(t)
		checkServed(t, load.finish(t))
		s.checkEqual(t, s.main)
		s.checkLedger(t, s.main)
	}
}

func TestReturnToNormalUnderLoadAndThreeMoreCycles(t *testing.T) {
	s := normalSite(t)
	for cycle := range 4 {
		t.Logf("cycle %d", cycle+1)
		s.takeOver(t, func(t testing.TB) { s.main.kill9(t) })
		load := s.callIn(t, callsToPhone(0, 5))
		load.waitGreeted(t, 5, time.Time{})
		s.bringBack(t)
		load.waitGreeted(t, 10, time.Now())

		checkServed(t, load.finish(t))
		s.checkEqual(t, s.main)
		s.checkLedger(t, s.main)
	}
}

// moments of a promotion, from its first on, at which the new active dies.
const moments = 10

// How long a promotion lasts is its disk's affair: a death that is aimed inside may come after the
// end. Each try is aimed half as far in as the one before; the last of them is hardly after the
// beginning, and where it misses too there is no promotion to die in.
const tries = 4

// The secondary has answered and is still promoting when it dies too, at ten
// moments. What it had promised is on its disk (R14), and the journal says what it
// may do when it wakes (R6).
func TestTheNewActiveDiesBetweenItsAnswerAndTheEndOfItsPromotion(t *testing.T) {
	s := ownSite(t, plan{})
	var lasts time.Duration // a promotion on this machine
	for moment := range moments {
		aimed := lasts * time.Duration(moment) / moments
		inside, began := false, time.Now()
		for try := range tries {
			if inside = s.dieWhilePromoting(t, aimed>>try); inside {
				break
			}
			s.bringBack(t)
		}
		if !inside {
			t.Fatalf("moment %d: each of %d deaths came after the end of the promotion", moment+1, tries)
		}
		s.bringBack(t)
		lasts = s.main.promotionTook(t, began)
	}
}

// dieWhilePromoting kills the new active so long after its copy began to be promoted, and says whether
// that came before the end. The beginning is held back until the answer was heard and a fact of its own is on
// its disk.
func (s *site) dieWhilePromoting(t *testing.T, delay time.Duration) (inside bool) {
	t.Helper()
	term := s.main.mustView(t).Term
	followed := s.secondary.histories(t)
	before := s.secondary.spooledFacts(t) // what was stored long ago is still there
	added := func() int {
		now := s.secondary.spooledFacts(t)
		return len(slices.DeleteFunc(now, func(id releve.FactID) bool { return slices.Contains(before, id) }))
	}
	load := s.callIn(t, callsToPhone(0, 10))
	load.waitGreeted(t, 10, time.Time{})
	died := s.main.kill9(t)
	held := freeze(s.secondary.recovery)
	eventually(t, 20*time.Second, "the secondary answers, and has a fact on its disk", func() error {
		answers := s.ear.sentBy(secondaryHost, died, func(m message) bool { return answersCall(m) && load.made(m.call) })
		if len(answers) == 0 || added() == 0 {
			return errNotYet
		}
		return nil
	})
	thaw(held)
	<-time.After(delay) // the moment that the story names
	s.secondary.process.signal(syscall.SIGSTOP)
	s.secondary.kill9(t)
	load.stop()
	inside = s.secondary.promoting(t, term+1)
	t.Logf("the new active was killed %v into its promotion, inside: %v, with a new timeline: %v, and %d facts in its spool",
		delay, inside, s.secondary.histories(t) > followed, added())
	spooled := s.secondary.spooledFacts(t)

	s.startBoth(t)
	active := s.onDuty(t)
	eventually(t, 30*time.Second, "each spooled fact is stored once", func() error {
		found, err := active.recordedFacts()
		return errJoinMissing(err, spooled, found)
	})
	s.checkLedger(t, active)
	if twice, err := active.query("select term::text from promotion group by term having count(*) > 1"); err != nil || len(twice) > 0 {
		t.Errorf("terms that were opened twice: %v, %v", twice, err)
	}
	load.sipp.signal(syscall.SIGKILL) // callers whose servers died are another proof's affair
	return inside
}

// recovery is the process of a copy that replays the log, and that ends the replay when the copy is promoted.
func (s *server) recovery() []process {
	return slices.DeleteFunc(s.postgres(), func(p process) bool { return !strings.Contains(p.command, " startup ") })
}

// promoting says whether a server that was killed had taken the duty in that term, and had not
// come to the end of its promotion: its journal says so, which is read from its disk.
func (s *server) promoting(t *testing.T, term releve.Term) bool {
	t.Helper()
	lines := bytes.Split(must(os.ReadFile(s.journalFile()))(t), []byte("\n"))
	var d takeover.Durable
	if err := json.Unmarshal(lines[1], &d); err != nil {
		t.Fatal(err)
	}
	return d.Owns() && d.Term == term && !d.Promotion.Done
}

// histories are how many timelines PostgreSQL knows to have been left.
func (s *server) histories(t *testing.T) int {
	t.Helper()
	return len(must(filepath.Glob(filepath.Join(s.databaseDir(), "data", "pg_wal", "*.history")))(t))
}

// promotionTook is how long the server's last promotion since a moment took. It says where to aim, and
// is no evidence.
func (s *server) promotionTook(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	var began, ended time.Time
	for _, e := range s.explain(t, since) {
		switch e.What.Code {
		case "rule-promotion":
			began = e.At
		case "rule-promoted":
			ended = e.At
		}
	}
	if began.IsZero() || ended.Before(began) {
		t.Fatalf("the diary of the %s server tells of no promotion since %v", s.seat, since)
	}
	return ended.Sub(began)
}
