package calls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve/rules/takeover"

	"releve"
)

// A caller hears the greeting, dials, and is put through; the record says so.
func TestCallIsPutThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 2)
		c := newCaller("a@pbx")
		c.answerIn = 20 * time.Millisecond
		c.codes = []int{200}
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		time.Sleep(2500 * time.Millisecond) // greeting and menu are said
		c.press("1001")
		<-done

		want := []string{
			"call", "1 greeting ", "2 menu ", "3 digits 10**", "4 transfer extension 10**",
			"5 transfer-result 200 taken", "transferred (extension) after 6500 ms",
		}
		if got := s.flushed(t).of(t, "a@pbx"); !slices.Equal(got, want) {
			t.Errorf("recorded:\n%s", strings.Join(got, "\n"))
		}
		body := s.disk.offered(t, "a@pbx")
		if want := (releve.CallBody{From: "0612******", To: "8000",
			AnsweredMS: 20, Chain: body.Chain}); body != want || body.Chain == "" {
			t.Errorf("body is %+v", body)
		}
		if !slices.Equal(c.said, []string{"fr/greeting", "fr/menu", "fr/transfer"}) ||
			!slices.Equal(c.transferred, []string{"1001"}) || !c.hungUp {
			t.Errorf("said %v, transferred to %v, hung up %v", c.said, c.transferred, c.hungUp)
		}
		checkFacts(t, s.disk, releve.Secondary, 7)
	})
}

func checkFacts(t *testing.T, d *disk, seat releve.Seat, term releve.Term) {
	t.Helper()
	ids := map[releve.FactID]bool{}
	for _, f := range d.facts {
		if f.Seat != seat || f.Term != term || f.At.IsZero() || ids[f.ID] {
			t.Errorf("fact %+v: want seat %s, term %d, a time and an id of its own", f, seat, term)
		}
		ids[f.ID] = true
	}
}

// While it lasts a call is among the active, then among the recent.
func TestCallIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.NoDuty, 2)
		c := newCaller("a@pbx").overflowing(releve.ReasonNoAnswer)
		go s.offer(t, c)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		active := s.Active()
		if len(active) != 1 || active[0].Outcome != "" ||
			active[0].Duration != 1500*time.Millisecond || len(active[0].Steps) != 2 ||
			!active[0].WithoutDuty || !active[0].Overflowed || active[0].From != "0612******" || active[0].Term != 7 {
			t.Errorf("active: %+v", active)
		}
		if f := s.Snapshot(); f.Busy != 1 || f.Offered != 1 || f.Answered != 1 || f.LastInvite != c.invite.ReceivedAt {
			t.Errorf("figures: %+v", f)
		}
		close(c.bye)
		synctest.Wait()
		if recent := s.Recent(10); len(recent) != 1 || recent[0].Outcome != "abandoned" || len(s.Active()) != 0 {
			t.Errorf("recent: %+v, active: %+v", recent, s.Active())
		}
		if c.hungUp {
			t.Error("BYE was sent to a caller who had hung up")
		}
	})
}

func TestRecentKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		for i := range recentMax + 5 {
			c := newCaller(fmt.Sprint(i))
			close(c.bye)
			s.offer(t, c)
		}
		recent := s.Recent(recentMax * 2)
		if len(recent) != recentMax || recent[0].Call != "204" || recent[recentMax-1].Call != "5" {
			t.Errorf("%d calls, from %s to %s", len(recent), recent[0].Call, recent[len(recent)-1].Call)
		}
		if got := s.Recent(1); len(got) != 1 || got[0].Call != "204" {
			t.Errorf("the newest is %+v", got)
		}
		if got := s.Recent(-1); len(got) != 0 {
			t.Errorf("%d calls where none was asked for", len(got))
		}
	})
}

