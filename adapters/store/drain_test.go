package store_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/adapters/store"
	"releve/adapters/store/internal/pgtest"
)

// fact makes a fact or ends the test.
func fact(t testing.TB, kind releve.FactKind, call releve.CallID, body any) releve.Fact {
	t.Helper()
	f, err := releve.NewFact(kind, call, releve.Main, 1, time.Now(), body)
	must(t, err)
	return f
}

// oneCall is the facts of a whole call.
func oneCall(t testing.TB, call releve.CallID) []releve.Fact {
	t.Helper()
	return []releve.Fact{
		fact(t, releve.CallOffered, call, releve.CallBody{From: "0612xxxxxx", To: "9000", AnsweredMS: 12}),
		fact(t, releve.CallStepped, call, releve.StepBody{Number: 1, Name: "greeting"}),
		fact(t, releve.CallStepped, call, releve.StepBody{Number: 2, Name: "transfer", Detail: "201"}),
		fact(t, releve.CallEnded, call, releve.EndBody{Outcome: "transferred", DurationMS: 4200}),
	}
}

// numbered gives facts the sequences after a position.
func numbered(after uint64, facts ...releve.Fact) []releve.SpoolRecord {
	records := make([]releve.SpoolRecord, len(facts))
	for i, f := range facts {
		records[i] = releve.SpoolRecord{Sequence: after + uint64(i) + 1, Fact: f}
	}
	return records
}

// drain drains and compares.
func drain(t testing.TB, s *store.Store, incarnation string, records []releve.SpoolRecord, want store.Drained) {
	t.Helper()
	got, err := s.Drain(within(t), releve.Main, incarnation, records)
	must(t, err)
	if got != want {
		t.Errorf("drained %+v, expected %+v", got, want)
	}
}

func TestTheSameRecordsDrainedTwiceAreStoredOnce(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	records := numbered(0, oneCall(t, "a")...)
	drain(t, s, "one", records, store.Drained{UpTo: 4, New: 4})
	drain(t, s, "one", records, store.Drained{UpTo: 4, Already: 4})
	drain(t, s, "one", nil, store.Drained{UpTo: 4})
	for table, want := range map[string]int{
		"promotion": 1, "call": 1, "call_step": 2, "call_end": 1, "refused": 0, "spool_gap": 0,
	} {
		if n := p.count("SELECT count(*) FROM " + table); n != want {
			t.Errorf("%s has %d rows, expected %d", table, n, want)
		}
	}
}

func TestTwoSpoolsInterleavedKeepTheirOwnPositions(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	a, b := oneCall(t, "a"), oneCall(t, "b")
	drain(t, s, "one", numbered(0, a[:2]...), store.Drained{UpTo: 2, New: 2})
	drain(t, s, "two", numbered(0, b[:3]...), store.Drained{UpTo: 3, New: 3})
	drain(t, s, "one", numbered(1, a[1:]...), store.Drained{UpTo: 4, New: 2, Already: 1})
	drain(t, s, "two", numbered(3, b[3], a[0]), store.Drained{UpTo: 5, New: 1, Already: 1}) // a fact that both have
	if n := p.count("SELECT count(*) FROM call_record WHERE outcome = 'transferred'"); n != 2 {
		t.Errorf("%d whole calls, expected 2", n)
	}
}

func TestACallIsReadAsItsFactsTellIt(t *testing.T) {
	p := newSite(t, alone)
	s := p.open(func(o *store.Options) { o.OwnUser = "standby" })
	facts := oneCall(t, "a")
	slices.Reverse(facts) // facts commute
	drain(t, s, "one", numbered(0, facts...), store.Drained{UpTo: 4, New: 4})
	drain(t, s, "one", numbered(4, fact(t, releve.CallOffered, "later", releve.CallBody{From: "standby", Test: true})),
		store.Drained{UpTo: 5, New: 1})
	page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 10)
	must(t, err)
	calls := page.Calls
	if page.More || len(calls) != 2 || calls[0].Call != "later" || calls[0].Outcome != "" ||
		!calls[0].Test || calls[0].From != "standby" || len(calls[0].Steps) != 0 {
		t.Fatalf("calls: %+v", calls)
	}
	c := calls[1]
	if c.Call != "a" || c.From != "0612******" || c.Outcome != "transferred" ||
		c.Duration != 4200*time.Millisecond || !c.Stored || c.Term != 1 || c.Seat != releve.Main {
		t.Errorf("call: %+v", c)
	}
	if len(c.Steps) != 2 || c.Steps[0].Name != "greeting" || c.Steps[1].Detail != "201" || c.Steps[0].At.IsZero() {
		t.Errorf("steps: %+v", c.Steps)
	}
}

