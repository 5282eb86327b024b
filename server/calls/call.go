package calls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
)

// The outcomes of calls that had no conversation, or not to its end. Those of a
// conversation are in package attendant.
const (
	Busy    attendant.Outcome = "busy"    // all channels busy: refused early
	Failed  attendant.Outcome = "failed"  // it could not be answered
	Dropped attendant.Outcome = "dropped" // hung up by this server: it is fenced or stops
)

// errDropped is why calls end at a [Calls.Drop].
var errDropped = releve.Known("calls are dropped", "cause-dropped")

// failedCode answers a call that this server should have taken and could not.
const failedCode = 500

// call is one call. Its goroutine owns it; others read what it shows.
type call struct {
	*Calls
	in       Incoming
	offer    Offer
	drop     context.CancelCauseFunc
	log      *slog.Logger
	decision releve.Decision
	term     releve.Term
	of       releve.Seat // whose record it is: the server's that took it up first
	channel  bool        // holds one, under the board's lock
	shown    atomic.Pointer[releve.Call]
	progress atomic.Pointer[progress] // nil: there is no conversation
}

func newCall(c *Calls, in Incoming, drop context.CancelCauseFunc) *call {
	stance, _ := c.duty.Stance()
	o := c.knowing().offer(in.Invite(), stance)
	return &call{Calls: c, of: c.seat, in: in, offer: o, drop: drop, log: c.log.With("call", o.Invite.Call)}
}

// knowing is the profile as our own calls have shown the PBX to be: one that gives no
// evidence lets each call count as overflowed, which is harmless while the other is well.
func (c *Calls) knowing() Profile {
	p := c.profile
	if p.Evidence == releve.EvidenceAuto && c.own.last().Evidence == releve.EvidenceNone {
		p.Evidence = releve.EvidenceNone
	}
	return p
}

// test says whether the site itself made a call: a caller may hide his number, and none can
// sign.
func (c *Calls) test(in releve.Invite) bool {
	_, signed := c.own.sealed(in.TestID)
	return signed || c.ownUser(in)
}

func (c *Calls) ownUser(in releve.Invite) bool {
	return c.profile.StandbyUser != "" && in.From == c.profile.StandbyUser
}

// caller is who calls, as it is recorded: somebody's number is hidden (SPEC C8), and the
// name of the site's own user is nobody's.
func (c *Calls) caller(in releve.Invite) string {
	if c.ownUser(in) {
		return in.From
	}
	return releve.Plain(releve.Masked(in.From))
}

// decide finds out whether the call is to be answered, and refuses it if not.
func (k *call) decide(ctx context.Context) bool {
	if lesson, ok := k.sight(); ok && lesson {
		return k.dismiss(k.profile.RefusalCode)
	}
	if k.test(k.offer.Invite) && k.offer.Binding == Reception && k.own.takesBack(k.offer.Invite) {
		return k.dismiss(elsewhere)
	}
	before, _ := k.duty.Stance()
	d, verify := k.profile.admit(before, k.offer)
	if verify {
		if d = k.duty.Verify(ctx, k.offer); !d.Answer && ctx.Err() == nil && !k.offer.Line {
			k.crowd.givesBack(k.now())
		}
	}
	k.decision = d
	// Read again: a verification changes the term, and a fence may have come
	// while it lasted.
	stance, term := k.duty.Stance()
	k.term = term
	switch {
	case closed(k.in.Gone()):
		k.log.Info("the caller gave up before an answer")
	case ctx.Err() != nil:
		k.giveBack(context.Cause(ctx).Error())
	case stance == takeover.Closed && k.decision.Answer:
		return k.decline(ctx, 0, "takes no calls now", k.admitted)
	case !k.decision.Answer:
		return k.decline(ctx, k.decision.Code, k.decision.Why, k.admitted)
	default:
		return true
	}
	return false
}

// survive ends a call in which this program itself failed: the others go on (SPEC K9). An
// answered caller has been hung up on the way here; any other is refused.
func (k *call) survive() {
	fault := recover()
	if fault == nil {
		return
	}
	cause, _, _ := strings.Cut(fmt.Sprint(fault), "\n")
	k.log.Error("a fault of this program ended a call", "cause", fault, "stack", string(debug.Stack()))
	k.explain(releve.Say("event-call-broken", "call", string(k.offer.Invite.Call), "cause", cause))
	if c := k.shown.Load(); c != nil {
		if c.Outcome == "" {
			k.end(Failed, "a fault of this program")
		}
		return
	}
	if !closed(k.in.Gone()) {
		k.refuse(failedCode, "a fault of this program")
	}
}

// dismiss refuses a call of our own that was to show something. No caller was refused.
func (k *call) dismiss(code int) (answer bool) {
	if err := k.in.Refuse(code); err != nil {
		k.log.Warn("the refusal of our own call could not be sent", "code", code, "error", err)
	}
	return false
}

// giveBack refuses a call with the code of its binding.
func (k *call) giveBack(why string) { k.refuse(0, why) }