// Each stance with each way that a call can come.
func TestStances(t *testing.T) {
	direct := func(c *caller) *caller { c.invite.Target = "standby"; c.invite.To = "standby"; return c }
	overflow := func(c *caller) *caller { return c.overflowing(releve.ReasonUnknown) }
	reception := func(c *caller) *caller { return c }
	for _, row := range []struct {
		story       string
		stance      takeover.StanceKind
		call        func(*caller) *caller
		refused     int // 0: answered
		withoutDuty bool
	}{
		{"on duty, the reception", takeover.OnDuty, reception, 0, false},
		{"on duty, an overflow", takeover.OnDuty, overflow, 0, false},
		{"on duty, the standby's own number", takeover.OnDuty, direct, 0, false},
		{"without the duty, an overflow", takeover.NoDuty, overflow, 0, true},
		{"without the duty, the reception that was just handed over", takeover.NoDuty, reception, 0, true},
		{"without the duty, the standby's own number", takeover.NoDuty, direct, 486, false},
		{"passive, the reception: it is to overflow", takeover.Verifying, reception, 480, false},
		{"passive, the standby's own number: no verification", takeover.Verifying, direct, 486, false},
		{"unsure, the standby's own number: no verification", takeover.VerifyingAll, direct, 486, false},
		{"closed, the reception", takeover.Closed, reception, 480, false},
		{"closed, an overflow", takeover.Closed, overflow, 486, false},
		{"closed, the standby's own number", takeover.Closed, direct, 486, false},
	} {
		t.Run(row.story, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, row.stance, 1)
				c := row.call(newCaller("a@pbx"))
				close(c.bye)
				s.offer(t, c)
				if len(s.post.asked) > 0 {
					t.Error("a verification was asked for")
				}
				recorded := s.flushed(t).of(t, "a@pbx")
				if row.refused != 0 {
					if !slices.Equal(c.refused, []int{row.refused}) || c.answered || len(recorded) > 0 {
						t.Errorf("refused with %v, answered %v, recorded %v", c.refused, c.answered, recorded)
					}
					return
				}
				if !c.answered || len(c.refused) > 0 || s.disk.offered(t, "a@pbx").WithoutDuty != row.withoutDuty {
					t.Errorf("answered %v, refused %v", c.answered, c.refused)
				}
			})
		})
	}
}

// A server that is unsure of its duty verifies before it answers the reception,
// and gives a call back with the code of its binding.
func TestUnsureVerifies(t *testing.T) {
	for _, row := range []struct {
		story   string
		call    *caller
		refused int
	}{
		{"the reception", newCaller("a@pbx"), 480},
		{"an overflow", newCaller("a@pbx").overflowing(releve.ReasonUnknown), 486},
	} {
		for _, answer := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, answer %v", row.story, answer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer(t, takeover.VerifyingAll, 1)
					c := newCaller("a@pbx")
					c.invite = row.call.invite
					close(c.bye)
					s.post.decision = releve.Decision{Answer: answer}
					close(s.post.verdict)
					s.offer(t, c)
					if len(s.post.asked) != 1 || c.answered != answer || !answer && !slices.Equal(c.refused, []int{row.refused}) {
						t.Errorf("asked %d times, answered %v, refused %v", len(s.post.asked), c.answered, c.refused)
					}
				})
			})
		}
	}
}

// One free channel answers, the next call is refused at once and recorded as
// busy; a channel that becomes free ends the saturation.
func TestEarlyRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		first, second, third := newCaller("1"), newCaller("2"), newCaller("3")
		go s.offer(t, first)
		synctest.Wait()
		if since := s.Snapshot().SaturatedSince; !since.Equal(time.Now()) {
			t.Errorf("saturated since %v, want now", since)
		}
		before := time.Now()
		s.offer(t, second)
		if waited := time.Since(before); waited != 0 || !slices.Equal(second.refused, []int{600}) {
			t.Errorf("refused with %v after %v", second.refused, waited)
		}
		close(first.bye)
		synctest.Wait()
		if !s.Snapshot().SaturatedSince.IsZero() {
			t.Error("still saturated with a free channel")
		}
		close(third.bye)
		s.offer(t, third)
		if !third.answered {
			t.Error("a free channel did not answer")
		}
		if got := s.flushed(t).of(t, "2"); !slices.Equal(got, []string{"call", "busy (all channels are busy) after 0 ms"}) {
			t.Errorf("recorded: %q", got)
		}
		if f := s.Snapshot(); f.Offered != 3 || f.Answered != 2 || f.Refused != 1 || f.Busy != 0 || f.Deciding != 0 {
			t.Errorf("figures: %+v", f)
		}
	})
}

