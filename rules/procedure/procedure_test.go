package procedure_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// itself stands for the seat of the server that has it as owner, until [site] gives it one.
const itself releve.Seat = "itself"

// On a normal site both servers are well and heard.
var (
	owner  = owns(takeover.Serving, func(s *procedure.Server) { s.Serving, s.Gate, s.Reception = true, true, true })
	mirror = heard(takeover.Following,
		func(s *procedure.Server) { s.DataID, s.Receives, s.Vote, s.OnStandby = "M", true, true, true })
	aside  = owns(takeover.Deposed, func(*procedure.Server) {})
	copied = heard(takeover.Rejoining, func(*procedure.Server) {})
	off    = procedure.Server{}
	muted  = with(mirror,
		func(s *procedure.Server) { s.Mute, s.Vote, s.PBXAgo, s.OnStandby = true, false, never, false }) // at level mirroring
	lost = owns(takeover.Unconfirmed,
		func(s *procedure.Server) { s.DataID, s.Reception, s.Down, s.Vote = "", true, true, true })
)

// never is since when the PBX answered a server that it does not answer.
const never time.Duration = -1

// heard is a server in a phase. The other one owns the term.
func heard(p takeover.Phase, change func(*procedure.Server)) procedure.Server {
	return with(procedure.Server{Heard: true, Status: takeover.Status{Known: true, Term: 1, Phase: p}}, change)
}

// owns is one that owns the term, with its data.
func owns(p takeover.Phase, change func(*procedure.Server)) procedure.Server {
	return with(heard(p, func(s *procedure.Server) { s.Owner, s.DataID = itself, "D" }), change)
}

// on is a server that is said to be off, and answers.
func on(s procedure.Server) procedure.Server {
	return with(s, func(s *procedure.Server) { s.Loss.Path = "sip" })
}

// with changes one server.
func with(s procedure.Server, change func(*procedure.Server)) procedure.Server {
	change(&s)
	return s
}

// witnessed is a server that goes by the witness.
func witnessed(s procedure.Server) procedure.Server {
	return with(s, func(s *procedure.Server) { s.Arbiter = releve.Witness })
}

func site(main, secondary procedure.Server) procedure.Site {
	return procedure.Site{releve.Main: seated(main, releve.Main), releve.Secondary: seated(secondary, releve.Secondary)}
}

// seated is a server in its seat.
func seated(s procedure.Server, at releve.Seat) procedure.Server {
	switch {
	case !s.Known: // nothing is known of it, its seat neither
		return s
	case s.Owner == itself:
		s.Owner = at
	case s.Owner == "":
		s.Owner = at.Other()
	}
	s.Seat = at
	return s
}

func step(t *testing.T, code string) procedure.Step {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(procedure.All)) { // of two arbiters, to the pair
		for _, s := range procedure.All[name].Steps {
			if s.Code == code {
				return s
			}
		}
	}
	t.Fatalf("there is no step %s", code)
	return procedure.Step{}
}

