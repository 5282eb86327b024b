package acceptance

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
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
		inTime(t, func() (late []string) {
			began := time.Now()
			calls := s.flood(t, s.main, "reception", "")
			answered, slow := checkAnswered(t, calls)
			if answered < 200 { // as many as there were free channels, at least
				t.Errorf("of %d calls %d were answered: the channels that were free must not stay so", len(calls), answered)
			}
			checkServed(t, s.callIn(t, callsToPhone(1, 1)).wait(t, time.Minute), s.main) // at once
			s.checkTalkedOn(t, inProgress)
			s.checkNotRelieved(t, term, began)
			s.checkCounted(t, began, calls)
			s.main.eventSaid(t, "event-crowd", began, 5*time.Second)
			return append(slow, checkSound(t, sound, began)...)
		})
	})
	t.Run("to the standby", func(t *testing.T) {
		inTime(t, func() (late []string) {
			began := time.Now()
			answered, slow := checkAnswered(t, s.flood(t, s.secondary, "standby", overflowed))
			if answered > 0 {
				t.Errorf("the standby answered %d calls beside a main that is well", answered)
			}
			s.checkTalkedOn(t, inProgress)
			s.checkNotRelieved(t, term, began)
			return append(slow, checkSound(t, sound, began)...)
		})
	})
	if t.Failed() {
		t.Log(s.decisions(s.main), s.decisions(s.secondary), s.logs())
		return
	}
	s.relieveInAFlood(t, term)
}

// relieveInAFlood kills the main while the standby is offered a flood, of which each call says that it has
// overflowed: the standby finds out, and answers as many as it has channels for.
func (s *site) relieveInAFlood(t *testing.T, term releve.Term) {
	t.Helper()
	var killed time.Time
	var killing sync.WaitGroup
	killing.Go(func() {
		<-time.After(floodFor / 4) // the flood is there
		killed = s.main.kill9(t)
	})
	calls := s.flood(t, s.secondary, "standby", overflowed)
	killing.Wait()
	answered, _ := checkAnswered(t, calls) // who waits for the verdict may wait longer
	first := time.Duration(-1)
	for _, c := range calls {
		if at := c.Offered.Add(c.Answered).Sub(killed); c.Code == 200 && (first < 0 || at < first) {
			first = at
		}
	}
	t.Logf("the main killed in a flood: %d calls answered by the standby, the first %v after", answered, first)
	if answered < 300 || first < 0 || first > allowed(3*time.Second) {
		t.Errorf("%d calls of a flood were answered, the first %v after the main was killed", answered, first)
	}
	s.checkDuty(t, s.secondary, term+1)
	checkServed(t, s.callIn(t, callsToPhone(1, 1)).wait(t, time.Minute), s.secondary)
}

// overflowed is what the PBX writes into calls that the main did not take.
var overflowed = fmt.Sprintf("Diversion: <sip:%s@%s>;reason=no-answer\r\n", receptionNumber, pbxHost)

// inTime offers a flood until its figures are what they must be, three times at most: what others do on the
// machine meanwhile makes them worse, and nothing makes them better. All else must hold each time.
func inTime(t *testing.T, offer func() (late []string)) {
	t.Helper()
	var late []string
	for range 3 {
		if late = offer(); len(late) == 0 || t.Failed() {
			return
		}
		t.Logf("offered again: %v", late)
	}
	t.Errorf("three times: %v", late)
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

// checkAnswered fails the test for a call without an answer, and says how many were answered, and what
// came too late.
func checkAnswered(t *testing.T, calls []flood.Call) (answered int, late []string) {
	t.Helper()
	codes, again := map[int]int{}, 0
	for _, c := range calls {
		codes[c.Code]++
		again += c.Sent - 1
	}
	slices.SortFunc(calls, func(a, b flood.Call) int { return cmp.Compare(a.Answered, b.Answered) })
	n := len(calls)
	worst := calls[n-1].Answered
	t.Logf("%d calls: codes %v, %d INVITEs sent again, answer median %v, p99 %v, worst %v", n, codes, again,
		calls[n/2].Answered, calls[n*99/100].Answered, worst)
	if codes[200]+codes[486] != n {
		t.Errorf("codes %v, want 200 and 486", codes)
	}
	if worst > allowed(answerWithin) {
		late = append(late, fmt.Sprintf("a call waited %v for its answer, must be %v", worst, answerWithin))
	}
	return codes[200], late
}

// checkTalkedOn checks that calls in progress went on, and that the site is as it was within a second.
func (s *site) checkTalkedOn(t *testing.T, inProgress *crowd) {
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
}

// checkSound says what was wrong with the sound of the calls in progress during a flood.
func checkSound(t *testing.T, sound *pace, began time.Time) (late []string) {
	t.Helper()
	w := sound.between(began, began.Add(floodFor))
	t.Logf("%v", w)
	if w.calls != talking {
		t.Errorf("sound of %d calls went on, want %d", w.calls, talking)
	}
	if w.whole < 0.99 || w.onTime < 99 {
		late = append(late, fmt.Sprintf("sound: %v; want all packets, and 99 %% of them within 5 ms of their time", w))
	}
	return late
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