// Many calls overflow together: they wait side by side, and one verdict serves
// all (SPEC H6).
func TestVerificationIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 1)
		callers := make([]*caller, 500)
		var over sync.WaitGroup
		for i := range callers {
			callers[i] = newCaller(fmt.Sprint(i)).overflowing(releve.ReasonBusy)
			over.Go(func() { s.offer(t, callers[i]) })
		}
		synctest.Wait()
		if f := s.Snapshot(); f.Deciding != 500 || f.Busy != 0 || len(s.post.asked) != 500 {
			t.Fatalf("%d calls asked; figures: %+v", len(s.post.asked), f)
		}
		if o := s.post.asked[0]; o.Reason != releve.ReasonBusy || !o.Overflowed || o.Binding != Standby {
			t.Errorf("the offer was %+v", o)
		}
		s.post.decision = releve.Decision{Code: 480, Why: "the main is well"}
		close(s.post.verdict)
		over.Wait()
		for _, c := range callers {
			if !slices.Equal(c.refused, []int{480}) || c.answered {
				t.Fatalf("%s: refused with %v, answered %v", c.invite.Call, c.refused, c.answered)
			}
		}
		if n := len(s.flushed(t).facts); n > 0 {
			t.Errorf("%d facts of calls that were given back", n)
		}
	})
}

// The call whose verification led to the takeover is answered, in the new term.
func TestCallThatLedToTheTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 1)
		c := newCaller("a@pbx").overflowing(releve.ReasonNoAnswer).press("0")
		c.codes = []int{200}
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		synctest.Wait()
		s.post.take(stance{takeover.NoDuty, 8})
		s.post.decision = releve.Decision{Answer: true, Took: true, WithoutDuty: true, Why: "3 rounds without an answer"}
		close(s.post.verdict)
		<-done
		body := s.flushed(t).offered(t, "a@pbx")
		if !c.answered || !body.Verification || !body.WithoutDuty || body.Reason != "no-answer" {
			t.Errorf("answered %v, body %+v", c.answered, body)
		}
		checkFacts(t, s.disk, releve.Secondary, 8)
	})
}

// A caller who hangs up while the verification lasts is not answered, and the
// others wait on.
func TestCancelWhileVerifying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 2)
		gone := newCaller("gone").overflowing(releve.ReasonUnknown)
		stays := newCaller("stays").overflowing(releve.ReasonUnknown)
		close(stays.bye)
		var over sync.WaitGroup
		over.Go(func() { s.offer(t, gone) })
		over.Go(func() { s.offer(t, stays) })
		synctest.Wait()
		close(gone.cancelled)
		synctest.Wait()
		if f := s.Snapshot(); f.Deciding != 1 {
			t.Errorf("%d calls wait, want the other one", f.Deciding)
		}
		s.post.decision = releve.Decision{Answer: true}
		close(s.post.verdict)
		over.Wait()
		if gone.answered || len(gone.refused) > 0 || !stays.answered {
			t.Errorf("gone: answered %v, refused %v; stays: answered %v", gone.answered, gone.refused, stays.answered)
		}
		if got := s.flushed(t).of(t, "gone"); len(got) > 0 {
			t.Errorf("recorded of a call that was never taken up: %v", got)
		}
	})
}

func TestCancelWhileAnswering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		c := newCaller("a@pbx")
		c.answerIn = time.Second
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		time.Sleep(30 * time.Millisecond)
		close(c.cancelled)
		<-done
		if got := s.flushed(t).of(t, "a@pbx"); !slices.Equal(got, []string{"call", "abandoned (before the answer) after 30 ms"}) {
			t.Errorf("recorded: %v", got)
		}
		if len(c.refused) > 0 || s.Well() != nil {
			t.Errorf("refused %v, healthy: %v", c.refused, s.Well())
		}
	})
}

// A caller who gives up in the very moment of the answer is no failure of ours.
func TestCancelCrossesTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		for range 2 * failuresMax {
			c := newCaller("a@pbx")
			c.answerErr = errCancelled
			s.offer(t, c)
			if call := s.Recent(1)[0]; call.Outcome != "abandoned" || len(c.refused) > 0 || s.Well() != nil {
				t.Fatalf("%s, refused %v, healthy %v", call.Outcome, c.refused, s.Well())
			}
		}
	})
}

