package procedure_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/procedure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// On a normal site both servers are well and heard.
var (
	owner  = procedure.Server{Heard: true, Serving: true, Reception: true, PBX: true, Term: 1}
	mirror = procedure.Server{Heard: true, Follows: true, Mirrors: true, Receives: true, Vote: true, Standby: true, PBX: true, Term: 1}
	aside  = procedure.Server{Heard: true, Copyable: true, PBX: true, Term: 1}
)

// with changes one server.
func with(s procedure.Server, change func(*procedure.Server)) procedure.Server {
	change(&s)
	return s
}

func site(main, secondary procedure.Server) procedure.Site {
	return procedure.Site{releve.Main: main, releve.Secondary: secondary}
}

func step(t *testing.T, code string) procedure.Step {
	t.Helper()
	for _, p := range procedure.All {
		for _, s := range p.Steps {
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
		{"step-copy", "its copy is on its way", procedure.Server{Heard: true, Copying: true}, owner, false},
		{"step-copy", "it follows", mirror, owner, true},
		{"step-copy", "it serves already", owner, mirror, true},

		{"step-in-sync", "it follows, and has no vote yet", with(mirror, func(s *procedure.Server) { s.Vote = false }), owner, false},
		{"step-in-sync", "it has the vote", mirror, owner, true},
		{"step-in-sync", "it has the vote, and the owner is lost", mirror, aside, false},
		{"step-in-sync", "it has a vote, and follows nobody", with(aside, func(s *procedure.Server) { s.Vote = true }), owner, false},
		{"step-in-sync", "it serves already", owner, mirror, true},

		{"step-spool", "facts wait on its disk", with(mirror, func(s *procedure.Server) { s.Spooled = 1 }), owner, false},
		{"step-spool", "its disk is empty", mirror, owner, true},
		{"step-spool", "facts wait on the other's disk alone", mirror, with(owner, func(s *procedure.Server) { s.Spooled = 1 }), true},
		{"step-spool", "it serves, its own facts on their way", with(owner, func(s *procedure.Server) { s.Spooled = 9 }), mirror, true},

		{"step-duty", "the other serves", mirror, owner, false},
		{"step-duty", "nobody serves", mirror, aside, false},
		{"step-duty", "it serves", owner, mirror, true},

		{"step-registration", "it serves unregistered", with(owner, func(s *procedure.Server) { s.Reception = false }), mirror, false},
		{"step-registration", "it is registered", owner, mirror, true},

		{"step-mirror", "the other stands aside", owner, aside, false},
		{"step-mirror", "the other follows without the vote", owner, with(mirror, func(s *procedure.Server) { s.Vote = false }), false},
		{"step-mirror", "overflowed calls cannot reach the other", owner, with(mirror, func(s *procedure.Server) { s.Standby = false }), false},
		{"step-mirror", "facts wait on the other's disk", owner, with(mirror, func(s *procedure.Server) { s.Spooled = 1 }), false},
		{"step-mirror", "the other is the mirror", owner, mirror, true},

		{"step-anew", "it follows with the copy that it had", mirror, owner, false},
		{"step-anew", "its copy is on its way", procedure.Server{Heard: true, Copying: true}, owner, true},
		{"step-anew", "it has another copy already", with(mirror, func(s *procedure.Server) { s.Anew = true }), owner, true},

		{"step-mirror-again", "it stands aside", aside, owner, false},
		{"step-mirror-again", "its copy is on its way", procedure.Server{Heard: true, Copying: true}, owner, true},
		{"step-mirror-again", "it has a copy, and follows nobody yet", procedure.Server{Heard: true, Mirrors: true}, owner, true},

		{"step-receives", "it follows, and nothing reaches it", with(mirror, func(s *procedure.Server) { s.Receives = false }), owner, false},
		{"step-receives", "it receives", mirror, owner, true},
		{"step-receives", "it is copied anew", procedure.Server{Heard: true, Copying: true}, owner, true},

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
		{"return", "the main is silent", procedure.Server{}, owner, []string{"before-not-heard main"}},
		{"return", "the main has no PBX", with(aside, func(s *procedure.Server) { s.PBX = false }), owner, []string{"before-no-pbx main"}},
		{"return", "nobody serves", aside, mirror, []string{"before-nobody-on-duty"}},
		{"return", "both are silent", procedure.Server{}, procedure.Server{}, []string{"before-not-heard main", "before-not-heard secondary", "before-nobody-on-duty"}},
		{"switchover", "normal", owner, mirror, nil},
		{"switchover", "normal, the secondary on duty", mirror, owner, nil},
		{"switchover", "the mirror has no vote", owner, with(mirror, func(s *procedure.Server) { s.Vote = false }), []string{"before-not-in-sync secondary"}},
		{"switchover", "the main stands aside", aside, owner, []string{"before-not-in-sync main"}},
		{"switchover", "the secondary is silent", owner, procedure.Server{}, []string{"before-not-heard secondary"}},
		{"switchover", "nobody serves", mirror, mirror, []string{"before-nobody-on-duty"}},
		{"mirror-rebuild", "normal", owner, mirror, nil},
		{"mirror-rebuild", "no PBX anywhere", with(owner, func(s *procedure.Server) { s.PBX = false }), with(mirror, func(s *procedure.Server) { s.PBX = false }), nil},
		{"mirror-rebuild", "the mirror is silent", owner, procedure.Server{}, []string{"before-not-heard secondary"}},
		{"mirror-rebuild", "the main stands aside", aside, owner, []string{"before-no-mirror main"}},
		{"mirror-rebuild", "nobody serves", mirror, mirror, []string{"before-nobody-on-duty"}},
		{"mirror-resume", "normal", owner, mirror, nil},
		{"mirror-resume", "the main stands aside", aside, owner, nil},
		{"mirror-resume", "the secondary is silent", owner, procedure.Server{}, []string{"before-not-heard secondary"}},
	} {
		t.Run(c.procedure+": "+c.site, func(t *testing.T) {
			p, s := procedure.All[c.procedure], site(c.main, c.secondary)
			var why []string
			for _, w := range p.Before(s, p.Target(s)) {
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

func TestTargets(t *testing.T) {
	if got := procedure.Return.Target(site(aside, owner)); got != releve.Main {
		t.Errorf("a return ends on the %s", got)
	}
	if got := procedure.Switchover.Target(site(owner, mirror)); got != releve.Secondary {
		t.Errorf("a switchover from the main ends on the %s", got)
	}
	if got := procedure.Switchover.Target(site(mirror, owner)); got != releve.Main {
		t.Errorf("a switchover from the secondary ends on the %s", got)
	}
}

// obey is what a site makes of an order, and of time when the order is nothing:
// the plainest world that keeps the rules of the vote.
func obey(s procedure.Site, o procedure.Order, at releve.Seat) {
	own, other := s[at], s[at.Other()]
	switch o {
	case procedure.Rejoin:
		if own.Copyable && other.Serving {
			own.Copyable, own.Copying = false, true
		}
	case procedure.HandOver:
		if own.Serving && other.Follows && other.Vote {
			term := own.Term + 1
			own = procedure.Server{Heard: true, PBX: own.PBX, Spooled: own.Spooled, Term: term, Copying: true}
			other = procedure.Server{Heard: true, PBX: other.PBX, Spooled: other.Spooled, Term: term, Serving: true}
		}
	case procedure.Rebuild:
		if own.Mirrors && other.Serving {
			own = procedure.Server{Heard: true, PBX: own.PBX, Spooled: own.Spooled, Term: own.Term, Copying: true}
		}
	case procedure.TestCall:
		own.ProvenTest = other.Reception
	}
	s[at], s[at.Other()] = own, other
}

// settle lets a moment pass.
func settle(s procedure.Site) {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		own, owned := s[seat], s[seat.Other()].Serving
		switch {
		case own.Serving:
			own.Reception, own.Spooled = own.PBX, 0
		case own.Copying && owned:
			own.Copying, own.Follows, own.Mirrors, own.Receives, own.Anew = false, true, true, true, true
		case own.Follows && owned:
			own.Vote, own.Spooled, own.Standby = true, 0, own.PBX
		}
		s[seat] = own
	}
}

// roles are all that a server can be for a procedure.
func roles() []procedure.Server {
	var all []procedure.Server
	for _, role := range []func(*procedure.Server){
		func(*procedure.Server) {},
		func(s *procedure.Server) { s.Serving = true },
		func(s *procedure.Server) { s.Serving, s.Reception = true, true },
		func(s *procedure.Server) { s.Copyable = true },
		func(s *procedure.Server) { s.Copying = true },
		func(s *procedure.Server) { s.Mirrors = true }, // its database does not start
		func(s *procedure.Server) { s.Mirrors, s.Follows, s.Standby = true, true, true },
		func(s *procedure.Server) { s.Mirrors, s.Follows, s.Receives, s.Standby = true, true, true, true },
		func(s *procedure.Server) {
			s.Mirrors, s.Follows, s.Receives, s.Standby, s.Vote = true, true, true, true, true
		},
	} {
		for _, spooled := range []int{0, 3} {
			for _, heard := range []bool{true, false} {
				for _, pbx := range []bool{true, false} {
					s := procedure.Server{Heard: heard, PBX: pbx, Spooled: spooled, Term: 1}
					role(&s)
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// From every state of the site a procedure ends, or says what forbids it; it
// never begins something that it cannot end. The states with two on duty cannot
// be (H10).
func TestEveryProcedureEndsOrSaysWhy(t *testing.T) {
	ended := map[string]int{}
	for _, a := range roles() {
		for _, b := range roles() {
			if a.Serving && b.Serving {
				continue
			}
			for name, p := range procedure.All {
				s := site(a, b)
				target := p.Target(s)
				if len(p.Before(s, target)) > 0 {
					ended[name+" refused"]++
					continue
				}
				if stuck, ok := run(p, s, target); !ok {
					if a.Copyable || b.Copyable || canMove(a) && canMove(b) {
						t.Errorf("%s towards the %s waits for ever at %s:\nfrom main %+v\n secondary %+v\nat   main %+v\n secondary %+v", name, target, stuck, a, b, s[releve.Main], s[releve.Secondary])
					}
					continue
				}
				ended[name+" ended"]++
				if !ends[name](s[target], s[target.Other()]) {
					t.Errorf("%s ends with %+v", name, s)
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

// ends are what each procedure is for.
var ends = map[string]func(target, other procedure.Server) bool{
	"return": dutyMoved, "switchover": dutyMoved, "mirror-resume": mirrored,
	"mirror-rebuild": func(target, other procedure.Server) bool { return mirrored(target, other) && target.Anew },
}

func dutyMoved(target, other procedure.Server) bool {
	return target.Serving && target.Reception && other.Follows && other.Vote
}

func mirrored(target, other procedure.Server) bool {
	return other.Serving && target.Follows && target.Vote
}

// canMove: a server that is nothing at all is about to become something, which is
// its own affair: the procedure waits for it, up to the limit of its step.
func canMove(s procedure.Server) bool {
	return s.Serving || s.Follows || s.Copying || s.Copyable
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