// TestOnlyTheSitesOwnUserIsShownWhole: an older version stored short numbers whole, and took
// for a test whatever bore a test's header.
func TestOnlyTheSitesOwnUserIsShownWhole(t *testing.T) {
	s := newSite(t, alone).open(func(o *store.Options) { o.OwnUser = "8900" })
	var facts []releve.Fact
	want := map[releve.CallID]string{}
	for call, c := range map[releve.CallID]struct {
		from, shown string
		test        bool
	}{"ours": {"8900", "8900", true}, "colleague": {"1010", "10**", true}, "no test": {"8900", "89**", false}} {
		facts = append(facts, fact(t, releve.CallOffered, call, releve.CallBody{From: c.from, Test: c.test}))
		want[call] = c.shown
	}
	drain(t, s, "one", numbered(0, facts...), store.Drained{UpTo: 3, New: 3})
	page, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 10)
	must(t, err)
	for _, c := range page.Calls {
		if c.From != want[c.Call] {
			t.Errorf("%s is shown as %q, not %q", c.Call, c.From, want[c.Call])
		}
	}
}

// TestTheListOfCallsIsReadInPagesBoundedInBytes: whatever a call holds, a page of them is
// about as large as ever, and the pages together are the list.
func TestTheListOfCallsIsReadInPagesBoundedInBytes(t *testing.T) {
	const calls, pageBytes, pageRows = 250, 128 << 10, 100
	p := newSite(t, alone)
	s := p.open()
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	var facts []releve.Fact
	for i := range calls {
		id := releve.CallID(fmt.Sprintf("call-%d", i*7919%calls)) // neither in the order of their coming nor of their names
		f := fact(t, releve.CallOffered, id, releve.CallBody{From: "0612******"})
		f.At = at.Add(time.Duration(i/5) * time.Second) // five come at the same time
		facts = append(facts, f)
		if i%25 == 0 { // some are long
			f := fact(t, releve.CallStepped, id, releve.StepBody{Number: 1, Name: "note", Detail: strings.Repeat("long ", 8<<10)})
			f.At = at
			facts = append(facts, f)
		}
	}
	for n := 0; n < len(facts); n += 50 {
		some := facts[n:min(n+50, len(facts))]
		drain(t, s, "one", numbered(uint64(n), some...), store.Drained{UpTo: uint64(n + len(some)), New: len(some)})
	}
	seen := map[releve.CallID]bool{}
	var last releve.CallMark
	for more := true; more; {
		page, err := s.Calls(within(t), releve.CallQuery{}, last, calls)
		must(t, err)
		bytes := 0
		for _, c := range page.Calls {
			if seen[c.Call] || !last.At.IsZero() && c.At.After(last.At) {
				t.Fatalf("%s comes twice, or after an older one", c.Call)
			}
			if bytes > pageBytes {
				t.Fatalf("a page has %d bytes and goes on", bytes)
			}
			for _, step := range c.Steps {
				bytes += len(step.Detail)
			}
			seen[c.Call] = true
			last = releve.CallMark{At: c.At, Call: c.Call, Seat: c.Seat}
		}
		if more = page.More; len(page.Calls) > pageRows || more && len(page.Calls) == 0 {
			t.Fatalf("a page of %d calls, more: %v", len(page.Calls), more)
		}
	}
	if len(seen) != calls {
		t.Errorf("%d of %d calls were read", len(seen), calls)
	}
}

func TestAPoisonedRecordIsSetAsideAndTheRestIsStored(t *testing.T) {
	p := newSite(t, alone)
	var stored []releve.Fact
	s := p.open(func(o *store.Options) { o.OnStored = func(f []releve.Fact) { stored = append(stored, f...) } })
	good := oneCall(t, "good")
	otherVersion := fact(t, "transcript", "a", struct{}{})
	wrongBody := fact(t, releve.CallEnded, "a", "a string")
	wrongSeat := fact(t, releve.CallOffered, "a", releve.CallBody{})
	wrongSeat.Seat = "attic"
	records := numbered(0,
		good[0],
		fact(t, releve.CallStepped, "a", releve.StepBody{Name: "nul\x00"}), // 22021
		good[1],
		fact(t, releve.CallOffered, "", releve.CallBody{}), // 23514
		otherVersion, wrongBody, wrongSeat,
		releve.Fact{Body: json.RawMessage("not JSON at all")},
		good[2], good[3])
	drain(t, s, "one", records, store.Drained{UpTo: 10, New: 4, Refused: 6})
	if !reflect.DeepEqual(stored, good) {
		t.Errorf("said to be stored: %+v", stored)
	}
	if n := p.count("SELECT count(*) FROM call_step") + p.count("SELECT count(*) FROM call_end"); n != 3 {
		t.Errorf("%d steps and ends, expected 3", n)
	}
	codes := map[string]int{"22021": 1, "23514": 2, "undecodable": 3}
	for code, want := range codes {
		if n := p.count("SELECT count(*) FROM refused WHERE code = $1 AND reason <> '' AND length(record) > 0", code); n != want {
			t.Errorf("%d records refused with %s, expected %d", n, code, want)
		}
	}
	drain(t, s, "one", records, store.Drained{UpTo: 10, Already: 4, Refused: 6})
}

