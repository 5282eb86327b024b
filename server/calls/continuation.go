package calls

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
)

// Continuation is a call in conversation, as another server can go on with it (SPEC H11). It says nothing of
// the sound but what was agreed on: who sends from another address is another source, and begins to count
// anew (RFC 3550 §8.2).
type Continuation struct {
	ID    releve.FactID   `json:"id"`    // of the fact that the call was taken up with: no other record has it
	Call  releve.Call     `json:"call"`  // as it is shown, steps and all
	From  string          `json:"from"`  // who calls, not hidden
	Tag   string          `json:"tag"`   // of the caller
	Place attendant.Place `json:"place"` // in the conversation
	Leg   json.RawMessage `json:"leg"`   // what the telephone wrote down of it, which only a telephone reads
	Facts []releve.Fact   `json:"facts"` // its record so far: stored twice, it is stored once (RULES R14)
}

// Heir is the other server, which is told of the calls here.
type Heir interface {
	// Changed says which call in conversation there is something new of, or that it is over. It returns at once.
	Changed(id releve.FactID)
	// Told says whether the other server may have what it needs to go on with a call.
	Told(id releve.FactID) bool
}

// nobody is no other server.
type nobody struct{}

func (nobody) Changed(releve.FactID)   {}
func (nobody) Told(releve.FactID) bool { return false }

// Bequeath names who is told of the calls. It is called before the first of them, or not at all.
func (c *Calls) Bequeath(to Heir) { c.heir = to }

// takenUp is the step by which a record goes on with another server, which it names, and its run.
const takenUp = releve.StepTakenUp

// progress is what a call's own goroutine shows of it to those who tell the other server.
type progress struct {
	leg   Leg
	place attendant.Place
	facts []releve.Fact
}

// advance changes what is shown, and tells of it. Of a call that is not answered there is nothing to tell.
func (k *call) advance(change func(*progress)) {
	if k.progress.Load() == nil {
		return
	}
	now := *k.progress.Load()
	change(&now)
	k.progress.Store(&now)
	k.tellChange()
}

// tellChange says that there is something new of a call with a record.
func (k *call) tellChange() {
	if p := k.progress.Load(); p != nil && len(p.facts) > 0 {
		k.heir.Changed(p.facts[0].ID)
	}
}

// conclude: there is no call any more that could be gone on with.
func (k *call) conclude() {
	p := k.progress.Swap(nil)
	if p != nil && len(p.facts) > 0 {
		k.heir.Changed(p.facts[0].ID)
	}
}

// continuation is the call as it is now; false: there is nothing to go on with.
func (k *call) continuation() (Continuation, bool) {
	p, shown := k.progress.Load(), k.shown.Load()
	if p == nil || shown == nil || len(p.facts) == 0 {
		return Continuation{}, false
	}
	return Continuation{
		ID: p.facts[0].ID, Call: *shown, From: k.offer.Invite.From, Tag: k.offer.Invite.Tag, Place: p.place, Leg: p.leg.Written(), Facts: p.facts,
	}, true
}

// Continuations are the calls in conversation that are wanted, as they are now.
func (c *Calls) Continuations(wanted func(releve.FactID) bool) (all []Continuation) {
	for _, k := range c.board.here() {
		if p := k.progress.Load(); p == nil || len(p.facts) == 0 || !wanted(p.facts[0].ID) {
			continue
		}
		if now, there := k.continuation(); there {
			all = append(all, now)
		}
	}
	return all
}

// errCeded is why calls end at a [Calls.Cede], which is no end of theirs.
var errCeded = releve.Known("another server goes on with the call", "cause-ceded")

// Cede lets go of all calls because another server has the duty (RULES R9). Those that it was told of it
// goes on with: not a word is said in them any more, and no record says that they ended. The others are
// dropped.
func (c *Calls) Cede(reason string) {
	for _, k := range c.board.here() {
		if p := k.progress.Load(); p != nil && len(p.facts) > 0 && c.heir.Told(p.facts[0].ID) {
			k.drop(errCeded)
		}
	}
	c.Drop(reason) // who is dropped already stays so
}

