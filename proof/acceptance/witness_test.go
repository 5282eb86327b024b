package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// decidedWithin is the longest that anything may wait where the witness has a part in
// the decision: a commit whose mirror is lost without a word (M4), a caller who
// overflowed, a server that was relieved.
const decidedWithin = 2 * time.Second

// impatient callers ask for telephone 1001, five a second, and do not stay for long on
// a line that has died.
var impatient = load{rate: 5, digits: "1001", patience: 5 * time.Second}

// A witness decides where the vote of this site lies (R5). Each story loses one of the
// three machines, or a cable between them, under calls.
func TestTheWitness(t *testing.T) {
	s := ownSite(t, plan{witness: true})
	for _, story := range []struct {
		name string
		tell func(*testing.T, *site)
	}{
		{"the main is killed, and the witness grants the takeover", mainKilledWithWitness},
		{"the secondary is killed without a word, and commits go on", secondaryKilledWithWitness},
		{"the witness is killed, and comes back without its memory", witnessKilledAndWiped},
		{"the witness is frozen, the main killed, and the witness started again", witnessFrozenMainKilled},
		{"the main is cut off from all but the witness", mainCutOffFromAllButTheWitness},
		{"the site moves to the pair and back", arbiterChanged},
		{"the power of the whole site is cut", sitePowerCut},
	} {
		if !t.Run(story.name, func(t *testing.T) {
			began := time.Now()
			s.bringBack(t)
			prepared := time.Since(began)
			story.tell(t, s)
			t.Logf("the story took %v after %v of bringing back", time.Since(began)-prepared, prepared)
		}) {
			t.Log(s.logs() + "\n--- witness:\n" + tail(s.witness.log(), 10))
			break // the site is not what the next story needs
		}
	}
}

// The next call is answered on a grant, which the register, the diary and the screen
// tell alike.
func mainKilledWithWitness(t *testing.T, s *site) {
	before := s.main.mustView(t)
	if text := s.main.mustRun(t, "status"); before.Arbiter != releve.Witness || !strings.Contains(text, "a witness on a third machine") {
		t.Errorf("the status names the arbiter %s:\n%s", before.Arbiter, text)
	}
	began := time.Now()
	s.takeOverAmong(t, impatient, 5, 10, func(t testing.TB) { s.main.kill9(t) })

	want := takeover.Register{Owner: releve.Secondary, Term: before.Term + 1, Alone: true}
	if r := s.witness.mustShow(t); r.Owner != want.Owner || r.Term != want.Term || r.Alone != want.Alone {
		t.Errorf("the register is %+v, want owner, term and alone of %+v", r, want)
	}
	asked, granted := s.secondary.decision(t, "duty-asked", began), s.secondary.decision(t, "duty-granted", began)
	// While the witness is asked the next call may come: each names the one that waited last.
	if asked.Call == "" || len(asked.Evidence) == 0 || granted.Call == "" || asked.At.After(granted.At) {
		t.Errorf("asked for call %q with %d pieces of evidence, granted for call %q", asked.Call, len(asked.Evidence), granted.Call)
	}
	t.Logf("the witness answered within %v", granted.At.Sub(asked.At))
	s.bringBack(t)
	s.checkKept(t, nil)
}

// decision is the first of a rule in the server's diary since a moment.
func (s *server) decision(t testing.TB, rule string, since time.Time) releve.Entry {
	t.Helper()
	for _, e := range s.explain(t, since) {
		if e.What.Code == "rule-"+rule {
			return e
		}
	}
	t.Errorf("the diary of the %s server has no decision %s since %v", s.seat, rule, since)
	return releve.Entry{}
}

