// Package replay feeds diaries back into the table, which must decide again what they tell
// (SPEC H14).
package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
)

// Diary takes each step of a diary again, and says how many decisions, those not to
// act included, came out as they are told. The error joins what did not.
func Diary(entries []releve.Entry) (decisions int, err error) {
	steps := stepsOf(entries)
	for i, s := range steps {
		// The last entries before a power cut may be missing; what the diary dropped is
		// whole steps, and of all others each entry is there.
		is := slices.Equal[[]string]
		if i == len(steps)-1 || steps[i+1].boots() {
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

// step is one step of the machine and the entries that it left.
type step struct {
	entries []releve.Entry // all with the same input
	input   agent.Input
	fault   error // the input does not decode
}

// stepsOf groups the entries that were decided; what was only told has no input.
func stepsOf(entries []releve.Entry) (steps []step) {
	for _, e := range entries {
		if e.Kind == "fact" {
			continue
		}
		last := len(steps) - 1
		if last >= 0 && string(steps[last].entries[0].Input) == string(e.Input) {
			steps[last].entries = append(steps[last].entries, e)
			continue
		}
		s := step{entries: []releve.Entry{e}}
		s.input, s.fault = inputOf(e)
		steps = append(steps, s)
	}
	return steps
}

// inputOf reads what went in. An entry that says nothing of its format has the first; the
// second writes the same, and says so.
func inputOf(e releve.Entry) (in agent.Input, err error) {
	if e.Format > releve.EntryFormat {
		return in, fmt.Errorf("it was written in format %d by a later version", e.Format)
	}
	return in, json.Unmarshal(e.Input, &in)
}

// boots says whether this is the first step of a process.
func (s step) boots() bool { return s.input.Event.Boot != nil }

// check takes the step again and compares rules, their order and what each is told with:
// is says whether the rules of the diary are those of the step.
func (s step) check(is func(told, decided []string) bool) error {
	if s.fault != nil {
		return fmt.Errorf("its input cannot be read: %w", s.fault)
	}
	after, actions := s.again()
	want, got := Told(actions), s.rules()
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

// again lets the machine as it was take in the event again.
func (s step) again() (after takeover.Machine, actions []takeover.Action) {
	m := s.input.Machine
	actions = m.Step(s.input.Event)
	return m, actions
}

// rules are the decisions to act, in their order.
func (s step) rules() (names []string) {
	for _, e := range s.entries {
		if rule, decided := strings.CutPrefix(e.What.Code, "rule-"); decided {
			names = append(names, rule)
		}
	}
	return names
}

// Told are the rules behind actions that a diary tells: each once where it is
// carried out, and neither a round that begins nor the reminder that one is stopping.
func Told(actions []takeover.Action) (names []string) {
	for i, a := range actions {
		again := i > 0 && actions[i-1].Rule == a.Rule
		if !again && a.Kind != takeover.Check && a.Rule != "stop-asked" {
			names = append(names, a.Rule)
		}
	}
	return names
}

// checkArguments compares what an entry names with where the step leads.
func (s step) checkArguments(e releve.Entry, after takeover.Machine) error {
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
