package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/agent"
	"releve/diary"
	"releve/takeover"
	"releve/view"
	"releve/view/words"
)

// replayAtTheEnd has the test end with a replay of both diaries (H14), and with what ended
// that nobody had ended. It is asked for whenever a test starts the site or takes it over from another test, and happens once.
func (s *site) replayAtTheEnd(t testing.TB) {
	if s.replayed == t {
		return
	}
	s.replayed = t
	t.Cleanup(func() {
		for _, server := range []*server{s.main, s.secondary} {
			server.checkReplay(t)
		}
		for _, told := range exits.take() {
			t.Error(told)
		}
		if t.Failed() {
			t.Log(s.logs())
		}
	})
}

// checkReplay feeds what a server's diary says went in back into the table, and fails
// the test for each decision that does not come out as the diary tells it.
func (s *server) checkReplay(t testing.TB) {
	t.Helper()
	entries, err := s.diaryOnDisk()
	if err != nil {
		t.Error(err)
		return
	}
	decisions, err := replay(entries)
	if err != nil {
		t.Errorf("the diary of the %s server is not what its table decides: %v", s.seat, err)
	}
	if decisions == 0 {
		t.Errorf("the diary of the %s server holds no decision to replay, of %d entries", s.seat, len(entries))
	}
	t.Logf("replayed %d decisions from the diary of the %s server", decisions, s.seat)
}

// diaryOnDisk is all that a server's diary holds, oldest first.
func (s *server) diaryOnDisk() ([]view.Entry, error) {
	d, err := diary.Open(filepath.Join(s.data, "diary"), diary.Options{Seat: s.seat})
	if err != nil {
		return nil, err
	}
	entries, err := d.Recent(math.MaxInt)
	return entries, errors.Join(err, d.Close())
}

// replay takes each step of a diary again, and says how many decisions, those not to
// act included, came out as they are told. The error joins what did not.
func replay(entries []view.Entry) (decisions int, err error) {
	dropped := slices.ContainsFunc(entries, func(e view.Entry) bool { return e.What.Code == diary.Dropped })
	steps := stepsOf(entries)
	for i, s := range steps {
		// The last entries before a power cut may be missing, and so may those that the
		// diary says it dropped, wherever they stood; all others are there.
		is := slices.Equal[[]string]
		switch {
		case dropped:
			is = partOf
		case i == len(steps)-1 || steps[i+1].boots():
			is = beginningOf
		}
		if fault := s.check(is); fault != nil {
			first := s.entries[0]
			err = errors.Join(err, fmt.Errorf("%s, %s in term %d: %w", first.At.Format("15:04:05.000"), first.What.Code, first.Term, fault))
			continue
		}
		decisions += len(s.entries)
	}
	return decisions, err
}

// diaryStep is one step of the machine and the entries that it left.
type diaryStep struct {
	entries []view.Entry // all with the same input
	input   agent.Input
	fault   error // the input does not decode
}

// stepsOf groups the entries that were decided; what was only told has no input.
func stepsOf(entries []view.Entry) (steps []diaryStep) {
	for _, e := range entries {
		if e.Kind == "fact" {
			continue
		}
		last := len(steps) - 1
		if last >= 0 && string(steps[last].entries[0].Input) == string(e.Input) {
			steps[last].entries = append(steps[last].entries, e)
			continue
		}
		s := diaryStep{entries: []view.Entry{e}}
		s.fault = json.Unmarshal(e.Input, &s.input)
		steps = append(steps, s)
	}
	return steps
}

// boots says whether this is the first step of a process.
func (s diaryStep) boots() bool { return s.input.Event.Boot != nil }

