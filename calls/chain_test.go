package calls

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"releve"
)

// A caller whom the PBX offers again and again while he is refused is one caller.
func TestTheAttemptsOfARefusedCallerAreOneChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, OnDuty, 1)
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
	for n := range 2 * chainsMost {
		in := releve.Invite{Call: releve.CallID(fmt.Sprint(n)), From: fmt.Sprint(n)}
		c.ended(in, c.join(in), false)
	}
	if len(c.refused) > chainsMost {
		t.Errorf("%d callers are remembered, at most %d should be", len(c.refused), chainsMost)
	}
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
}
