package wire

import (
	"reflect"
	"sync"

	"releve"
	"releve/screen/view"
	"releve/server/agent"
)

// Editions is what two servers need not tell each other twice a second: what seldom changes is
// told under a number that rises when it does, and is left out of a word once the other has said
// that it keeps what was told under that number. A server that starts keeps nothing and says
// so by its silence, as one of an earlier version does: it is told everything.
type Editions struct {
	mu     sync.Mutex
	own    edition // as this server last told it
	theirs edition // as it was last heard; the life of the process that told it
	kept   Upon    // of ours, as the other last said
}

// edition is what of a word seldom changes, as one process told it under one number.
type edition struct {
	life   string
	number uint64 // from 1; 0: nothing is kept
	seldom
}

type seldom struct {
	events           []view.Event
	procedure, proof *view.Procedure
	levels           []releve.LevelFit
	version          releve.Version
	outlets          []releve.Outlet
	lines            []releve.Line
}

// of is what seldom changes of a message.
func of(m *agent.Message) seldom {
	return seldom{m.Events, m.Procedure, m.Proof, m.Server.Levels, m.Server.Version, m.Server.Outlets, m.Server.Lines}
}

// into puts it there.
func (s seldom) into(m *agent.Message) {
	m.Events, m.Procedure, m.Proof = s.events, s.procedure, s.proof
	m.Server.Levels, m.Server.Version, m.Server.Outlets, m.Server.Lines = s.levels, s.version, s.outlets, s.lines
}

// tells puts a message on the wire, without what the other keeps of it.
func (e *Editions) tells(m agent.Message) Word {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := of(&m); e.own.number == 0 || !reflect.DeepEqual(now, e.own.seldom) {
		e.own = edition{m.Life, e.own.number + 1, now}
	}
	kept := e.kept.Edition == e.own.number && e.kept.Life == m.Life
	if kept {
		seldom{}.into(&m)
	}
	w := wordOf(m)
	w.Edition, w.Kept = e.own.number, kept
	if e.theirs.life == m.Upon.Life {
		w.Upon.Edition = e.theirs.number
	}
	return w
}

// hears reads the other server's word, with what it left out since this one keeps it. Of two
// words that overtook each other the later edition is kept. What was left out for a process that
// ended meanwhile is told with the next word, for this one keeps nothing.
func (e *Editions) hears(w Word) agent.Message {
	m := messageOf(w)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = w.Upon
	known := e.theirs.life == w.Life
	switch {
	case w.Kept && known:
		e.theirs.into(&m)
	case !w.Kept && (!known || w.Edition > e.theirs.number):
		e.theirs = edition{w.Life, w.Edition, of(&m)}
	}
	return m
}
