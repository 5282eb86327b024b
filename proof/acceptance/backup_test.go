package acceptance

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

// A site of level backup (SPEC B1 to B7): one server has the telephone and the other a copy; an
// operator moves the duty, whoever is well, and what only one of them had is found again.
func TestASiteOfLevelBackup(t *testing.T) {
	s := ownSite(t, plan{})
	s.main.mustRun(t, "level", "use", "backup")
	s.waitBackup(t, s.main)
	s.heard = listenOnWire(t)
	eventually(t, 5*time.Second, "the main is heard by the capture", func() error {
		if len(s.heard.toPBX(time.Time{}, time.Now())) == 0 {
			return errors.New("nothing")
		}
		return nil
	})
	for _, c := range []struct {
		name string
		do   func(*testing.T, *site)
	}{
		{"a newer copy takes the place of the old one", copyRenewed},
		{"the duty moves with both well, and back", dutyPermuted},
		{"a PBX that keeps several bindings, that clears all, that shows none", dutyAtEachRegistrar},
		{"a main that starts without its peer stays closed", mainWithoutPeer},
		{"the main is dead", mainDead},
	} {
		t.Run(c.name, func(t *testing.T) { c.do(t, s) })
	}
}

// waitBackup waits until a server has the telephone, and the other a copy at rest and none.
func (s *site) waitBackup(t testing.TB, active *server) {
	t.Helper()
	eventually(t, 60*time.Second, "level backup with the "+string(active.seat)+" on duty", func() error { return s.backedUp(active) })
}

func (s *site) backedUp(active *server) error {
	for _, teller := range []*server{s.main, s.secondary} {
		v, err := teller.view()
		if err != nil {
			return err
		}
		passive := v.Secondary
		if active == s.secondary {
			passive = v.Main
		}
		if v.Level != releve.Backup || v.Owner != active.seat || v.Why.Code != "why-backup" || passive.Copied.IsZero() || v.Mirror.State != view.MirrorCopy {
			return fmt.Errorf("the %s says %s (%s %v) at level %s, %s on duty, a copy of %s, mirror %s",
				teller.seat, v.Word, v.Why.Code, v.Why.Args, v.Level, v.Owner, passive.Copied, v.Mirror.State)
		}
	}
	return errors.Join(s.pbx.registered("reception", hostOf(active.seat)), s.closed(s.other(active)))
}

// closed says what a server has of a telephone.
func (s *site) closed(passive *server) error {
	if listensAt(hostOf(passive.seat), 5060) == nil {
		return fmt.Errorf("the %s server has a socket of SIP", passive.seat)
	}
	if contact := s.pbx.binding("standby"); contact != "" {
		return fmt.Errorf("the PBX has %s as the contact of standby", contact)
	}
	return nil
}

func hostOf(seat releve.Seat) string {
	if seat == releve.Main {
		return mainHost
	}
	return secondaryHost
}

func copyRenewed(t *testing.T, s *site) {
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 10, time.Time{})
	s.main.execute(t, "SET synchronous_commit = local; "+ // nobody follows, and this session has no right to be alone
		"CREATE TABLE much AS SELECT repeat(md5(g::text), 60) AS t FROM generate_series(1, 2000) AS g; DROP TABLE much")
	before := s.main.mustView(t).Secondary.Copied
	said := s.secondary.mustRun(t, "copy")
	s.waitBackup(t, s.main)
	after := s.main.mustView(t).Secondary.Copied
	if !after.After(before) {
		t.Errorf("the copy is of %s, and was of %s; the command said\n%s", after, before, said)
	}
	calls := load.finish(t)
	checkGreeted(t, calls, s.main)
	kept, err := s.main.query("SELECT (pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) < 2000000)::text FROM pg_replication_slots WHERE slot_name = 'releve_salvage'")
	if err != nil || len(kept) != 1 || kept[0] != "true" {
		t.Errorf("the log that a salvage would read begins before the copy: %v, %v", kept, err)
	}
}

func dutyPermuted(t *testing.T, s *site) {
	for _, to := range []*server{s.secondary, s.main} {
		from := s.other(to)
		load := s.callIn(t, listeners(5))
		load.waitGreeted(t, 10, time.Time{})
		calls := load.finish(t)
		checkGreeted(t, calls, from)
		rehearsed := from.mustRun(t, "switchover", "--dry-run")
		if !strings.Contains(rehearsed, "Both servers are well") {
			t.Errorf("the rehearsal says\n%s", rehearsed)
		}
		began := time.Now()
		s.heard.checkSilent(t, to, began.Add(-3*time.Second), began)
		said := from.mustRun(t, "switchover")
		t.Logf("to the %s in %v:\n%s", to.seat, time.Since(began).Round(time.Millisecond), said)
		s.waitBackup(t, to)
		s.checkOneAtATime(t, began)
		s.checkRecorded(t, to, calls)
	}
}

