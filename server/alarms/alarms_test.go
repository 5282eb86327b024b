package alarms_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

func away(v *view.Site) { v.Mirror.State = view.MirrorAway }
func back(v *view.Site) { v.Mirror.State = view.MirrorInSync }

func TestBothServersKnowEachAlarmAndWhoHasIt(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		var before, after int
		secondary.set(func() { before = secondary.asked })
		main.Explain(releve.Say("event-disk-low", "directory", "/srv"))
		pass(5 * time.Second)
		both(main, secondary, "raised disk-low/main:/srv")
		if secondary.set(func() { after = secondary.asked }); after != before {
			t.Error("what was told is told back")
		}
		if err := secondary.does("ack", "disk-low/main:/srv"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		both(main, secondary, "acknowledged disk-low/main:/srv by Durand")
		if !strings.Contains(secondary.kept(), "Durand") || !strings.Contains(main.kept(), "Durand") {
			t.Error("it is not on both disks")
		}
		main.Explain(releve.Say("event-disk-roomy", "directory", "/srv"))
		pass(10 * time.Second)
		both(main, secondary, "")
	})
}

// What a person ordered is on the disk when he is told so, even if the server ends in that moment.
func TestAnOrderIsKeptBeforeItIsAnswered(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		severed(true, main, secondary)
		main.Explain(releve.Say("event-saturated"))
		if err := main.does("ack", "saturated/main"); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(main.kept(), "Durand") {
			t.Error("it is not on the disk")
		}
		if got := strings.Join(main.told, " "); got != "event-saturated event-alarm-ack" {
			t.Errorf("told %q", got)
		}
	})
}

func TestATakeoverWithACutAndARestartLosesNothing(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		looks(away, main, secondary)
		main.Explain(releve.Say("event-drill-overdue", "date", "2026-01-01", "days", "90"))
		pass(15 * time.Second)
		both(main, secondary, "raised mirror-away; raised drill")
		if err := main.does("ack", "drill"); err != nil {
			t.Fatal(err)
		}
		severed(true, main, secondary)
		pass(15 * time.Second)
		if err := secondary.does("ack", "mirror-away"); err != nil { // it answers that it has it, cut off or not
			t.Fatal(err)
		}
		looks(func(v *view.Site) { v.Owner = releve.Secondary }, secondary)
		main.stop()
		pass(time.Minute)
		secondary.stop()
		secondary.start()
		main.start()
		severed(false, main, secondary)
		looks(func(v *view.Site) { v.Owner = releve.Secondary }, main)
		pass(30 * time.Second)
		want := "raised takeover; returned server-silent/main; returned server-silent/secondary; acknowledged mirror-away by Durand; acknowledged drill by Durand"
		pass(2 * time.Minute)
		both(main, secondary, want)
		looks(back, main, secondary)
		pass(10 * time.Second)
		both(main, secondary, strings.Replace(want, "; acknowledged mirror-away by Durand", "", 1))
	})
}

// A disk that was lost has all back from the other server.
func TestALostDisk(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		secondary.Explain(releve.Say("event-saturated"))
		main.Explain(releve.Say("event-copy-old"))
		pass(time.Second)
		main.stop()
		if err := os.WriteFile(main.file, []byte(`{"alarms": torn`), 0o600); err != nil {
			t.Fatal(err)
		}
		main.start()
		pass(5 * time.Second)
		both(main, secondary, "raised copy-old; raised saturated/secondary")
	})
}

// An idle pair says nothing: not to the other server, not to the disk, not to the screens.
func TestAnIdlePairIsSilent(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		looks(away, main, secondary)
		main.Explain(releve.Say("event-saturated"))
		secondary.Explain(releve.Say("event-saturated"))
		pass(time.Minute)
		both(main, secondary, "raised mirror-away; raised saturated/main; raised saturated/secondary")
		count := func() (n int) {
			for _, s := range []*server{main, secondary} {
				s.set(func() { n += s.asked + s.shown })
			}
			return n
		}
		before, file := count(), main.kept()
		if err := os.Remove(main.file); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Hour)
		if got := count() - before; got != 0 {
			t.Errorf("%d times something was said in three hours", got)
		}
		if _, err := os.Stat(main.file); err == nil {
			t.Error("the disk was written to")
		}
		main.Explain(releve.Say("event-unsaturated"))
		pass(10 * time.Second)
		both(main, secondary, "raised mirror-away; raised saturated/secondary; returned saturated/main")
		if main.kept() == file {
			t.Error("the change is not on the disk")
		}
	})
}

// A version that knows no alarms is asked now and then, until it is upgraded.
func TestBesideAnEarlierVersion(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		secondary.set(func() { secondary.old = true })
		main.Explain(releve.Say("event-saturated"))
		var before, after int
		main.set(func() { before = main.asked })
		pass(10 * time.Minute)
		main.set(func() { after = main.asked })
		if n := after - before; n < 30 || n > 61 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		secondary.set(func() { secondary.old = false })
		pass(15 * time.Second)
		both(main, secondary, "raised saturated/main")
	})
}

func TestOrdersThatAreRefused(t *testing.T) {
	play(t, func(t *testing.T, main, _ *server) {
		main.Explain(releve.Say("event-saturated"))
		for alarm, why := range map[string]error{"saturated/main": releve.ErrForbidden, "nothing/main": releve.ErrUnknown, "drill": releve.ErrUnknown} {
			if err := main.does("close", alarm); !errors.Is(err, why) {
				t.Errorf("%s: got %v", alarm, err)
			}
		}
		main.want("raised saturated/main")
	})
}

// Whoever works at a server says so at either; both know it, over a restart, and it ends by itself.
func TestMaintenanceIsKnownToBoth(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		w := view.Work{Place: "secondary", By: "Durand", Reason: "more memory", For: time.Hour}
		if err := main.keeper.Maintain(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		secondary.stop()
		secondary.start()
		secondary.Explain(releve.Say("event-saturated"))
		pass(5 * time.Second)
		for _, s := range []*server{main, secondary} {
			if all := s.keeper.Maintained(); len(all) != 1 || all[0].Place != "secondary" || all[0].Reason != "more memory" || all[0].By != "Durand" {
				t.Errorf("%s has %+v", s.seat, all)
			}
			if all := s.keeper.Due("mail", releve.Warning); len(all) > 0 {
				t.Errorf("%s sends %+v", s.seat, all)
			}
			if shown := s.keeper.Shown(); len(shown) != 1 || shown[0].Quiet.IsZero() {
				t.Errorf("%s shows %+v", s.seat, shown)
			}
		}
		pass(time.Hour)
		for _, s := range []*server{main, secondary} {
			if all, due := s.keeper.Maintained(), s.keeper.Due("mail", releve.Warning); len(all) > 0 || len(due) != 1 {
				t.Errorf("an hour later %s has %+v, and sends %+v", s.seat, all, due)
			}
		}
		if err := main.keeper.Maintain(t.Context(), view.Work{Place: "secondary", By: "Durand", Ends: true}); !errors.Is(err, releve.ErrUnknown) {
			t.Errorf("what is over is ended: %v", err)
		}
		if got := strings.Join(main.told, " "); got != "event-maintenance" {
			t.Errorf("told %q", got)
		}
	})
}
