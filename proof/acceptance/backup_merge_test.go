package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve"
)

// What a site of level backup holds after a failure that nobody planned: facts of both servers, settings
// edited on both (SPEC B6), and a database that came back from the copy (M5).
func TestTheDataOfLevelBackup(t *testing.T) {
	s := ownSite(t, plan{})
	s.main.mustRun(t, "level", "use", "backup")
	s.waitBackup(t, s.main)
	t.Run("records, edits and deletes on both sides", func(t *testing.T) { editedOnBothSides(t, s) })
	t.Run("the main's database is lost", func(t *testing.T) { databaseLostAtBackup(t, s) })
}

// bySQL changes rows by hand on the server on duty, whose commits wait for nobody at this level.
func (s *server) bySQL(t *testing.T, statement string) {
	t.Helper()
	s.execute(t, "SET synchronous_commit = local; "+statement)
}

// directory is the numbers and names that a server holds.
func (s *server) directory(t *testing.T) string {
	t.Helper()
	return strings.Join(must(s.query("SELECT number || ' ' || name FROM extension ORDER BY number"))(t), ", ")
}

// editedOnBothSides: an unplanned switchover leaves rows on each server that the other lacks. The facts of
// both are kept; what was edited on both sides is shown as a conflict, and a person chooses.
func editedOnBothSides(t *testing.T, s *site) {
	s.main.bySQL(t, "INSERT INTO extension VALUES ('201', 'one'), ('202', 'two'), ('203', 'three'), ('204', 'four'), ('205', 'five')")
	s.main.mustRun(t, "copy")
	s.waitBackup(t, s.main)
	alone := s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, alone)
	s.main.bySQL(t, `UPDATE extension SET name = 'one of the main' WHERE number = '201'; DELETE FROM extension WHERE number = '202';
		UPDATE extension SET name = 'three of the main' WHERE number = '203'; UPDATE extension SET name = 'four of both' WHERE number = '204';
		DELETE FROM extension WHERE number = '205';
		INSERT INTO extension VALUES ('206', 'six of the main'), ('207', 'seven of the main')`)
	s.main.kill9(t)
	mustDo(t, os.RemoveAll(filepath.Join(s.main.data, "spool"))) // which would tell its facts again
	s.waitSilent(t)
	s.secondary.mustRun(t, "switchover", "--other-is-off", "--by", "A. Martin")
	mine := s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute)
	checkServed(t, mine, s.secondary)
	s.checkRecorded(t, s.secondary, mine)
	s.secondary.bySQL(t, `UPDATE extension SET name = 'one of the secondary' WHERE number = '201';
		UPDATE extension SET name = 'two of the secondary' WHERE number = '202'; DELETE FROM extension WHERE number = '203';
		UPDATE extension SET name = 'four of both' WHERE number = '204'; DELETE FROM extension WHERE number = '205';
		INSERT INTO extension VALUES ('206', 'six of the secondary')`)
	s.main.start(t)
	s.comesBack(t)

	const theirs = "201 one of the secondary, 202 two of the secondary, 204 four of both, 206 six of the secondary"
	is := func(when, want string) {
		t.Helper()
		if got := s.main.directory(t); got != want {
			t.Errorf("%s, the directory is\n%s\nand not\n%s", when, got, want)
		}
	}
	is("before anybody decides", theirs)
	id, shown := s.shownSalvage(t)
	for number, want := range map[string]string{
		"201": "update conflict", "202": "delete conflict", "203": "update conflict", "204": "update already", "205": "delete already",
		"206": "insert conflict", "207": "insert new",
	} {
		if got := shown[number]; got != want {
			t.Errorf("of number %s is shown %q, not %q", number, got, want)
		}
	}
	s.decide(t, id, "", "apply", "--dry-run")
	is("rehearsed", theirs)
	s.decide(t, id, releve.SalvageApplied, "apply")
	is("applied, where nothing is in the way", theirs+", 207 seven of the main")
	s.checkRecorded(t, s.main, append(alone, mine...))
	s.decide(t, id, releve.SalvageApplied, "apply", "--replace")
	is("the main's chosen", "201 one of the main, 203 three of the main, 204 four of both, 206 six of the main, 207 seven of the main")
	s.checkRecorded(t, s.main, append(alone, mine...))
}

