package attendant

import (
	"reflect"
	"testing"

	"releve"
)

// What another server says of a conversation is taken for what it can be here.
func TestAPlaceThatThisScriptDoesNotKnow(t *testing.T) {
	plan, err := ParsePlan("1000-1999", "9")
	if err != nil {
		t.Fatal(err)
	}
	s := Script{Language: releve.French, ExtensionDigits: 4, Operator: "9", Plan: plan}
	for story, p := range map[string]Place{
		"a phase of a later version":       {Phase: "recording"},
		"none":                             {},
		"a call that is over":              {Phase: string(over)},
		"a number that may not be dialled": {Phase: string(announcing), Target: Transfer{"15", Extension}},
		"a transfer to one":                {Phase: string(transferring), Target: Transfer{"0033899000000", Extension}},
		"counts below zero":                {Phase: string(prompted), Silences: -1000, Mistakes: -1000, Returns: -1000, OperatorCalls: -1000},
	} {
		actions, _ := Resume(s, p).Step(Event{What: Resumed})
		if want := []Action{Note{Name: "menu"}, Play{[]string{"fr/menu"}}}; !reflect.DeepEqual(actions, want) {
			t.Errorf("%s: %v, want the menu", story, actions)
		}
	}
	if c := Resume(s, Place{Phase: string(prompted), Silences: -1, Mistakes: -1, Returns: -1, OperatorCalls: -1}); c.silences+c.mistakes+c.returns+c.operatorCalls != 0 {
		t.Errorf("counts below zero give %+v", c)
	}
}
