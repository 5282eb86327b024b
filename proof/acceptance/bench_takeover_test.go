package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
)

// BenchmarkMainKilled kills the whole main before a call. The PBX offers the call
// to the main first and hears nothing for a second.
func BenchmarkMainKilled(b *testing.B) {
	s := benchSite(b)
	t, r := newTakeoverFigures(), newReturnFigures()
	for b.Loop() {
		s.main.kill9(b)
		t.add(s.relieve(b))
		r.add(s.giveBack(b))
	}
	t.report(b)
	r.report(b)
}

// BenchmarkMainKilledWhileCallsOverflowAtOnce is the hardest case: calls come at
// twenty a second, and no timer of the PBX gives the secondary time to learn of the
// death. The call is the one that waited longest. A pair of PostgreSQL alone is
// relieved by hand in turn with it.
func BenchmarkMainKilledWhileCallsOverflowAtOnce(b *testing.B) {
	s, pair := benchSite(b), newBarePair(b)
	t, byHand := newTakeoverFigures(), times("bare-pair")
	for b.Loop() {
		t.add(s.killUnderOverflow(b))
		s.bringBack(b)
		byHand.add(pair.relieve(b))
	}
	t.answer.report(b)
	t.stored.reportBeside(b, byHand)
}

// BenchmarkMainFrozen stops every process of the main where it is, as a machine
// that hangs: its sockets stay open and nobody says no.
func BenchmarkMainFrozen(b *testing.B) {
	s := benchSite(b)
	t := newTakeoverFigures()
	for b.Loop() {
		s.main.freeze()
		t.add(s.relieve(b))
		s.main.kill9(b)
		s.main.thaw()
		s.bringBack(b)
	}
	t.report(b)
}

// BenchmarkMainKilledAtNight kills the main while nobody calls, and measures until the
// secondary is on duty by its own call to the reception (H8). What the PBX waited for
// the main before it let that call overflow is taken off.
func BenchmarkMainKilledAtNight(b *testing.B) {
	s := benchSite(b)
	relieved := times("relieved")
	for b.Loop() {
		died := s.main.kill9(b)
		s.waitOwner(b, s.secondary, 30*time.Second)
		took := time.Since(died)
		waited := lapses(s.pbx.events(died), "call", "overflow-standby")
		if len(waited) != 1 {
			b.Fatalf("the secondary's own calls that overflowed: %v, want one\n%s", waited, tail(s.pbx.log(), 20))
		}
		relieved.add(took - waited[0])
		s.callIn(b, load{rate: 1, calls: 1, patience: time.Second}).wait(b, time.Minute)
		s.waitStored(b, s.secondary, died) // before it, nobody can give the duty back
		s.bringBack(b)
	}
	relieved.report(b)
}

// takeoverFigures are counted from the PBX's overflow.
type takeoverFigures struct{ answer, stored *figure }

func newTakeoverFigures() takeoverFigures {
	return takeoverFigures{answer: times("answer"), stored: times("stored")}
}

func (t takeoverFigures) add(answer, stored time.Duration) {
	t.answer.add(answer)
	t.stored.add(stored)
}

func (t takeoverFigures) report(b *testing.B) {
	t.answer.report(b)
	t.stored.report(b)
}

// relieve sends one caller to a site whose main is lost, and tells how long after
// its overflow the secondary answered it and acknowledged a first row.
func (s *site) relieve(b *testing.B) (answer, stored time.Duration) {
	b.Helper()
	began := time.Now()
	caller := s.callIn(b, load{rate: 1, calls: 1, patience: time.Second})
	answer, stored = s.relieved(b, caller, began)
	caller.wait(b, time.Minute)
	return answer, stored
}

// killUnderOverflow kills the main while the PBX sends every call straight to the
// secondary, and ends those that it refuses.
func (s *site) killUnderOverflow(b *testing.B) (answer, stored time.Duration) {
	b.Helper()
	began := time.Now()
	s.pbx.set(b, "skip_main", "1")
	s.pbx.set(b, "back_max", "0")
	callers := s.callIn(b, load{rate: 20, patience: 500 * time.Millisecond})
	eventually(b, 20*time.Second, "calls refused", func() error {
		if len(s.pbx.events(began, "standby-refused")) < 5 {
			return errNotYet
		}
		return nil
	})
	answer, stored = s.relieved(b, callers, s.main.kill9(b))
	callers.finish(b)
	s.pbx.set(b, "back_max", s.pbx.settings["IPBX_BACK_MAX"])
	s.pbx.set(b, "skip_main", "0")
	return answer, stored
}

