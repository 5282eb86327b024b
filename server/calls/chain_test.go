package calls

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"releve/rules/takeover"

	"releve"
)

// A caller whom the PBX offers again and again while he is refused is one caller.
func TestTheAttemptsOfARefusedCallerAreOneChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		at := 0
		attempt := func(from string, codecs error) string {
			at++
			c := newCaller(fmt.Sprint("attempt-", at))
			c.invite.From, c.answerErr = from, codecs
			s.offer(t, c)
			return s.Recent(1)[0].Chain
		}
		refused := &Unacceptable{488, errors.New("G.722 only")}
		first := attempt("0612345678", refused)
		other := attempt("0612345679", refused)
		time.Sleep(againWithin - time.Second)
		if again := attempt("0612345678", refused); again != first || first == "" {
			t.Errorf("the same caller again: %q, then %q", first, again)
		}
		if other == first {
			t.Error("two callers are one chain")
		}
		if a, b := attempt("anonymous", refused), attempt("anonymous", refused); a == b {
			t.Error("two callers without a number are one chain")
		}
		time.Sleep(againWithin)
		if later := attempt("0612345678", refused); later == first {
			t.Error("a call of later is an attempt of before")
		}
	})
}

// Chains are bounded: in attempts, so that a loop is seen, and in callers.
func TestChainsAreBounded(t *testing.T) {
	now := time.Now()
	c := newChains(func() time.Time { return now })
	made := map[string]int{}
	for n := range 3 * attemptsMost {
		in := releve.Invite{Call: releve.CallID(fmt.Sprint(n)), From: "0612345678"}
		chain := c.join(in)
		made[chain]++
		c.ended(in, chain, false)
	}
	if len(made) != 3 {
		t.Errorf("%d attempts make %d chains: %v", 3*attemptsMost, len(made), made)
	}
	for chain, n := range made {
		if n != attemptsMost {
			t.Errorf("%s has %d attempts, expected %d", chain, n, attemptsMost)
		}
	}
	for n := range 2 * chainsMost {
		in := releve.Invite{Call: releve.CallID(fmt.Sprint(n)), From: fmt.Sprint(n)}
		c.ended(in, c.join(in), false)
	}
	if len(c.refused) > chainsMost {
		t.Errorf("%d callers are remembered, at most %d should be", len(c.refused), chainsMost)
	}
	again := func() (same bool) {
		first := releve.Invite{Call: "first", From: "0699999999"}
		chain := c.join(first)
		c.ended(first, chain, false)
		return c.join(releve.Invite{Call: "second", From: first.From}) == chain
	}
	if again() {
		t.Error("a caller is remembered although there was no room")
	}
	if now = now.Add(againWithin); !again() {
		t.Error("those who did not come again left no room")
	}
}

// Who was refused, came through and calls again makes another call.
func TestAConversationEndsAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		take := func(c *caller, refused error) string {
			c.invite.From, c.answerErr = "0612345678", refused
			s.offer(t, c)
			return s.Recent(1)[0].Chain
		}
		unfit := &Unacceptable{488, errors.New("G.722 only")}
		refused := take(newCaller("a"), unfit)
		talks := newCaller("b")
		time.AfterFunc(3*time.Second, func() { close(talks.bye) })
		through := take(talks, nil)
		later := take(newCaller("c"), unfit)
		if refused != through || later == through {
			t.Errorf("the chains are %q, %q and then %q", refused, through, later)
		}
	})
}

// Whoever is offered to both servers, or twice to one, under one Call-ID and tag is one caller.
func TestACallIsOneCallerOnBothServers(t *testing.T) {
	one, other := newChains(time.Now), newChains(time.Now)
	in := releve.Invite{Call: "a@pbx", Tag: "t1", From: "anonymous"}
	first := one.join(in)
	if second := one.join(in); second != first || other.join(in) != first {
		t.Error("the same call has two chains")
	}
	if again := (releve.Invite{Call: "a@pbx", Tag: "t2"}); one.join(again) == one.join(in) {
		t.Error("another tag is the same caller")
	}
	if another := (releve.Invite{Call: "b@pbx", Tag: "t1"}); one.join(another) == first {
		t.Error("another call with the same tag is the same caller")
	}
}
