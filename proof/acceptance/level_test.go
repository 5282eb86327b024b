package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

// The level is changed under calls, in all twelve directions, by one command and without a restart
// (SPEC V1): no call is refused, no row is lost, and the secondary has at the PBX what the level gives
// it. At last it takes over, as if nothing had been.
func TestTheLevelIsChangedUnderCalls(t *testing.T) {
	s := ownSite(t, plan{init: []string{"--demonstration"}})
	s.license(t, releve.Base, releve.HighAvailability)
	term := s.main.mustView(t).Term
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 3, time.Time{})
	for _, to := range []releve.Level{
		releve.Mirroring, releve.Base, releve.HighAvailability, releve.Base, releve.Mirroring, releve.HighAvailability,
		releve.Backup, releve.Base, releve.Backup, releve.Mirroring, releve.Backup, releve.HighAvailability,
	} {
		was := s.main.mustView(t).Level
		teller := []*server{s.main, s.secondary}[len(to)%2] // either can be asked
		rehearsed := teller.mustRun(t, "level", onWord("use", to, "--dry-run")...)
		if !strings.Contains(rehearsed, "No call is refused") || s.main.mustView(t).Level != was {
			t.Errorf("the rehearsal says\n%s\nand the site is at level %s", rehearsed, s.main.mustView(t).Level)
		}
		began := time.Now()
		teller.mustRun(t, "level", onWord("use", to)...)
		t.Logf("from %s to %s in %v", was, to, time.Since(began))
		s.checkLevel(t, to)
		if to == releve.Mirroring && was == releve.Base {
			s.secondary.stop()
			s.secondary.start(t)
			s.waitMirrored(t) // the level is what the journal says, not the file
		}
		load.waitGreeted(t, 3, time.Now())
	}
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkDuty(t, s.main, term)
	s.checkKept(t, calls)
	if err := s.main.kill(); err != nil {
		t.Fatal(err)
	}
	s.waitOwner(t, s.secondary, 20*time.Second)
}

// onWord is a command to use a level, for which somebody answers where it asks for a study.
func onWord(use string, to releve.Level, more ...string) []string {
	args := append([]string{use, string(to)}, more...)
	if to == releve.Base {
		return args
	}
	return append(args, "--without-study", "A. Durand")
}

// checkLevel checks that both servers and the PBX are as a level has it.
func (s *site) checkLevel(t *testing.T, level releve.Level) {
	t.Helper()
	eventually(t, 30*time.Second, "the level "+string(level), func() error {
		for _, teller := range []*server{s.main, s.secondary} {
			v, err := teller.view()
			if err != nil || v.Level != level || v.Owner != releve.Main {
				return errors.Join(err, fmt.Errorf("the %s says that the site runs at %s, %s on duty", teller.seat, v.Level, v.Owner))
			}
			want := map[releve.Level]view.Word{
				releve.Base: view.NotProtected, releve.Mirroring: view.Protected,
				releve.Backup: view.NotProtected, releve.HighAvailability: view.Protected,
			}
			if level == releve.Backup && v.Why.Code != "why-backup" {
				return fmt.Errorf("the %s says %s %v", teller.seat, v.Why.Code, v.Why.Args)
			}
			if v.Word != want[level] {
				return fmt.Errorf("the %s says %s (%s %v) at level %s", teller.seat, v.Word, v.Why.Code, v.Why.Args, level)
			}
		}
		open, bound := listensAt(secondaryHost, 5060) == nil, s.pbx.binding("standby") != ""
		if want := level == releve.HighAvailability; open != want || bound != want {
			return fmt.Errorf("the secondary has a socket of SIP: %v, a user at the PBX: %v, both wanted: %v", open, bound, want)
		}
		if copied := len(s.secondary.postgres()) > 0; copied != (level != releve.Base) {
			return fmt.Errorf("the secondary runs a database: %v", copied)
		}
		return nil
	})
}

// What a level needs and is not there is said before anything is changed.
func TestALevelThatCannotBeHadIsRefused(t *testing.T) {
	closeSharedSite()
	s := openSite(t, plan{init: []string{"--level", string(releve.Mirroring)}})
	t.Cleanup(s.close)
	s.waitMirrored(t)
	for _, c := range []struct {
		to, says string
	}{
		{"high-availability", "pbx.standby_user"},
		{"gold", "gold"},
	} {
		refused := s.main.run("level", "use", c.to)
		if refused.code == 0 || !strings.Contains(refused.stdout+refused.stderr, c.says) {
			t.Errorf("level use %s: %+v", c.to, refused)
		}
	}
	if shown := s.main.mustRun(t, "level"); !slices.ContainsFunc(strings.Split(shown, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "▶ mirroring") && strings.Count(line, "ready") == 2
	}) || !strings.Contains(shown, "pbx.standby_user") {
		t.Errorf("`releve level` shows\n%s", shown)
	}
	if err := s.secondary.kill(); err != nil {
		t.Fatal(err)
	}
	s.main.mustRun(t, "level", "use", "base")
	if v := s.main.mustView(t); v.Level != releve.Base || v.Main.Duty != releve.Active {
		t.Errorf("without the secondary, the site is at level %s, the main %s", v.Level, v.Main.Duty)
	}
}
