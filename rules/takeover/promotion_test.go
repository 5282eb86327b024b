package takeover

import (
	"errors"
	"testing"
	"time"

	"releve"
)

// promoting is a pair whose main is gone and whose secondary has begun to promote its copy.
func promoting(t *testing.T) *pair {
	p := started(t)
	p.pass(2 * time.Second)
	p.crash(p.main())
	p.until("the secondary promotes", 5*time.Second, func() bool {
		if len(p.secondary().calls) == 0 && p.secondary().Waiters == 0 {
			p.overflow(p.secondary())
		}
		return p.secondary().Job == JobPromote
	})
	return p
}

// The vote names how far this copy had come when it took it. A promotion that left the old
// timeline before that lacks rows that were acknowledged: nothing is committed in its term, whatever is
// tried again, until an operator says that there is nothing better (R4).
func TestAPromotionIsHeldToTheVotesPosition(t *testing.T) {
	p := promoting(t)
	s := p.secondary()
	vote := s.Candidate.Position
	if vote < 2 {
		t.Fatalf("the vote names position %s", vote)
	}
	p.event(s, Event{Done: &Done{Job: JobPromote, Turn: s.Turn, Promotion: Promotion{Timeline: 2, Fork: vote - 1}}})
	if s.Phase != Stuck || s.pg != "" || s.disk.Promotion.Done {
		t.Fatalf("a promotion at %s for a vote at %s: %s, PostgreSQL %q", vote-1, vote, s.Phase, s.pg)
	}
	if why, ok := releve.Inner(s.Cause); !ok || why.Args["vote"] != vote.String() {
		t.Errorf("the reason is %q", s.Cause)
	}
	p.pass(20 * time.Second)
	if s.Phase != Stuck || s.Gate {
		t.Errorf("left alone, it is %s, gate %v", s.Phase, s.Gate)
	}
	term := s.Term
	p.event(s, Event{Command: Take})
	p.until("it serves on the operator's word", 10*time.Second, func() bool { return s.Gate })
	if s.Term != term+1 || s.Candidate.Position != 0 {
		t.Errorf("in term %d it is held to %s", s.Term, s.Candidate.Position)
	}
}

// One exactly there has all that was acknowledged before the vote was taken.
func TestAPromotionAtTheVotesPositionIsWhole(t *testing.T) {
	p := promoting(t)
	s := p.secondary()
	s.rows = int(s.Candidate.Position)
	p.until("it serves", 5*time.Second, func() bool { return s.Gate })
}

// A term is opened after one that was released, and never a second time. A database that does
// not start in it is tried again, ever more seldom (R17).
func TestATermIsReopenedOnceItWasReleased(t *testing.T) {
	for _, released := range []bool{false, true} {
		m := New(Settings{Seat: releve.Main, Rounds: 3})
		m.Known, m.Phase = true, Handed
		m.Durable = Durable{
			Seat: releve.Main, Term: 1, Owner: releve.Main, Vote: true, Released: released, DataID: "d", Arbiter: releve.Pair,
			Promotion: Promotion{ID: "founded-d", Timeline: 1, Done: true},
		}
		starts := 0
		for now := time.Minute; now < 2*time.Minute; now += step {
			for _, a := range m.Step(Event{Now: now}) {
				if a.Kind == Begin && a.Job == JobStart {
					starts++
					m.Step(Event{Now: now, Done: &Done{Job: JobStart, Turn: a.Turn, Failed: "it does not start"}})
				}
			}
		}
		switch {
		case !released && (starts != 0 || m.Term != 1 || m.Phase != Handed):
			t.Errorf("a term that was not released: %d starts, term %d, %s", starts, m.Term, m.Phase)
		case released && (starts < 5 || starts > 12 || m.Term != 2 || m.Cause == ""):
			t.Errorf("a term that was: %d starts in a minute, term %d, cause %q", starts, m.Term, m.Cause)
		}
	}
}

// A row that would change the vote as it may not be stops the server, and says so in words that
// both languages have.
func TestWhatTheVoteForbidsHasASentence(t *testing.T) {
	m := Machine{Durable: Durable{Seat: releve.Main, Owner: releve.Secondary, Term: 4}}
	saving(Durable.Prepare)(&m)
	if why, ok := releve.Inner(m.Cause); m.Phase != Stuck || !ok || why.Code != "cause-vote" || why.Args["rule"] == "" {
		t.Errorf("it is %s for the cause %q", m.Phase, m.Cause)
	}
	if err := notAllowed("term %d", 4); !errors.Is(err, errNot) || err.Error() != "not allowed by the vote: term 4" {
		t.Errorf("logs say %v", err)
	}
}
