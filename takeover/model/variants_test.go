package model

import (
	"strings"
	"testing"

	"releve/takeover"
)

// without are the product with one rule of RULES taken out, each with what then breaks.
var without = []struct {
	Variant
	bounds Bounds
	breaks string
}{
	{Variant{Name: "commits go on alone behind the barrier", Rule: "R2, R8", leaks: true},
		Bounds{1, 2, 1, 1, 0}, "an acknowledged row is missing"},
	{Variant{Name: "the vote is issued before the mirror has everything", Rule: "R2", tamper: issueAtOnce},
		Bounds{1, 2, 1, 1, 0}, "an acknowledged row is missing"},
	{Variant{Name: "a look measured before the barrier counts", Rule: "R2", tamper: firstLookCounts},
		Bounds{1, 2, 1, 2, 0}, "an acknowledged row is missing"},
	{Variant{Name: "a late abdication counts", Rule: "R2", tamper: anyAbdication},
		Bounds{1, 2, 1, 2, 0}, "two servers hold the vote"},
	{Variant{Name: "a late vote counts", Rule: "R2", tamper: anyVote},
		Bounds{1, 2, 1, 1, 0}, "two servers hold the vote"},
	{Variant{Name: "an issued vote is taken back", Rule: "R2", tamper: takeBackIssued},
		Bounds{1, 2, 1, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "a server that is being stopped takes the vote again", Rule: "R3", tamper: forgetStop},
		Bounds{1, 3, 1, 0, 2}, "took the vote with it"},
	{Variant{Name: "an abdication is told before it is written", Rule: "R3", forgets: abdication},
		Bounds{1, 2, 1, 1, 0}, "two servers hold the vote"},
	{Variant{Name: "a mirror takes over without the vote", Rule: "R4", tamper: takeOverAnyway},
		Bounds{2, 2, 1, 1, 0}, "two servers hold the vote"},
	{Variant{Name: "a restarted owner opens its gate on memory", Rule: "R6", tamper: confirmAnyway},
		Bounds{1, 2, 1, 2, 0}, "an acknowledged row is missing"},
	{Variant{Name: "the vote's whereabouts are lost in a crash", Rule: "R6", wakes: voteAgain},
		Bounds{1, 2, 1, 1, 0}, "two servers hold the vote"},
	{Variant{Name: "a copy is made without a rewind", Rule: "R11", keepsOwnRows: true},
		Bounds{2, 2, 2, 1, 0}, "a row that its owner lacks"},
	{Variant{Name: "a release is told before it is written", Rule: "R17", forgets: release},
		Bounds{2, 2, 1, 1, 0}, "has not released it"},
}

func issueAtOnce(_ *takeover.Machine, e *takeover.Event) {
	if e.Mirror != nil {
		e.Mirror.Own = 1
	}
}

func firstLookCounts(m *takeover.Machine, e *takeover.Event) {
	if e.Mirror != nil {
		m.Looked = true
	}
}

func anyAbdication(m *takeover.Machine, e *takeover.Event) {
	if e.Peer != nil && m.Issued && e.Peer.Term == m.Term && e.Peer.Abdicated > 0 {
		e.Peer.Abdicated = m.Number
	}
}

func anyVote(m *takeover.Machine, e *takeover.Event) {
	if e.Peer != nil && m.Known && !m.Owns() && !m.Vote && e.Peer.Issued {
		m.Number = min(m.Number, e.Peer.Number-1)
	}
}

func forgetStop(m *takeover.Machine, e *takeover.Event) {
	if e.Command == "" && m.Asked == takeover.Stop {
		m.Asked = ""
	}
}

func noPosition(m *takeover.Machine, e *takeover.Event) {
	if e.Peer != nil {
		e.Peer.Terms.Position, e.Peer.Terms.Timeline = 0, m.DB.Timeline
	}
}

func anyUpstream(m *takeover.Machine, e *takeover.Event) {
	if e.Peer != nil && !m.Owns() {
		m.Upstream = e.Peer.Promotion.ID
	}
	if e.Peer != nil && m.Owns() {
		e.Peer.Upstream = m.Promotion.ID
	}
}

func takeBackIssued(m *takeover.Machine, e *takeover.Event) {
	if *e == (takeover.Event{Now: now}) && m.Owns() && !m.Vote {
		m.Issued = false
	}
}

func abdication(was, is takeover.Durable) bool {
	return !is.Owns() && was.Term == is.Term && was.Vote && !is.Vote
}

func takeOverAnyway(m *takeover.Machine, e *takeover.Event) {
	if e.Round != nil && !m.Owns() && m.Phase == takeover.Following {
		m.Vote = true
	}
}

func confirmAnyway(m *takeover.Machine, _ *takeover.Event) {
	if m.Owns() && m.Issued && m.Phase == takeover.Unconfirmed && m.DB.Up {
		m.Vote = true // for as long as the gate is shut
	}
}

func voteAgain(d takeover.Durable) takeover.Durable {
	if d.Owns() {
		d.Vote, d.Issued = true, false
	}
	return d
}

func release(was, is takeover.Durable) bool { return is.Released && !was.Released }

func TestEachRuleTakenOutBreaksAPromise(t *testing.T) {
	for _, v := range without {
		t.Run(v.Name, func(t *testing.T) {
			r := Explore(Options{Bounds: v.bounds, Variant: v.Variant, InSync: true})
			t.Logf("The main serves, the secondary holds the vote. Without %s, %s:\n%s\n%s (%d states)",
				v.Rule, v.Name, strings.Join(r.Page, "\n"), r.Broken, r.States)
			if !strings.Contains(r.Broken, v.breaks) {
				t.Errorf("it should have broken: %s", v.breaks)
			}
		})
	}
}

// unseen are rules whose absence breaks nothing here. They guard what the model
// does not have, and stay: a copy restored from a backup, a copy whose cloning is
// not one step, and two servers that followed each other without a copy between.
var unseen = []Variant{
	{Name: "every copy has the same data id", Rule: "R2", sameCopy: true},
	{Name: "every copy has the same data id and the vote has no position", Rule: "R2", sameCopy: true, tamper: noPosition},
	{Name: "the promotion that a copy descends from is not compared", Rule: "R10", tamper: anyUpstream},
}

func TestWhatTheModelCannotSee(t *testing.T) {
	for _, v := range unseen {
		t.Run(v.Name, func(t *testing.T) {
			r := Explore(Options{Bounds: Bounds{2, 2, 2, 1, 0}, Variant: v, InSync: true})
			if r.Broken != "" {
				t.Errorf("the model sees it now, move it to the rules that it shows:\n%s\n%s", strings.Join(r.Page, "\n"), r.Broken)
			}
		})
	}
}