// A fence hangs up calls in every state at once, and nothing gets in after it.
func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 2)
		talking, answering := newCaller("talking"), newCaller("answering")
		answering.answerIn = time.Hour
		verifying := newCaller("verifying").overflowing(releve.ReasonUnknown)
		go s.offer(t, talking)
		go s.offer(t, answering)
		synctest.Wait()
		s.post.take(stance{takeover.Verifying, 7})
		go s.offer(t, verifying)
		synctest.Wait()

		before := time.Now()
		s.post.take(stance{takeover.Closed, 7})
		s.Drop("the duty is lost")
		if err := s.Drained(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("the fence lasted %v", waited)
		}
		if !talking.hungUp || !slices.Equal(answering.refused, []int{480}) || !slices.Equal(verifying.refused, []int{486}) {
			t.Errorf("hung up %v, refused %v and %v", talking.hungUp, answering.refused, verifying.refused)
		}
		ends := s.flushed(t).of(t, "talking")
		if end := ends[len(ends)-1]; end != "dropped (calls are dropped: the duty is lost) after 0 ms" {
			t.Errorf("the end is %q", end)
		}
	})
}

// A verdict that comes after a fence answers nobody.
func TestVerdictAfterTheFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 1)
		c := newCaller("a@pbx").overflowing(releve.ReasonUnknown)
		done := make(chan struct{})
		go func() { s.offer(t, c); close(done) }()
		synctest.Wait()
		s.post.take(stance{takeover.Closed, 7})
		s.post.decision = releve.Decision{Answer: true}
		close(s.post.verdict)
		<-done
		if c.answered || !slices.Equal(c.refused, []int{486}) {
			t.Errorf("answered %v, refused %v", c.answered, c.refused)
		}
	})
}

// The fence falls while a call reads the stance, and the call still reads the old
// one: the fence reaches it all the same.
func TestNoCallSlipsThroughTheFence(t *testing.T) {
	for reading := range 2 {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.OnDuty, 1)
			s.post.whileRead = func(n int) {
				if n == reading {
					s.post.take(stance{takeover.Closed, 7})
					s.Drop("the duty is lost")
				}
			}
			c := newCaller("a@pbx")
			s.offer(t, c)
			if c.answered || !slices.Equal(c.refused, []int{480}) {
				t.Errorf("fence in reading %d: answered %v, refused %v", reading, c.answered, c.refused)
			}
		})
	}
}

func TestDrainedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		if err := s.Drained(t.Context()); err != nil {
			t.Errorf("without a call: %v", err)
		}
		c := newCaller("a@pbx")
		go s.offer(t, c)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Drained(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 calls") {
			t.Errorf("with a call: %v", err)
		}
		close(c.bye)
		if err := s.Drained(t.Context()); err != nil {
			t.Errorf("after the call: %v", err)
		}
	})
}

// A PBX that offers calls in a loop is refused beyond a bound.
func TestTooManyCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 1)
		var over sync.WaitGroup
		for i := range presentMax {
			c := newCaller(fmt.Sprint(i)).overflowing(releve.ReasonUnknown)
			over.Go(func() { s.offer(t, c) })
		}
		synctest.Wait()
		last := newCaller("last").overflowing(releve.ReasonUnknown)
		s.offer(t, last)
		if !slices.Equal(last.refused, []int{600}) {
			t.Errorf("the call above the bound was refused with %v", last.refused)
		}
		close(s.post.verdict)
		over.Wait()
	})
}

