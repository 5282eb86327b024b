package access

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Patience is how long whoever guesses has to wait between two attempts. What waits is an account as somebody at
// an address tries it, an address, and an account; each has its own measure.
//
// A stranger who guesses cannot keep the owner out: from an address where the owner got in before, only what
// was tried from there counts; from another one, an account makes everybody wait for a moment at most.
type Patience struct {
	waits map[string]*wait
	known map[string]time.Time // accounts at addresses where their owners got in
}

type wait struct {
	failures int
	last     time.Time
	until    time.Time
}

// measure is how many failures are free, and to what the pause grows that doubles with each of the others.
type measure struct {
	free    int
	longest time.Duration
}

var (
	ofPair    = measure{3, 15 * time.Minute}
	ofAddress = measure{10, 5 * time.Minute}
	ofAccount = measure{10, 2 * time.Second}
)

const (
	firstPause   = time.Second
	forgottenIn  = time.Hour // without another failure
	patienceMost = 4096      // accounts and addresses that are remembered, each; of more, who failed longest ago is forgotten
)

// Attempt is somebody who tries an account. From is where he is: an address, or the network of one who has many.
type Attempt struct{ Name, From string }

func (a Attempt) pair() string { return "at " + a.From + " as " + a.Name }

func (a Attempt) measures() map[string]measure {
	return map[string]measure{a.pair(): ofPair, "at " + a.From: ofAddress, "as " + a.Name: ofAccount}
}

// Wait is how much longer he has to wait before he may try; zero: he may.
func (p *Patience) Wait(now time.Time, a Attempt) (longest time.Duration) {
	_, known := p.known[a.pair()]
	for key := range a.measures() {
		if w := p.waits[key]; w != nil && !(known && key != a.pair()) {
			longest = max(longest, w.until.Sub(now))
		}
	}
	return longest
}

// Failed counts an attempt that proved nothing.
func (p *Patience) Failed(now time.Time, a Attempt) {
	if p.waits == nil {
		p.waits = map[string]*wait{}
	}
	for key, m := range a.measures() {
		w := p.waits[key]
		if w == nil || now.Sub(w.last) >= forgottenIn {
			w = &wait{}
			p.waits[key] = w
		}
		w.failures, w.last = w.failures+1, now
		if more := w.failures - m.free; more >= 0 {
			w.until = now.Add(min(firstPause<<min(more, 20), m.longest))
		}
	}
	forget(p.waits, func(w *wait) time.Time { return w.last })
}

// Succeeded takes in that the owner got in there.
func (p *Patience) Succeeded(now time.Time, a Attempt) {
	delete(p.waits, a.pair())
	if p.known == nil {
		p.known = map[string]time.Time{}
	}
	p.known[a.pair()] = now
	forget(p.known, func(at time.Time) time.Time { return at })
}

// forget takes out the oldest of what is too much.
func forget[V any](all map[string]V, at func(V) time.Time) {
	if more := len(all) - patienceMost; more > 0 {
		oldest := slices.SortedFunc(maps.Keys(all), func(x, y string) int { return cmp.Or(at(all[x]).Compare(at(all[y])), cmp.Compare(x, y)) })
		for _, key := range oldest[:more+patienceMost/8] { // some at a time: sorting costs
			delete(all, key)
		}
	}
}
