package model

import (
	"slices"
	"strings"
	"testing"
	"time"

	"releve/rules/takeover"
)

// taken is the product with one rule of RULES taken out, and what then breaks.
type taken struct {
	Variant
	site   Site
	bounds Bounds
	breaks string // "": the promise that the site can become protected again
}

// without are rules of every site.
var without = []taken{
	{Variant{Name: "commits go on alone behind the barrier", Rule: "R2, R8", leaks: true},
		pair, Bounds{1, 2, 1, 1, 0, 0}, "an acknowledged row is missing"},
	{Variant{Name: "the vote is issued before the mirror has everything", Rule: "R2", tamper: issueAtOnce},
		pair, Bounds{1, 2, 1, 1, 0, 0}, "an acknowledged row is missing"},
	{Variant{Name: "a look measured before the barrier counts", Rule: "R2", tamper: firstLookCounts},
		pair, Bounds{1, 2, 1, 2, 0, 0}, "an acknowledged row is missing"},
	{Variant{Name: "a late abdication counts", Rule: "R2", tamper: anyAbdication},
		pair, Bounds{1, 2, 1, 2, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "a late vote counts", Rule: "R2", tamper: anyVote},
		pair, Bounds{1, 2, 1, 1, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "an issued vote is taken back", Rule: "R2", tamper: takeBackIssued},
		pair, Bounds{1, 2, 1, 0, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "a server that is being stopped takes the vote again", Rule: "R3", tamper: forgetStop},
		pair, Bounds{1, 3, 1, 0, 2, 0}, "took the vote with it"},
	{Variant{Name: "an abdication is told before it is written", Rule: "R3", forgets: abdication},
		pair, Bounds{1, 2, 1, 1, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "a mirror takes over without the vote", Rule: "R4", tamper: takeOverAnyway},
		pair, Bounds{2, 2, 1, 1, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "a promotion that lacks rows is taken for whole", Rule: "R4", tamper: takenWhole},
		torn, Bounds{2, 2, 1, 1, 0, 0}, "an acknowledged row is missing"},
	{Variant{Name: "a promotion tried again is judged by what it leaves itself", Rule: "R4", forgetsTail: true},
		torn, Bounds{2, 1, 1, 2, 0, 0}, "an acknowledged row is missing"},
	{Variant{Name: "a restarted owner opens its gate on memory", Rule: "R6", tamper: confirmAnyway},
		pair, Bounds{1, 2, 1, 2, 0, 0}, "an acknowledged row is missing"},
	{Variant{Name: "the vote's whereabouts are lost in a crash", Rule: "R6", wakes: voteAgain},
		pair, Bounds{1, 2, 1, 1, 0, 0}, "two servers hold the vote"},
	{Variant{Name: "a copy is made without a rewind", Rule: "R11", keepsOwnRows: true},
		pair, Bounds{2, 2, 2, 1, 0, 0}, "a row that its owner lacks"},
	{Variant{Name: "a release is told before it is written", Rule: "R17", forgets: release},
		pair, Bounds{2, 2, 1, 1, 0, 0}, "has not released it"},
	{Variant{Name: "what the owner never saw counts against it whoever says so", Rule: "R16", tamper: headersCount},
		pair, Bounds{2, 2, 1, 0, 0, 0}, "on the strength of a header"},
	{Variant{Name: "any abdication that an operator carries counts", Rule: "R3", tamper: anyCarried},
		partitioned, Bounds{1, 3, 1, 0, 1, 0}, "two servers hold the vote"},
	{Variant{Name: "the level is changed while the vote is with the mirror", Rule: "R5", tamper: lowerAtOnce},
		levels, Bounds{2, 2, 1, 1, 1, 2}, "two servers hold the vote"},
	{Variant{Name: "at level mirroring commits go on alone behind the barrier", Rule: "R1, R8", leaks: true},
		oneVoice, Bounds{2, 2, 1, 1, 0, 0}, "an acknowledged row is missing"},
}

func lowerAtOnce(m *takeover.Machine, e *takeover.Event) {
	if e.Command == takeover.UseMirroring {
		m.Vote, m.Issued = true, false
	}
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
	if e.Command == "" && m.Order == takeover.Stop {
		m.Order = ""
	}
}

func noPosition(m *takeover.Machine, e *takeover.Event) {
	if e.Peer != nil {
		e.Peer.Candidate.Position, e.Peer.Candidate.Timeline = 0, m.DB.Timeline
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

func takenWhole(m *takeover.Machine, e *takeover.Event) {
	if e.Done != nil && e.Done.Unsafe {
		*e.Done = takeover.Done{Job: e.Done.Job, Promotion: takeover.Promotion{Timeline: m.DB.Timeline + 1}}
	}
}

func confirmAnyway(m *takeover.Machine, _ *takeover.Event) {
	if m.Owns() && m.Issued && m.Phase == takeover.Unconfirmed && m.DB.Up {
		m.Vote = true // for as long as the gate is shut
	}
}

// headersCount takes any overflow for our own call that came back.
func headersCount(m *takeover.Machine, e *takeover.Event) {
	if e.Round != nil && m.NoAnswer && m.Waiters > 0 {
		e.Round.Own = takeover.OwnCall{Left: e.Round.Began - time.Minute, Doubt: true, Back: true}
	}
}

func voteAgain(d takeover.Durable) takeover.Durable {
	if d.Owns() {
		d.Vote, d.Issued = true, false
	}
	return d
}

func release(was, is takeover.Durable) bool { return is.Released && !was.Released }

func anyCarried(m *takeover.Machine, e *takeover.Event) {
	if e.Returned != nil {
		e.Returned.Number = m.Number
	}
}

func TestEachRuleTakenOutBreaksAPromise(t *testing.T) {
	for _, v := range slices.Concat(without, withoutWitness, withoutBackup) {
		t.Run(v.Name, func(t *testing.T) {
			r := Explore(Options{Site: v.site, Bounds: v.bounds, Variant: v.Variant, InSync: true, Liveness: v.breaks == ""})
			page, broken := r.Page, r.Broken
			if v.breaks == "" && r.Stuck > 0 {
				page, broken = r.StuckPage, "the site cannot become protected again"
			}
			t.Logf("The site is protected. Without %s, %s:\n%s\n%s (%d states)",
				v.Rule, v.Name, strings.Join(page, "\n"), broken, r.States)
			if broken == "" || !strings.Contains(broken, v.breaks) {
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
		notSeen(t, Options{Site: pair, Bounds: Bounds{2, 2, 2, 1, 0, 0}, Variant: v, InSync: true})
	}
	for _, v := range unseenWitness {
		notSeen(t, Options{Site: witnessed, Bounds: Bounds{1, 2, 1, 1, 0, 3}, Variant: v, InSync: true, Liveness: true})
	}
}

func notSeen(t *testing.T, o Options) {
	if raced {
		o.Bounds.Rows, o.Bounds.Number = 1, 1
	}
	t.Run(o.Variant.Name, func(t *testing.T) {
		if r := Explore(o); r.Broken != "" || r.Stuck > 0 {
			t.Errorf("the model sees it now, move it to the rules that it shows:\n%s\n%s",
				strings.Join(slices.Concat(r.Page, r.StuckPage), "\n"), r.Broken)
		}
	})
}