// A server that could not answer twice in a row does not claim that it can
// (SPEC H4), until it answers, or for two seconds.
func TestHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		noPort := errors.New("no media port is free")
		fail := func(err error) *caller {
			c := newCaller("a@pbx")
			c.answerErr = err
			s.offer(t, c)
			return c
		}
		if c := fail(noPort); !slices.Equal(c.refused, []int{500}) || s.Well() != nil {
			t.Errorf("after one failure: refused %v, healthy %v", c.refused, s.Well())
		}
		fail(noPort)
		if err := s.Well(); !errors.Is(err, noPort) {
			t.Errorf("after two failures: %v", err)
		}
		time.Sleep(failingFor)
		if err := s.Well(); err != nil {
			t.Errorf("two seconds later: %v", err)
		}
		fail(noPort)
		well := newCaller("b@pbx")
		close(well.bye)
		s.offer(t, well)
		if err := s.Well(); err != nil {
			t.Errorf("after an answer: %v", err)
		}
		fail(noPort)
		if c := fail(&Unacceptable{488, errors.New("no codec in common")}); len(c.refused) > 0 || s.Well() != nil {
			t.Errorf("an offer at fault: refused %v, healthy %v", c.refused, s.Well())
		}
		if call := s.Recent(1)[0]; call.Outcome != string(Failed) || call.Detail != "488: no codec in common" {
			t.Errorf("an offer at fault ends as %s, with %q", call.Outcome, call.Detail)
		}
		if f := s.Snapshot(); f.Unacceptable != 1 || !strings.Contains(f.UnacceptableWhy, "cause-not-acceptable") ||
			!strings.Contains(f.UnacceptableWhy, "no codec in common") {
			t.Errorf("an offer at fault is shown as %d calls, %q", f.Unacceptable, f.UnacceptableWhy)
		}
		time.Sleep(2 * unacceptableFor)
		if f := s.Snapshot(); f.Unacceptable != 0 {
			t.Error("an offer at fault is shown for ever")
		}
		if got := s.flushed(t).of(t, "a@pbx"); got[1] != "failed (no media port is free) after 0 ms" {
			t.Errorf("recorded: %v", got)
		}
	})
}

// Calls of a procedure are marked, so that they stay out of the statistics.
func TestTestCallsAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		byID, byUser := newCaller("by-id"), newCaller("by-user")
		byID.invite.TestID = s.Seal("return-1")
		byUser.invite.From = "standby"
		for _, c := range []*caller{byID, byUser} {
			close(c.bye)
			s.offer(t, c)
			if recent := s.Recent(1); !recent[0].Test {
				t.Errorf("%s is shown as a caller's", c.invite.Call)
			}
		}
		s.flushed(t)
		if !s.disk.offered(t, "by-id").Test || !s.disk.offered(t, "by-user").Test {
			t.Error("a test call was recorded as a caller's")
		}
		if id, user := s.disk.offered(t, "by-id").From, s.disk.offered(t, "by-user").From; id != "0612******" ||
			user != "standby" {
			t.Errorf("recorded are %q and %q: a number is hidden, the site's own user has none", id, user)
		}
	})
}

// A thousand calls at once: each is put through and recorded whole.
func TestThousandCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1000)
		callers := make([]*caller, 1000)
		var over sync.WaitGroup
		for i := range callers {
			callers[i] = newCaller(fmt.Sprint(i)).press("1001")
			callers[i].codes = []int{200}
			over.Go(func() { s.offer(t, callers[i]) })
		}
		over.Wait()
		facts := s.flushed(t)
		if len(facts.facts) != 7000 {
			t.Errorf("%d facts, want 7 a call", len(facts.facts))
		}
		for _, c := range callers {
			if !c.hungUp || c.overlapped.Load() {
				t.Fatalf("%s: hung up %v, two things at once %v", c.invite.Call, c.hungUp, c.overlapped.Load())
			}
		}
		if f := s.Snapshot(); f.Answered != 1000 || f.Busy != 0 || f.RecordsWaiting != 0 || f.RecordsLost != 0 {
			t.Errorf("figures: %+v", f)
		}
	})
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := New(Options{Profile: Profile{Evidence: "tea-leaves", RefusalCode: 200}})
	for _, part := range []string{"language", "extension_digits", "tea-leaves", "refusal_code 200", "busy_code 0", "0 channels"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

// A fault of the program itself ends the call in which it happens, wherever that is: the
// caller is hung up or refused, the channel is free, it is said, and the others go on.
func TestAFaultOfTheProgramEndsOneCall(t *testing.T) {
	for story, spoil := range map[string]func(*caller){
		"while a prompt is said":     func(c *caller) { c.breakIn = "play" },
		"while it is put through":    func(c *caller) { c.breakIn = "transfer"; c.press("1001") },
		"before there is an answer":  func(c *caller) { c.breakIn = "answer" },
		"while the keys are awaited": func(c *caller) { c.breakIn = "digits" },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.OnDuty, 2)
			var told []releve.CallID
			s.explain = func(what releve.Sentence) {
				if cause := what.Args["cause"]; what.Code != "event-call-broken" ||
					!strings.Contains(cause, "a fault") || strings.Contains(cause, "goroutine") {
					t.Errorf("%s: told as %q, %q", story, what.Code, cause)
				}
				told = append(told, releve.CallID(what.Args["call"]))
			}
			other, broken := newCaller("other"), newCaller("broken")
			spoil(broken)
			var over sync.WaitGroup
			over.Go(func() { s.offer(t, other) })
			synctest.Wait()
			s.offer(t, broken)
			if !broken.hungUp && len(broken.refused) == 0 {
				t.Errorf("%s: the caller is left alone", story)
			}
			if len(told) != 1 || told[0] != broken.invite.Call {
				t.Errorf("%s: told of %v", story, told)
			}
			if busy := s.Snapshot().Busy; busy != 1 {
				t.Errorf("%s: %d channels are busy beside the one that talks", story, busy-1)
			}
			close(other.bye)
			over.Wait()
			s.flushed(t)
		})
	}
}