// check takes the step again and compares rules, their order and what each is told with:
// is says whether the rules of the diary are those of the step.
func (s diaryStep) check(is func(told, decided []string) bool) error {
	if s.fault != nil {
		return fmt.Errorf("its input cannot be read: %w", s.fault)
	}
	after, actions := s.again()
	want, got := toldRules(actions), s.rules()
	if !is(got, want) {
		return fmt.Errorf("the diary has the decisions %q, the same step decides %q", got, want)
	}
	for _, e := range s.entries {
		if err := s.checkArguments(e, after); err != nil {
			return err
		}
	}
	return nil
}

func beginningOf(part, whole []string) bool {
	return len(part) <= len(whole) && slices.Equal(part, whole[:len(part)])
}

// partOf says whether all of part stands in whole, in the same order.
func partOf(part, whole []string) bool {
	for _, name := range part {
		at := slices.Index(whole, name)
		if at < 0 {
			return false
		}
		whole = whole[at+1:]
	}
	return true
}

// again lets the machine as it was take in the event again.
func (s diaryStep) again() (after takeover.Machine, actions []takeover.Action) {
	m := s.input.Machine
	actions = m.Step(s.input.Event)
	return m, actions
}

// rules are the decisions to act, in their order.
func (s diaryStep) rules() (names []string) {
	for _, e := range s.entries {
		if rule, decided := strings.CutPrefix(e.What.Code, "rule-"); decided {
			names = append(names, rule)
		}
	}
	return names
}

// toldRules are the rules behind actions that a diary tells: each once where it is
// carried out, and neither a round that begins nor the reminder that one is stopping.
func toldRules(actions []takeover.Action) (names []string) {
	for i, a := range actions {
		again := i > 0 && actions[i-1].Rule == a.Rule
		if !again && a.Kind != takeover.Check && a.Rule != "stop-asked" {
			names = append(names, a.Rule)
		}
	}
	return names
}

// checkArguments compares what an entry names with where the step leads.
func (s diaryStep) checkArguments(e view.Entry, after takeover.Machine) error {
	want := map[string]string{
		"term": fmt.Sprint(after.Term), "seat": string(after.Seat), "number": fmt.Sprint(after.Number), "cause": after.Cause,
	}
	if e.Kind == "non-decision" {
		if s.input.Event.Round == nil {
			return errors.New("it holds no round")
		}
		before := s.input.Machine
		want = map[string]string{"failed": strconv.Itoa(after.Count.Failed), "of": strconv.Itoa(before.Settings.Rounds)}
		if code := "round-" + string(s.input.Event.Round.Judge()); code != e.What.Code {
			return fmt.Errorf("the same round is judged %s", code)
		}
	}
	if e.Term != after.Term {
		return fmt.Errorf("the same step ends in term %d", after.Term)
	}
	for name, value := range want {
		if told := e.What.Args[name]; told != value {
			return fmt.Errorf("%s is told with %s %q, the same step leads to %q", e.What.Code, name, told, value)
		}
	}
	return nil
}

// checkExplainedAt asks a server that took over what it decided at the moment when the
// wire first carried its answer to a call: for people in both languages, and for programs.
func (s *site) checkExplainedAt(t testing.TB, by *server, since time.Time, term releve.Term) {
	t.Helper()
	answers := s.ear.sentBy(by.host, since, answersCall)
	if len(answers) == 0 {
		t.Fatalf("the %s server answered no call", by.seat)
	}
	moment := answers[0].at.Format(time.RFC3339)
	var entries []view.Entry
	if err := json.Unmarshal([]byte(by.mustRun(t, "explain", "--at", moment, "--output", "json")), &entries); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e view.Entry) bool { return e.What.Code == s.ruleOfTakeover() && e.Term == term })
	if i < 0 {
		t.Errorf("releve explain --at %s tells nothing of the takeover in term %d, in %d entries", moment, term, len(entries))
		return
	}
	took := entries[i]
	if early := answers[0].at.Sub(took.At); early < 0 || early > decidedWithin { // the journal is on the disk in between
		t.Errorf("the takeover is explained %v before the first answer", early)
	}
	for _, language := range []releve.Language{releve.English, releve.French} {
		said := by.mustRun(t, "explain", "--at", moment, "--language", string(language))
		for _, want := range append([]view.Sentence{took.What}, took.Evidence...) {
			if !strings.Contains(said, words.Say(language, want)) {
				t.Errorf("releve explain --at %s --language %s does not say %q:\n%s", moment, language, words.Say(language, want), said)
			}
		}
		if !strings.Contains(said, string(took.Call)) {
			t.Errorf("releve explain --at %s --language %s does not name the call %s", moment, language, took.Call)
		}
	}
}

