package acceptance

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"releve/screen/view"
)

var everyCrash = flag.Bool("every-crash", false, "TestTheInterlockUnderCrash runs its whole table, some nine minutes, and not the cases of each day")

// crash is a server that is killed while the duty of level backup moves.
type crash struct {
	step  string // of the procedure, while which …
	whose string // … the server that "gives" the duty or "takes" it is killed
	asked string // which of them runs the procedure; a dead one gives nothing
	daily bool
}

// bothWell is a move with both servers well; where a step is over before it is seen, the next one is meant.
var bothWell = []crash{
	{"step-copy", "takes", "gives", false},
	{"step-copy", "gives", "takes", false},
	{"step-fresh-copy", "takes", "takes", false},
	{"step-fresh-copy", "gives", "gives", false},
	{"step-follows", "takes", "gives", true},
	{"step-follows", "gives", "takes", false},
	{"step-follows", "gives", "gives", false},
	{"step-spool", "takes", "takes", false},
	{"step-spool", "gives", "takes", false},
	{"step-line-closed", "takes", "gives", false},
	{"step-line-closed", "takes", "takes", false},
	{"step-line-closed", "gives", "takes", true},
	{"step-line-closed", "gives", "gives", false},
	{"step-binding-gone", "takes", "gives", false},
	{"step-binding-gone", "gives", "takes", false},
	{"step-binding-gone", "gives", "gives", false},
	{"step-duty", "takes", "gives", true},
	{"step-duty", "takes", "takes", false},
	{"step-duty", "gives", "takes", false},
	{"step-registration", "takes", "takes", false},
	{"step-registration", "gives", "takes", false},
	{"step-proof-itself", "takes", "gives", false},
	{"step-proof-itself", "gives", "gives", false},
	{"step-copy-behind", "takes", "takes", false},
	{"step-copy-behind", "gives", "takes", false},
}

// oneDead is a move away from a dead server, at whose end that one comes back; "gives" says that it comes
// back at that step, and "takes" that the other is killed then.
var oneDead = []crash{
	{"step-lease-over", "takes", "takes", false},
	{"step-lease-over", "gives", "takes", false},
	{"step-taken", "takes", "takes", true},
	{"step-promoted", "takes", "takes", false},
	{"step-registration", "takes", "takes", false},
	{"step-registration", "gives", "takes", false},
	{"step-proof-itself", "takes", "takes", false},
}

// However a switchover of level backup is broken off by the death of a server, never two telephones are
// open, never two servers are bound at the PBX, and what was begun is gone on with or left cleanly (B3).
func TestTheInterlockUnderCrash(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"pbx.expires": `"10s"`}})
	s.main.mustRun(t, "level", "use", "backup")
	s.waitBackup(t, s.main)
	s.registrar(t, "keep") // two servers that register are seen there, and neither replaces the other
	s.heard = listenOnWire(t)
	from := s.main
	for _, table := range []struct {
		name  string
		cases []crash
		run   func(*testing.T, *site, crash, *server) *server
	}{{"both well", bothWell, crashWhileBothAreWell}, {"one dead", oneDead, crashWhileOneIsDead}} {
		for _, c := range table.cases {
			if !c.daily && !*everyCrash {
				continue
			}
			t.Run(fmt.Sprintf("%s, at %s, who %s it, asked of who %s", table.name, c.step, c.whose, c.asked), func(t *testing.T) {
				watched := s.watchInterlock(t)
				from = table.run(t, s, c, from)
				watched()
			})
			if t.Failed() {
				return // what follows begins with a site that is well
			}
		}
	}
}

// role is the server of a case that gives the duty, or takes it.
func (s *site) role(which string, from *server) *server {
	if which == "gives" {
		return from
	}
	return s.other(from)
}

// watchInterlock looks at the sockets and the PBX's bindings until the end of a case, as often as it can.
func (s *site) watchInterlock(t *testing.T) (end func()) {
	stop := make(chan struct{})
	var looks sync.WaitGroup
	looks.Go(func() {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				if n < 20 {
					t.Errorf("the sockets were looked at %d times", n)
				}
				return
			case <-again.C:
			}
			if listensAt(mainHost, 5060) == nil && listensAt(secondaryHost, 5060) == nil {
				t.Error("two telephones are open")
				return
			}
			if bound, err := s.pbx.command("ul.lookup", "location", "reception"); err == nil &&
				strings.Contains(bound, "@"+mainHost) && strings.Contains(bound, "@"+secondaryHost) {
				t.Errorf("two servers are bound:\n%s", bound)
				return
			}
		}
	})
	end = sync.OnceFunc(func() { close(stop); looks.Wait() })
	t.Cleanup(end)
	return end
}