func TestARecordIsSetAsideWhateverItsSQLSTATE(t *testing.T) {
	for code, raise := range map[string]string{
		"54000": "", // by its own length alone
		"P0001": "P0001", "XX000": "XX000", "42501": "42501", "0A000": "0A000", "21000": "21000",
	} {
		t.Run(code, func(t *testing.T) {
			p := newSite(t, alone)
			s := p.open()
			culprit := releve.CallID("culprit")
			if raise == "" {
				culprit = longCallID()
			} else {
				p.refuseBy(raise, "culprit")
			}
			records := numbered(0, append(append(oneCall(t, "before"),
				fact(t, releve.CallStepped, culprit, releve.StepBody{})), oneCall(t, "after")...)...)
			drain(t, s, "one", records, store.Drained{UpTo: 9, New: 8, Refused: 1})
			drain(t, s, "one", records, store.Drained{UpTo: 9, Already: 8, Refused: 1})
			if n := p.count("SELECT count(*) FROM refused WHERE code = $1 AND sequence = 5", code); n != 1 {
				t.Errorf("%d records refused with %s, expected 1", n, code)
			}
		})
	}
}

func TestWhatTheDatabasesOwnTroubleRefusesWaits(t *testing.T) {
	for _, code := range []string{
		"08006", "25006", "40001", "40P01", "53100", "53200", "55P03", "57014", "58030", "XX001", "XX002",
	} {
		t.Run(code, func(t *testing.T) { keepsWaiting(t, code, "culprit") })
	}
	t.Run("an ordinary fact is refused too", func(t *testing.T) { keepsWaiting(t, "P0001", "") })
}

// keepsWaiting drains into a database that refuses steps, which may not cost a record.
func keepsWaiting(t *testing.T, code, call string) {
	p := newSite(t, alone)
	s := p.open()
	p.refuseBy(code, call)
	records := numbered(0, fact(t, releve.CallStepped, "culprit", releve.StepBody{}))
	if d, err := s.Drain(within(t), releve.Main, "one", records); err == nil {
		t.Fatalf("drained %+v", d)
	}
	_, err := p.own.Exec(within(t), "DROP TRIGGER refuse ON call_step")
	must(t, err)
	drain(t, s, "one", records, store.Drained{UpTo: 1, New: 1})
}

