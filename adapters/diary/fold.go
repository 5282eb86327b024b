package diary

import (
	"releve"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Of each kind of routine so many steps are kept whole, and then one every foldedEvery: more
// than a busy hour brings, and so little that a flood of them takes days to fill its files. A
// step of an overflowed call is some 6 kB.
const (
	keptWhole   = 100
	foldedEvery = 30 * time.Second
	// foldsTold is how long a count may wait to be told; a process that is killed loses it.
	foldsTold = 30 * time.Second
	// foldsMost bounds the kinds; there are some hundred rules.
	foldsMost = 1024
)

// folds count the routine that is not kept. A step is kept whole or not at all: half of one
// could not be replayed.
type folds struct {
	mu    sync.Mutex
	kinds map[string]*fold
}

// fold is one kind of step: the same rules in the same order.
type fold struct {
	spent  int // of keptWhole
	since  time.Time
	folded int // not told yet
	first  time.Time
	last   []releve.Entry
}

// take says whether a step is kept, and what of its kind is to be told before it.
func (f *folds) take(step []releve.Entry) (told []releve.Entry, keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := step[len(step)-1].At
	k := f.kind(step, at)
	// What time has given back; a clock that was set back gives nothing.
	if n := int(at.Sub(k.since) / foldedEvery); n > 0 {
		k.spent = max(0, k.spent-n)
		k.since = k.since.Add(time.Duration(n) * foldedEvery)
	} else if at.Before(k.since) {
		k.since = at
	}
	if k.spent < keptWhole {
		k.spent++
		return k.tell(nil), true
	}
	if k.folded == 0 {
		k.first = at
	}
	k.folded++
	k.last = step
	return nil, false
}

func (f *folds) kind(step []releve.Entry, at time.Time) *fold {
	var name strings.Builder
	for _, e := range step {
		name.WriteString(e.Kind + " " + e.What.Code + "\n")
	}
	k := f.kinds[name.String()]
	if k == nil && len(f.kinds) >= foldsMost {
		name.Reset() // all the others are one kind
		k = f.kinds[""]
	}
	if k == nil {
		k = &fold{since: at}
		if f.kinds == nil {
			f.kinds = map[string]*fold{}
		}
		f.kinds[name.String()] = k
	}
	return k
}

// told is what was counted since it was last told.
func (f *folds) told() (all []releve.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.kinds {
		all = k.tell(all)
	}
	return all
}

// tell adds the entry that says how many steps were not kept, if any were not.
func (k *fold) tell(all []releve.Entry) []releve.Entry {
	if k.folded == 0 {
		return all
	}
	last := k.last[len(k.last)-1]
	said := releve.Entry{
		At: last.At, Seat: last.Seat, Term: last.Term, Kind: "fact", Call: last.Call, Routine: true,
		What: releve.Say(Folded, "count", strconv.Itoa(k.folded), "since", k.first.Local().Format(time.DateTime)),
	}
	for _, e := range k.last {
		said.Evidence = append(said.Evidence, e.What)
	}
	k.folded, k.last = 0, nil
	return append(all, said)
}
