package acceptance

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/flood"
)

const (
	// floodPort is where a flood calls from: the ear is deaf to it.
	floodPort = 5999
	// floodRate is what is offered each second, ten times what two processors can take up.
	floodRate = 8000
	floodFor  = 4 * time.Second
	talking   = 100 // calls in progress meanwhile
	// answerWithin is how long any caller waits for an answer, be it a refusal.
	answerWithin = 500 * time.Millisecond
)

// A server that is only overloaded is busy, and not dead: nobody relieves it, who talks goes on talking
// and hears well, and who calls is answered or refused at once (H4, K4). The same offered to the
// standby leaves it a good standby.
func TestEightThousandCallsASecondAreOffered(t *testing.T) {
	s := ownSite(t, plan{init: []string{"--channels", "300"}})
	term := s.main.mustView(t).Term
	sound := hearPace(t, mainHost)
	inProgress := s.callIn(t, load{rate: 50, calls: talking, rings: true, patience: 3 * time.Minute})
	inProgress.waitGreeted(t, talking, time.Time{})

	t.Run("to the main", func(t *testing.T) {
		began := time.Now()
		calls := s.flood(t, s.main, "reception", "")
		ended := time.Now()
		answered, _ := checkAnswered(t, calls)
		if answered < 200 { // as many as there were free channels, at least
			t.Errorf("of %d calls %d were answered: the channels that were free must not stay so", len(calls), answered)
		}
		checkServed(t, s.callIn(t, callsToPhone(1, 1)).wait(t, time.Minute), s.main) // at once
		s.checkTalkedOn(t, sound, began, began.Add(floodFor), inProgress)
		s.checkNotRelieved(t, term, began)
		s.checkCounted(t, began, calls)
		s.main.eventSaid(t, "event-crowd", began, 5*time.Second)
		s.main.eventSaid(t, "event-crowd-over", ended, 10*time.Second)
	})
	t.Run("to the standby", func(t *testing.T) {
		began := time.Now()
		calls := s.flood(t, s.secondary, "standby", fmt.Sprintf("Diversion: <sip:%s@%s>;reason=no-answer\r\n", receptionNumber, pbxHost))
		if answered, _ := checkAnswered(t, calls); answered > 0 {
			t.Errorf("the standby answered %d calls beside a main that is well", answered)
		}
		s.checkTalkedOn(t, sound, began, began.Add(floodFor), inProgress)
		s.checkNotRelieved(t, term, began)
	})
	if t.Failed() {
		t.Log(s.decisions(s.main), s.decisions(s.secondary), s.logs())
		return
	}
	s.main.kill9(t)
	checkServed(t, s.callIn(t, callsToPhone(1, 1)).wait(t, time.Minute), s.secondary)
	s.checkDuty(t, s.secondary, term+1)
}

// flood offers a server calls in the PBX's name.
func (s *site) flood(t *testing.T, to *server, user, headers string) []flood.Call {
	t.Helper()
	calls, err := flood.Offer(t.Context(), flood.Options{
		From: netip.AddrPortFrom(pbxAddr, floodPort), To: netip.MustParseAddrPort(to.host + ":5060"), User: user, Headers: headers,
		Rate: floodRate, Calls: floodRate * int(floodFor/time.Second), Hold: time.Second, Patience: time.Second + answerWithin,
	})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// checkAnswered fails the test for a call without an answer in time, and says how many were answered.
func checkAnswered(t *testing.T, calls []flood.Call) (answered, refused int) {
	t.Helper()
	codes, again := map[int]int{}, 0
	for _, c := range calls {
		codes[c.Code]++
		again += c.Sent - 1
	}
	slices.SortFunc(calls, func(a, b flood.Call) int { return cmp.Compare(a.Answered, b.Answered) })
	n := len(calls)
	t.Logf("%d calls: codes %v, %d INVITEs sent again, answer median %v, p99 %v, worst %v", n, codes, again,
		calls[n/2].Answered, calls[n*99/100].Answered, calls[n-1].Answered)
	if worst := calls[n-1].Answered; worst > allowed(answerWithin) || codes[0] > 0 {
		t.Errorf("%d calls were neither answered nor refused; the longest wait was %v, must be %v", codes[0], worst, answerWithin)
	}
	if codes[0]+codes[200]+codes[486] != n {
		t.Errorf("codes %v, want 200 and 486", codes)
	}
	return codes[200], codes[486]
}

// checkTalkedOn checks that calls in progress went on, with their sound on time.
func (s *site) checkTalkedOn(t *testing.T, sound *pace, since, until time.Time, inProgress *crowd) {
	t.Helper()
	eventually(t, time.Second, "the calls in progress and no others", func() error {
		if v, err := s.main.view(); err != nil || v.Main.ChannelsBusy != talking {
			return fmt.Errorf("%d channels busy, %v", v.Main.ChannelsBusy, err)
		}
		return nil
	})
	for _, o := range inProgress.outcomes() {
		if !o.hungUpAt.IsZero() {
			t.Errorf("a call in progress was ended: %v", o)
		}
	}
	w := sound.between(since, until)
	t.Logf("%v", w)
	if w.calls != talking || w.whole < 0.99 || w.onTime < 99 {
		t.Errorf("want %d calls with all of their packets, and 99 %% of those within 5 ms of their time", talking)
	}
}

// checkNotRelieved checks that nobody took the main for dead: nothing was decided, and the standby
// did not call the reception to find out.
func (s *site) checkNotRelieved(t *testing.T, term releve.Term, since time.Time) {
	t.Helper()
	s.checkDuty(t, s.main, term)
	for _, e := range s.secondary.explain(t, since) {
		if e.What.Code == "rule-own-call" || e.What.Code == s.ruleOfTakeover() {
			t.Errorf("the standby thought that the main might be dead: %s", describe(e))
		}
	}
	if err := s.protectedUnder(s.main); err != nil {
		t.Error(err)
	}
}

// checkCounted checks that each call that was refused is in the database: by a row of its own, or by one
// that counts many.
func (s *site) checkCounted(t *testing.T, since time.Time, calls []flood.Call) {
	t.Helper()
	refused, again := 0, 0
	for _, c := range calls {
		again += c.Sent - 1
		if c.Code == 486 {
			refused++
		}
	}
	at := since.UTC().Format("2006-01-02 15:04:05.000")
	eventually(t, 10*time.Second, "each refused call is counted", func() error {
		rows, err := s.main.query("select count(*) filter (where outcome = 'crowd') || ' ' || count(*) filter (where outcome = 'busy') || ' ' || " +
			"coalesce(sum(detail::bigint) filter (where outcome = 'crowd'), 0) from call_end where (call like 'flood-%' or outcome = 'crowd') and at >= '" + at + "Z'")
		if err != nil {
			return err
		}
		n := [3]int{}
		for i, text := range strings.Fields(strings.Join(rows, "")) {
			n[i], _ = strconv.Atoi(text)
		}
		if sum := n[1] + n[2]; sum < refused || sum > refused+again || n[0] > 20 {
			return fmt.Errorf("%d rows count %d calls, %d calls have one each; %d were refused", n[0], n[2], n[1], refused)
		}
		t.Logf("%d rows count %d refused calls, %d calls have one each", n[0], n[2], n[1])
		return nil
	})
}
