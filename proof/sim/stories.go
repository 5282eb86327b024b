package sim

import (
	"context"
	"maps"
	"time"

	"releve"
	"releve/rules/procedure"
)

// Stories is where stories are played, one after the other. It remembers sites that were
// founded on it: some stories begin with such a one, that has just lost its power.
type Stories struct {
	past map[beginning]*site
}

// NewStories is one on which nothing was played.
func NewStories() *Stories { return &Stories{past: map[beginning]*site{}} }

// beginning is what tells one site of the past from another.
type beginning struct {
	witnessed bool
	founding  releve.Arbiter
	moved     bool // the duty is with the secondary
	variant   int
}

// variants is how many sites of each kind there are.
const variants = 4

// goesOnOnce in so many stories. The others begin with two new servers: a founding has a
// copy and a hand-over of the vote in it, where much can go wrong.
const goesOnOnce = 4

// Play plays the story of a seed. It must be called in a bubble of testing/synctest, whose
// clock it uses, and leaves nothing behind in it.
func (g *Stories) Play(seed uint64, without Without) Outcome {
	s := newSite(seed, without)
	if d := s.dice.of("", ofPast); d.one(goesOnOnce) {
		from := g.site(beginning{s.witnessed, s.founding, d.one(3), d.below(variants)})
		s.began = time.Now()
		s.goesOn(from)
	}
	s.story()
	return s.leave()
}

// leave ends all that runs.
func (s *site) leave() Outcome {
	s.figures.Lasted = s.elapsed()
	s.end()
	for _, v := range s.servers {
		v.off()
	}
	s.work.Wait()
	return Outcome{Seed: s.seed, Broken: s.ledger.broken, Figures: s.figures, without: s.without, trace: s.trace}
}

// site is one of the past. It is founded when it is first asked for.
func (g *Stories) site(b beginning) *site {
	if g.past[b] == nil {
		g.past[b] = found(b)
	}
	return g.past[b]
}

// pastSeeds are apart from those of stories.
const pastSeeds = 1 << 63

// found has a site founded and protected, and takes its power away in the middle of its
// work.
func found(b beginning) *site {
	s := newSite(pastSeeds+uint64(b.variant), Without{})
	s.witnessed, s.founding = b.witnessed, b.founding
	for _, v := range s.servers {
		v.start()
	}
	s.work.Go(s.callers)
	ready := s.until(aloneLimit, s.protected)
	if b.moved {
		ready = ready && s.switches() && s.until(aloneLimit, s.protected)
	}
	if o := s.leave(); !ready {
		panic("a site without any trouble does not become protected:\n" + o.Trace())
	}
	return s
}

// switches moves the duty to the secondary.
func (s *site) switches() bool {
	ctx, cancel := context.WithTimeout(s.ctx, helpedLimit)
	defer cancel()
	p := s.at(releve.Main).process()
	return p != nil && p.orders(ctx, procedure.Switchover.Name) == nil
}

// goesOn begins with what lies on the disks of a site of the past, and with what was
// promised by it.
func (s *site) goesOn(from *site) {
	s.note("", "The power comes back to a site that was protected when it went.")
	same := map[*commit]*commit{}
	for i, v := range s.servers {
		v.inherits(from.servers[i], same)
	}
	s.witness.kept, s.witness.told = from.witness.kept, from.witness.kept
	l := &from.ledger
	for _, x := range l.acked {
		s.ledger.acked = append(s.ledger.acked, same[x])
	}
	s.ledger.latest = same[l.latest]
	s.ledger.promised = append(s.ledger.promised, l.promised...)
	s.ledger.owners, s.ledger.grants = maps.Clone(l.owners), maps.Clone(l.grants)
}

// inherits takes over the disks of the server that stood in its place. same is each
// commit of the past as it is in this story.
func (v *server) inherits(from *server, same map[*commit]*commit) {
	v.journal = journal{kept: from.journal.kept, known: from.journal.known}
	v.spool = from.spool
	v.spool.records = v.spool.records[:len(v.spool.records):len(v.spool.records)]
	c, o := &v.database, &from.database
	c.kind, c.id, c.timeline, c.history = o.kind, o.id, o.timeline, o.history
	for _, x := range o.log {
		if same[x] == nil {
			again := *x
			again.owner = v.at(x.owner.seat)
			same[x] = &again
		}
		c.log = append(c.log, same[x])
	}
}