// diaryOf is what a machine that takes in these events leaves in its diary.
func diaryOf(t *testing.T, m takeover.Machine, events ...takeover.Event) (entries []view.Entry) {
	t.Helper()
	for _, e := range events {
		input, err := json.Marshal(agent.Input{Machine: m, Event: e})
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range toldRules(m.Step(e)) {
			entries = append(entries, view.Entry{Seat: m.Seat, Term: m.Term, Kind: "decision", Input: input, What: view.Say("rule-"+rule,
				"term", fmt.Sprint(m.Term), "seat", string(m.Seat), "number", fmt.Sprint(m.Number), "cause", m.Cause)})
		}
	}
	return entries
}

// A diary that tells anything else than what the table decides is found out.
func TestTheReplayFindsADiaryThatTellsSomethingElse(t *testing.T) {
	alone := takeover.Durable{Seat: "main", Term: 3, Owner: "main", Vote: true, DataID: "data", Promotion: takeover.Promotion{Done: true}}
	told := func() []view.Entry {
		return diaryOf(t, takeover.New(takeover.Settings{Seat: "main", Rounds: 3}),
			takeover.Event{Now: 1, Boot: &takeover.Boot{Known: true, Durable: alone, Disk: takeover.DiskOurs, DataID: "data"}},
			takeover.Event{Now: 2, Done: &takeover.Done{Job: takeover.JobStart, Turn: 1, Database: &takeover.Database{Up: true}}})
	}
	if n, err := replay(told()); n != 3 || err != nil {
		t.Fatalf("replayed %d decisions of a true diary, want 3: %v", n, err)
	}
	if n, err := replay(told()[:1]); n != 1 || err != nil {
		t.Errorf("replayed %d decisions of a diary whose writer was killed, want 1: %v", n, err)
	}
	full := append(told()[1:], view.Entry{Kind: "fact", What: view.Say(diary.Dropped)})
	if n, err := replay(full); n != 2 || err != nil {
		t.Errorf("replayed %d decisions of a diary that a full disk dropped one of, want 2: %v", n, err)
	}
	for what, change := range map[string]func(all []view.Entry) []view.Entry{
		"another rule":      func(all []view.Entry) []view.Entry { all[0].What.Code = "rule-data-missing"; return all },
		"one rule too few":  func(all []view.Entry) []view.Entry { return slices.Delete(all, 1, 2) },
		"one rule too many": func(all []view.Entry) []view.Entry { return append(all, all[2]) },
		"another order":     func(all []view.Entry) []view.Entry { all[0], all[1] = all[1], all[0]; return all },
		"another term":      func(all []view.Entry) []view.Entry { all[1].Term = 4; return all },
		"another number":    func(all []view.Entry) []view.Entry { all[1].What.Args["number"] = "7"; return all },
		"another machine": func(all []view.Entry) []view.Entry {
			all[2].Input = []byte(strings.Replace(string(all[2].Input), `"vote":true`, `"vote":false`, 1))
			return all
		},
		"half an input":   func(all []view.Entry) []view.Entry { all[2].Input = all[2].Input[:40]; return all },
		"a verdict alone": func(all []view.Entry) []view.Entry { all[2].Kind = "non-decision"; return all },
	} {
		if _, err := replay(change(told())); err == nil {
			t.Errorf("%s: not found", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}
