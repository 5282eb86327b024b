package alarm_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
	"releve/rules/alarm"
)

// due is what a server has to send, as a line.
func (s *server) due() string {
	var all []string
	for _, n := range s.Book.Due(s.now, s.Seat, alarm.Mail, releve.Major) {
		all = append(all, string(n.Message)+" "+n.Key.String())
	}
	return strings.Join(all, "; ")
}

// sends sends all that is due, and checks what that was.
func (s *server) sends(want string) {
	s.t.Helper()
	if got := s.due(); got != want {
		s.t.Errorf("to be sent is %q, want %q", got, want)
	}
	for _, n := range s.Book.Due(s.now, s.Seat, alarm.Mail, releve.Major) {
		s.Send(s.now, alarm.Mail, n)
	}
	if left := s.due(); left != "" {
		s.t.Errorf("what was sent is to be sent again: %q", left)
	}
}

func TestAnAlarmIsSentWhenItBeginsAndWhenItEnds(t *testing.T) {
	main := newServer(t, releve.Main)
	main.sees("mirror-away")
	main.sends("") // it may be over in a moment
	main.after(time.Minute)
	main.sends("began mirror-away")
	main.after(10 * time.Minute)
	main.sends("")
	main.sees()
	main.after(time.Minute)
	main.sends("ended mirror-away")
	main.after(time.Hour)
	main.sees("mirror-away")
	main.after(time.Minute)
	main.sends("began mirror-away")
}

func TestWhatIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*server)
		want   string
	}{
		"what is not as grave":           {func(s *server) { s.tells("event-saturated") }, ""},
		"what somebody has in hand":      {func(s *server) { s.sees("mirror-away"); s.after(time.Minute); s.does(alarm.Acknowledge, "mirror-away") }, ""},
		"what somebody has put aside":    {func(s *server) { s.sees("mirror-away"); s.after(time.Minute); s.does(alarm.Shelve, "mirror-away") }, ""},
		"what follows from another":      {func(s *server) { s.sees("server-silent/secondary", "mirror-away"); s.after(time.Minute) }, "began server-silent/secondary"},
		"what was over before it lasted": {func(s *server) { s.sees("mirror-away"); s.after(time.Second); s.sees(); s.after(time.Minute) }, ""},
		"what has happened and is over":  {func(s *server) { s.tells("event-call-broken"); s.after(time.Minute) }, "began program/main:call"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, releve.Main)
			c.before(s)
			s.sends(c.want)
			s.after(time.Minute)
			s.sends("")
		})
	}
}

// What followed from an alarm and outlasts it is sent then.
func TestWhatOutlastsItsCauseIsSent(t *testing.T) {
	s := newServer(t, releve.Main)
	s.sees("server-silent/secondary", "mirror-away")
	s.after(time.Minute)
	s.sends("began server-silent/secondary")
	s.sees("mirror-away")
	s.after(time.Minute)
	s.sends("began mirror-away; ended server-silent/secondary")
}

// One that comes and goes is one message, and one when it has been quiet.
func TestWhatFlapsIsSentOnce(t *testing.T) {
	s := newServer(t, releve.Main)
	var sent []string
	for range 6 {
		s.sees("mirror-away")
		s.after(time.Minute)
		sent = append(sent, s.due())
		s.sendAll()
		s.sees()
		s.after(20 * time.Second)
		sent = append(sent, s.due())
		s.sendAll()
	}
	s.after(time.Hour)
	sent = append(sent, s.due())
	if got := strings.Join(sent, ","); strings.Count(got, "began") != 1 {
		t.Errorf("sent was %s", got)
	}
}

func (s *server) sendAll() {
	for _, n := range s.Book.Due(s.now, s.Seat, alarm.Mail, releve.Major) {
		s.Send(s.now, alarm.Mail, n)
	}
}