// When each step is done, in a procedure that brings the duty to the main.
func TestWhenAStepIsDone(t *testing.T) {
	for _, c := range []struct {
		step, site      string
		main, secondary procedure.Server
		done            bool
	}{
		{"step-copy", "the main stands aside", aside, owner, false},
		{"step-copy", "its copy is on its way", copied, owner, false},
		{"step-copy", "it follows", mirror, owner, true},
		{"step-copy", "it serves already", owner, mirror, true},

		{"step-in-sync", "it follows, and has no vote yet",
			with(mirror, func(s *procedure.Server) { s.Vote = false }), owner, false},
		{"step-in-sync", "it has the vote", mirror, owner, true},
		{"step-in-sync", "it has the vote, and the owner is lost", mirror, aside, false},
		{"step-in-sync", "it has a vote, and follows nobody",
			with(aside, func(s *procedure.Server) { s.Vote = true }), owner, false},
		{"step-in-sync", "it serves already", owner, mirror, true},

		{"step-spool", "facts wait on its disk", with(mirror, func(s *procedure.Server) { s.Spooled = 1 }), owner, false},
		{"step-spool", "its disk is empty", mirror, owner, true},
		{"step-spool", "facts wait on the other's disk alone", mirror,
			with(owner, func(s *procedure.Server) { s.Spooled = 1 }), true},
		{"step-spool", "it serves, its own facts on their way",
			with(owner, func(s *procedure.Server) { s.Spooled = 9 }), mirror, true},

		{"step-duty", "the other serves", mirror, owner, false},
		{"step-duty", "nobody serves", mirror, aside, false},
		{"step-duty", "it serves", owner, mirror, true},

		{"step-registration", "it serves unregistered",
			with(owner, func(s *procedure.Server) { s.Reception = false }), mirror, false},
		{"step-registration", "it is registered", owner, mirror, true},

		{"step-mirror", "the other stands aside", owner, aside, false},
		{"step-mirror", "the other follows without the vote", owner,
			with(mirror, func(s *procedure.Server) { s.Vote = false }), false},
		{"step-mirror", "overflowed calls cannot reach the other", owner,
			with(mirror, func(s *procedure.Server) { s.OnStandby = false }), false},
		{"step-mirror", "facts wait on the other's disk", owner,
			with(mirror, func(s *procedure.Server) { s.Spooled = 1 }), false},
		{"step-mirror", "the other is the mirror", owner, mirror, true},

		{"step-anew", "it follows with the copy that it had", mirror, owner, false},
		{"step-anew", "its copy is on its way", copied, owner, true},
		{"step-anew", "it has another copy already", with(mirror, func(s *procedure.Server) { s.Anew = true }), owner, true},

		{"step-mirror-again", "it stands aside", aside, owner, false},
		{"step-mirror-again", "its copy is on its way", copied, owner, true},
		{"step-mirror-again", "it has a copy, and follows nobody yet",
			heard(takeover.Isolated, func(*procedure.Server) {}), owner, true},

		{"step-receives", "it follows, and nothing reaches it",
			with(mirror, func(s *procedure.Server) { s.Receives = false }), owner, false},
		{"step-receives", "it receives", mirror, owner, true},
		{"step-receives", "it is copied anew", copied, owner, true},

		{"step-in-sync", "nobody has the vote at level mirroring, and it is waited for", muted, owner, true},
		{"step-in-sync", "at level mirroring, the owner is alone", muted,
			with(owner, func(s *procedure.Server) { s.Lone = true }), false},

		{"step-alone", "its mirror has the vote", owner, off, false},
		{"step-alone", "it has the vote", with(owner, func(s *procedure.Server) { s.Vote = true }), off, true},
		{"step-commits", "it has the vote, and its commits still wait",
			with(owner, func(s *procedure.Server) { s.Vote = true }), off, false},
		{"step-commits", "its mirror came back meanwhile", owner, mirror, true},
		{"step-drained", "facts wait on its disk", with(owner, func(s *procedure.Server) { s.Spooled = 300 }), off, false},
		{"step-drained", "what a busy site has on its way", with(owner, func(s *procedure.Server) { s.Spooled = 30 }), off, true},
		{"step-commits", "they wait for nobody",
			with(owner, func(s *procedure.Server) { s.Vote, s.Lone = true, true }), off, true},
		{"step-taken", "it stands aside", aside, off, false},
		{"step-taken", "it is on its way", owns(takeover.Promoting, func(*procedure.Server) {}), off, true},
		{"step-promoted", "its database takes no records yet",
			with(owner, func(s *procedure.Server) { s.Gate = false }), off, false},
		{"step-promoted", "its database takes records", owner, off, true},
		{"step-answers", "the PBX is silent", with(owner, func(s *procedure.Server) { s.PBXAgo = never }), off, false},
		{"step-answers", "it is registered", owner, off, true},
		{"step-restore", "the copy is on its way", owns(takeover.Restoring, func(*procedure.Server) {}), muted, false},
		{"step-restore", "it serves with it", owner, muted, true},
		{"step-alone", "its mirror came back and has the vote", owner, mirror, true},
		{"step-restore", "the copy is there",
			owns(takeover.Promoting, func(s *procedure.Server) { s.Restored = true }), muted, true},
		{"step-recalled", "the mirror has the vote", mirror, witnessed(owner), false},
		{"step-recalled", "the owner has it", mirror, witnessed(with(owner, func(s *procedure.Server) { s.Vote = true })), true},
		{"step-recalled", "the owner goes by the pair already", mirror, owner, true},

		{"step-drill-duty", "it is the mirror still", mirror, owner, false},
		{"step-drill-duty", "it is on its way", owns(takeover.Promoting, func(*procedure.Server) {}), aside, true},
		{"step-first-call", "no call was answered", owner, aside, false},
		{"step-first-call", "a call was answered, before anything else", owns(takeover.Promoting, func(*procedure.Server) {}),
			with(mirror, func(s *procedure.Server) { s.ProvenTest = true }), true},
		{"step-recording", "it answers, and is promoted still", owns(takeover.Promoting, func(*procedure.Server) {}), aside, false},
		{"step-recording", "its database takes no records yet", with(owner, func(s *procedure.Server) { s.Gate = false }), aside, false},
		{"step-recording", "it records", owner, aside, true},

		{"step-test-call", "no call was made", owner, mirror, false},
		{"step-test-call", "a call proved it", owner, with(mirror, func(s *procedure.Server) { s.ProvenTest = true }), true},
	} {
		t.Run(c.step+": "+c.site, func(t *testing.T) {
			if got := step(t, c.step).Done(site(c.main, c.secondary), releve.Main); got != c.done {
				t.Errorf("done is %v", got)
			}
			// The seats are equal: mirrored, it is the same for the secondary.
			if got := step(t, c.step).Done(site(c.secondary, c.main), releve.Secondary); got != c.done {
				t.Errorf("towards the secondary, done is %v", got)
			}
		})
	}
}

