package agent_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/server/agent"
)

// Every decision and every decision not to act can be replayed from the diary
// alone (H14): the machine as it was, given the event again, decides the same.
func TestTheDiaryCanBeReplayed(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		answered(s, 1)
		s.Decided(s.Secondary().Overflow(t.Context(), "refused@pbx", releve.ReasonNoAnswer))
		relieved(t, s)
		runAgain(t, s, "return")
		mirrorAway(t, s)
		for _, srv := range s.Both() {
			for _, e := range srv.Diary() {
				replay(t, e)
			}
		}
		for _, code := range []string{"rule-takeover", "rule-in-service", "rule-promoted"} {
			if len(s.Secondary().Said(code)) == 0 {
				t.Errorf("%s was never decided:\n%s", code, s.Trace())
			}
		}
		// What changed nothing may be folded where it comes too often; a change of duty never.
		for code, routine := range map[string]bool{"rule-takeover": false, "rule-promoted": false, "rule-in-service": true} {
			for _, e := range s.Secondary().Said(code) {
				if e.Routine != routine {
					t.Errorf("%s at %v: routine is %v", code, e.At, e.Routine)
				}
			}
		}
	})
}

func replay(t *testing.T, e releve.Entry) {
	t.Helper()
	if e.Kind == "fact" {
		return // it was told, not decided
	}
	var in agent.Input
	if err := json.Unmarshal(e.Input, &in); err != nil {
		t.Fatalf("%s: %v", e.What.Code, err)
	}
	m := in.Machine
	actions := m.Step(in.Event)
	rule, decided := strings.CutPrefix(e.What.Code, "rule-")
	if decided && !slices.ContainsFunc(actions, func(a takeover.Action) bool { return a.Rule == rule }) {
		t.Errorf("%s at %s is not decided again: %+v", rule, e.At, actions)
	}
	if decided && m.Term != e.Term {
		t.Errorf("%s ends in term %d, the diary says %d", rule, m.Term, e.Term)
	}
	if !decided && in.Event.Round == nil {
		t.Errorf("%s holds no round", e.What.Code)
	}
}