func mainDead(t *testing.T, s *site) {
	s.main.mustRun(t, "copy")
	s.waitBackup(t, s.main)
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 10, time.Time{})
	since := load.finish(t)
	checkGreeted(t, since, s.main)
	s.checkRecorded(t, s.main, since)
	eventually(t, 10*time.Second, "the page says what the copy lacks", func() error {
		if n := s.secondary.mustView(t).Main.SinceCopy; n < len(since) {
			return fmt.Errorf("%d calls of %d", n, len(since))
		}
		return nil
	})
	if err := s.main.kill(); err != nil {
		t.Fatal(err)
	}
	s.waitSilent(t)
	began := time.Now()
	said := s.secondary.mustRun(t, "switchover", "--other-is-off", "--by", "A. Martin")
	t.Logf("the secondary after %v:\n%s", time.Since(began).Round(time.Millisecond), said)
	if !strings.Contains(said, "calls") {
		t.Errorf("it does not say what is lost:\n%s", said)
	}
	load = s.callIn(t, listeners(5))
	load.waitGreeted(t, 10, time.Time{})
	mine := load.finish(t)
	checkGreeted(t, mine, s.secondary)

	s.main.start(t)
	eventually(t, 30*time.Second, "the main stands aside with its telephone closed", func() error {
		v, err := s.main.view()
		if err != nil || v.Owner != releve.Secondary {
			return errors.Join(err, fmt.Errorf("owner %s", v.Owner))
		}
		return s.closed(s.main)
	})
	s.secondary.stop() // it remembers a duty, and so does the main, of a term before
	s.secondary.start(t)
	eventually(t, 20*time.Second, "the secondary goes on with its duty", func() error { return s.pbx.registered("reception", secondaryHost) })
	said = s.main.mustRun(t, "return")
	t.Logf("back:\n%s", said)
	s.waitBackup(t, s.main)
	s.checkRecorded(t, s.main, mine)
	eventually(t, 30*time.Second, "what only the main had is found", func() error {
		if list := s.main.mustRun(t, "salvage", "list"); !strings.Contains(list, "main") {
			return fmt.Errorf("it says\n%s", list)
		}
		return nil
	})
	s.main.mustRun(t, "salvage", "apply", "1")
	s.checkRecorded(t, s.main, since)
}

// dutyAtEachRegistrar moves the duty where registrars do with bindings what each kind does. Each is
// left to by the server that registered there.
func dutyAtEachRegistrar(t *testing.T, s *site) {
	t.Cleanup(func() { s.registrar(t, "replace") })
	from, to := s.main, s.secondary
	for _, kind := range []string{"keep", "clear", "hide"} {
		s.registrar(t, kind)
		began := time.Now()
		from.mustRun(t, "switchover")
		s.waitBackup(t, to)
		s.checkOneAtATime(t, began)
		from, to = to, from
	}
	began := time.Now()
	ended := make(chan result, 1)
	go func() { ended <- from.run("switchover") }()
	eventually(t, 20*time.Second, "the switchover waits for an operator", func() error {
		v, err := from.view()
		if err != nil || v.Procedure == nil {
			return errors.Join(err, errors.New("no procedure runs"))
		}
		for _, step := range v.Procedure.Steps {
			if step.Found != nil && step.Found.Code == "waits-binding" {
				return s.closed(from)
			}
		}
		return fmt.Errorf("%+v", v.Procedure.Steps)
	})
	if err := s.closed(to); err != nil {
		t.Error(err)
	}
	if refused := to.run("switchover", "cleared"); refused.code == 0 {
		t.Errorf("a word without a name is taken: %+v", refused)
	}
	to.mustRun(t, "switchover", "cleared", "--by", "A. Martin")
	if r := <-ended; r.code != 0 {
		t.Fatalf("the switchover ended with %+v", r)
	}
	s.waitBackup(t, to)
	s.checkOneAtATime(t, began)
	if from.eventSaid(t, "event-word-given", began, 5*time.Second); t.Failed() {
		return
	}
	s.registrar(t, "replace")
	if to != s.main {
		to.mustRun(t, "switchover")
		s.waitBackup(t, s.main)
	}
}

// registrar has the PBX do with bindings what a kind of registrar does.
func (s *site) registrar(t *testing.T, kind string) {
	t.Helper()
	if _, err := s.pbx.command("htable.sets", "cfg", "register_extra", kind); err != nil {
		t.Fatal(err)
	}
}

// mainWithoutPeer: a server goes on with the duty that it remembers by its peer's word, or an
// operator's (B3).
func mainWithoutPeer(t *testing.T, s *site) {
	for _, server := range []*server{s.secondary, s.main} {
		if err := server.kill(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	s.main.start(t)
	eventually(t, 20*time.Second, "the main waits for its peer", func() error {
		v, err := s.main.view()
		if err == nil && v.Why.Code != "why-stopped-unconfirmed" {
			err = fmt.Errorf("it says %s (%s)", v.Word, v.Why.Code)
		}
		return err
	})
	s.heard.checkSilent(t, s.main, began, time.Now())
	s.registrar(t, "hide")
	if refused := s.main.run("switchover"); refused.code == 0 {
		t.Errorf("without a word, and where nothing is shown, it opens: %+v", refused)
	}
	s.registrar(t, "replace")
	s.main.mustRun(t, "switchover", "--other-is-off", "--by", "A. Martin")
	eventually(t, 10*time.Second, "the main answers", func() error { return s.pbx.registered("reception", mainHost) })
	s.secondary.start(t)
	s.waitBackup(t, s.main)
	s.main.stop()
	s.main.start(t) // with its peer there it needs nobody
	s.waitBackup(t, s.main)
}

// checkOneAtATime checks by what went over the wire that the servers did not speak to the PBX at the
// same time: all of the one's comes before all of the other's.
func (s *site) checkOneAtATime(t *testing.T, since time.Time) {
	t.Helper()
	if said, changes := s.heard.turns(since); len(said) == 0 || changes != 1 {
		t.Errorf("of %d packets to the PBX, the sender changed %d times: %v", len(said), changes, said[:min(len(said), 20)])
	}
}