// refuse refuses a call; code 0 is that of a closed server.
func (k *call) refuse(code int, why string) {
	if code == 0 {
		closed, _ := k.profile.admit(takeover.Closed, k.offer)
		code = closed.Code
	}
	k.board.refused()
	if err := k.in.Refuse(code); err != nil {
		k.log.Warn("the refusal could not be sent", "code", code, "error", err)
		return
	}
	k.log.Info("call refused", "code", code, "why", why, "overflowed", k.offer.Overflowed)
}

// takeUp answers on a free channel and talks the call through. ctx lasts as long
// as the call; waiting also ends when the caller gives up before an answer.
func (k *call) takeUp(ctx, waiting context.Context) {
	claim := func() bool { return k.board.claim(k) }
	if !claim() && !k.decline(waiting, k.profile.BusyCode, "all channels are busy", claim) {
		k.begin(time.Time{})
		k.end(Busy, "all channels are busy")
		return
	}
	leg, err := k.in.Answer(waiting)
	if err != nil {
		k.begin(time.Time{})
		k.end(k.unanswered(waiting, err))
		return
	}
	at := k.now()
	k.board.answered(at)
	k.log.Info("call answered", "after", at.Sub(k.offer.Invite.ReceivedAt), "why", k.decision.Why)
	if outcome, detail, mine := k.talk(ctx, leg, at); mine {
		k.end(outcome, detail)
	}
}

// unanswered settles a call that Answer failed for, and says how it ended. Gone
// is asked itself, not ctx, which hears of it a moment later: a caller who gives
// up must not make this server look unwell.
func (k *call) unanswered(ctx context.Context, err error) (attendant.Outcome, string) {
	unfit, ok := errors.AsType[*Unacceptable](err)
	switch {
	case ok:
		return k.unfit(unfit)
	case closed(k.in.Gone()):
		return attendant.Abandoned, "before the answer"
	case ctx.Err() != nil:
		why := context.Cause(ctx).Error()
		k.giveBack(why)
		return Dropped, why
	}
	k.board.failed(err)
	k.refuse(failedCode, err.Error())
	return Failed, err.Error()
}

// unfit ends a call that was refused for what it offers; its row says the code and why.
func (k *call) unfit(why *Unacceptable) (attendant.Outcome, string) {
	k.log.Warn("call not acceptable", "why", why)
	k.board.unacceptable(why.sentence())
	return Failed, releve.Plain(why.Error())
}

// begin shows and records that the call was taken up; the zero time: not
// answered.
func (k *call) begin(answered time.Time) {
	in := k.offer.Invite
	body := releve.CallBody{
		From: k.caller(in), To: releve.Plain(in.To),
		Overflowed: k.offer.Overflowed, Reason: string(k.offer.Reason),
		WithoutDuty: k.decision.WithoutDuty, Test: k.test(in),
		Verification: k.decision.Took, Run: k.run, Chain: k.chains.join(in),
	}
	if !answered.IsZero() {
		body.AnsweredMS = answered.Sub(in.ReceivedAt).Milliseconds()
		k.board.taken(body.Test)
	}
	k.shown.Store(&releve.Call{
		Call: in.Call, At: in.ReceivedAt, Seat: k.of, Term: k.term, From: body.From,
		Overflowed: body.Overflowed, WithoutDuty: body.WithoutDuty, Test: body.Test, Run: k.run, Chain: body.Chain,
	})
	k.record(releve.CallOffered, k.now(), body)
}

// step shows and records one step.
func (k *call) step(n attendant.Note) {
	at := k.now()
	c := *k.shown.Load()
	// Cloned: readers hold what was shown before.
	c.Steps = append(slices.Clone(c.Steps), releve.Step{At: at, Name: n.Name, Detail: n.Detail})
	k.shown.Store(&c)
	k.record(releve.CallStepped, at, releve.StepBody{Number: len(c.Steps), Name: n.Name, Detail: n.Detail})
}

func (k *call) end(o attendant.Outcome, detail string) {
	at := k.now()
	c := *k.shown.Load()
	c.Outcome, c.Detail = string(o), detail
	c.Duration = at.Sub(c.At)
	k.conclude()
	k.chains.ended(k.offer.Invite, c.Chain, len(c.Steps) > 0)
	k.shown.Store(&c)
	k.log.Info("call ended", "outcome", o, "detail", detail, "lasted", c.Duration)
	k.record(releve.CallEnded, at, releve.EndBody{
		Outcome: string(o), Detail: detail, DurationMS: c.Duration.Milliseconds(),
	})
}

func (k *call) record(kind releve.FactKind, at time.Time, body any) {
	f, err := releve.NewFact(kind, k.offer.Invite.Call, k.of, k.term, at, body)
	if err != nil {
		k.log.Error("a record of the call could not be made", "kind", kind, "error", err)
		return
	}
	k.recorder.record(f)
	k.advance(func(p *progress) { p.facts = append(slices.Clone(p.facts), f) })
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// untilGone is ctx that also ends when the caller gives up.
func untilGone(ctx context.Context, gone <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
