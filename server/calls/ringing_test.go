package calls

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/takeover"
)

var gateway = netip.MustParseAddr("192.0.2.31")

// onLine makes a call ring on an analogue line: no header tells where it comes from.
func (c *caller) onLine() *caller {
	c.invite.Source, c.invite.To = gateway, "reception"
	return c
}

// ringing offers a call on a line of a server, and gives the end of it.
func ringing(t *testing.T, s *server, c *caller) (over chan struct{}) {
	s.profile.Gateways = []netip.Addr{gateway}
	over = make(chan struct{})
	go func() { s.offer(t, c); close(over) }()
	synctest.Wait()
	return over
}

// rings says that a call was neither answered nor refused.
func (c *caller) rings(t *testing.T, when string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered || len(c.refused) > 0 {
		t.Errorf("%s: answered %t, refused %v", when, c.answered, c.refused)
	}
}

// A line knows no refusal: while the main is well a call rings on the secondary's, until the PABX takes it back.
func TestALineIsNotAnsweredWhileTheMainIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 2)
		c := newCaller("a@gateway").onLine()
		over := ringing(t, s, c)
		if o := s.post.asked[0]; !o.Overflowed || !o.Line || o.Binding != Standby || o.Reason != releve.ReasonUnknown {
			t.Errorf("the offer is %+v", o)
		}
		c.rings(t, "before the verdict")
		s.post.decision = releve.Decision{Code: 486, Why: "the main is well"}
		close(s.post.verdict)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		c.rings(t, "after it")
		if f := s.Snapshot(); f.Deciding != 1 || f.Busy != 0 {
			t.Errorf("figures: %+v", f)
		}
		close(c.cancelled)
		<-over
		c.rings(t, "taken back")
		if f := s.Snapshot(); f.Deciding != 0 || f.Refused != 1 {
			t.Errorf("figures: %+v", f)
		}
		if n := len(s.flushed(t).facts); n > 0 {
			t.Errorf("%d facts of a call that was taken back", n)
		}
	})
}

// The main dies while the call rings: whoever comes on duty answers it, though its verdict was another.
func TestALineIsAnsweredWhenTheDutyComesWhileItRings(t *testing.T) {
	for _, kind := range []takeover.StanceKind{takeover.OnDuty, takeover.NoDuty} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.Verifying, 2)
			c := newCaller("a@gateway").onLine()
			close(c.bye)
			over := ringing(t, s, c)
			s.post.decision = releve.Decision{Code: 486, Why: "the main is well"}
			close(s.post.verdict)
			time.Sleep(4 * time.Second)
			c.rings(t, "before")
			s.post.take(stance{kind, 8})
			<-over
			body := s.flushed(t).offered(t, "a@gateway")
			if !c.answered || body.WithoutDuty != (kind == takeover.NoDuty) || !body.Overflowed {
				t.Errorf("%s: answered %t, body %+v", kind, c.answered, body)
			}
			checkFacts(t, s.disk, releve.Secondary, 8)
		})
	}
}

// On the server on duty a call on a line is one to the reception; where all channels are taken it rings until one is free.
func TestALineOfTheServerOnDuty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		first, second := newCaller("first@gateway").onLine(), newCaller("second@gateway").onLine()
		close(second.bye)
		over := ringing(t, s, first)
		late := ringing(t, s, second)
		time.Sleep(3 * time.Second)
		second.rings(t, "all channels are taken")
		if !first.answered || len(s.post.asked) > 0 {
			t.Errorf("answered %t, asked %v", first.answered, s.post.asked)
		}
		close(first.bye)
		<-over
		<-late
		if !second.answered {
			t.Error("a channel was free, and it was not answered")
		}
		if body := s.flushed(t).offered(t, "first@gateway"); body.Overflowed {
			t.Errorf("it overflowed: %+v", body)
		}
	})
}

// What cannot ring on is refused at last: a server that stops, and a gateway that forgets to take a call back.
func TestALineThatRingsInVain(t *testing.T) {
	for story, c := range map[string]struct {
		after func(s *server)
		code  int
	}{
		"the server stops":          {func(s *server) { s.Drop("it stops") }, 486},
		"nobody ever takes it back": {func(*server) { time.Sleep(ringMost) }, 480},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, takeover.Verifying, 2)
			call := newCaller("a@gateway").onLine()
			over := ringing(t, s, call)
			s.post.decision = releve.Decision{Code: 480}
			close(s.post.verdict)
			synctest.Wait()
			c.after(s)
			<-over
			if !slices.Equal(call.refused, []int{c.code}) || call.answered {
				t.Errorf("%s: refused %v, answered %t", story, call.refused, call.answered)
			}
		})
	}
}
