package licences_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/licence"
	"releve/screen/view"
)

const (
	base = releve.Base
	ha   = releve.HighAvailability
	day  = 24 * time.Hour
)

func TestALicenceThatIsInstalledOnOneIsKnownOnBoth(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.start()
		secondary.start()
		if main.said() != "licence-lapsed" || secondary.said() != "licence-lapsed" || main.sees().FallsBack == nil {
			t.Errorf("without a licence: %+v", main.sees())
		}
		if answer, refused := main.install(of(t, "1", base, 20)); refused != "" || !answer.After.Shared {
			t.Errorf("base: %s, %+v", refused, answer)
		}
		answer, refused := secondary.install(of(t, "2", ha, 20))
		if refused != "" || answer.Already || answer.Licence.Serial != "2" || !answer.After.Shared {
			t.Errorf("high availability: %s, %+v", refused, answer)
		}
		for _, m := range []*machine{main, secondary} {
			if m.serials() != "1 2" || m.said() != "" || m.sees().FallsBack != nil || !m.sees().Shared || !m.sees().Demonstration || m.sees().ForChannels != 30 {
				t.Errorf("the %s shows %+v", m.seat, m.sees())
			}
		}
		if !slices.Contains(secondary.events(), "info licence-received") || !slices.Contains(main.events(), "cleared licence-again") {
			t.Errorf("told %v, %v", main.events(), secondary.events())
		}
		if answer, _ := main.install(of(t, "2", ha, 20)); !answer.Already {
			t.Errorf("again: %+v", answer)
		}
	})
}

// The level is changed while the site runs: what runs is shown beside what is licensed at once, and
// what is not licensed any more is said.
func TestTheLevelIsChanged(t *testing.T) {
	play(t, func(t *testing.T) {
		main, _ := newPair(t)
		main.runs = releve.Base
		main.start()
		if _, refused := main.install(of(t, "1", base, 20)); refused != "" {
			t.Fatal(refused)
		}
		for _, to := range []releve.Level{releve.HighAvailability, releve.Base} {
			main.runsAt(to)
			if fallsBack := main.sees().FallsBack != nil; main.sees().Running != to || fallsBack != (to != releve.Base) {
				t.Errorf("at level %s it shows %+v", to, main.sees())
			}
		}
	})
}

func TestAServerThatWasAwayIsToldWhenItIsBack(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.start()
		if answer, _ := main.install(of(t, "1", base, 20)); answer.After.Shared {
			t.Error("a server that is off has said that it holds it")
		}
		secondary.put("by hand.licence", of(t, "2", ha, 20)) // while both are off
		pass(3 * time.Hour)
		secondary.start()
		pass(2 * time.Minute)
		if main.serials() != "1 2" || secondary.serials() != "1 2" || !main.sees().Shared || !secondary.sees().Shared {
			t.Errorf("main %s %v, secondary %s %v", main.serials(), main.sees().Shared, secondary.serials(), secondary.sees().Shared)
		}
	})
}

// Cut apart, each is given a licence, and the two contradict each other: both keep both, say so,
// and go by the same one.
func TestTwoThatContradictEachOther(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.set(cut)
		secondary.set(cut)
		main.start().install(of(t, "1", base, 20))
		secondary.start().install(of(t, "1", base, 20, func(l *licence.Licence) { l.Channels, l.Issued = 90, l.Issued.Add(time.Hour) }))
		main.set(mend)
		secondary.set(mend)
		pass(2 * time.Minute)
		for _, m := range []*machine{main, secondary} {
			if m.serials() != "1 1" || !strings.Contains(m.said(), "licence-contradicts") || !slices.Contains(m.events(), "warning licence-contradicts") {
				t.Errorf("the %s says %q of %s", m.seat, m.said(), m.serials())
			}
			m.set(func(m *machine) { m.runs = base })
		}
		pass(2 * time.Hour)
		if main.sees().ForChannels != 30 || secondary.sees().ForChannels != 30 {
			t.Errorf("for %d and %d channels", main.sees().ForChannels, secondary.sees().ForChannels)
		}
		more := of(t, "2", base, 20, func(l *licence.Licence) {
			l.Channels, l.Replaces, l.Issued = 60, []string{"1"}, l.Issued.Add(2*time.Hour)
		})
		if _, refused := main.install(more); refused != "" || main.said() != "" || secondary.said() != "" || secondary.sees().ForChannels != 60 {
			t.Errorf("one that replaces both: %s, %q, %q", refused, main.said(), secondary.said())
		}
	})
}