// refuseBy makes the database refuse the steps of a call with a SQLSTATE, or of all calls.
func (p *site) refuseBy(code, call string) {
	p.t.Helper()
	_, err := p.own.Exec(within(p.t), fmt.Sprintf(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF '%[2]s' IN ('', NEW.call) THEN RAISE EXCEPTION 'refused' USING ERRCODE = '%[1]s'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON call_step FOR EACH ROW EXECUTE FUNCTION refuse()`, code, call))
	must(p.t, err)
}

// longCallID is longer than a row of an index may be, and cannot be compressed.
func longCallID() releve.CallID {
	var id strings.Builder
	for id.Len() < 4000 {
		id.WriteString(rand.Text())
	}
	return releve.CallID(id.String())
}

func TestAGapInASpoolIsListed(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	facts := oneCall(t, "a")
	drain(t, s, "one", append(numbered(2, facts[0]), numbered(3, facts[1])...), store.Drained{UpTo: 4, New: 2, Missing: 2})
	if n := p.count("SELECT count(*) FROM spool_gap WHERE incarnation = 'one' AND first = 1 AND last = 2"); n != 1 {
		t.Errorf("the gap of 1 to 2 is not listed")
	}
}

func TestASpoolPutBackFromAnOlderCopyIsNotSkipped(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	drain(t, s, "one", numbered(0, oneCall(t, "a")...), store.Drained{UpTo: 4, New: 4})
	_, err := s.Drain(within(t), releve.Main, "one", numbered(2, oneCall(t, "b")[:2]...)) // new facts under old numbers
	ahead, ok := errors.AsType[*store.PositionAhead](err)
	if !ok || ahead.Position != 4 || ahead.Unknown != 2 {
		t.Errorf("got %v", err)
	}
}

func TestRecordsOutOfOrderAreRefused(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	records := numbered(0, oneCall(t, "a")...)
	slices.Reverse(records)
	_, err := s.Drain(within(t), releve.Main, "one", records)
	says(t, err, "record 3 comes after record 4")
}

func TestADrainInDoubtIsSettledByTheNext(t *testing.T) {
	p := newSite(t, alone)
	var stored []releve.Fact
	var doubts atomic.Int64
	s := p.openWithoutVote(func(o *store.Options) { o.OnStored = func(f []releve.Fact) { stored = append(stored, f...) } },
		counting(&doubts))
	records := numbered(0, oneCall(t, "a")...)
	done := inBackground(func() error {
		_, err := s.Drain(within(t), releve.Main, "one", records)
		return err
	})
	p.count("SELECT pg_terminate_backend($1)::int", p.untilWaiting())
	if _, ok := errors.AsType[*store.InDoubt](answer(t, done)); !ok || doubts.Load() != 1 || len(stored) != 0 {
		t.Fatalf("%d in doubt, %d facts said to be stored", doubts.Load(), len(stored))
	}
	must(t, s.SetLone(within(t), true))
	drain(t, s, "one", records, store.Drained{UpTo: 4, Already: 4}) // visible, and now also acknowledged
	if doubts.Load() != 0 || len(stored) != 4 {
		t.Errorf("%d in doubt, %d facts said to be stored", doubts.Load(), len(stored))
	}
}

func TestABackendKilledWhileItWaitsLosesNothing(t *testing.T) {
	c := pgtest.Run(t)
	p := newSite(t, c)
	s := p.openWithoutVote()
	records := numbered(0, oneCall(t, "a")...)
	done := inBackground(func() error {
		_, err := s.Drain(within(t), releve.Main, "one", records)
		return err
	})
	must(t, syscall.Kill(p.untilWaiting(), syscall.SIGKILL))
	if _, ok := errors.AsType[*store.InDoubt](answer(t, done)); !ok {
		t.Fatal("a commit whose backend was killed is not in doubt")
	}
	s.Release()
	<-c.Exited() // restart_after_crash is off (R6)
	must(t, c.Start())
	p.reach(c)
	again := p.open(func(o *store.Options) { o.Term = 2 })
	drain(t, again, "one", records, store.Drained{UpTo: 4, Already: 4})
	if n := p.count("SELECT count(*) FROM call_step"); n != 2 {
		t.Errorf("%d steps, expected 2", n)
	}
}

func TestWithAMirrorCommitsAreThereToo(t *testing.T) {
	c := pgtest.Run(t)
	mirror := c.RunMirror(t)
	p := newSite(t, c)
	s := p.open(func(o *store.Options) { o.Lone = false }) // migrations and promotion wait for the mirror
	drain(t, s, "one", numbered(0, oneCall(t, "a")...), store.Drained{UpTo: 4, New: 4})
	must(t, s.Write(within(t), insert(within(t), "202")))
	theirs := &site{t: t, name: p.name, url: mirror.URL(p.name)}
	pool := theirs.pool()
	eventually(t, "the mirror has replayed the last commit", func() (there bool) {
		return pool.QueryRow(within(t), "SELECT EXISTS (SELECT FROM extension WHERE number = '202')").Scan(&there) == nil && there
	})
	here, err := s.Calls(within(t), releve.CallQuery{}, releve.CallMark{}, 10)
	must(t, err)
	there, err := store.ReadCalls(within(t), pool, "", releve.CallQuery{}, releve.CallMark{}, 10)
	must(t, err)
	if len(there.Calls) != 1 || !reflect.DeepEqual(here, there) {
		t.Errorf("owner %+v, mirror %+v", here, there)
	}
}

func TestAReadBehindALockEndsAtItsLimit(t *testing.T) {
	p := newSite(t, alone)
	s := p.open()
	tx, err := p.own.Begin(within(t))
	must(t, err)
	_, err = tx.Exec(within(t), "LOCK TABLE call")
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Calls(ctx, releve.CallQuery{}, releve.CallMark{}, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	must(t, tx.Rollback(within(t)))
}
