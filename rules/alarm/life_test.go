package alarm_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/alarm"
)

// server is one of a site in a story, with a clock that the story turns.
type server struct {
	*alarm.Desk
	t   *testing.T
	now time.Time
}

func newServer(t *testing.T, seat releve.Seat) *server {
	now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	return &server{alarm.NewDesk(seat, alarm.Book{}, now), t, now}
}

// after turns the clock, a second at a time.
func (s *server) after(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(time.Second)
		s.Pass(s.now)
	}
}

func (s *server) tells(code string, args ...string) { s.Tell(s.now, releve.Say(code, args...)) }

func (s *server) sees(codes ...string) {
	var shown []alarm.Want
	for _, text := range codes {
		key, err := alarm.ParseKey(text)
		if err != nil {
			s.t.Fatal(err)
		}
		kind, _ := alarm.Find(key.Code)
		shown = append(shown, alarm.Want{Key: key, Severity: kind.Severity, What: releve.Say("alarm-" + string(key.Code))})
	}
	s.Look(s.now, shown)
}

func (s *server) does(act alarm.Act, text string) {
	s.t.Helper()
	key, err := alarm.ParseKey(text)
	if err == nil {
		err = s.Handle(s.now, alarm.Order{Act: act, Key: key, By: "Durand", Remark: "I see to it"})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// says is the list as a line: states, keys, who has them, and under what they are folded.
func (s *server) says() string {
	var all []string
	for _, e := range s.Book.List(s.now) {
		line := string(e.State) + " " + e.Key.String()
		if e.Hand.By != "" {
			line += " by " + e.Hand.By
		}
		if e.Flaps() {
			line += fmt.Sprintf(" ×%d", e.Rises)
		}
		if e.Folded() {
			line += " under " + e.Under.String()
		}
		all = append(all, line)
	}
	return strings.Join(all, "; ")
}

func (s *server) want(want string) {
	s.t.Helper()
	if got := s.says(); got != want {
		s.t.Fatalf("at %s\n got %q\nwant %q", s.now.Format(time.TimeOnly), got, want)
	}
}

func TestTheLifeOfAnAlarm(t *testing.T) {
	s := newServer(t, releve.Main)
	s.tells("event-disk-low", "directory", "/srv")
	s.want("raised disk-low/main:/srv")
	s.tells("event-disk-roomy", "directory", "/srv")
	s.after(10 * time.Second)
	s.want("returned disk-low/main:/srv") // in the morning somebody learns of it
	s.does(alarm.Acknowledge, "disk-low/main:/srv")
	s.want("")
	s.after(time.Hour)
	s.tells("event-disk-low", "directory", "/srv")
	s.want("raised disk-low/main:/srv") // another one, which asks again
	s.does(alarm.Acknowledge, "disk-low/main:/srv")
	s.want("acknowledged disk-low/main:/srv by Durand")
	s.tells("event-disk-roomy", "directory", "/srv")
	s.after(10 * time.Second)
	s.want("")
}

func TestAnAlarmIsRaisedWhenItHasLasted(t *testing.T) {
	s := newServer(t, releve.Main)
	s.sees("mirror-away")
	s.after(9 * time.Second)
	s.want("")
	s.sees()
	s.sees("mirror-away")
	s.after(9 * time.Second)
	s.want("")
	s.after(time.Second)
	s.want("raised mirror-away")
	s.sees()
	s.after(time.Minute + 5*time.Second)
	s.want("returned mirror-away")
}

func TestShelving(t *testing.T) {
	s := newServer(t, releve.Main)
	s.tells("event-saturated")
	s.does(alarm.Shelve, "saturated/main")
	s.want("shelved saturated/main by Durand")
	s.after(alarm.ShelvedMost - time.Second)
	s.want("shelved saturated/main by Durand")
	s.after(time.Second)
	s.want("raised saturated/main")
	s.does(alarm.Shelve, "saturated/main")
	s.does(alarm.Unshelve, "saturated/main")
	s.want("raised saturated/main")
}

func TestWhatHappenedIsReadOnce(t *testing.T) {
	s := newServer(t, releve.Main)
	s.tells("event-call-broken", "call", "1")
	s.tells("event-call-broken", "call", "2")
	s.want("returned program/main:call")
	s.does(alarm.Close, "program/main:call")
	s.want("")
	s.tells("event-call-broken", "call", "3")
	s.want("returned program/main:call")
}

// One that comes and goes is one line, keeps who has it in hand, and ends when it has been quiet.
func TestFlappingIsOneLine(t *testing.T) {
	s := newServer(t, releve.Main)
	flap := func() {
		s.tells("event-saturated")
		s.after(20 * time.Second)
		s.tells("event-unsaturated")
		s.after(20 * time.Second)
	}
	flap()
	s.does(alarm.Acknowledge, "saturated/main")
	for range 3 {
		flap()
	}
	s.want("acknowledged saturated/main by Durand ×4")
	flap()
	s.want("acknowledged saturated/main by Durand ×4")
	s.after(alarm.Regain)
	s.want("")
}

func TestConsequencesAreFoldedUnderTheirCause(t *testing.T) {
	s := newServer(t, releve.Main)
	s.sees("server-silent/secondary", "mirror-away", "not-ready", "pbx-silent/main")
	s.after(10 * time.Second)
	s.want("raised server-silent/secondary; raised pbx-silent/main; " +
		"raised mirror-away under server-silent/secondary; raised not-ready under server-silent/secondary")
	s.sees("mirror-away", "pbx-silent/main")
	s.after(2 * time.Minute)
	s.want("raised pbx-silent/main; raised mirror-away; returned server-silent/secondary; returned not-ready")
}

func TestNobodyAcknowledges(t *testing.T) {
	s := newServer(t, releve.Main)
	s.sees("service-stopped")
	calls := func() int { return s.Book.List(s.now)[0].Calls }
	s.after(5*time.Minute + 4*time.Second)
	if got := calls(); got != 0 {
		t.Errorf("called %d times within its patience", got)
	}
	if s.after(time.Second); calls() != 1 {
		t.Errorf("called %d times", calls())
	}
	if s.after(5 * time.Minute); calls() != 2 {
		t.Errorf("called %d times", calls())
	}
	s.does(alarm.Acknowledge, "service-stopped")
	if s.after(time.Hour); calls() != 0 {
		t.Errorf("called %d times although somebody has it", calls())
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	s := newServer(t, releve.Main)
	s.tells("event-drill-overdue")
	drill, saturated := alarm.Key{Code: "drill"}, alarm.Key{Code: "saturated", Seat: releve.Main}
	for _, c := range []struct {
		order alarm.Order
		why   string
		is    error
	}{
		{alarm.Order{Act: alarm.Acknowledge, Key: saturated, By: "D", Remark: "r"}, "alarm-not-there", releve.ErrUnknown},
		{alarm.Order{Act: alarm.Acknowledge, Key: drill, Remark: "r"}, "alarm-by-whom", releve.ErrForbidden},
		{alarm.Order{Act: alarm.Acknowledge, Key: drill, By: "D"}, "alarm-remark-missing", releve.ErrForbidden},
		{alarm.Order{Act: alarm.Acknowledge, Key: drill, By: "D", Remark: strings.Repeat("r", 501)}, "alarm-remark-long", releve.ErrForbidden},
		{alarm.Order{Act: alarm.Close, Key: drill, By: "D", Remark: "r"}, "alarm-still-up", releve.ErrForbidden},
		{alarm.Order{Act: alarm.Unshelve, Key: drill, By: "D", Remark: "r"}, "alarm-not-shelved", releve.ErrForbidden},
		{alarm.Order{Act: alarm.Shelve, Key: drill, By: "D", Remark: "r", For: -time.Hour}, "alarm-shelved-long", releve.ErrForbidden},
	} {
		fault, told := errors.AsType[*releve.Fault](s.Handle(s.now, c.order))
		if !told || fault.Why.Code != c.why || !errors.Is(fault, c.is) {
			t.Errorf("%+v: got %v", c.order, fault)
		}
	}
	s.want("raised drill")
}

// What a room tells and a look shows is one alarm; when the look shows it no more, it is over, whether
// somebody tells that or not.
func TestWhatIsToldAndSeenIsOneAlarm(t *testing.T) {
	s := newServer(t, releve.Main)
	s.after(2 * time.Minute)
	s.tells("database-no-answer", "directory", "/srv")
	s.sees("database-lost/main")
	s.after(time.Minute)
	s.want("raised database-lost/main")
	if got := s.Book.List(s.now)[0].What.Code; got != "database-no-answer" {
		t.Errorf("it says %s, and not what was found", got)
	}
	s.sees()
	s.after(10 * time.Second)
	s.want("returned database-lost/main")
}
