package alarm_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
	"releve/rules/alarm"
)

// exchange tells each of two servers what the other knows.
func exchange(x, y *server) {
	x.Hear(x.now, y.Book)
	y.Hear(y.now, x.Book)
}

// again is a server that starts anew with what it kept on its disk.
func (s *server) again() *server {
	raw, err := json.Marshal(s.Book)
	var kept alarm.Book
	if err == nil {
		err = json.Unmarshal(raw, &kept)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &server{alarm.NewDesk(s.Seat, kept, s.now), s.t, s.now}
}

func (s *server) both(other *server, want string) {
	s.t.Helper()
	s.want(want)
	other.want(want)
}

func pair(t *testing.T) (main, secondary *server) {
	return newServer(t, releve.Main), newServer(t, releve.Secondary)
}

func TestACutLosesNoAlarmAndNoAcknowledgement(t *testing.T) {
	main, secondary := pair(t)
	main.tells("event-disk-low", "directory", "/srv")
	main.sees("mirror-away")
	main.after(10 * time.Second)
	secondary.after(10 * time.Second)
	exchange(main, secondary)
	// The link is cut: each goes on for itself.
	main.does(alarm.Acknowledge, "disk-low/main:/srv")
	secondary.tells("event-saturated")
	secondary.sees("mirror-away")
	secondary.after(10 * time.Second)
	secondary.does(alarm.Acknowledge, "mirror-away")
	main.after(time.Minute)
	secondary.after(time.Minute)
	exchange(main, secondary)
	main.both(secondary, "raised saturated/secondary; acknowledged mirror-away by Durand; acknowledged disk-low/main:/srv by Durand")
}

// The duty moves: another server sees what is the site's, and whoever has it in hand keeps it.
func TestATakeoverKeepsWhoHasItInHand(t *testing.T) {
	main, secondary := pair(t)
	main.sees("mirror-away")
	main.after(2 * time.Minute)
	secondary.after(2 * time.Minute)
	exchange(main, secondary)
	main.does(alarm.Acknowledge, "mirror-away")
	exchange(main, secondary)
	main.sees()
	main.after(10 * time.Second)
	secondary.after(10 * time.Second)
	secondary.sees("mirror-away")
	secondary.after(10 * time.Second)
	exchange(main, secondary)
	main.both(secondary, "acknowledged mirror-away by Durand")
}

func TestARestartLosesNothing(t *testing.T) {
	main := newServer(t, releve.Main)
	main.sees("mirror-away")
	main.tells("event-saturated")
	main.tells("study-prerequisite-lost", "seat", "main", "check", "disk")
	main.after(10 * time.Second)
	main.does(alarm.Acknowledge, "study/main:disk")
	main = main.again()
	main.sees()
	main.want("raised mirror-away; raised saturated/main; acknowledged study/main:disk by Durand")
	main.after(time.Minute)
	main.want("raised saturated/main; returned mirror-away; acknowledged study/main:disk by Durand")
	main.after(15 * time.Minute) // what its room did not tell again has ended meanwhile
	main.want("returned mirror-away; returned saturated/main; acknowledged study/main:disk by Durand")
	main = main.again()
	main.tells("study-prerequisite-back", "seat", "main", "check", "disk")
	main.want("returned mirror-away; returned saturated/main")
}

// Of what is the site's, either server may tell the end: the one that began to tell of it may not be
// the one any more that looks.
func TestTheOtherServerEndsWhatIsTheSites(t *testing.T) {
	main, secondary := pair(t)
	main.tells("event-verify-failed", "why", "x")
	exchange(main, secondary)
	secondary.tells("event-verified", "rows", "7")
	exchange(main, secondary)
	main.after(time.Second)
	main.both(secondary, "returned unverified")
	main.tells("event-verify-failed", "why", "x")
	exchange(main, secondary)
	main.both(secondary, "raised unverified")
}

// A server whose disk was lost begins to count anew: it does not take up again what it said before.
func TestALostDiskBringsNothingBack(t *testing.T) {
	main, secondary := pair(t)
	main.tells("event-saturated")
	main.does(alarm.Acknowledge, "saturated/main")
	exchange(main, secondary)
	main = newServer(t, releve.Main)
	main.tells("event-unsaturated")
	exchange(main, secondary)
	main.after(time.Minute)
	exchange(main, secondary)
	main.both(secondary, "")
}

var codes = []string{"event-saturated", "event-unsaturated", "event-verify-failed", "event-verified", "event-call-broken", "event-drill-overdue", "event-drill-passed"}

// books are what two servers and their lives may come to hold: they tell, look, act, exchange one way,
// restart and lose their disks.
func books() *rapid.Generator[[]alarm.Book] {
	return rapid.Custom(func(t *rapid.T) []alarm.Book {
		now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
		desks := []*alarm.Desk{alarm.NewDesk(releve.Main, alarm.Book{}, now), alarm.NewDesk(releve.Secondary, alarm.Book{}, now)}
		kept := []alarm.Book{{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
			i := rapid.IntRange(0, 1).Draw(t, "server")
			d := desks[i]
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				d.Tell(now, releve.Say(rapid.SampledFrom(codes).Draw(t, "code")))
			case 2:
				d.Look(now, looks(t))
			case 3:
				if list := d.Book.List(now); len(list) > 0 {
					acts := []alarm.Act{alarm.Acknowledge, alarm.Close, alarm.Shelve, alarm.Unshelve}
					_ = d.Handle(now, alarm.Order{ // what is refused changes nothing
						Act: rapid.SampledFrom(acts).Draw(t, "act"), Key: rapid.SampledFrom(list).Draw(t, "alarm").Key, By: "D", Remark: "r",
					})
				}
			case 4:
				d.Hear(now, desks[1-i].Book)
			case 6:
				_ = d.Maintain(now, alarm.Work{ // as above
					Place: rapid.SampledFrom([]alarm.Place{"main", alarm.TheSite}).Draw(t, "place"), By: "D", Reason: "r", Ends: rapid.Bool().Draw(t, "ends"),
				})
			case 5:
				desks[i] = alarm.NewDesk(d.Seat, rapid.SampledFrom([]alarm.Book{d.Book, {}}).Draw(t, "kept"), now)
			}
			kept = append(kept, desks[i].Book)
		}
		return kept
	})
}

func looks(t *rapid.T) (all []alarm.Want) {
	for _, code := range []alarm.Code{"mirror-away", "takeover"} {
		if rapid.Bool().Draw(t, string(code)) {
			all = append(all, alarm.Want{Key: alarm.Key{Code: code}, Severity: releve.Major, What: releve.Say(string(code))})
		}
	}
	return all
}

func TestBooksMergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := books().Draw(t, "books")
		some := rapid.SampledFrom(all)
		x, y, z := some.Draw(t, "x"), some.Draw(t, "y"), some.Draw(t, "z")
		same := func(law string, one, other alarm.Book) {
			if !reflect.DeepEqual(one, other) {
				t.Fatalf("%s:\n%+v\n%+v", law, one, other)
			}
		}
		same("commutative", alarm.Merge(x, y), alarm.Merge(y, x))
		same("associative", alarm.Merge(alarm.Merge(x, y), z), alarm.Merge(x, alarm.Merge(y, z)))
		same("idempotent", alarm.Merge(alarm.Merge(x, y), y), alarm.Merge(x, y))
	})
}

