package procedure_test

import (
	"testing"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
)

// What a switchover of a dead main says while it waits for the PBX, and why it ends without.
func TestWhatIsSaidOfTheRegistrationOfADeadServer(t *testing.T) {
	bySight := procedure.Procedure{}
	if other, meant := procedure.Switchover.As(site(atBackup(off), atBackup(aside)), releve.Secondary); meant && other.Wordless != nil {
		bySight = *other.Wordless
	}
	step := bySight.Steps[0]
	for name, c := range map[string]struct {
		lease        takeover.Lease
		heard        bool
		waits, fails string
		done         bool
	}{
		"it stands":             {lease: takeover.Lease{Stands: true, Left: 41 * time.Second}, waits: "waits-lease"},
		"no time is said":       {lease: takeover.Lease{Stands: true}, waits: "waits-lease-unknown"},
		"the PBX is silent":     {lease: takeover.Lease{Silent: true, Stands: true, Left: time.Second}, waits: "waits-pbx-silent"},
		"it was renewed":        {lease: takeover.Lease{Renewed: true, Stands: true, Left: time.Second}, waits: "waits-lease", fails: "fails-lease-renewed"},
		"nothing is shown":      {lease: takeover.Lease{Hidden: true}, fails: "fails-lease-hidden"},
		"it is gone":            {lease: takeover.Lease{Gone: true}, done: true},
		"the other is heard":    {heard: true, fails: "fails-other-heard"},
		"nothing is known":      {},
		"what was told is over": {lease: takeover.Lease{}},
	} {
		here := atBackup(with(aside, func(s *procedure.Server) { s.Lease = c.lease }))
		s := site(atBackup(with(off, func(s *procedure.Server) { s.Heard = c.heard })), here)
		if got := step.Waits(s, releve.Secondary); got.Code != c.waits {
			t.Errorf("%s: it waits with %q, not %q", name, got.Code, c.waits)
		}
		if got := step.Fails(s, releve.Secondary); got.Code != c.fails {
			t.Errorf("%s: it fails with %q, not %q", name, got.Code, c.fails)
		}
		if got := step.Done(s, releve.Secondary); got != c.done {
			t.Errorf("%s: done is %v", name, got)
		}
	}
}

func atBackup(s procedure.Server) procedure.Server {
	s.Level = releve.Backup
	return s
}