func TestWhatIsRefusedChangesNothing(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main).start()
		later := func(l *licence.Licence) { l.Issued = l.Issued.Add(time.Hour) }
		main.install(of(t, "1", base, 20))
		main.install(of(t, "2", base, 20, later, func(l *licence.Licence) { l.Replaces = []string{"0"} }))
		before := main.disk()
		good := of(t, "3", ha, 20)
		for story, c := range map[string]struct {
			file    []byte
			refused string
		}{
			"garbage":                   {[]byte{0, 1, 2}, "licence.none"},
			"forged":                    {[]byte(strings.Replace(string(good), "30", "31", 1)), "licence.forged"},
			"cut":                       {good[:len(good)-20], "licence.cut"},
			"of another site":           {of(t, "3", ha, 20, func(l *licence.Licence) { l.Site += "D" }), "licence.other-site"},
			"expired":                   {of(t, "3", ha, -3, func(l *licence.Licence) { l.From = l.From.AddDate(0, 0, -9) }), "licence.expired"},
			"replaced already":          {of(t, "0", base, 20), "licence.replaced"},
			"of a serial that is there": {of(t, "1", ha, 20), "licence.clash"},
			"too long":                  {append(good, make([]byte, 20<<10)...), "licence.oversized"},
		} {
			if answer, refused := main.install(c.file); refused != c.refused || answer.Licence != nil {
				t.Errorf("%s: %q, not %q", story, refused, c.refused)
			}
		}
		answer, refused := main.try(good, true)
		if refused != "" || answer.After.FallsBack != nil || answer.After.ForChannels != 30 || len(answer.After.All) != 3 || !answer.DryRun {
			t.Errorf("rehearsed: %s, %+v", refused, answer)
		}
		if main.disk() != before || main.serials() != "1 2" || main.said() != "licence-lapsed" {
			t.Errorf("the disk holds\n%s", main.disk())
		}
	})
}

// From the future: it can be installed long before, and counts from its day.
func TestARenewalThatIsInstalledBefore(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main)
		main.runs = base
		main.start().install(of(t, "1", base, 2))
		renewal := of(t, "2", base, 3, func(l *licence.Licence) { l.From = l.From.AddDate(0, 0, 2) })
		if answer, refused := main.install(renewal); refused != "" || answer.Licence.State != "future" {
			t.Errorf("%s, %+v", refused, answer.Licence)
		}
		pass(2*day + time.Hour)
		if main.said() != "" || main.sees().ForChannels != 30 {
			t.Errorf("on its day: %s, %+v", main.said(), main.sees())
		}
		pass(2 * day)
		if main.said() != "licence-base-only" || main.sees().FallsBack != nil || !slices.Contains(main.events(), "warning licence-base-only") {
			t.Errorf("after it: %s, %+v", main.said(), main.sees())
		}
		if asked := main.asked.Load(); asked != 0 {
			t.Errorf("nobody is there, and was asked %d times", asked)
		}
	})
}

func TestAFileThatCannotBeReadIsSaidAndComesBackFromTheOther(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.start()
		secondary.start()
		main.install(of(t, "1", base, 20))
		main.stop()
		files, err := filepath.Glob(filepath.Join(main.dir, "1.*.licence"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v %v", files, err)
		}
		main.put(filepath.Base(files[0]), []byte("\x00\x00\x00"))
		main.put("other.licence", of(t, "9", base, 20, func(l *licence.Licence) { l.Site += "D" }))
		main.set(cut)
		secondary.set(cut)
		main.start()
		if main.notice("licence file").Args["count"] != "2" || main.serials() != "" || !slices.Contains(main.events(), "warning licence-unreadable") {
			t.Errorf("it shows %v of %s, and told %v", main.notice("licence file"), main.serials(), main.events())
		}
		main.set(mend)
		secondary.set(mend)
		pass(2 * time.Minute)
		if main.serials() != "1" || main.notice("licence file").Args["count"] != "1" {
			t.Errorf("later it shows %v of %s", main.notice("licence file"), main.serials())
		}
		if err := os.Remove(filepath.Join(main.dir, "other.licence")); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if main.notice("licence file").Code != "" {
			t.Errorf("the file is gone, and it shows %v", main.notice("licence file"))
		}
	})
}

