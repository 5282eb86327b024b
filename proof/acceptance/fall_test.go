package acceptance

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

// soonFalls is how long after its servers start the level of a site is to fall.
const soonFalls = 90 * time.Second

// remember has both servers remember that a level ran without its licence since 30 days, so that
// the announced moment comes soon: at ten o'clock of a workday, by the clock that counts for licences,
// which is ahead of the machine's and goes as it does.
func (s *site) remember(t *testing.T, level releve.Level) {
	t.Helper()
	at := time.Date(time.Now().Year(), time.Now().Month(), time.Now().Day(), 10, 0, 0, 0, time.Local)
	for at.Before(time.Now().Add(soonFalls)) || at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		at = at.AddDate(0, 0, 1)
	}
	raw := must(json.Marshal(licence.Memory{
		Clock:  licence.Clock{Ran: at.Add(-soonFalls).UTC()},
		Lapsed: map[releve.Level]time.Time{level: at.Add(-licence.Grace).UTC()},
	}))(t)
	for _, server := range []*server{s.main, s.secondary} {
		dir := filepath.Join(server.data, "licences")
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "seen.json"), raw, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// A licence has run out, and the moment comes that was announced (SPEC L1): under calls the level falls
// to what is licensed, no call is refused and no row lost, and each server says so. Neither a licence
// of another site nor a forged one changes when. With a licence an operator raises it again.
func TestALevelFallsBackUnderCalls(t *testing.T) {
	closeSharedSite() // it uses the same addresses
	s, err := newSite(newDir(t), plan{init: []string{"--demonstration"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.remember(t, releve.HighAvailability)
	began := time.Now()
	s.startBoth(t)
	s.waitNormal(t)
	term := s.main.mustView(t).Term
	s.license(t, releve.Base, releve.Mirroring)
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 3, time.Time{})
	ha := s.issue(t, "ha", releve.HighAvailability)
	forged := filepath.Join(s.dir, "forged.licence")
	changed := strings.Replace(string(must(os.ReadFile(ha))(t)), "channels = 100", "channels = 900", 1)
	if err := os.WriteFile(forged, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.main.run("licence", "install", forged, "--without-study", "A. Durand"); r.code != 5 || !strings.Contains(r.stderr, "something in it was changed") {
		t.Errorf("a forged licence is installed: %+v", r)
	}
	announced := s.main.mustView(t).Licences.FallsBack
	if announced == nil || announced.To != releve.Mirroring || announced.Due {
		t.Fatalf("announced: %+v", announced)
	}
	eventually(t, soonFalls+2*time.Minute, "the level that is licensed", func() error {
		v, err := s.main.view()
		if err == nil && v.Level != releve.Mirroring {
			if err = fmt.Errorf("the site runs at %s, %+v", v.Level, v.Licences.FallsBack); v.Licences.At.After(announced.At.Add(3 * time.Minute)) {
				t.Fatalf("the moment has passed: %v", err)
			}
		}
		return err
	})
	t.Logf("announced for %v after the start, the level fell after %v", soonFalls, time.Since(began))
	if at := s.main.mustView(t).Licences.At; at.Before(announced.At) {
		t.Errorf("announced for %v, it fell at %v", announced.At, at)
	}
	s.checkLevel(t, releve.Mirroring)
	for _, teller := range []*server{s.main, s.secondary} {
		eventually(t, 10*time.Second, "the alarm", func() error {
			v, err := teller.view()
			if err == nil && !says(v, "licence-fell") {
				err = fmt.Errorf("the %s says %+v", teller.seat, v.Licences.Notices)
			}
			return err
		})
	}
	if e := s.main.eventSaid(t, "licence-falls", began, time.Second); e.What.Args["why"] == "" {
		t.Errorf("the reason is not recorded: %+v", e)
	}
	load.waitGreeted(t, 3, time.Now())
	s.main.mustRun(t, "licence", "install", ha, "--without-study", "A. Durand")
	for _, teller := range []*server{s.main, s.secondary} {
		if v := teller.mustView(t); !says(v, "licence-raise") || says(v, "licence-fell") {
			t.Errorf("with a licence the %s says %+v", teller.seat, v.Licences.Notices)
		}
	}
	s.main.mustRun(t, "level", "use", "high-availability")
	s.checkLevel(t, releve.HighAvailability)
	load.waitGreeted(t, 3, time.Now())
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkDuty(t, s.main, term)
	s.checkKept(t, calls)
}

func says(v view.Site, code string) bool {
	return slices.ContainsFunc(v.Licences.Notices, func(s releve.Sentence) bool { return s.Code == code })
}
