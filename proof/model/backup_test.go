package model

import (
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/rules/takeover"
)

// The sites of level backup: the duty moves with both well, at a PBX that shows its bindings and at one that
// does not; a newer copy is made; and a dead server is relieved, on an operator's word or by what the PBX shows.
var (
	permuted  = Site{Level: releve.Backup, Shows: true, Told: []takeover.Command{takeover.Move, takeover.HandOver, takeover.Stay}}
	unshown   = Site{Level: releve.Backup, Told: []takeover.Command{takeover.Move, takeover.HandOver}}
	renewed   = Site{Level: releve.Backup, Shows: true, Told: []takeover.Command{takeover.Renew, takeover.Move}}
	calledOff = Site{Level: releve.Backup, Shows: true, Told: []takeover.Command{takeover.Take, takeover.Renew}}
	seenGone  = Site{Level: releve.Backup, Shows: true, Told: []takeover.Command{takeover.Relieve}}
	sightless = Site{Level: releve.Backup, Told: []takeover.Command{takeover.Relieve}}
)

// everyBackup are the walks of level backup.
var everyBackup = []Options{
	{Site: permuted, Bounds: Bounds{Terms: 2, Number: 1, Rows: 1, Faults: 1, Orders: 2, Incarnations: 1}, InSync: true},
	{Site: permuted, Bounds: Bounds{Terms: 2, Number: 2, Orders: 3, Incarnations: 1}, InSync: true},
	{Site: unshown, Bounds: Bounds{Terms: 2, Number: 1, Faults: 1, Orders: 2, Incarnations: 1}, InSync: true},
	{Site: renewed, Bounds: Bounds{Terms: 1, Number: 1, Rows: 1, Faults: 1, Orders: 2, Incarnations: 1}, InSync: true},
	{Site: calledOff, Bounds: Bounds{Terms: 2, Number: 1, Faults: 2, Orders: 2, Incarnations: 1}, InSync: true},
	{Site: seenGone, Bounds: Bounds{Terms: 3, Number: 1, Faults: 2, Orders: 2, Incarnations: 1}, InSync: true},
}

// without are the rules of level backup.
var withoutBackup = []taken{
	{Variant{Name: "the duty is given with the telephone open", Rule: "B3", tamper: lineClosed},
		permuted, Bounds{2, 1, 0, 0, 2, 1}, "two telephones are open"},
	{Variant{Name: "the duty is given with the binding in place", Rule: "B3", tamper: lineGone},
		permuted, Bounds{2, 1, 0, 1, 2, 1}, "both servers' bindings"},
	{Variant{Name: "a server that starts goes on with a duty that it remembers", Rule: "B3", tamper: confirmAtBackup},
		calledOff, Bounds{2, 1, 0, 1, 1, 1}, "two telephones are open"},
	{Variant{Name: "what the peer says by itself confirms a remembered duty", Rule: "B3", tamper: takesAnyWord},
		calledOff, Bounds{2, 1, 0, 2, 1, 1}, "two telephones are open"},
	{Variant{Name: "who was relieved does not give way", Rule: "R1", tamper: deafToLater},
		calledOff, Bounds{2, 1, 0, 1, 1, 1}, ""},
	{Variant{Name: "a silent server is relieved whatever the PBX shows", Rule: "B3", tamper: seesNothing},
		seenGone, Bounds{2, 1, 0, 1, 1, 1}, "taken from a server that is bound"},
	{Variant{Name: "an empty list of bindings is believed of every PBX", Rule: "B3", tamper: believesEmpty},
		sightless, Bounds{2, 1, 0, 1, 1, 1}, "taken from a server that is bound"},
	{Variant{Name: "a server takes the reception from another that the PBX shows", Rule: "B3", tamper: displacesAll},
		seenGone, Bounds{2, 1, 0, 2, 1, 1}, "both servers' bindings"},
}

func lineClosed(m *takeover.Machine, _ *takeover.Event) {
	if m.Phase == takeover.Silencing {
		m.Line = takeover.Line{Closed: true, Gone: true}
	}
}

func lineGone(m *takeover.Machine, _ *takeover.Event) { m.Line.Gone = m.Line.Closed }

func confirmAtBackup(m *takeover.Machine, _ *takeover.Event) {
	m.Confirmed = m.Confirmed || m.RunsAt() == releve.Backup && m.Owns()
}

func takesAnyWord(_ *takeover.Machine, e *takeover.Event) { e.Unasked = false }

func deafToLater(m *takeover.Machine, e *takeover.Event) {
	if e.Peer != nil && m.Owns() && e.Peer.Term > m.Term {
		e.Peer = nil
	}
}

func seesNothing(_ *takeover.Machine, e *takeover.Event) {
	if e.Shown != nil {
		e.Shown = &takeover.Shown{Any: true}
	}
}

func believesEmpty(_ *takeover.Machine, e *takeover.Event) {
	if e.Shown != nil {
		e.Shown = &takeover.Shown{Any: true, There: e.Shown.There}
	}
}

func displacesAll(m *takeover.Machine, _ *takeover.Event) { m.Displaces = m.Owns() }

// Where the PBX shows nothing, nothing is concluded from that, and an operator's order relieves nobody.
func TestNothingIsConcludedFromAPBXThatShowsNothing(t *testing.T) {
	r := Explore(Options{Site: sightless, Bounds: Bounds{2, 1, 0, 1, 2, 1}, InSync: true, Liveness: true})
	t.Log(r)
	if r.Broken != "" || r.Stuck > 0 || !r.Whole || slices.Contains(r.Rows, "duty-taken-by-order") {
		t.Errorf("%s\n%s", strings.Join(slices.Concat(r.Page, r.StuckPage), "\n"), r.Broken)
	}
}