// Taken away on both servers a licence is gone, and its level has its grace; on one it comes back.
func TestALicenceThatIsTakenAway(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.start()
		secondary.start()
		main.install(of(t, "1", base, 25))
		main.install(of(t, "2", ha, 25))
		if err := os.RemoveAll(main.dir); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if main.serials() != "1 2" || main.disk() != secondary.disk() {
			t.Errorf("it did not come back: %s", main.serials())
		}
		main.set(cut)
		secondary.set(cut)
		if err := os.RemoveAll(main.dir); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if main.said() != "licence-lapsed" || time.Until(main.sees().FallsBack.At) < 29*day {
			t.Errorf("taken away: %s", main.said())
		}
	})
}

// What is remembered outlasts a restart: the grace does not begin anew, and a clock in 1970 ends
// nothing and begins nothing.
func TestWhatIsRememberedOutlastsARestart(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main).start()
		falls := main.sees().FallsBack.At
		pass(3 * day)
		main.stop()
		main.start()
		if !main.sees().FallsBack.At.Equal(falls) {
			t.Errorf("it was to fall back at %s, and now at %s", falls, main.sees().FallsBack.At)
		}
		main.install(of(t, "1", base, 10))
		main.install(of(t, "2", ha, 10))
		main.stop()
		main.clock = time.Until(time.Unix(0, 0))
		main.start()
		pass(day)
		if main.said() != "licence-clock" || main.sees().ForChannels != 30 || time.Since(main.sees().At).Abs() > 2*time.Hour {
			t.Errorf("in 1970: %s, %+v", main.said(), main.sees())
		}
		main.stop()
		main.put("seen.json", []byte("{"))
		main.clock = 0
		if main.start(); main.said() != "" || main.sees().ForChannels != 30 {
			t.Errorf("what was remembered is lost: %s, %+v", main.said(), main.sees())
		}
	})
}

// What ran since the last look counts when the server is stopped between two.
func TestWhatRanUntilTheStopHasPassed(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main).start()
		main.set(func(m *machine) { m.clock = time.Until(time.Unix(0, 0)) })
		began := main.sees().At
		pass(30 * time.Minute)
		main.stop()
		if passed := main.start().sees().At.Sub(began); passed != 30*time.Minute {
			t.Errorf("%s have passed", passed)
		}
	})
}

// A directory that cannot be read for a while takes nothing away.
func TestADiskThatGivesNothing(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main).start()
		main.install(of(t, "1", base, 20))
		if err := errors.Join(os.Rename(main.dir, main.dir+".away"), os.WriteFile(main.dir, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if main.serials() != "1" || main.notice("licences shelf").Code != "licence-disk" {
			t.Errorf("it holds %s, and shows %v", main.serials(), main.notice("licences shelf"))
		}
		if err := errors.Join(os.Remove(main.dir), os.Rename(main.dir+".away", main.dir)); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if main.serials() != "1" || main.notice("licences shelf").Code != "" {
			t.Errorf("later it holds %s, and shows %v", main.serials(), main.notice("licences shelf"))
		}
	})
}

// A site that was off for longer than a day believes its clocks when both show the same.
func TestBothClocksConfirmEachOther(t *testing.T) {
	for story, other := range map[string]time.Duration{"": 0, "licence-clock": -40 * day} {
		play(t, func(t *testing.T) {
			main, secondary := newPair(t)
			main.runs, secondary.runs = base, base
			main.start().install(of(t, "1", base, 3))
			main.stop()
			main.clock, secondary.clock = 40*day, 40*day+other
			main.start()
			if main.said() != "licence-clock" || main.sees().ForChannels != 30 {
				t.Errorf("alone: %s, %+v", main.said(), main.sees())
			}
			secondary.start()
			pass(2 * time.Minute)
			if got := main.said(); (got == "licence-clock") != (story == "licence-clock") || (main.sees().ForChannels == 0) != (story == "") {
				t.Errorf("the other's clock is ahead by %s: %s, %+v", other, got, main.sees())
			}
		})
	}
}

