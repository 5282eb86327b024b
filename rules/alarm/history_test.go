package alarm_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/alarm"
)

// story is the history of an alarm as a line: what happened, who did it, by which server it was written.
func (s *server) story(text string) string {
	s.t.Helper()
	key, err := alarm.ParseKey(text)
	if err != nil {
		s.t.Fatal(err)
	}
	_, moments, _ := s.Book.Story(s.now, key)
	var all []string
	for _, m := range moments {
		words := []string{string(m.What), m.By, string(m.Outlet), string(m.Message), "at", string(m.Stamp.Seat)}
		all = append(all, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
	}
	return strings.Join(all, "; ")
}

func (s *server) posts(by alarm.Outlet) {
	for _, n := range s.Book.Due(s.now, s.Seat, by, releve.Warning) {
		s.Send(s.now, by, n)
	}
}

func TestTheHistoryOfAnAlarm(t *testing.T) {
	main, secondary := pair(t)
	main.sees("mirror-away")
	main.after(10 * time.Second)
	main.posts("mail")
	exchange(main, secondary)
	for _, s := range []*server{main, secondary} {
		s.after(16 * time.Minute)
	}
	main.sees()
	main.after(2 * time.Minute)
	secondary.posts("mail") // nobody has it in hand, and the main is not heard
	secondary.does(alarm.Acknowledge, "mirror-away")
	exchange(main, secondary)
	want := "raised at main; sent mail began at main; cleared at main; sent mail waits at secondary; ack Durand at secondary"
	for _, s := range []*server{main, secondary.again()} {
		if got := s.story("mirror-away"); got != want {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
	}
	main.tells("event-call-broken", "call", "1")
	if got := main.story("program/main:call"); got != "came at main" {
		t.Errorf("what happened and was over: %q", got)
	}
}

// What is the site's may be ended by either.
func TestWhoEndedItForBoth(t *testing.T) {
	main, secondary := pair(t)
	main.tells("event-verify-failed", "why", "x")
	exchange(main, secondary)
	secondary.tells("event-verified", "rows", "7")
	exchange(main, secondary)
	if got := main.story("unverified"); !strings.Contains(got, "cleared at secondary") {
		t.Errorf("got %q", got)
	}
}

// One that comes and goes all night does not have it forgotten who has it; what it says meanwhile is nothing new.
func TestAHistoryHasRoomForEachSort(t *testing.T) {
	s := newServer(t, releve.Main)
	s.tells("event-saturated")
	s.does(alarm.Acknowledge, "saturated/main")
	for i := range 50 {
		s.tells("event-saturated", "calls", fmt.Sprint(i))
		s.after(time.Minute)
		s.tells("event-unsaturated")
		s.after(11 * time.Minute)
	}
	got := s.story("saturated/main")
	if n := strings.Count(got, "raised") + strings.Count(got, "cleared"); n != 12 || !strings.HasPrefix(got, "ack Durand") {
		t.Errorf("%d in %q", n, got)
	}
	if _, _, known := s.Book.Story(s.now, alarm.Key{Code: "drill"}); known {
		t.Error("of an alarm that there never was, something is known")
	}
}

// All that a book remembers goes to the other server in one message.
func TestABookRemembersSoMuch(t *testing.T) {
	main, secondary := pair(t)
	for i := range 100 {
		for _, s := range []*server{main, secondary} {
			s.tells("event-disk-low", "directory", fmt.Sprint("/srv/", i))
			s.posts("mail")
			for range 3 {
				s.does(alarm.Acknowledge, fmt.Sprint("disk-low/", s.Seat, ":/srv/", i))
			}
		}
	}
	x, y := alarm.Merge(main.Book, secondary.Book), alarm.Merge(secondary.Book, main.Book)
	total := 0
	for key := range x.Alarms {
		_, moments, _ := x.Story(main.now, key)
		total += len(moments)
	}
	if total != 600 || !reflect.DeepEqual(x, y) {
		t.Errorf("%d moments", total)
	}
	if z := alarm.Merge(x, main.Book); !reflect.DeepEqual(x, z) {
		t.Error("what there was no room for comes back")
	}
	if raw, err := json.Marshal(x); err != nil || len(raw) > 1<<20 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	_, last, _ := x.Story(main.now, alarm.Key{Code: "disk-low", Seat: releve.Main, About: "/srv/99"})
	if _, first, _ := x.Story(main.now, alarm.Key{Code: "disk-low", Seat: releve.Main, About: "/srv/0"}); len(last) != 5 || len(first) > 0 {
		t.Errorf("of the last %d, of the first %d", len(last), len(first))
	}
}