// shownSalvage gives the number of the one salvage that waits, and how each number of the directory stands in it.
func (s *site) shownSalvage(t *testing.T) (id string, classes map[string]string) {
	t.Helper()
	eventually(t, time.Minute, "a salvage that waits for an operator", func() error {
		var all []releve.Salvage
		if err := json.Unmarshal([]byte(s.main.mustRun(t, "salvage", "list", "--output", "json")), &all); err != nil {
			return err
		}
		if len(all) != 1 || all[0].State != releve.SalvageOpen {
			return fmt.Errorf("listed: %+v", all)
		}
		id = strconv.FormatInt(all[0].ID, 10)
		return nil
	})
	var shown releve.Salvage
	if err := json.Unmarshal([]byte(s.main.mustRun(t, "salvage", "show", id, "--limit", "100000", "--output", "json")), &shown); err != nil {
		t.Fatal(err)
	}
	t.Logf("salvaged: %+v %s", shown.Counts, shown.Why)
	classes = map[string]string{}
	for _, c := range shown.Changes {
		if number := c.Key["number"]; c.Table == "extension" && number != nil {
			classes[*number] = string(c.Op) + " " + string(c.Class)
		}
	}
	return id, classes
}

// databaseLostAtBackup: calls are answered and their facts wait; the copy takes the database's place, and
// says as of when it is. What was recorded since is in what was set aside.
func databaseLostAtBackup(t *testing.T, s *site) {
	before := s.callIn(t, callsToPhone(5, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, before)
	s.main.mustRun(t, "copy")
	s.waitBackup(t, s.main)
	since := s.callIn(t, callsToPhone(5, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, since)
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 5, time.Time{})
	rewrite(t, filepath.Join(s.main.databaseDir(), "data", "global", "pg_control"), func(raw []byte) []byte {
		raw[40] ^= 1 // in what its checksum covers
		return raw
	})
	killAll(freeze(s.main.postgres))
	lost := time.Now()
	load.waitGreeted(t, 15, time.Now())
	eventually(t, 20*time.Second, "the screen says that the database is away", func() error {
		if v, err := s.main.view(); err != nil || v.Main.Data.State == releve.TierWell {
			return errors.Join(err, errNotYet)
		}
		return nil
	})
	rehearsed := s.main.mustRun(t, "restore", "--dry-run")
	if !strings.Contains(rehearsed, "copy is of") {
		t.Errorf("the rehearsal does not say as of when the copy is:\n%s", rehearsed)
	}
	began := time.Now()
	said := s.main.mustRun(t, "restore")
	t.Logf("restored in %v:\n%s", time.Since(began).Round(time.Millisecond), said)
	during := load.finish(t)
	checkGreeted(t, during, s.main)
	_, waited := split(during, lost)
	s.checkRecorded(t, s.main, append(before, waited...))
	if n := s.countOf(t, since); n != "0" {
		t.Errorf("of %d calls that were recorded since the copy, the database that came from it has %s", len(since), n)
	}
	s.main.mustRun(t, "mirror", "resume")
	s.waitBackup(t, s.main)
	after := s.callIn(t, callsToPhone(5, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, after)
	s.main.mustRun(t, "switchover")
	s.waitBackup(t, s.secondary)
	s.checkRecorded(t, s.secondary, append(append(before, waited...), after...))
}

func (s *site) countOf(t *testing.T, calls []outcome) string {
	t.Helper()
	var ids []string
	for _, c := range calls {
		ids = append(ids, "'"+string(c.id)+"'")
	}
	return must(s.main.query("SELECT count(*)::text FROM call WHERE call IN (" + strings.Join(ids, ", ") + ")"))(t)[0]
}