func TestADiskThatTakesNothing(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main)
		if err := errors.Join(os.RemoveAll(main.dir), os.WriteFile(main.dir, nil, 0o600)); err != nil { // a file where the directory is to be
			t.Fatal(err)
		}
		main.start()
		if main.notice("licences memory").Code != "licence-disk" || main.said() != "licence-lapsed" {
			t.Errorf("it shows %v and %s", main.notice("licences memory"), main.said())
		}
		if _, err := main.keeper.InstallLicence(t.Context(), of(t, "1", base, 20), view.Installing{WithoutStudy: "A. Durand"}); err == nil || main.serials() != "" {
			t.Errorf("installed: %v, %s", err, main.serials())
		}
		if err := os.Remove(main.dir); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if main.notice("licences memory").Code != "" {
			t.Errorf("it shows %v", main.notice("licences memory"))
		}
	})
}

// The other server may be of the version before, which knows no licences.
func TestAnOtherServerThatKnowsNoLicences(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		secondary.foreign = true
		secondary.start()
		main.start().install(of(t, "1", base, 20))
		pass(2 * time.Hour)
		if main.serials() != "1" || main.sees().Shared {
			t.Errorf("%+v", main.sees())
		}
		secondary.set(func(m *machine) { m.foreign = false })
		pass(2 * time.Minute)
		if !main.sees().Shared || secondary.serials() != "1" {
			t.Errorf("once it does: %+v", secondary.sees())
		}
	})
}

// A site with as many licences as may be, of the largest size, comes together all the same, and
// nothing more is taken.
func TestAsManyLicencesAsMayBe(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		for n := range licence.Most {
			main.put(fmt.Sprintf("%d.licence", n), of(t, fmt.Sprint(n), base, 20, func(l *licence.Licence) {
				for i := range 32 {
					l.Replaces = append(l.Replaces, fmt.Sprintf("%060d", i))
				}
			}))
		}
		main.start()
		secondary.start()
		pass(3 * time.Minute)
		if len(secondary.sees().All) != licence.Most || !main.sees().Shared || !secondary.sees().Shared {
			t.Errorf("the other holds %d", len(secondary.sees().All))
		}
		if _, refused := secondary.install(of(t, "more", base, 20)); refused != "licence.many" {
			t.Errorf("one more: %q", refused)
		}
	})
}

// An idle server pays for its wake-ups: it asks the other once an hour.
func TestAnIdleSiteAsksSeldom(t *testing.T) {
	play(t, func(t *testing.T) {
		main, secondary := newPair(t)
		main.start()
		secondary.start()
		main.install(of(t, "1", base, 20))
		pass(2 * time.Minute)
		before := int(main.asked.Load() + secondary.asked.Load())
		pass(day)
		if asked := int(main.asked.Load()+secondary.asked.Load()) - before; asked < 40 || asked > 60 {
			t.Errorf("in a day the two asked %d times", asked)
		}
	})
}

// What the link brings is not believed because it came by the link.
func TestWhatTheOtherServerTellsIsReadLikeAFile(t *testing.T) {
	play(t, func(t *testing.T) {
		main := newMachine(t, releve.Main).start()
		desk := main.keeper.Desk()["licences"]
		good := string(of(t, "1", base, 20))
		other := string(of(t, "2", base, 20, func(l *licence.Licence) { l.Site += "D" }))
		args := fmt.Appendf(nil, `{"at":"2027-01-01T00:00:00Z","holds":["x"],"texts":[%q,%q,%q,""]}`, good, other, strings.Replace(good, "30", "90", 1))
		answered := 0
		if err := desk(t.Context(), args, func(_ json.RawMessage) error { answered++; return nil }); err != nil || answered != 1 || main.serials() != "1" || strings.Contains(main.disk(), `site = "`+ours+`D"`) {
			t.Errorf("%v, %d answers, holds %s", err, answered, main.serials())
		}
		if err := desk(t.Context(), []byte("7"), func(json.RawMessage) error { return nil }); err == nil {
			t.Error("what is no message is answered")
		}
		full := errors.New("nobody reads")
		if err := desk(t.Context(), []byte("{}"), func(json.RawMessage) error { return full }); !errors.Is(err, full) {
			t.Errorf("nobody reads: %v", err)
		}
	})
}
