package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"releve"
)

// standAlone has the main commit with nobody's mirror: what it acknowledges from now on is on
// its disk alone.
func (s *site) standAlone(t *testing.T) (heal func()) {
	t.Helper()
	set, err := s.main.settings()
	if err != nil {
		t.Fatal(err)
	}
	load := s.callIn(t, callsToPhone(0, 10)) // whose records wait for the mirror, until there is none
	load.waitGreeted(t, 5, time.Time{})
	heal = cut(t, "database", tcpPorts(set.Database.Listen.Port())...) // the mirror stays away
	killAll(freeze(s.secondary.postgres))
	stopped := time.Now()
	eventually(t, soloWithin, "a row of the main's that nobody mirrors", func() error {
		_, after := split(s.ear.offeredBy(load.name), stopped) // a row of an earlier call may only have been heard of now
		if len(s.ledger.of(after, releve.Main)) == 0 {
			return errNotYet
		}
		return nil
	})
	t.Logf("solo after %v", time.Since(stopped))
	if !s.main.mustView(t).Main.Vote {
		t.Error("the main acknowledges rows that nobody mirrors, and does not say that it has the vote")
	}
	checkServed(t, load.finish(t), s.main)
	return heal
}

// The main dies with rows that nobody else has, somebody says that it is off, and it comes back
// after all, without the spool that would tell them again: what only it had is shown, and given
// up or taken over as the operator says (M6). Rows of the product's own tables, that somebody
// changed and deleted by hand, are among them.
func relievedByHand(t *testing.T, s *site) {
	both := s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, both)
	s.checkEqual(t, s.main)
	heal, began := s.standAlone(t), time.Now()
	alone := s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute)
	s.checkRecorded(t, s.main, alone)
	changed, deleted := both[0].id, both[1].id
	s.main.execute(t, fmt.Sprintf("set synchronous_commit = local; update call set caller = 'corrected' where call = '%s'; delete from call_end where call = '%s'",
		changed, deleted))
	lone := s.ledger.since(began, releve.Main)
	s.main.kill9(t)
	mustDo(t, os.RemoveAll(filepath.Join(s.main.data, "spool")))
	heal()
	eventually(t, 30*time.Second, "the secondary on duty, on an operator's word", func() error {
		if r := s.secondary.run("takeover", "--other-is-off"); r.code != 0 {
			return fmt.Errorf("releve takeover: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		return nil
	})
	checkServed(t, s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute), s.secondary)
	s.bringBack(t)

	id := s.checkShown(t, lone, alone)
	there := func(when string, calls, corrected, ends int) {
		t.Helper()
		for what, want := range map[string]int{
			"call where call = '" + string(alone[0].id) + "'":                      calls,
			"call where caller = 'corrected' and call = '" + string(changed) + "'": corrected,
			"call_end where call = '" + string(deleted) + "'":                      ends,
		} {
			if n := must(s.main.query("select count(*)::text from " + what))(t); n[0] != strconv.Itoa(want) {
				t.Errorf("%s, the owner has %s rows of %s, want %d", when, n[0], what, want)
			}
		}
	}
	there("before anybody decides", 0, 0, 1)
	s.decide(t, id, releve.SalvageDiscarded, "discard")
	there("discarded", 0, 0, 1)
	s.decide(t, id, "", "apply", "--dry-run")
	there("rehearsed", 0, 0, 1)
	s.decide(t, id, releve.SalvageApplied, "apply")
	there("applied", 1, 0, 1)
	s.decide(t, id, releve.SalvageApplied, "apply", "--replace")
	there("applied over what the site has", 1, 1, 0)
	if r := s.main.run("salvage", "discard", id); r.code != exitPrecondition {
		t.Errorf("releve salvage discard of what was applied: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	s.checkRecorded(t, s.main, alone)
	s.checkEqual(t, s.main)
	found := must(s.main.recordedFacts())(t)
	for _, f := range s.ledger.all() {
		if gone := f.Kind == releve.CallEnded && f.Call == deleted; !gone && found[f.ID] != 1 {
			t.Errorf("fact %s (%s of call %s, acknowledged by %s) is there %d times", f.ID, f.Kind, f.Call, f.by, found[f.ID])
		}
	}
}

// checkShown gives the number of the one salvage that waits for an operator. It must show each
// of the facts once, and the two rows that were changed by hand.
func (s *site) checkShown(t *testing.T, facts []stored, calls []outcome) (id string) {
	t.Helper()
	eventually(t, time.Minute, "a salvage that waits for an operator", func() error {
		var all []releve.Salvage
		if err := json.Unmarshal([]byte(s.main.mustRun(t, "salvage", "list", "--output", "json")), &all); err != nil {
			return err
		}
		waiting := slices.DeleteFunc(slices.Clone(all), func(s releve.Salvage) bool { return s.State != releve.SalvageOpen })
		if len(waiting) != 1 { // one that holds nothing new, of a death before this one, is settled
			return fmt.Errorf("listed: %+v", all)
		}
		id = strconv.FormatInt(waiting[0].ID, 10)
		return nil
	})
	var shown releve.Salvage
	if err := json.Unmarshal([]byte(s.main.mustRun(t, "salvage", "show", id, "--limit", "100000", "--output", "json")), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Seat != releve.Main || !shown.Agree() || len(shown.Changes) != shown.Counts.All() {
		t.Errorf("%d rows are shown of a salvage with %+v, decoded %d transactions of %d: %s", len(shown.Changes), shown.Counts, shown.Transactions, shown.Commits, shown.Why)
	}
	t.Logf("salvaged: %+v", shown.Counts)
	inserted := map[releve.FactID]int{}
	byHand := map[string]releve.SalvageClass{}
	for _, c := range shown.Changes {
		switch fact := c.Key["fact_id"]; {
		case fact == nil: // what a server keeps about itself
		case c.Op == releve.RowInserted:
			inserted[releve.FactID(*fact)]++
		default:
			byHand[string(c.Op)+" "+c.Table] = c.Class
		}
	}
	for _, f := range facts {
		if inserted[f.ID] != 1 {
			t.Errorf("%s of call %s, which the main acknowledged alone, is shown %d times", f.Kind, f.Call, inserted[f.ID])
		}
	}
	if len(facts) < len(calls) {
		t.Errorf("the main acknowledged %d facts alone, of %d calls", len(facts), len(calls))
	}
	want := map[string]releve.SalvageClass{"update call": releve.SalvageConflict, "delete call_end": releve.SalvageConflict}
	if fmt.Sprint(byHand) != fmt.Sprint(want) { // the log says only which rows they were: nobody knows that the site has them as they were before
		t.Errorf("changed by hand and shown: %v, want %v", byHand, want)
	}
	return id
}

// decide runs a decision of the operator's and checks what state it leads to; "" stays what it
// was.
func (s *site) decide(t *testing.T, id string, state releve.SalvageState, args ...string) {
	t.Helper()
	args = append([]string{args[0], id}, args[1:]...)
	said := s.main.mustRun(t, "salvage", append(args, "--output", "json")...)
	var now releve.Salvage
	if err := json.Unmarshal([]byte(said), &now); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if state != "" && now.State != state {
		t.Errorf("releve salvage %v: it is %s, want %s", args, now.State, state)
	}
}