// What a pair cannot: nobody says that the secondary is gone, and the main goes on
// alone all the same (M4).
func secondaryKilledWithWitness(t *testing.T, s *site) {
	term := s.main.mustView(t).Term
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 5, time.Time{})
	sessions := s.holdSessions(t)
	died := s.secondary.kill9(t)
	if err := <-sessions.commit(); err != nil {
		t.Errorf("a waiting COMMIT: %v", err)
	}
	committed, stored := time.Since(died), s.commitsAgain(t, died)
	t.Logf("from the kill to a session's COMMIT %v, to the end of the calls' wait for a commit %v", committed, stored)
	if committed > allowed(decidedWithin) || stored > allowed(decidedWithin) {
		t.Errorf("commits go on after %v and %v, want %v", committed, stored, decidedWithin)
	}
	if v := s.main.mustView(t); v.Word != view.NotProtected {
		t.Errorf("the main says %s while it is alone", v.Word)
	}
	if r := s.witness.mustShow(t); r.Owner != releve.Main || !r.Alone {
		t.Errorf("the register: %+v", r)
	}

	s.secondary.start(t)
	s.waitNormal(t)
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkKept(t, calls)
	s.checkDuty(t, s.main, term)
}

// checkKept fails the test for a record of these calls, or an acknowledged fact, that
// the main or its mirror has not.
func (s *site) checkKept(t testing.TB, calls []outcome) {
	t.Helper()
	s.checkRecorded(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}

// In sync nobody needs the witness. An empty memory grants nothing, and both servers
// give it a new one; nobody acts.
func witnessKilledAndWiped(t *testing.T, s *site) {
	term, before := s.main.mustView(t).Term, s.witness.mustShow(t)
	load := s.callIn(t, callsToPhone(0, 5))
	s.witness.kill9(t)
	for _, teller := range []*server{s.main, s.secondary} {
		teller.waitWhy(t, "why-witness-silent")
	}
	load.waitGreeted(t, 5, time.Now())
	s.checkCommits(t)

	s.witness.wipe(t)
	wiped := time.Now()
	s.witness.start(t)
	s.waitNormal(t)
	t.Logf("protected again %v after the start of a witness without memory", time.Since(wiped))
	if r := s.witness.mustShow(t); r.Incarnation <= before.Incarnation {
		t.Errorf("the register is %+v, and was %+v before it was wiped", r, before)
	}
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkDuty(t, s.main, term)
	s.checkKept(t, calls)
}

// waitWhy waits until a server says that it is not protected for that reason.
func (s *server) waitWhy(t testing.TB, code string) {
	t.Helper()
	eventually(t, 5*time.Second, fmt.Sprintf("%s said by the %s", code, s.name), func() error {
		v, err := s.view()
		if err == nil && (v.Word != view.NotProtected || v.Why.Code != code) {
			err = fmt.Errorf("%s, %s", v.Word, v.Why.Code)
		}
		return err
	})
}

// checkCommits fails the test unless the main commits at once, and its mirror has it.
func (s *site) checkCommits(t *testing.T) {
	t.Helper()
	sessions, began := s.holdSessions(t), time.Now()
	if err := <-sessions.commit(); err != nil {
		t.Errorf("COMMIT in sync: %v", err)
	}
	if took := time.Since(began); took > allowed(decidedWithin) {
		t.Errorf("COMMIT in sync took %v", took)
	}
	eventually(t, 5*time.Second, "the committed row on the mirror", func() error {
		rows, err := s.secondary.query("select row from acceptance_probe where row = $1", sessions.row)
		if err == nil && len(rows) != 1 {
			err = errNotYet
		}
		return err
	})
}

// A witness that hangs holds nobody: who calls is answered within the limit of any
// takeover, without the duty. The witness comes back, and the secondary takes the duty.
func witnessFrozenMainKilled(t *testing.T, s *site) {
	term := s.main.mustView(t).Term
	s.pbx.change(t, "skip_main", "1") // nothing gives the secondary time to see that the witness hangs
	load := s.callIn(t, impatient)
	load.waitGreeted(t, 3, time.Time{})
	s.witness.freeze()
	killed := s.main.kill9(t)
	died := time.Now() // it was dead before: what it answered is cut, and the secondary may have asked already
	load.waitGreeted(t, 5, died)
	s.checkWaits(t, killed)
	s.checkDuty(t, s.main, term)
	s.secondary.eventSaid(t, "without-duty", killed, 5*time.Second)
	if v := s.secondary.mustView(t); !v.Secondary.WithoutDuty || v.Word != view.NotProtected {
		t.Errorf("the secondary answers without the duty: %v, and says %s", v.Secondary.WithoutDuty, v.Word)
	}

	s.witness.kill9(t)
	s.witness.thaw()
	load.waitGreeted(t, 3, time.Now())
	s.checkDuty(t, s.main, term)
	back := time.Now()
	s.witness.start(t)
	s.waitOwner(t, s.secondary, 10*time.Second)
	t.Logf("the secondary on duty %v after the start of the witness", time.Since(back))
	load.waitGreeted(t, 3, time.Now())
	before, calls := split(load.finish(t), died)
	checkOutlived(t, before, s.main, killed)
	checkServed(t, calls, s.secondary)
	s.checkDuty(t, s.secondary, term+1)
	s.pbx.set(t, "skip_main", "0")
	s.bringBack(t)
	s.checkKept(t, calls)
}

// checkWaits fails the test for a caller who waited longer for the secondary than any
// takeover may take.
func (s *site) checkWaits(t testing.TB, since time.Time) {
	t.Helper()
	waits := s.overflowToAnswer(since, s.secondary)
	if len(waits) == 0 {
		t.Fatalf("the secondary answered nobody:\n%s", tail(s.pbx.log(), 20))
	}
	longest := slices.Max(waits)
	t.Logf("from overflow to answer: %v at most, of %d", longest, len(waits))
	if longest > allowed(decidedWithin) {
		t.Errorf("a caller waited %v from his overflow, want %v at most", longest, decidedWithin)
	}
	var said []string
	for _, e := range s.secondary.explain(t, since) {
		said = append(said, e.What.Code)
	}
	if !slices.Contains(said, "rule-duty-asked") {
		t.Errorf("the secondary did not ask the witness: %v", said)
	}
}

// The main cannot know that it was relieved but from the register, and fences itself:
// an open session of its database ends, and its part in an open call, with which the secondary goes
// on (H10, H11, R9). It does not go on alone by the witness meanwhile, for no PBX answered it since (R5).
func mainCutOffFromAllButTheWitness(t *testing.T, s *site) {
	term := s.main.mustView(t).Term
	set := must(s.main.settings())(t)
	sessions := s.holdSessions(t)
	ended := sessions.untilEnd()
	held := s.callIn(t, load{rate: 1, calls: 1, patience: time.Minute})
	held.waitGreeted(t, 1, time.Time{})
	rules := append(between(pbxHost, mainHost), between(secondaryHost, mainHost)...)
	join := cut(t, "main", append(rules, tcpPorts(set.Peer.Listen.Port(), set.Database.Listen.Port())...)...)
	committed := sessions.commit()
	calls := s.callIn(t, callsToPhone(10, 5)).wait(t, time.Minute)
	checkServed(t, calls, s.secondary)

	granted := must(s.witness.show())(t)
	if r := granted.Register; r.Owner != releve.Secondary || r.Term != term+1 {
		t.Errorf("the register: %+v", r)
	}
	checkFenced(t, granted.At, "session", <-ended)
	talk := s.ear.offeredBy(held.name)[0]
	checkFenced(t, granted.At, "call", talk.byMain.last)
	if talk.bySecond.first.IsZero() {
		t.Errorf("the secondary does not go on with the main's open call: %v", talk)
	}
	select {
	case err := <-committed:
		if err == nil {
			t.Error("the main, cut off, acknowledged a COMMIT")
		}
	case <-time.After(10 * time.Second):
		t.Error("the session with the waiting COMMIT is still open")
	}
	for _, server := range []*server{s.secondary, s.main} {
		if v := server.mustView(t); v.Owner != releve.Secondary || v.Term != term+1 {
			t.Errorf("the %s says that %s is on duty in term %d", server.seat, v.Owner, v.Term)
		}
	}
	join()
	s.bringBack(t)
	s.checkKept(t, calls)
}

// checkFenced fails the test for something open at the main that outlived by more than
// that the moment when the witness gave the duty to the other.
func checkFenced(t testing.TB, granted time.Time, what string, end time.Time) {
	t.Helper()
	t.Logf("the main's open %s ended %v after the grant", what, end.Sub(granted))
	if end.IsZero() || end.Sub(granted) > allowed(decidedWithin) {
		t.Errorf("the main's open %s ended at %v, want %v after the grant at %v", what, end, decidedWithin, granted)
	}
}

// By the operator's command alone, under calls: nobody is refused, nothing is lost, and
// nothing is started again (R5).
func arbiterChanged(t *testing.T, s *site) {
	term, before := s.main.mustView(t).Term, s.witness.mustShow(t)
	started := s.databasesStarted(t)
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 3, time.Time{})
	for _, to := range []releve.Arbiter{releve.Pair, releve.Witness} {
		began := time.Now()
		s.main.mustRun(t, "arbiter", "use", string(to))
		s.waitNormal(t)
		t.Logf("the site goes by the %s after %v", to, time.Since(began))
		for _, teller := range []*server{s.main, s.secondary} {
			if got := teller.mustView(t).Arbiter; got != to {
				t.Errorf("the %s says that the arbiter is the %s, want the %s", teller.name, got, to)
			}
		}
		load.waitGreeted(t, 3, time.Now())
	}
	if r := s.witness.mustShow(t); r.Incarnation <= before.Incarnation {
		t.Errorf("the register is %+v, and was %+v before the site left it", r, before)
	}
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkDuty(t, s.main, term)
	s.checkKept(t, calls)
	if now := s.databasesStarted(t); now != started {
		t.Errorf("PostgreSQL was started on the servers at %v, and before at %v", now, started)
	}
}

