package wire

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve/screen/view"
	"releve/server/agent"
)

// talker is a process that tells and hears words, and how many of its events there were.
type talker struct {
	life     string
	events   int
	upon     agent.Upon
	editions *Editions
}

func newTalker(life string) *talker { return &talker{life: life, editions: new(Editions)} }

// says is its word, as it goes over the link.
func (p *talker) says(at int) Word {
	m := agent.Message{Life: p.life, Said: time.Duration(at), Upon: p.upon}
	for i := range p.events {
		m.Events = append(m.Events, view.Event{At: time.Unix(int64(i), 0).UTC()})
	}
	return p.editions.tells(m)
}

// hears is how many events of the other it is told by a word.
func (p *talker) hears(t rapid.TB, w Word) int {
	t.Helper()
	raw, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var came Word
	if err := json.Unmarshal(raw, &came); err != nil {
		t.Fatal(err)
	}
	m := p.editions.hears(came)
	p.upon = agent.Upon{Life: m.Life, Said: m.Said}
	return len(m.Events)
}

// What does not change travels once; what does, with the next word; and a server that starts is
// told everything, by the second word at the latest.
func TestWhatTheOtherKeepsIsLeftOut(t *testing.T) {
	main, secondary, at := newTalker("m1"), newTalker("s1"), 0
	exchange := func(want int, kept bool) {
		t.Helper()
		at++
		w := main.says(at)
		if heard := secondary.hears(t, w); heard != want || w.Kept != kept {
			t.Errorf("word %d: %d events are heard, want %d, and kept: %v", at, heard, want, w.Kept)
		}
		main.hears(t, secondary.says(at))
	}
	main.events = 2
	exchange(2, false)
	exchange(2, true)
	main.events = 3
	exchange(3, false)
	exchange(3, true)
	secondary = newTalker("s2")
	exchange(0, true) // nobody knew yet; it shows nothing of the main before
	exchange(3, false)
	exchange(3, true)
	main = newTalker("m2")
	exchange(0, false)
	main.events = 1
	exchange(1, false)
	exchange(1, true)

	main = newTalker("m3")
	late := main.says(at)
	main = newTalker("m4")
	exchange(0, false)
	exchange(0, true)
	secondary = newTalker("s3")
	secondary.hears(t, late)
	exchange(0, true) // the same number, of another process
	exchange(0, false)
}

// One of the version before says of no edition that it keeps it, and is told everything each time.
func TestAServerOfTheVersionBeforeIsToldEverything(t *testing.T) {
	main, before := newTalker("m"), newTalker("s")
	main.events = 2
	for at := range 3 {
		if w := main.says(at); w.Kept || before.hears(t, w) != 2 {
			t.Errorf("it is told %+v", w)
		}
		w := before.says(at)
		w.Version, w.Upon.Edition, w.Edition = 3, 0, 0
		main.hears(t, w)
	}
}

// Whatever words are lost, late, doubled or overtaken, and whoever starts again: nobody hears
// less than a word tells, nor of another process, but for words that a process says to the one before,
// or has said before it ended. Undisturbed, both know everything of each other by the third word.
func TestNoEditionIsMistaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRumour(t)
		for at := range rapid.IntRange(1, 300).Draw(t, "steps") {
			who := rapid.IntRange(0, 1).Draw(t, "who")
			switch rapid.SampledFrom([]string{"happens", "starts", "writes", "exchanges", "exchanges", "arrives", "arrives"}).Draw(t, "what") {
			case "happens":
				r.both[who].events++
			case "starts":
				r.both[who] = newTalker(fmt.Sprint(at + 2))
			case "writes":
				r.write(who)
			case "exchanges":
				r.deliver(r.write(who))
				r.deliver(r.write(1 - who))
			case "arrives":
				if n := len(r.sent); n > 0 {
					r.deliver(r.sent[n-1-rapid.IntRange(0, min(n-1, 8)).Draw(t, "before")])
				}
			}
		}
		for range 2 {
			r.deliver(r.write(0))
			r.deliver(r.write(1))
		}
		if w := r.write(0); r.deliver(w) != w.events {
			t.Fatalf("the third word still tells less than it should: %+v", w)
		}
	})
}

// rumour is all that was said between two servers.
type rumour struct {
	*rapid.T
	both  [2]*talker
	sent  []letter
	whole map[string]letter // that tells most of what a process heard of who it heard last
	known map[string]bool   // a process was told that the other has heard it
}

type letter struct {
	Word
	to     int
	events int
}

func newRumour(t *rapid.T) *rumour {
	return &rumour{T: t, both: [2]*talker{newTalker("0"), newTalker("1")}, whole: map[string]letter{}, known: map[string]bool{}}
}

func (r *rumour) write(from int) letter {
	l := letter{r.both[from].says(len(r.sent) + 1), 1 - from, r.both[from].events}
	if l.Kept && !r.known[l.Life] {
		r.Fatalf("%s leaves out what it was never heard to say", l.Life)
	}
	r.sent = append(r.sent, l)
	return l
}

func (r *rumour) deliver(l letter) int {
	p := r.both[l.to]
	heard := p.hears(r, l.Word)
	most := r.whole[p.life]
	if !l.Kept && (most.Life != l.Life || l.events > most.events) {
		most = l
		r.whole[p.life] = l
	}
	r.known[p.life] = r.known[p.life] || l.Upon.Life == p.life
	if same := most.Life == l.Life; same && heard < min(l.events, most.events) || !same && heard > 0 {
		r.Fatalf("%s tells %d events, %s hears %d (kept: %v)", l.Life, l.events, p.life, heard, l.Kept)
	}
	return heard
}