// A caller whose keys cannot be heard is answered all the same, and it is shown: in his
// record and, for a while, on the screen.
func TestACallInWhichNoKeyCanBeHeardIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		deaf := newCaller("deaf")
		deaf.keyless = true
		var over sync.WaitGroup
		over.Go(func() { s.offer(t, deaf) })
		synctest.Wait()
		close(deaf.bye)
		over.Wait()
		if f := s.Snapshot(); f.Keyless != 1 || !deaf.answered {
			t.Errorf("answered %v, %d calls shown", deaf.answered, f.Keyless)
		}
		if steps := s.Recent(1)[0].Steps; len(steps) == 0 || steps[0].Name != "keyless" {
			t.Errorf("recorded: %v", steps)
		}
		time.Sleep(2 * unacceptableFor)
		if f := s.Snapshot(); f.Keyless != 0 {
			t.Error("shown for ever")
		}
		s.flushed(t)
	})
}

// A call that the telephone refused for what it asks never came here, and yet it was a caller:
// the server on duty has a row for him, that says why, and every server counts him.
func TestACallThatTheTelephoneRefusedIsShown(t *testing.T) {
	for name, row := range map[string]struct {
		stance   takeover.StanceKind
		answered bool
		rows     int
	}{
		"on duty": {takeover.OnDuty, false, 1}, "without the duty": {takeover.NoDuty, false, 1},
		"passive":               {takeover.Verifying, false, 0},
		"answered, and hung up": {takeover.OnDuty, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, row.stance, 1)
				s.Unacceptable(newCaller("a@pbx").invite, &Unacceptable{420, errors.New("Require: timer\x1b")}, row.answered)
				if f := s.Snapshot(); f.Unacceptable != 1 || !strings.Contains(f.UnacceptableWhy, "420") ||
					!strings.Contains(f.UnacceptableWhy, "Require: timer") || strings.Contains(f.UnacceptableWhy, "\x1b") {
					t.Errorf("%d calls, %q", f.Unacceptable, f.UnacceptableWhy)
				}
				rows := s.Recent(10)
				if len(rows) != row.rows || len(s.Active()) != 0 {
					t.Fatalf("%d rows, %d in progress", len(rows), len(s.Active()))
				}
				if row.rows == 1 && (rows[0].Outcome != string(Failed) || !strings.HasPrefix(rows[0].Detail, "420: ")) {
					t.Errorf("the row says %s, %q", rows[0].Outcome, rows[0].Detail)
				}
				if s.Well() != nil {
					t.Error("the server takes it for its own fault")
				}
				time.Sleep(2 * unacceptableFor)
				if f := s.Snapshot(); f.Unacceptable != 0 {
					t.Error("shown for ever")
				}
				s.flushed(t)
			})
		})
	}
}