// databasesStarted tells when PostgreSQL was started on the main and on the secondary.
func (s *site) databasesStarted(t testing.TB) (moments [2]string) {
	t.Helper()
	for i, server := range []*server{s.main, s.secondary} {
		moments[i] = must(server.query("select pg_postmaster_start_time()::text"))(t)[0]
	}
	return moments
}

// All three machines lose their power at once, and come back in each order. Nobody
// takes over for that.
func sitePowerCut(t *testing.T, s *site) {
	term := s.main.mustView(t).Term
	calls := s.callIn(t, callsToPhone(5, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, calls) // the end of the last is on no disk when he hears it
	m, p, w := &s.main.machine, &s.secondary.machine, &s.witness.machine
	for _, order := range [][]*machine{{m, p, w}, {m, w, p}, {p, m, w}, {p, w, m}, {w, m, p}, {w, p, m}} {
		s.cutPower(t)
		began := time.Now()
		for _, one := range order {
			one.start(t)
			s.waitAnswers(t, one)
		}
		s.waitNormal(t)
		t.Logf("%s, %s, %s: protected after %v", order[0].name, order[1].name, order[2].name, time.Since(began))
		s.checkDuty(t, s.main, term)
	}
	calls = append(calls, s.callIn(t, callsToPhone(5, 10)).wait(t, time.Minute)...)
	checkServed(t, calls, s.main)
	s.checkKept(t, calls)
}

// cutPower kills every process of all machines at one moment.
func (s *site) cutPower(t testing.TB) {
	t.Helper()
	for _, m := range s.machines() {
		freeze(m.members)
	}
	for _, m := range s.machines() {
		m.kill9(t)
	}
}

// waitAnswers waits until a machine that was started can be asked.
func (s *site) waitAnswers(t testing.TB, m *machine) {
	t.Helper()
	eventually(t, 20*time.Second, "an answer of the "+m.name, func() error {
		var err error
		switch m {
		case &s.main.machine:
			_, err = s.main.view()
		case &s.secondary.machine:
			_, err = s.secondary.view()
		default:
			_, err = s.witness.show()
		}
		return err
	})
}