// crashWhileBothAreWell moves the duty, kills a server on the way, brings it back, and has the move
// brought to its end. It returns who has the duty then.
func crashWhileBothAreWell(t *testing.T, s *site, c crash, from *server) *server {
	to, victim, asked := s.other(from), s.role(c.whose, from), s.role(c.asked, from)
	callers := s.callIn(t, listeners(3)) // whoever is on a call holds the telephone open, and the next step waits for it
	callers.waitGreeted(t, 3, time.Time{})
	began, term := time.Now(), from.mustView(t).Term
	ended := make(chan result, 1)
	go func() { ended <- asked.run("switchover") }()
	s.atStep(t, c, asked, began, ended)
	victim.kill9(t)
	s.watchWhile(t, 1500*time.Millisecond, func() {}) // it is missed
	victim.start(t)
	s.settle(t, from, to)
	r := <-ended
	callers.finish(t)
	s.checkAlternation(t, began, int(to.mustView(t).Term-term))
	t.Logf("the command ended with %d", r.code)
	return to
}

// atStep waits for a step of the procedure that the asked server runs, or for the first after it that is seen.
func (s *site) atStep(t *testing.T, c crash, asked *server, since time.Time, ended <-chan result) {
	t.Helper()
	seen := ""
	if err := await(60*time.Second, func() error {
		v, err := asked.view()
		if err != nil || v.Procedure == nil || v.Procedure.Started.Before(since) {
			return errors.Join(err, errNotYet)
		}
		at := slices.IndexFunc(v.Procedure.Steps, func(p view.ProcedureStep) bool { return p.What.Code == c.step })
		if at < 0 {
			return fmt.Errorf("%s has no such step", v.Procedure.Name)
		}
		for i, step := range v.Procedure.Steps {
			if i >= at && (step.State == "running" || step.State == "done") {
				seen = step.What.Code + " " + step.State
				return nil
			}
		}
		if !v.Procedure.Finished.IsZero() {
			seen = "its end"
			return nil
		}
		return errNotYet
	}); err != nil {
		t.Fatalf("%s is not seen: %v; %d results", c.step, err, len(ended))
	}
	t.Logf("at %s", seen)
}

// settle brings the move to its end: by itself where the procedure runs still, else by the commands that
// an operator would give for what he sees.
func (s *site) settle(t *testing.T, from, to *server) {
	t.Helper()
	again := time.Now().Add(5 * time.Second)
	eventually(t, 75*time.Second, "the duty arrives, and the other server has a copy at rest", func() error {
		err := s.backedUp(to)
		if err == nil || time.Now().Before(again) {
			return err
		}
		v, broken := to.view()
		if broken != nil || v.Procedure != nil && v.Procedure.Finished.IsZero() {
			return errors.Join(err, broken)
		}
		command, more := "switchover", []string{}
		if v.Owner == to.seat {
			command, more = "mirror", []string{"resume"}
		}
		r := to.run(command, more...)
		again = time.Now().Add(2 * time.Second)
		return fmt.Errorf("%w; `releve %s %s` ends with %d: %s", cmp.Or(s.backedUp(to), errNotYet), command, strings.Join(more, " "), r.code, lastLine(r))
	})
}

// goesOn has a server that was killed while it took a dead one's duty go on: by what the PBX shows, or where
// it saw no binding since it started, by an operator's word.
func (s *site) goesOn(t *testing.T, to *server) {
	t.Helper()
	eventually(t, 45*time.Second, "the switchover goes on, with the other server dead still", func() error {
		if v, err := to.view(); err != nil || v.Owner == to.seat && v.Word != view.Stopped {
			return err
		}
		r := to.run("switchover")
		if strings.Contains(r.stdout+r.stderr, "only a person can tell") {
			r = to.run("switchover", "--other-is-off", "--by", "A. Martin")
		}
		return fmt.Errorf("`releve switchover` ends with %d: %s", r.code, lastLine(r))
	})
}

func lastLine(r result) string {
	lines := strings.Split(strings.TrimSpace(r.stdout+r.stderr), "\n")
	return lines[len(lines)-1]
}

// checkAlternation checks by what went over the wire that the servers did not speak to the PBX in turns:
// in each term one of them does.
func (s *site) checkAlternation(t *testing.T, since time.Time, terms int) {
	t.Helper()
	if said, changes := s.heard.turns(since); len(said) == 0 || changes > terms {
		t.Errorf("in %d terms the sender of %d packets changed %d times", terms, len(said), changes)
	}
}

// crashWhileOneIsDead has the duty taken from a dead server, and breaks that off by the death of the one
// that takes it, or by the return of the one that was dead.
func crashWhileOneIsDead(t *testing.T, s *site, c crash, from *server) *server {
	to := s.other(from)
	from.kill9(t)
	eventually(t, 10*time.Second, "the dead server is silent", func() error {
		v, err := to.view()
		if err != nil || (v.Main.Heard && v.Secondary.Heard) {
			return errors.Join(err, errNotYet)
		}
		return nil
	})
	began, ended := time.Now(), make(chan result, 1)
	go func() { ended <- to.run("switchover") }()
	if c.whose == "gives" {
		s.atStep(t, c, to, began, ended)
		from.start(t)
	} else {
		s.atStep(t, c, to, began, ended)
		to.kill9(t)
		to.start(t)
		s.goesOn(t, to)
		from.start(t)
	}
	<-ended
	s.settle(t, from, to)
	return to
}
