package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve"
	"releve/rules/takeover"
)

// siteName is how the register names the site.
const siteName = "clinique"

// witness is the third machine: one register on a disk, and a program that answers for
// it. What it may grant is the product's own rule.
type witness struct {
	*site
	kept       takeover.Register // on its disk
	told       takeover.Register // by its program: never ahead of the disk
	stall      time.Duration     // added to each write
	torn       bool              // it crashes in the middle of its next write
	afterWrite func(releve.Seat) // of what comes soon after its next write, for whom it wrote, nil: nothing

	up      bool
	life    int           // of its program
	turn    chan struct{} // has a token while no claim is being written
	resumed chan struct{} // closed while its program may run

	ways       [2]way // to the main and to the secondary
	loss       int    // one packet in so many is lost on them, 0: none
	delay      time.Duration
	duplicates int // one claim in so many comes again later, 0: none
}

// way is what lies between a server and the witness.
type way struct {
	there, back bool // it is partitioned
}

func newWitness(s *site) *witness {
	w := &witness{site: s, up: true, turn: make(chan struct{}, 1), resumed: make(chan struct{})}
	w.kept.Site, w.told.Site = siteName, siteName
	w.turn <- struct{}{}
	close(w.resumed)
	return w
}

func (w *witness) die() die { return w.dice.of("", ofWitness) }

// stops ends the program. Its disk stays as it is. The caller holds the lock.
func (w *witness) stops(how string) {
	if !w.up {
		return
	}
	w.note("", "The witness %s.", how)
	w.up = false
	w.life++
	w.resume()
	w.turn = make(chan struct{}, 1) // who waits for the old one waits in vain
}

// starts reads the disk. The caller holds the lock.
func (w *witness) starts() {
	if w.up {
		return
	}
	w.note("", "The witness starts: %s.", aloud(w.kept))
	w.up, w.told = true, w.kept
	w.turn <- struct{}{}
}

// wiped: its disk was replaced. The caller holds the lock.
func (w *witness) wiped() {
	w.figures.Wiped++
	w.note("", "The witness's disk is replaced by an empty one.")
	w.kept = takeover.Register{Site: siteName}
}

// healed ends all that ails it. The caller holds the lock.
func (w *witness) healed() {
	w.stall, w.torn, w.afterWrite, w.ways = 0, false, nil, [2]way{}
	w.loss, w.delay, w.duplicates = 0, 0, 0
	w.resume()
	w.starts()
}

func (w *witness) pause() {
	if w.up && !w.paused() {
		w.resumed = make(chan struct{})
	}
}

func (w *witness) resume() {
	if w.paused() {
		close(w.resumed)
	}
}

func (w *witness) paused() bool {
	select {
	case <-w.resumed:
		return false
	default:
		return true
	}
}

// awake waits while the program is paused.
func (w *witness) awake(ctx context.Context) error {
	w.mu.Lock()
	resumed := w.resumed
	w.mu.Unlock()
	if !comes(ctx, resumed) {
		return context.Cause(ctx)
	}
	return nil
}

// carries draws the fate of one packet between a server and the witness. The caller
// holds the lock.
func (w *witness) carries(partition bool, d die) (delay time.Duration, arrives bool) {
	delay = d.between(200*time.Microsecond, 3*time.Millisecond)
	if w.delay > 0 {
		delay += d.between(0, w.delay)
	}
	lost := w.loss > 0 && d.one(w.loss)
	return delay, !lost && !partition
}

// arbiter is the way to the witness as a server has it.
type arbiter struct{ *process }

func (a arbiter) Read(ctx context.Context) (takeover.Register, error) {
	return a.asks(ctx, func(context.Context) (takeover.Register, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.without.recalled(a.witness.told, a.server), nil
	})
}

// Claim is on its way whether or not the server still waits for the answer, and may come
// twice: late claims, of a life that has ended too, must change nothing that has changed
// since.
func (a arbiter) Claim(ctx context.Context, c takeover.Claim) (none takeover.Register, err error) {
	if a.without.Granted {
		return a.imagines(c)
	}
	answers := make(chan answer[takeover.Register], 1)
	a.work.Go(func() {
		r, err := a.asks(a.site.ctx, func(ctx context.Context) (takeover.Register, error) {
			a.again(c)
			return a.witness.claim(ctx, c, a.seat)
		})
		answers <- answer[takeover.Register]{r, err}
	})
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return none, errors.Join(context.Cause(ctx), a.alive())
	}
}

// imagines takes a claim for granted before the witness has answered.
func (a arbiter) imagines(c takeover.Claim) (takeover.Register, error) {
	a.later(a.die().between(time.Millisecond, 300*time.Millisecond), func() { _, _ = a.witness.claim(a.site.ctx, c, a.seat) })
	r := c.Want
	r.Version = c.Was + 1
	return r, nil
}

func (a arbiter) die() die { return a.dice.of(a.seat, ofWitness) }