// Once both have heard each other they hold the same, and show the same.
func TestBothServersComeToShowTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := books().Draw(t, "books")
		now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
		x, y := rapid.SampledFrom(all).Draw(t, "x"), rapid.SampledFrom(all).Draw(t, "y")
		if one, other := alarm.Merge(x, y).List(now), alarm.Merge(y, x).List(now); !reflect.DeepEqual(one, other) {
			t.Fatalf("%+v\n%+v", one, other)
		}
		for _, e := range alarm.Merge(x, y).List(now) {
			if e.State == alarm.Acked && e.Hand.By == "" {
				t.Fatalf("acknowledged by nobody: %+v", e)
			}
		}
	})
}

// What a person did is not undone by anything that a server held before.
func TestAnAcknowledgementStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := books().Draw(t, "books")
		last, before := all[len(all)-1], rapid.SampledFrom(all).Draw(t, "before")
		now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		d := alarm.NewDesk(releve.Main, alarm.Merge(last, before), now)
		for _, e := range d.Book.List(now) {
			if err := d.Handle(now, alarm.Order{Act: alarm.Acknowledge, Key: e.Key, By: "D", Remark: "r"}); err != nil {
				t.Fatal(err)
			}
		}
		d.Hear(now, before)
		for _, e := range d.Book.List(now) {
			if e.State != alarm.Acked {
				t.Fatalf("%s is %s", e.Key, e.State)
			}
		}
	})
}

// FuzzBook: what another version or a damaged disk brings as a book is merged and shown, or is none.
func FuzzBook(f *testing.F) {
	f.Add([]byte(`{"count":3,"alarms":{"drill":{"claims":{"main":{"up":true,"severity":"major","rose":1,"stamp":3}}},"later-kind/x":{"claims":null}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b alarm.Book
		if json.Unmarshal(raw, &b) != nil {
			return
		}
		now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		d := alarm.NewDesk(releve.Main, b, now)
		d.Tell(now, releve.Say("event-drill-overdue"))
		d.Hear(now, b)
		if once := alarm.Merge(d.Book, b); !reflect.DeepEqual(alarm.Merge(once, b), once) {
			t.Fatal("merging twice is not merging once")
		}
		d.Book.List(now)
	})
}

// Two lives of a server may give one stamp to two things: then both servers take the same one of them.
func TestAStampThatWasGivenTwice(t *testing.T) {
	one, two := newServer(t, releve.Main), newServer(t, releve.Main)
	one.tells("event-verify-failed", "why", "x")
	two.tells("event-verify-failed", "why", "y")
	if x, y := alarm.Merge(one.Book, two.Book), alarm.Merge(two.Book, one.Book); !reflect.DeepEqual(x, y) {
		t.Errorf("%+v\n%+v", x, y)
	}
}
