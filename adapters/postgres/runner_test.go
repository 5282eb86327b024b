package postgres

import (
	"os"
	"slices"
	"testing"

	"releve"
	"releve/rules/alarm"
)

// Until a start has made the mirror's slot, the watch finds none and leaves it to the start;
// one that somebody drops afterwards is made again, and said.
func TestTheWatchLeavesTheSlotToTheStart(t *testing.T) {
	var said []string
	main := NewRunner(alone(t), nil, func(what releve.Sentence) {
		said = append(said, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
	})
	must(t, main.start(within(t), Primary))
	must(t, main.DropSlots(within(t)))
	for range 3 {
		_, _, err := main.Look(within(t))
		must(t, err)
	}
	if m, err := main.Cluster.Mirror(within(t)); err != nil || !m.SlotGone || len(said) > 0 {
		t.Fatalf("before the start has ended: %+v, %v, said %q", m, err, said)
	}
	must(t, main.keepForMirror(within(t)))
	must(t, main.DropSlots(within(t)))
	_, _, err := main.Look(within(t))
	must(t, err)
	if m, err := main.Cluster.Mirror(within(t)); err != nil || m.SlotGone ||
		!slices.Equal(said, []string{"warning event-slot-made-again"}) {
		t.Errorf("after it was dropped: %+v, %v, said %q", m, err, said)
	}
}

// A promotion without the slot that keeps log for the mirror is none: what was promoted is
// fenced at once, and promoted anew, from a copy, when there is room for a slot.
func TestAPromotionWhoseSlotCannotBeMadeIsMadeAgain(t *testing.T) {
	ctx := within(t)
	main, copied := pair(t)
	secondary := NewRunner(copied, nil, func(releve.Sentence) {})
	if own, m, err := secondary.Look(ctx); err != nil || !own.InRecovery || m != nil {
		t.Errorf("a copy is %+v, with the mirror %+v (%v)", own, m, err)
	}
	kept := copied.path("data", "pg_replslot")
	must(t, os.Chmod(kept, 0o500))
	main.Fence()

	if p, err := secondary.Promote(ctx, Asked{ID: "promotion"}); err == nil {
		t.Fatalf("promoted to %+v without a slot", p)
	}
	if _, err := secondary.Position(ctx); err == nil {
		t.Error("what was promoted without a slot still runs: a primary that keeps no log for its mirror")
	}
	must(t, os.Chmod(kept, 0o700))
	must(t, secondary.StartCopy(ctx))
	p, err := secondary.Promote(ctx, Asked{ID: "promotion"})
	must(t, err)
	if p.Timeline < 2 {
		t.Errorf("promoted to %+v", p)
	}
	for range 2 { // at once, and when it is known for the owner's
		if own, m, err := secondary.Look(ctx); err != nil || own.InRecovery ||
			own.Timeline != p.Timeline || m == nil || m.SlotGone || m.Present {
			t.Errorf("promoted it is %+v, with the mirror %+v (%v)", own, m, err)
		}
	}
	must(t, secondary.StartCopy(ctx))
	if own, m, err := secondary.Look(ctx); err != nil || !own.InRecovery || m != nil {
		t.Errorf("a copy again, it is %+v, with the mirror %+v (%v)", own, m, err)
	}
	must(t, secondary.Stop(ctx))
}