func TestWhatForbidsAProcedure(t *testing.T) {
	for _, c := range []struct {
		procedure, site string
		main, secondary procedure.Server
		why             []string
	}{
		{"return", "normal", owner, mirror, nil},
		{"return", "the main stands aside", aside, owner, nil},
		{"return", "the main is silent", off, owner, []string{"before-not-heard main"}},
		{"return", "the main has no PBX", with(aside, func(s *procedure.Server) { s.PBXAgo = never }),
			owner, []string{"before-no-pbx main"}},
		{"return", "nobody serves", aside, mirror, []string{"before-nobody-on-duty"}},
		{"return", "both are silent", off, off,
			[]string{"before-not-heard main", "before-not-heard secondary", "before-nobody-on-duty"}},
		{"switchover", "normal", owner, mirror, nil},
		{"switchover", "normal, the secondary on duty", mirror, owner, nil},
		{"switchover", "the mirror has no vote", owner,
			with(mirror, func(s *procedure.Server) { s.Vote = false }), []string{"before-not-in-sync secondary"}},
		{"switchover", "the main stands aside", aside, owner, []string{"before-not-in-sync main"}},
		{"switchover", "the secondary is silent", owner, off, []string{"before-not-heard secondary"}},
		{"switchover", "nobody serves", mirror, mirror, []string{"before-nobody-on-duty"}},
		{"mirror-rebuild", "normal", owner, mirror, nil},
		{"mirror-rebuild", "no PBX anywhere", with(owner, func(s *procedure.Server) { s.PBXAgo = never }),
			with(mirror, func(s *procedure.Server) { s.PBXAgo = never }), nil},
		{"mirror-rebuild", "the mirror is silent", owner, off, []string{"before-not-heard secondary"}},
		{"mirror-rebuild", "the main stands aside", aside, owner, []string{"before-no-mirror main"}},
		{"mirror-rebuild", "nobody serves", mirror, mirror, []string{"before-nobody-on-duty"}},
		{"mirror-resume", "normal", owner, mirror, nil},
		{"mirror-resume", "the main stands aside", aside, owner, nil},
		{"mirror-resume", "the secondary is silent", owner, off, []string{"before-not-heard secondary"}},
		{"mirror-resume", "the secondary has no telephone", owner, muted, nil},
		{"return", "level mirroring", owner, muted, []string{"before-duty-stays main"}},
		{"switchover", "level mirroring", owner, muted, []string{"before-duty-stays main"}},

		{"solo", "the secondary is off", owner, off, nil},
		{"solo", "the secondary answers", owner, on(off), []string{"before-other-on main"}},
		{"solo", "the main holds the vote", with(owner, func(s *procedure.Server) { s.Vote = true }),
			off, []string{"before-holds-vote main"}},
		{"solo", "the main is a mirror", mirror, off, []string{"before-not-on-duty main"}},
		{"solo", "the main stands aside", aside, off, []string{"before-not-on-duty main"}},
		{"solo", "the main stands still", owns(takeover.Stuck, func(*procedure.Server) {}), off, []string{"before-halted main"}},
		{"solo", "the main handed its term over",
			with(aside, func(s *procedure.Server) { s.Released = true }), off, []string{"before-released main"}},
		{"solo-carried", "the secondary answers", owner, on(off), nil},
		{"solo-carried", "the main holds the vote",
			with(owner, func(s *procedure.Server) { s.Vote = true }), off, []string{"before-holds-vote main"}},
		{"takeover", "the main is a mirror without the vote",
			with(mirror, func(s *procedure.Server) { s.Vote = false }), off, nil},
		{"takeover", "the main stands aside", aside, off, nil},
		{"takeover", "the main is on duty, and both answer", owner,
			on(off), []string{"before-on-duty main", "before-other-on main"}},
		{"takeover", "no PBX", with(mirror, func(s *procedure.Server) { s.PBXAgo = never }), off, []string{"before-no-pbx main"}},
		{"takeover", "its copy is on its way", copied, off, []string{"before-no-data main"}},
		{"restore", "the database is lost", lost, muted, nil},
		{"restore", "the copy is on its way",
			with(lost, func(s *procedure.Server) { s.Phase, s.Down = takeover.Restoring, false }), muted, nil},
		{"restore", "the main stands still",
			with(lost, func(s *procedure.Server) { s.Phase, s.Down = takeover.Stuck, false }), muted, nil},
		{"restore", "the database works", owner, muted, []string{"before-database-well main"}},
		{"restore", "the database starts", with(lost, func(s *procedure.Server) { s.Down = false }),
			muted, []string{"before-database-well main"}},
		{"restore", "the other answers calls too", lost, mirror, []string{"before-relieved main"}},
		{"restore", "the mirror is silent", lost,
			with(muted, func(s *procedure.Server) { s.Heard = false }), []string{"before-not-heard secondary"}},
		{"restore", "the mirror is copied itself", lost,
			with(copied, func(s *procedure.Server) { s.Mute = true }), []string{"before-no-copy secondary"}},
		{"arbiter-pair", "normal", owner, mirror, nil},
		{"arbiter-pair", "the mirror has no vote", owner,
			with(mirror, func(s *procedure.Server) { s.Vote = false }), []string{"before-not-in-sync secondary"}},
		{"arbiter-witness", "the witness is silent", owner, mirror,
			[]string{"before-no-witness main", "before-no-witness secondary"}},
		{"arbiter-witness", "the witness answers", with(owner, hearsWitness), with(mirror, hearsWitness), nil},
		{"arbiter-witness", "only one hears the witness", owner, with(mirror, hearsWitness), []string{"before-no-witness main"}},
		{"arbiter-witness", "the secondary is silent", owner, off, []string{"before-not-heard secondary"}},
		{"arbiter-witness", "level mirroring", owner, muted, []string{"before-vote-stays main"}},
	} {
		t.Run(c.procedure+": "+c.site, func(t *testing.T) {
			p, s := procedure.All[c.procedure], site(c.main, c.secondary)
			var why []string
			for _, w := range p.Before(s, p.Target(s, releve.Main)) {
				sentence := w.Code
				if seat := w.Args["seat"]; seat != "" {
					sentence += " " + seat
				}
				why = append(why, sentence)
			}
			if !slices.Equal(why, c.why) {
				t.Errorf("%q, want %q", why, c.why)
			}
		})
	}
}

