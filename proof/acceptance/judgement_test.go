package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
)

// callsToPhone is the load of most proofs: callers who ask for telephone 1001. They are
// put through two seconds after the answer; whoever hears nothing for three times as
// long hangs up, as do those whose server died in the middle of their call.
func callsToPhone(calls, rate int) load {
	return load{rate: rate, calls: calls, digits: "1001", patience: 6 * time.Second}
}

// checkServed fails the test for each caller who did not hear a greeting, was not
// put through to the telephone, or was left on an open line.
func checkServed(t testing.TB, all []outcome, by ...*server) {
	t.Helper()
	bad := 0
	for _, o := range all {
		if !o.greeted() || !o.transferred || o.hungUpBy != "server" || !heardFrom(o, by) {
			bad++
			t.Log(o)
		}
	}
	if bad > 0 || len(all) == 0 {
		t.Errorf("%d of %d callers were not greeted, put through and released", bad, len(all))
	}
}

// checkGreeted is checkServed for callers who need not be put through.
func checkGreeted(t testing.TB, all []outcome, by ...*server) {
	t.Helper()
	for _, o := range all {
		if !o.greeted() || !o.released() || !heardFrom(o, by) {
			t.Errorf("not greeted, or not released: %v", o)
		}
	}
}

// checkOutlived judges those who called before a server died. A call that it held then goes on with the
// other, or is lost with it: its caller hangs up, and is told so. Whoever else called is served, by either.
func checkOutlived(t testing.TB, before []outcome, dead *server, died time.Time) {
	t.Helper()
	var others []outcome
	for _, o := range before {
		if o.heldBy(dead, died) {
			checkOver(t, o)
		} else {
			others = append(others, o)
		}
	}
	t.Logf("of %d who called before, the %s server died with %d on the line", len(before), dead.seat, len(before)-len(others))
	if len(others) > 0 {
		checkServed(t, others)
	}
}

// checkOver fails the test for a caller who was left on an open line, on a call that nobody
// holds any more. A SIPp to whom two servers speak in one moment breaks off without a word of its own: then
// the wire says that somebody hung up.
func checkOver(t testing.TB, o outcome) {
	t.Helper()
	if !o.released() && !o.orphaned() && o.hungUpAt.IsZero() {
		t.Errorf("left on an open line: %v", o)
	}
}

// heardFrom says whether the caller heard one of the servers; of none named, any.
func heardFrom(o outcome, by []*server) bool {
	return len(by) == 0 || slices.ContainsFunc(by, func(s *server) bool { return s.host == o.soundFrom.String() })
}

// split parts callers by when they called.
func split(all []outcome, moment time.Time) (before, after []outcome) {
	for _, o := range all {
		if o.offered.Before(moment) {
			before = append(before, o)
		} else {
			after = append(after, o)
		}
	}
	return before, after
}

// waitGreeted waits until so many callers of a run that called since a moment have
// heard a greeting.
func (c *crowd) waitGreeted(t testing.TB, n int, since time.Time) {
	t.Helper()
	eventually(t, 60*time.Second, fmt.Sprintf("%d callers of %s greeted", n, c.name), func() error {
		_, after := split(c.ear.offeredBy(c.name), since)
		greeted := slices.DeleteFunc(after, func(o outcome) bool { return !o.greeted() })
		if len(greeted) < n {
			return fmt.Errorf("%d", len(greeted))
		}
		return nil
	})
}

// finish lets the last callers end and gives the outcome of all.
func (c *crowd) finish(t testing.TB) []outcome {
	t.Helper()
	c.stop()
	return c.wait(t, 60*time.Second)
}

// checkDuty fails the test unless both servers say that this one is on duty in that
// term. A server that cannot be asked is not.
func (s *site) checkDuty(t testing.TB, active *server, term releve.Term) {
	t.Helper()
	for _, teller := range []*server{s.main, s.secondary} {
		if !teller.answers() {
			continue
		}
		if v := teller.mustView(t); v.Owner != active.seat || v.Term != term {
			t.Errorf("the %s server says that %s is on duty in term %d, want %s in term %d", teller.seat, v.Owner, v.Term, active.seat, term)
		}
	}
}

// promotions are the terms that a server's database has had, one text for each
// promotion.
func (s *server) promotions(t testing.TB) []string {
	t.Helper()
	rows, err := s.query("select term || ' ' || seat from promotion order by term")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// ruleOfTakeover is the decision to take over, by the site's arbiter.
func (s *site) ruleOfTakeover() string {
	if s.witness != nil {
		return "rule-duty-granted"
	}
	return "rule-takeover"
}

// checkExplained fails the test unless the diary names a call that this server
// answered as the one that led to that decision, with its evidence.
func checkExplained(t testing.TB, s *server, since time.Time, calls []outcome, decision string) {
	t.Helper()
	var decisions []string
	for _, e := range s.explain(t, since) {
		for _, o := range calls {
			if e.What.Code == decision && e.Call == o.id && len(e.Evidence) > 0 && o.greeted() && heardFrom(o, []*server{s}) {
				t.Logf("explained: %s, with %d pieces of evidence, for call %s", e.What.Code, len(e.Evidence), e.Call)
				return
			}
		}
		decisions = append(decisions, describe(e))
	}
	t.Errorf("the diary of the %s server has no %s with evidence for a call that it answered:\n%s", s.seat, decision, strings.Join(decisions, "\n"))
}

func describe(e releve.Entry) string {
	return fmt.Sprintf("%s %s %s call=%s evidence=%d", e.At.Format(time.TimeOnly), e.Kind, e.What.Code, e.Call, len(e.Evidence))
}

// median is the middle of some durations.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// overflowToAnswer are the times from the PBX's overflow to a server's 200, by the
// PBX's clock.
func (s *site) overflowToAnswer(since time.Time, by *server) []time.Duration {
	events := slices.DeleteFunc(s.pbx.events(since, "overflow-standby", "reply"), func(e pbxEvent) bool {
		return e.kind == "reply" && (e.args["code"] != "200" || e.args["method"] != "INVITE" || !strings.HasPrefix(e.args["src"], by.host))
	})
	return lapses(events, "overflow-standby", "reply")
}