// Nobody has it in hand: that is sent when patience runs out, and ever more seldom, until somebody has.
func TestWhatNobodyHasInHandIsSentAgain(t *testing.T) {
	s := newServer(t, releve.Main)
	s.sees("mirror-away")
	s.after(time.Minute)
	s.sends("began mirror-away")
	s.after(alarm.Patience(releve.Major))
	s.sends("waits mirror-away")
	s.after(alarm.Patience(releve.Major))
	s.sends("waits mirror-away")
	s.after(alarm.Patience(releve.Major))
	s.sends("")
	s.after(alarm.Patience(releve.Major))
	s.sends("waits mirror-away")
	s.does(alarm.Acknowledge, "mirror-away")
	s.after(time.Hour)
	s.sends("")
	s.sees()
	s.after(time.Minute)
	s.sends("ended mirror-away")
}

// Both servers say the same: one sends it, and the other knows.
func TestTwoServersSendOnce(t *testing.T) {
	main, secondary := pair(t)
	main.sees("mirror-away")
	main.after(time.Minute)
	secondary.after(time.Minute)
	main.sends("began mirror-away")
	exchange(main, secondary)
	secondary.sends("")
	secondary.sees("mirror-away") // it says so itself, too
	main.after(10 * time.Second)
	secondary.after(10 * time.Second)
	exchange(main, secondary)
	main.sends("")
	secondary.sends("")
	main.sees() // … and alone, after the duty has moved
	main.after(10 * time.Second)
	secondary.after(10 * time.Second)
	exchange(main, secondary)
	main.sends("")
	secondary.sees()
	main.after(10 * time.Second)
	secondary.after(10 * time.Second)
	exchange(main, secondary)
	secondary.sends("ended mirror-away")
	exchange(main, secondary)
	main.sends("")
}

// Cut apart, each may send it once; when they hear each other again nobody sends it anew.
func TestAPairThatIsCutSendsOnceEach(t *testing.T) {
	main, secondary := pair(t)
	main.sees("mirror-away")
	main.after(time.Minute)
	secondary.after(time.Minute)
	exchange(main, secondary)
	main.sends("began mirror-away")
	secondary.sends("began mirror-away")
	exchange(main, secondary)
	main.sends("")
	secondary.sends("")
}

// A server that lost its disk counts anew: what it says then is another alarm.
func TestALostDiskKeepsNoMessageBack(t *testing.T) {
	main, secondary := pair(t)
	for range 10 {
		main.tells("event-saturated")
		main.tells("event-unsaturated")
	}
	main.sees("mirror-away")
	main.after(time.Minute)
	exchange(main, secondary)
	main.sends("began mirror-away")
	main.sees()
	main.after(time.Minute)
	main.sends("ended mirror-away")
	secondary.after(time.Minute)
	exchange(main, secondary)
	now := main.now.Add(2 * time.Hour)
	main, secondary.now = newServer(t, releve.Main), now
	main.now = now
	main.sees("mirror-away")
	main.after(time.Minute)
	secondary.after(time.Minute)
	exchange(main, secondary)
	main.after(time.Minute)
	main.sends("began mirror-away")
}

func TestThatAnOutletFailsIsNotSentByIt(t *testing.T) {
	s := newServer(t, releve.Main)
	s.tells("event-unsent", "outlet", "mail", "why", "x")
	s.after(time.Hour)
	s.sends("")
	if due := s.Book.Due(s.now, releve.Main, "webhook", releve.Major); len(due) != 1 {
		t.Errorf("by another outlet %+v is sent", due)
	}
	if due := s.Book.Due(s.now, releve.Secondary, alarm.Mail, releve.Major); len(due) != 1 {
		t.Errorf("by the other server %+v is sent", due)
	}
}

// Whatever has become of two servers: what is sent is not sent again, however their books are merged.
func TestWhatIsSentIsNotSentAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := books().Draw(t, "books")
		now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		var known alarm.Book
		for _, b := range all {
			known = alarm.Merge(known, b)
		}
		d := alarm.NewDesk(releve.Main, known, now)
		for _, n := range d.Book.Due(now, releve.Main, alarm.Mail, releve.Warning) {
			d.Send(now, alarm.Mail, n)
		}
		before := rapid.SampledFrom(all).Draw(t, "before")
		for name, b := range map[string]alarm.Book{"alone": d.Book, "with what was": alarm.Merge(d.Book, before)} {
			if left := b.Due(now, releve.Main, alarm.Mail, releve.Warning); len(left) > 0 {
				t.Fatalf("%s: %+v", name, left)
			}
		}
	})
}
