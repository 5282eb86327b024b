package agent

import (
	"reflect"

	"releve/screen/view"
)

// Readied is told whether the standby could take over now. What was told is not changed any more.
// Viewers look again only where it is another answer: who gives it looks at the site every other second.
func (f *Front) Readied(r *view.Readiness) {
	if f.board.ready(r) {
		f.changed.announce()
	}
}

// ready says whether it is another answer than before.
func (b *board) ready(r *view.Readiness) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.readiness
	b.readiness = r
	return !reflect.DeepEqual(before, r)
}

func (b *board) readied() *view.Readiness {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.readiness
}