// ceded says that a call goes on elsewhere.
func ceded(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errCeded) }

// Continue goes on with a call of another server's, on the leg on which this server's telephone took it up,
// to its end. It is no new call, in no count and no evidence of anything. Its record stays what it was, and
// says from where on this server has it.
func (c *Calls) Continue(ctx context.Context, from Continuation, leg Leg) {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	k := c.continued(from, leg, drop)
	if !c.board.adopt(k) {
		k.leg(leg).hangUp(ctx)
		return
	}
	defer c.board.leave(k)
	defer k.survive()
	stance, term := c.duty.Stance()
	if stance == takeover.Closed { // the duty is gone again, and not for this server to end anything
		leg.Leave()
		k.forget()
		return
	}
	k.term = term
	for _, f := range from.Facts {
		k.recorder.record(f)
	}
	k.noteTakenUp()
	k.log.Info("another server's call goes on here", "of", from.Call.Seat, "phase", from.Place.Phase)
	if outcome, detail, mine := k.goOn(ctx, leg, from.Place); mine {
		k.end(outcome, detail)
	}
}

// Lose records that a call of another server's could not be gone on with.
func (c *Calls) Lose(from Continuation, why string) {
	k := c.continued(from, nil, func(error) {})
	_, k.term = c.duty.Stance()
	for _, f := range from.Facts {
		k.recorder.record(f)
	}
	k.noteTakenUp()
	k.end(attendant.Lost, why)
	c.board.note(*k.shown.Load())
}

func (c *Calls) continued(from Continuation, leg Leg, drop context.CancelCauseFunc) *call {
	k := &call{Calls: c, of: from.Call.Seat, drop: drop, log: c.log.With("call", from.Call.Call), channel: true}
	k.offer.Invite = releve.Invite{Call: from.Call.Call, Tag: from.Tag, From: from.From, ReceivedAt: from.Call.At}
	shown := from.Call
	shown.Steps = slices.Clone(shown.Steps)
	k.shown.Store(&shown)
	k.follow(leg, from.Place, from.Facts)
	return k
}

// follow begins to show what is told of a call.
func (k *call) follow(leg Leg, place attendant.Place, facts []releve.Fact) {
	k.progress.Store(&progress{leg: leg, place: place, facts: slices.Clone(facts)})
	if leg != nil {
		leg.WhenChanged(k.tellChange)
	}
}

// forget takes a call out of what memory knows: the database, or the other server, tells of it.
func (k *call) forget() {
	k.shown.Store(nil)
	k.conclude()
}

// noteTakenUp writes into the record who has the call from here on.
func (k *call) noteTakenUp() {
	k.step(attendant.Note{Name: takenUp, Detail: releve.Holder{Seat: k.seat, Run: k.run}.String()})
}

// goOn leads the conversation on from where the other server was.
func (k *call) goOn(ctx context.Context, leg Leg, place attendant.Place) (o attendant.Outcome, detail string, mine bool) {
	t := k.leg(leg)
	defer t.hangUp(ctx)
	defer func() { t.stop() }()
	t.digits = leg.Digits()
	return t.converse(ctx, attendant.Resume(k.script, place), attendant.Event{What: attendant.Resumed, Bridged: leg.Bridged()})
}

// A process that slept may have lost the duty meanwhile, and its calls with it: until it knows, nothing is
// done in them. One that cannot know goes on after a while: nobody else may be there.
const (
	doubtMost = 30 * time.Second
	doubtLook = 20 * time.Millisecond
)

// sure waits until this server knows whether it is on duty, or the call is over.
func (t *talk) sure(ctx context.Context) {
	if !t.call.duty.Unsure() {
		return
	}
	look := time.NewTicker(doubtLook)
	defer look.Stop()
	most := time.NewTimer(doubtMost)
	defer most.Stop()
	for t.call.duty.Unsure() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		case <-most.C:
			return
		}
	}
}