func (a arbiter) again(c takeover.Claim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := a.die(); a.witness.duplicates > 0 && d.one(a.witness.duplicates) {
		a.later(d.between(time.Millisecond, 3*time.Second), func() { _, _ = a.witness.claim(a.site.ctx, c, a.seat) })
	}
}

// asks takes a question to the witness and the answer back, each on its own way.
func (a arbiter) asks(
	ctx context.Context, serve func(context.Context) (takeover.Register, error),
) (none takeover.Register, err error) {
	if err := a.acts(); err != nil {
		return none, err
	}
	if err := a.travels(ctx, func(w way) bool { return w.there }); err != nil {
		return none, err
	}
	a.mu.Lock()
	up, life := a.witness.up, a.witness.life
	a.mu.Unlock()
	if !up {
		return none, errors.Join(errRefused, a.alive())
	}
	if err := a.witness.awake(ctx); err != nil {
		return none, errors.Join(err, a.alive())
	}
	r, err := serve(ctx)
	a.mu.Lock()
	same := a.witness.life == life
	a.mu.Unlock()
	if !same { // it was killed with the answer in hand
		return none, errors.Join(errRefused, a.alive())
	}
	if lost := a.travels(ctx, func(w way) bool { return w.back }); lost != nil {
		return none, lost
	}
	return r, errors.Join(err, a.alive())
}

// travels brings one packet there or back.
func (a arbiter) travels(ctx context.Context, partitioned func(way) bool) error {
	a.mu.Lock()
	delay, arrives := a.witness.carries(partitioned(a.witness.ways[side(a.seat)]), a.die())
	a.mu.Unlock()
	if sleep(ctx, delay) && arrives {
		return nil
	}
	return silence(ctx, a.process)
}

// claim carries out one claim at a time, each on the disk before its answer leaves and before
// the next is looked at. Who asked may have left meanwhile: the write goes on.
func (w *witness) claim(ctx context.Context, c takeover.Claim, by releve.Seat) (takeover.Register, error) {
	w.mu.Lock()
	up, life, turn := w.up, w.life, w.turn
	w.mu.Unlock()
	if !up {
		return takeover.Register{}, errRefused
	}
	if err := w.awake(ctx); err != nil {
		return takeover.Register{}, err
	}
	answers := make(chan answer[takeover.Register], 1)
	w.work.Go(func() {
		select {
		case <-turn:
			r, err := w.decides(life, c, by)
			answers <- answer[takeover.Register]{r, err}
			turn <- struct{}{}
		case <-ctx.Done():
		}
	})
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return takeover.Register{}, context.Cause(ctx)
	}
}

// decides compares and sets. It has the turn.
func (w *witness) decides(life int, c takeover.Claim, by releve.Seat) (takeover.Register, error) {
	w.mu.Lock()
	before, stall := w.told, w.stall
	w.mu.Unlock()
	next, err := w.without.apply(before, c, by)
	if err != nil {
		return before, err
	}
	if w.without.Forgets {
		w.change(func() { w.told = next })
		w.later(writeBack, func() { w.change(func() { w.write(life, c, next) }) })
		return next, nil
	}
	sleep(w.ctx, stall+w.die().between(500*time.Microsecond, 4*time.Millisecond))
	if err := w.awake(w.ctx); err != nil {
		return takeover.Register{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.torn {
		w.torn = false
		w.isTorn(life, c, next)
		return takeover.Register{}, errRefused
	}
	if !w.write(life, c, next) {
		return takeover.Register{}, errRefused
	}
	w.told = next
	return next, nil
}

// isTorn: it crashes in the middle of a write, and its rename came or not.
func (w *witness) isTorn(life int, c takeover.Claim, next takeover.Register) {
	if w.die().one(2) {
		w.write(life, c, next)
		w.stops("crashes after its register was written")
	} else {
		w.stops("crashes before its register is written")
	}
	w.later(w.die().between(50*time.Millisecond, 2*time.Second), func() { w.change(w.starts) })
}

// write puts a register on the disk, unless the program that wrote it has ended. The caller
// holds the lock.
func (w *witness) write(life int, c takeover.Claim, next takeover.Register) bool {
	if w.life != life || !w.up {
		return false
	}
	before := w.kept
	w.kept = next
	w.figures.Granted++
	w.note("", "The witness writes: %s.", aloud(next))
	w.ledger.registered(before, c, next)
	if afterWrite := w.afterWrite; afterWrite != nil {
		w.afterWrite = nil
		afterWrite(next.Owner)
	}
	return true
}

// aloud is a register as a page says it.
type aloud takeover.Register

func (r aloud) String() string {
	switch {
	case r.Incarnation == 0:
		return "it remembers nothing"
	case r.Alone:
		return fmt.Sprintf("version %d of incarnation %d, the %s decides alone in term %d",
			r.Version, r.Incarnation, r.Owner, r.Term)
	}
	return fmt.Sprintf("version %d of incarnation %d, hand-over %d of the %s in term %d lies here",
		r.Version, r.Incarnation, r.Number, r.Owner, r.Term)
}

// writeBack is when a disk that lies writes what it has taken.
const writeBack = 500 * time.Millisecond