// relieved waits until the secondary has answered a caller and acknowledged a row
// since a death, and gives both times from the overflow of that caller's call. Of the
// calls that a verdict answered, it is the one that waited longest.
func (s *site) relieved(b *testing.B, c *crowd, died time.Time) (answer, stored time.Duration) {
	b.Helper()
	eventually(b, 20*time.Second, "an answer and a row of the secondary", func() error {
		overflow, waited := s.firstAnswered(c, died, s.secondary)
		rows := s.acknowledged(s.secondary, overflow)
		if overflow.IsZero() || len(rows) == 0 {
			return fmt.Errorf("%d rows, the PBX says:\n%s\n%s", len(rows), tail(s.pbx.log(), 20), s.logs())
		}
		answer, stored = waited, rows[0]
		return nil
	})
	return answer, stored
}

// firstAnswered is the earliest overflow of a caller whom a server answered, and how
// long he waited for its 200, by the PBX's clock. The secondary's own calls (H8) are
// nobody's wait.
func (s *site) firstAnswered(c *crowd, since time.Time, by *server) (overflow time.Time, waited time.Duration) {
	events := s.pbx.events(since, "overflow-standby", "reply")
	for _, from := range events {
		for _, to := range events {
			if from.kind == "overflow-standby" && c.made(from.call) && to.call == from.call && to.accepts(by) {
				return from.at, to.at.Sub(from.at)
			}
		}
	}
	return time.Time{}, 0
}

// made says whether a call is of this run of callers.
func (c *crowd) made(call releve.CallID) bool { return strings.HasPrefix(string(call), c.name+"-") }

// accepts says whether the PBX had a server's 200 to an INVITE.
func (e pbxEvent) accepts(s *server) bool {
	return e.kind == "reply" && e.args["code"] == "200" && e.args["method"] == "INVITE" && strings.HasPrefix(e.args["src"], s.host)
}

// waitStored waits until a server has acknowledged a row since a moment.
func (s *site) waitStored(b testing.TB, by *server, since time.Time) {
	b.Helper()
	eventually(b, 20*time.Second, "a row acknowledged by the "+string(by.seat), func() error {
		if len(s.acknowledged(by, since)) == 0 {
			return errNotYet
		}
		return nil
	})
}

// acknowledged tells how long after a moment a server acknowledged rows.
func (s *site) acknowledged(by *server, since time.Time) []time.Duration {
	var moments []time.Duration
	for _, f := range s.ledger.since(since, by.seat) {
		moments = append(moments, f.at.Sub(since))
	}
	slices.Sort(moments)
	return moments
}

// returnFigures are counted from the operator's command.
type returnFigures struct {
	duration *figure
	refused  *figure // callers who were not answered while it went on
}

func newReturnFigures() returnFigures {
	return returnFigures{duration: times("return"), refused: &figure{name: "return-refused", unit: "calls"}}
}

func (r returnFigures) add(took time.Duration, refused int) {
	r.duration.add(took)
	r.refused.values = append(r.refused.values, float64(refused))
}

func (r returnFigures) report(b *testing.B) {
	r.duration.report(b)
	r.refused.report(b)
}

// giveBack starts the lost main again and returns to normal while callers call.
func (s *site) giveBack(b *testing.B) (took time.Duration, refused int) {
	b.Helper()
	s.main.start(b)
	s.onDuty(b)
	s.waitBothHearPBX(b)
	callers := s.callIn(b, load{rate: 5, patience: time.Second})
	callers.waitGreeted(b, 3, time.Time{})
	began := time.Now()
	s.main.mustRun(b, "return")
	s.waitNormal(b)
	took = time.Since(began)
	for _, o := range callers.finish(b) {
		if !o.answered {
			b.Log(fmt.Sprint("not answered during the return: ", o))
			refused++
		}
	}
	return took, refused
}
