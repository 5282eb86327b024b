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

func (s *server) works(w alarm.Work) {
	s.t.Helper()
	w.By = "Durand"
	if err := s.Maintain(s.now, w); err != nil {
		s.t.Fatal(err)
	}
}

// letters is what is to be sent by mail, as a line.
func (s *server) letters() string {
	var all []string
	for _, n := range s.Book.Due(s.now, s.Seat, "mail", releve.Warning) {
		all = append(all, fmt.Sprint(n.Message, " ", n.Key))
	}
	return strings.Join(all, "; ")
}

// Somebody works at the secondary: what is wrong there is shown, what is wrong elsewhere is sent, and what stands when the
// time is over is sent then, without anybody's doing.
func TestMaintenanceOfAServer(t *testing.T) {
	main, secondary := pair(t)
	secondary.works(alarm.Work{Place: "secondary", Reason: "more memory", For: time.Hour})
	exchange(main, secondary)
	main.sees("server-silent/secondary", "pbx-silent/main")
	main.after(10 * time.Second)
	main.want("raised server-silent/secondary; raised pbx-silent/main")
	if got := main.letters(); got != "began pbx-silent/main" {
		t.Errorf("sent: %q", got)
	}
	for _, e := range main.Book.List(main.now) {
		if quiet := !e.Quiet.IsZero(); quiet != (e.Key.Seat == releve.Secondary) {
			t.Errorf("%s is quiet: %t", e.Key, quiet)
		}
	}
	main.posts("mail")
	if main.after(50 * time.Minute); main.letters() != "waits pbx-silent/main" {
		t.Errorf("after fifty minutes: %q", main.letters())
	}
	main.posts("mail")
	main.after(10 * time.Minute)
	if got := main.letters(); got != "began server-silent/secondary" {
		t.Errorf("after its end: %q", got)
	}
	if got := main.Book.Maintained(main.now); len(got) > 0 {
		t.Errorf("it still is at %v", got)
	}
}

// What begins and ends while somebody works there is no mail. He may end it before its time, at either server.
func TestMaintenanceThatIsEnded(t *testing.T) {
	main, secondary := pair(t)
	main.works(alarm.Work{Place: alarm.TheSite, Reason: "new PBX"})
	exchange(main, secondary)
	main.sees("pbx-silent/main")
	main.after(time.Minute)
	secondary.after(time.Minute)
	main.sees()
	main.after(2 * time.Minute)
	main.sees("mirror-away")
	main.after(time.Minute)
	if got := main.letters(); got != "" {
		t.Errorf("sent: %q", got)
	}
	secondary.works(alarm.Work{Place: alarm.TheSite, Ends: true})
	exchange(main, secondary)
	main.after(time.Second)
	if got := main.letters(); got != "began mirror-away" {
		t.Errorf("after its end: %q", got)
	}
	if main.again().letters() != main.letters() {
		t.Error("a restart has it begin again")
	}
}

// Each server says something while they do not hear each other: the later counts, at both.
func TestMaintenanceOverACut(t *testing.T) {
	main, secondary := pair(t)
	main.works(alarm.Work{Place: "main", Reason: "disk", For: time.Hour})
	exchange(main, secondary)
	main.works(alarm.Work{Place: "main", Reason: "disk and fan", For: 3 * time.Hour})
	secondary.tells("event-saturated")
	secondary.works(alarm.Work{Place: "main", Ends: true})
	exchange(main, secondary)
	exchange(secondary, main)
	x, y := main.Book.Maintenance["main"], secondary.Book.Maintenance["main"]
	if x != y || x.Stands(main.now) || x.Reason != "disk" {
		t.Errorf("%+v and %+v", x, y)
	}
}

func TestMaintenanceThatIsRefused(t *testing.T) {
	s := newServer(t, releve.Main)
	for want, w := range map[string]alarm.Work{
		"maintenance-place":   {Place: "cellar", By: "D", Reason: "x"},
		"maintenance-by-whom": {Place: "main", Reason: "x"},
		"maintenance-reason":  {Place: "main", By: "D"},
		"maintenance-long":    {Place: "main", By: "D", Reason: "x", For: alarm.MaintenanceMost + time.Second},
		"maintenance-none":    {Place: "main", By: "D", Ends: true},
	} {
		err := s.Maintain(s.now, w)
		if fault, is := errors.AsType[*releve.Fault](err); !is || fault.Why.Code != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s.Book.Count != 0 {
		t.Error("something was written")
	}
}
