package cli

import (
	"strings"
	"testing"

	"releve/rules/alarm"
)

// What an alarm says to run can be run.
func TestTheCommandsThatAlarmsNameAreThere(t *testing.T) {
	for _, k := range alarm.Kinds() {
		root := newRoot(&settings{language: "en"})
		words := strings.Fields(strings.TrimPrefix(k.Command, "releve "))
		found, rest, err := root.Find(words)
		if err != nil || found == root {
			t.Errorf("%s names %q: %v", k.Code, k.Command, err)
			continue
		}
		for _, flag := range rest {
			if name, is := strings.CutPrefix(flag, "--"); !is || found.Flags().Lookup(name) == nil {
				t.Errorf("%s names %q, and there is no %s", k.Code, k.Command, flag)
			}
		}
	}
}
