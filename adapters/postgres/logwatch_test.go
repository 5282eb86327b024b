package postgres

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"releve"
	"releve/rules/alarm"
)

// disksAt is a PostgreSQL whose disks are what a test says.
type disksAt struct{ fixed error }

func (l disksAt) TendLog(context.Context) (LogRoom, error) {
	return LogRoom{}, errors.New("the disk hangs")
}
func (l disksAt) ExamineKept() error { return l.fixed }

// screens is what a watch of the disks said, and what stands on the screens.
type screens struct {
	said     []string
	standing map[string]releve.Sentence
}

func watchedRooms(database roomy) (*rooms, *screens) {
	w := &screens{standing: map[string]releve.Sentence{}}
	return newRooms(database, releve.Main, func(what releve.Sentence) {
		w.said = append(w.said, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
	}, func(about string, what releve.Sentence) {
		w.standing[about] = what
		if what.Code == "" {
			delete(w.standing, about)
		}
	}, slog.New(slog.DiscardHandler)), w
}

const mb = 1 << 20

func TestAnOperatorHearsOfKeptLogInTime(t *testing.T) {
	r, w := watchedRooms(disksAt{})
	owner := LogRoom{Owner: true, Directory: "/d", Free: 500 * mb, Bound: 400 * mb}
	for _, look := range []struct {
		kept     int64
		lost     bool
		said     string // "" for nothing new
		standing string
	}{
		{0, false, "", ""},
		{190 * mb, false, "", ""},
		{200 * mb, false, "warning event-kept-log-grows", "event-kept-log-grows"},
		{210 * mb, false, "", "event-kept-log-grows"},
		{110 * mb, false, "", "event-kept-log-grows"}, // it catches up
		{90 * mb, false, "cleared event-kept-log-well", ""},
		{300 * mb, false, "warning event-kept-log-grows", "event-kept-log-grows"},
		{401 * mb, true, "major event-kept-log-given-up", "event-kept-log-given-up"},
		{0, true, "", "event-kept-log-given-up"},
		{0, false, "cleared event-kept-log-well", ""}, // the copy begins
	} {
		before := len(w.said)
		owner.Kept, owner.Lost = look.kept, look.lost
		r.look(owner)
		if news := w.said[before:]; look.said == "" && len(news) > 0 ||
			look.said != "" && !slices.Equal(news, []string{look.said}) {
			t.Errorf("at %d MB it said %q, expected %q", look.kept/mb, news, look.said)
		}
		if got := w.standing["log"].Code; got != look.standing {
			t.Errorf("at %d MB the screen has %q, expected %q", look.kept/mb, got, look.standing)
		}
	}
	r.look(LogRoom{}) // a mirror, or a database that is away
	if len(w.standing) != 0 {
		t.Errorf("%v stands", w.standing)
	}
}

// A slot of somebody's keeps log as well: who reads of it is not sent after the mirror.
func TestASlotOfAStrangersIsNamed(t *testing.T) {
	r, w := watchedRooms(disksAt{})
	r.look(LogRoom{Owner: true, Kept: 300 * mb, Bound: 400 * mb, Stranger: "backup_tool"})
	if s := w.standing["log"]; s.Code != "event-kept-log-stranger" || s.Args["slot"] != "backup_tool" {
		t.Errorf("it said %v", s)
	}
	r.look(LogRoom{Owner: true, Kept: 301 * mb, Bound: 400 * mb})
	if s := w.standing["log"]; s.Code != "event-kept-log-grows" {
		t.Errorf("it said %v of the mirror's", s)
	}
}

// PostgreSQL gives up at a checkpoint of its own; and a server may start after that.
func TestWhatWasGivenUpIsSaidInNumbers(t *testing.T) {
	for name, looks := range map[string][]LogRoom{
		"between two looks": {{Owner: true, Kept: 100 * mb, Bound: 400 * mb},
			{Owner: true, Free: 70 * mb, Bound: 400 * mb, Lost: true}},
		"before the start":  {{Owner: true, Free: 70 * mb, Bound: 400 * mb, Lost: true}},
		"by the site's own": {{Owner: true, Kept: 100 * mb, Free: 70 * mb, Bound: 64 * mb, Fixed: true, Lost: true}},
	} {
		r, w := watchedRooms(disksAt{})
		for _, look := range looks {
			r.look(look)
		}
		args := w.standing["log"].Args
		if kept, want := args["kept"], name != "before the start"; (kept == "104857600") != want {
			t.Errorf("%s: %q were kept", name, kept)
		}
		if args["free"] != "73400320" || (args["limit"] != "") != looks[len(looks)-1].Fixed {
			t.Errorf("%s: %v", name, args)
		}
	}
}

func TestADiskThatOthersFillIsTold(t *testing.T) {
	r, w := watchedRooms(disksAt{})
	at := func(free int64) { // of 10 GB, of which 512 MB are never given away
		r.look(LogRoom{Disks: []Disk{{Directory: "/d", Free: free * mb, Total: 10240 * mb},
			{Directory: "/e", Free: 9999 * mb, Total: 10240 * mb}}})
	}
	for _, free := range []int64{5000, 1100, 1000, 100, 1100, 1500} {
		at(free)
	}
	if want := []string{"warning event-disk-low"}; !slices.Equal(w.said, want) || len(w.standing) != 1 {
		t.Errorf("it said %q, expected %q; %v stands", w.said, want, w.standing)
	}
	at(1600)
	if want := []string{"warning event-disk-low", "cleared event-disk-roomy"}; !slices.Equal(w.said, want) ||
		len(w.standing) != 0 {
		t.Errorf("it said %q, expected %q; %v stands", w.said, want, w.standing)
	}
}

func TestABoundThatTheDiskCannotHoldIsToldAtTheStart(t *testing.T) {
	fits, w := watchedRooms(disksAt{})
	fits.compare()
	if len(w.said) != 0 {
		t.Errorf("it said %q of a bound that fits", w.said)
	}
	r, w := watchedRooms(disksAt{&releve.Fault{Cause: ErrKeptLog, Why: releve.Say("kept-log-too-large")}})
	ended, end := context.WithCancel(t.Context())
	end()
	r.run(ended)
	if want := []string{"warning kept-log-too-large"}; !slices.Equal(w.said, want) {
		t.Errorf("it said %q, expected %q", w.said, want)
	}
}

// Nobody looks often while nothing can come to a bound; whatever brings one nearer is looked
// at twice a second.
func TestTheDisksAreLookedAtSeldomWhileNothingIsKept(t *testing.T) {
	calm := LogRoom{Disks: []Disk{{Free: 5 << 30, Total: 10 << 30}}, Owner: true, Connected: true, Kept: 20 * mb, Bound: 400 * mb}
	for name, c := range map[string]struct {
		change func(*LogRoom)
		calm   bool
	}{
		"an owner whose mirror is there":     {func(*LogRoom) {}, true},
		"a mirror, which keeps nothing":      {func(r *LogRoom) { *r = LogRoom{Disks: r.Disks} }, true},
		"an owner whose mirror is away":      {func(r *LogRoom) { r.Connected = false }, false},
		"more than a sixteenth of the bound": {func(r *LogRoom) { r.Kept = 25 * mb }, false},
		"log that was given up":              {func(r *LogRoom) { r.Lost = true }, false},
		"a disk without much room":           {func(r *LogRoom) { r.Disks = []Disk{{Free: 1 << 30, Total: 10 << 30}} }, false},
	} {
		r, _ := watchedRooms(disksAt{})
		found := calm
		c.change(&found)
		r.look(found)
		if r.calm(found) != c.calm {
			t.Errorf("%s: calm %v", name, !c.calm)
		}
	}
}
