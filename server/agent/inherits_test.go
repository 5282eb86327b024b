package agent

import (
	"testing"

	"releve"
	"releve/rules/takeover"
)

// Calls in progress are inherited from an owner who was relieved, and from none who lives.
func TestWhoseCallsAreInherited(t *testing.T) {
	at := func(owner releve.Seat, term releve.Term) (m takeover.Machine) {
		m.Seat, m.Owner, m.Term, m.Known = releve.Secondary, owner, term, true
		return m
	}
	released := func(m takeover.Machine, term releve.Term) takeover.Machine {
		m.Other = takeover.Status{Seat: releve.Main, Owner: releve.Main, Term: term, Released: true}
		return m
	}
	for story, c := range map[string]struct {
		before, after takeover.Machine
		want          bool
	}{
		"a verdict":                          {at(releve.Main, 3), at(releve.Secondary, 4), true},
		"the owner handed over":              {at(releve.Main, 3), released(at(releve.Secondary, 4), 3), false},
		"it had handed an earlier term over": {at(releve.Main, 3), released(at(releve.Secondary, 4), 2), true},
		"the duty is the other's":            {at(releve.Main, 3), at(releve.Main, 4), false},
		"it was on duty before":              {at(releve.Secondary, 3), at(releve.Secondary, 4), false},
		"a site begins, and had nobody":      {at("", 0), at(releve.Secondary, 1), false},
		"the duty is lost":                   {at(releve.Secondary, 3), at(releve.Main, 4), false},
	} {
		if got := inherits(c.before, c.after); got != c.want {
			t.Errorf("%s: inherited %v", story, got)
		}
	}
}