func hearsWitness(s *procedure.Server) { s.Witness = true }

// A word is of one hand-over of the vote: an older one, one of nobody or of this server itself
// is not taken.
func TestWhichWordFits(t *testing.T) {
	waits := with(owner, func(s *procedure.Server) { s.Term, s.Number = 4, 7 })
	for why, words := range map[string][]takeover.Return{
		"":                {{Seat: releve.Secondary, Term: 4, Number: 7}},
		"before-word-old": {{Seat: releve.Secondary, Term: 3, Number: 9}, {Seat: releve.Secondary, Term: 4, Number: 6}},
		"before-word-unknown": {{Seat: releve.Secondary, Term: 5, Number: 7},
			{Seat: releve.Secondary, Term: 4, Number: 8}, {Seat: releve.Main, Term: 4, Number: 7}},
	} {
		for _, w := range words {
			said := procedure.CarriedSolo.Unfit(site(waits, off), releve.Main, w)
			if got := len(said) > 0 && said[0].Code == why; got != (why != "") || why == "" && len(said) > 0 {
				t.Errorf("of %+v is said %v, expected %q", w, said, why)
			}
		}
	}
}

// An order is given to a server that can do something with it, not to one that is on its way.
func TestWhenAnOrderIsWanted(t *testing.T) {
	itself := func(_ procedure.Site, target releve.Seat) releve.Seat { return target }
	for _, c := range []struct {
		order procedure.Order
		at    procedure.Server
		want  bool
	}{
		{procedure.Nothing, aside, false},
		{procedure.Nothing, mirror, false},
		{procedure.Rejoin, aside, true},
		{procedure.Rejoin, copied, false},
		{procedure.Rebuild, mirror, true},
		{procedure.Rebuild, copied, false},
		{procedure.RestoreOwn, lost, true},
		{procedure.RestoreOwn, with(lost, func(s *procedure.Server) { s.Phase = takeover.Restoring }), false},
		{procedure.RestoreOwn, with(lost, func(s *procedure.Server) { s.Phase, s.Restored = takeover.Promoting, true }), false},
		{procedure.RestoreOwn, with(lost, func(s *procedure.Server) { s.Anew = true }), false},
		{procedure.HandOver, off, true},
	} {
		if got := (procedure.Step{Order: c.order, At: itself}).Wanted(site(c.at, off), releve.Main); got != c.want {
			t.Errorf("%q is wanted of %+v: %v", c.order, c.at, got)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, here := range []releve.Seat{releve.Main, releve.Secondary} {
		if got := procedure.Return.Target(site(aside, owner), here); got != releve.Main {
			t.Errorf("a return ends on the %s", got)
		}
		if got := procedure.Switchover.Target(site(owner, mirror), here); got != releve.Secondary {
			t.Errorf("a switchover from the main ends on the %s", got)
		}
		if got := procedure.Switchover.Target(site(mirror, owner), here); got != releve.Main {
			t.Errorf("a switchover from the secondary ends on the %s", got)
		}
		if got := procedure.Solo.Target(site(mirror, owner), here); got != here {
			t.Errorf("solo, asked of the %s, is of the %s", here, got)
		}
	}
}

// obey is what a site makes of an order, and of time when the order is nothing:
// the plainest world that keeps the rules of the vote.
func obey(s procedure.Site, o procedure.Order, at releve.Seat) {
	own, other := s[at], s[at.Other()]
	switch o {
	case procedure.Rejoin:
		if own.StandsAside() && other.InService() {
			own.Phase = takeover.Waiting
		}
	case procedure.RenewCopy:
		own.Anew = own.Anew || own.Phase == takeover.Isolated && other.InService()
	case procedure.FollowToMove:
		if own.InService() && other.Phase == takeover.Isolated && other.Whole() {
			own.Vote, own.Lone, own.Moves = false, false, true
			other.Phase, other.Receives, other.Vote, other.Spooled = takeover.Following, true, true, 0
		}
	case procedure.ClearBinding:
		own.Line.Gone = true
	case procedure.AskPBX:
		own.Lease = takeover.Lease{Gone: true}
	case procedure.ProveItself:
		other.ProvenTest = own.Reception
	case procedure.HandOver:
		if own.RunsAt(releve.Backup) {
			if own.InService() && other.Follows() && other.HasVote() {
				own.Phase, own.Mute, own.Reception, own.Line = takeover.Silencing, true, false, takeover.Line{Closed: true, Gone: true}
			}
			break
		}
		if own.InService() && other.Follows() && other.HasVote() {
			own.Term, other.Term = own.Term+1, own.Term+1
			own, other = becomes(own, takeover.Waiting), becomes(other, takeover.Serving)
			own.Owner, other.Owner, other.Serving = at.Other(), at.Other(), true
		}
	case procedure.Rebuild:
		if own.IsCopy() && other.InService() {
			own = becomes(own, takeover.Waiting)
		}
	case procedure.TestCall:
		own.ProvenTest = other.Reception
	case procedure.FirstCall:
		own.ProvenTest = other.OnDuty()
	case procedure.GoAlone, procedure.CarryWord:
		if own.Owns() && !own.Released && !own.Halted() {
			own.Vote = true
		}
	case procedure.TakeDuty, procedure.Relieve:
		if own.Whole() && (!own.OnDuty() || own.RunsAt(releve.Backup) && own.Phase == takeover.Unconfirmed) {
			own.Term++
			own = becomes(own, takeover.Serving)
			own.Owner, own.Serving, own.Vote = at, true, true
		}
	case procedure.RestoreOwn:
		if own.Owns() && !own.Gate && other.Heard && other.IsCopy() {
			own.Phase, own.Down = takeover.Restoring, false
		}
	case procedure.UsePair, procedure.UseWitness:
		if own.InService() && own.GoesBy() != arbiters[o] {
			own.Arbiter, other.Arbiter, other.Vote = arbiters[o], arbiters[o], false
		}
	case procedure.UseBase, procedure.UseMirroring, procedure.UseBackup, procedure.UseHighAvailability:
		if want := levels[o]; own.InService() && own.Level != want {
			own, other = taken(own, other, want)
		}
	}
	s[at], s[at.Other()] = own, other
}

// taken takes an owner and the other server to a level.
func taken(own, other procedure.Server, want releve.Level) (procedure.Server, procedure.Server) {
	own.Vote, other.Vote, own.Level = true, false, want
	if !other.Heard {
		return own, other
	}
	if other.Mute {
		other.PBXAgo = 0 // a telephone that is opened hears the PBX
	}
	other.Level, other.Mute = want, want != releve.HighAvailability
	other.OnStandby = other.OnStandby && !other.Mute
	if want == releve.Base && other.IsCopy() {
		other = becomes(other, takeover.Waiting)
	}
	if want == releve.Backup {
		own.Lone, other.Mute, other.Receives = true, true, false
		if other.IsCopy() {
			other.Phase, other.DataID = takeover.Isolated, "M"
		}
	}
	return own, other
}

var levels = map[procedure.Order]releve.Level{
	procedure.UseBase: releve.Base, procedure.UseMirroring: releve.Mirroring, procedure.UseBackup: releve.Backup,
	procedure.UseHighAvailability: releve.HighAvailability,
}

// becomes is a server that begins another phase: what it knows of the term and of the world
// stays, and what the former phase had brought is gone.
func becomes(s procedure.Server, p takeover.Phase) procedure.Server {
	return procedure.Server{Heard: true, Witness: s.Witness, Lacks: s.Lacks, Status: takeover.Status{
		Seat: s.Seat, Known: true, Term: s.Term, Owner: s.Owner, Phase: p,
		PBXAgo: s.PBXAgo, Spooled: s.Spooled, Mute: s.Mute, Arbiter: s.Arbiter, Level: s.Level,
	}}
}

var arbiters = map[procedure.Order]releve.Arbiter{procedure.UsePair: releve.Pair, procedure.UseWitness: releve.Witness}

// settle lets a moment pass.
func settle(s procedure.Site) {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		own, other := s[seat], s[seat.Other()]
		mirrored := other.Heard && other.Follows() && (other.HasVote() || other.Mute) && own.Level != releve.Base
		switch {
		case own.Phase == takeover.Silencing:
			if own.Line.Closed && own.Line.Gone && other.Follows() {
				own.Term, other.Term = own.Term+1, own.Term+1
				own, other = becomes(own, takeover.Waiting), becomes(other, takeover.Serving)
				own.Owner, other.Owner, other.Serving, other.Vote, other.Mute = seat.Other(), seat.Other(), true, true, false
				other.PBXAgo = 0
				s[seat.Other()] = other
			}
		case own.RunsAt(releve.Backup) && own.AwaitsCopy() && other.InService():
			own.Phase, own.DataID, own.Mute, own.Owner, own.Vote = takeover.Isolated, "M", true, seat.Other(), false
		case own.RunsAt(releve.Backup) && own.InService():
			own.Mute, own.PBXAgo, own.Gate, own.Lone, own.Spooled = false, 0, true, own.Alone(), 0
			own.Reception = true
		case own.Restores():
			own.Phase, own.Restored = takeover.Promoting, true
		case own.CopiedBack():
			own.Phase, own.Serving = takeover.Serving, true
		case own.InService():
			own.Reception, own.Gate, own.Lone = own.HearsPBX(), true, !mirrored && own.Alone()
			if mirrored || own.Alone() {
				own.Spooled = 0
			}
			own.Protected = mirrored
		case own.AwaitsCopy() && other.InService() && other.Level != releve.Base:
			if own.Level = other.Level; own.Level == releve.Backup {
				own.Phase, own.DataID, own.Mute = takeover.Isolated, "M", true
				break
			}
			own.Mute = other.Level != releve.HighAvailability && seat == releve.Secondary
			own.Phase, own.Receives, own.Anew = takeover.Following, true, true
		case own.Follows() && other.InService():
			own.Vote, own.Spooled, own.OnStandby = !own.Mute || other.Moves, 0, own.HearsPBX() && !own.Mute
		}
		s[seat] = own
	}
}

// whole is a configuration with all that every level needs.
// papered has all that comes before each level.
var papered = map[releve.Level]procedure.Papers{releve.Mirroring: allThere, releve.Backup: allThere, releve.HighAvailability: allThere}

var allThere = procedure.Papers{Licence: procedure.Need{Met: true}, Study: procedure.Need{Met: true}}

var whole = map[releve.Level][]string{releve.Base: nil, releve.Mirroring: nil, releve.Backup: nil, releve.HighAvailability: nil}

// roles are all that a server in a seat can be for a procedure.
func roles(at releve.Seat, level releve.Level) []procedure.Server {
	muted := at == releve.Secondary && level != releve.HighAvailability
	var all []procedure.Server
	serves := func(s *procedure.Server) { s.Serving, s.Gate = true, true }
	nothing := func(*procedure.Server) {}
	follows := func(s *procedure.Server) { s.DataID, s.OnStandby = "M", true }
	for _, s := range []procedure.Server{
		heard(takeover.Starting, nothing),
		owns(takeover.Serving, serves),
		owns(takeover.Serving, func(s *procedure.Server) { serves(s); s.Reception = true }),
		owns(takeover.Serving, func(s *procedure.Server) { serves(s); s.Vote, s.Lone = true, true }),
		lost,
		owns(takeover.Stuck, func(s *procedure.Server) { s.DataID, s.Vote = "", true }),
		aside,
		with(aside, func(s *procedure.Server) { s.Released = true }),
		copied,
		heard(takeover.Isolated, nothing), // its database does not start
		heard(takeover.Isolated, func(s *procedure.Server) { s.DataID = "M" }),
		owns(takeover.Silencing, func(s *procedure.Server) { s.Moves, s.Line.Closed = true, true }),
		heard(takeover.Following, follows),
		heard(takeover.Following, func(s *procedure.Server) { follows(s); s.Receives = true }),
		heard(takeover.Following, func(s *procedure.Server) { follows(s); s.Receives, s.Vote = true, true }),
	} {
		for _, spooled := range []int{0, 300} {
			for _, heard := range []bool{true, false} {
				for _, ago := range []time.Duration{0, never} {
					s, mute := seated(s, at), muted
					if level == releve.Backup {
						mute = !s.InService()
					} else if s.Phase == takeover.Silencing {
						continue
					}
					s.Heard, s.PBXAgo, s.Spooled, s.Mute = heard, ago, spooled, mute
					s.Witness, s.Arbiter, s.Level, s.Lacks, s.Papers = ago != never, releve.Pair, level, whole, papered
					s.OnStandby = s.OnStandby && !mute
					if heard {
						s.Loss.Path = "peer"
					}
					if !mute || level == releve.Backup || !s.OnDuty() && !s.Holds() && !(level == releve.Base && s.IsCopy()) {
						all = append(all, s)
					}
				}
			}
		}
	}
	return all
}

// From every state of the site a procedure ends, or says what forbids it; it
// never begins something that it cannot end. The states with two on duty cannot
// be (H10), nor those with two votes, nor a vote that left its owner at level mirroring.
func TestEveryProcedureEndsOrSaysWhy(t *testing.T) {
	ended := map[string]int{}
	for _, level := range []releve.Level{releve.HighAvailability, releve.Mirroring, releve.Base, releve.Backup} {
		mute := level == releve.Base || level == releve.Mirroring
		for _, a := range roles(releve.Main, level) {
			for _, b := range roles(releve.Secondary, level) {
				if a.InService() && b.InService() || a.Alone() && b.Holds() ||
					a.Holds() && b.Alone() || level == releve.Backup && unlikeBackup(a, b) || mute && (a.Follows() || a.OnDuty() && !a.Alone()) {
					continue
				}
				for name := range procedure.All {
					for _, here := range []releve.Seat{releve.Main, releve.Secondary} {
						endsOrSaysWhy(t, name, a, b, here, ended)
					}
				}
			}
		}
	}
	for name := range procedure.All {
		if ended[name+" ended"] == 0 || ended[name+" refused"] == 0 {
			t.Errorf("%s never ended, or was never refused", name)
		}
	}
}

// unlikeBackup: at level backup one server serves alone, or leaves to the other, which follows and has
// the vote.
func unlikeBackup(a, b procedure.Server) bool {
	for _, pair := range [][2]procedure.Server{{a, b}, {b, a}} {
		leaves, other := pair[0].Phase == takeover.Silencing, pair[1]
		follows := other.Follows() && other.HasVote() && other.Receives
		switch {
		case leaves && !(other.Heard && follows), !leaves && other.Follows():
			return true
		case pair[0].InService() && !pair[0].Alone():
			return true
		}
	}
	return false
}

func endsOrSaysWhy(t *testing.T, name string, a, b procedure.Server, here releve.Seat, ended map[string]int) {
	t.Helper()
	p, s := procedure.All[name], site(a, b)
	if p.As != nil {
		if other, meant := p.As(s, here); meant {
			p = other
		}
	}
	if p.Wordless != nil {
		endsOrSays(t, *p.Wordless, site(a, b), here, ended)
	}
	endsOrSays(t, p, s, here, ended)
}

func endsOrSays(t *testing.T, p procedure.Procedure, s procedure.Site, here releve.Seat, ended map[string]int) {
	t.Helper()
	name, target := p.Name, p.Target(s, here)
	a, b := s[releve.Main], s[releve.Secondary]
	if len(p.Before(s, target)) > 0 {
		ended[name+" refused"]++
		return
	}
	if p.Costs != nil && len(p.Costs(s, target)) == 0 {
		t.Errorf("%s costs nothing from %+v", name, s)
	}
	if stuck, ok := run(p, s, target); !ok {
		if a.StandsAside() || b.StandsAside() || canMove(a) && canMove(b) {
			t.Errorf("%s towards the %s waits for ever at %s:\nfrom main %+v\n secondary %+v\nat   main %+v\n secondary %+v",
				name, target, stuck, a, b, s[releve.Main], s[releve.Secondary])
		}
		return
	}
	ended[name+" ended"]++
	if !ends[name](s[target], s[target.Other()]) {
		t.Errorf("%s ends with %+v", name, s)
	}
}

// ends are what each procedure is for.
var ends = map[string]func(target, other procedure.Server) bool{
	"return": dutyMoved, "switchover": dutyMoved, "drill-takeover": dutyMoved, "drill-return": dutyMoved, "mirror-resume": mirrored,
	"mirror-rebuild": func(target, other procedure.Server) bool { return mirrored(target, other) && target.Anew },
	"copy":           func(target, other procedure.Server) bool { return target.Anew && target.Phase == takeover.Isolated },
	"binding-cleared": func(target, other procedure.Server) bool {
		return target.Phase != takeover.Silencing && other.Phase != takeover.Silencing
	},
	"level-backup": func(target, other procedure.Server) bool {
		return other.InService() && other.Lone && target.Phase == takeover.Isolated && target.Mute && other.Level == releve.Backup
	},
	"solo": commits, "solo-carried": commits,
	"takeover":        func(target, _ procedure.Server) bool { return target.InService() && target.Gate && target.Reception },
	"restore":         func(target, other procedure.Server) bool { return target.InService() && target.Gate && other.IsCopy() },
	"arbiter-pair":    changedTo(releve.Pair),
	"arbiter-witness": changedTo(releve.Witness),
	"level-base": func(target, other procedure.Server) bool {
		return other.InService() && other.Level == releve.Base && !(target.Heard && target.IsCopy())
	},
	"level-mirroring": func(target, other procedure.Server) bool {
		return mirrored(target, other) && target.Mute && other.Level == releve.Mirroring
	},
	"level-high-availability": func(target, other procedure.Server) bool {
		return mirrored(target, other) && target.HasVote() && target.OnStandby && other.Level == releve.HighAvailability
	},
}

func dutyMoved(target, other procedure.Server) bool {
	if target.RunsAt(releve.Backup) {
		return target.InService() && target.Reception && (!other.Heard || other.Phase == takeover.Isolated)
	}
	return target.InService() && target.Reception && other.Follows() && other.HasVote()
}

func mirrored(target, other procedure.Server) bool {
	if target.RunsAt(releve.Backup) {
		return other.InService() && target.Phase == takeover.Isolated
	}
	return other.InService() && target.Follows() && (target.HasVote() || target.Mute)
}

// commits: alone, or with the mirror that came back meanwhile.
func commits(target, other procedure.Server) bool {
	back := other.Heard && other.Follows() && other.HasVote()
	return target.InService() && (target.Alone() || back) && target.Gate && target.Spooled == 0
}

func changedTo(a releve.Arbiter) func(target, other procedure.Server) bool {
	return func(target, other procedure.Server) bool {
		return mirrored(target, other) && target.GoesBy() == a && other.GoesBy() == a
	}
}

// canMove: a server that is nothing at all is about to become something, which is
// its own affair: the procedure waits for it, up to the limit of its step.
func canMove(s procedure.Server) bool {
	return s.InService() || s.Follows() || s.AwaitsCopy() || s.StandsAside()
}

// run carries a procedure out as the agent does, and says where it waits for ever.
func run(p procedure.Procedure, s procedure.Site, target releve.Seat) (string, bool) {
	for _, step := range p.Steps {
		for i := 0; !step.Done(s, target); i++ {
			if i == 10 {
				return step.Code, false
			}
			if step.Order != procedure.Nothing {
				obey(s, step.Order, step.At(s, target))
			}
			settle(s)
		}
	}
	return "", true
}

// A step that waits names its server, has a limit, and its words.
func TestEachStepIsWhole(t *testing.T) {
	for name, p := range procedure.All {
		if p.Name != name || len(p.Steps) == 0 {
			t.Errorf("%q is kept as %q with %d steps", p.Name, name, len(p.Steps))
		}
		seen := map[string]bool{}
		for i, s := range p.Steps {
			what := fmt.Sprintf("%s, step %d %s", name, i+1, s.Code)
			if s.Code == "" || seen[s.Code] {
				t.Errorf("%s has no code of its own", what)
			}
			seen[s.Code] = true
			if s.Limit < time.Second || s.Done == nil {
				t.Errorf("%s has the limit %s", what, s.Limit)
			}
			if s.Order != procedure.Nothing && s.At == nil {
				t.Errorf("%s orders %s of nobody", what, s.Order)
			}
		}
	}
}
