// Package calls takes up what the PBX offers: one goroutine a call, from the
// INVITE to the end of the conversation.
//
// Who is on duty is decided elsewhere and read here as a [Stance]. Package
// attendant says what the caller hears; this one makes it heard, and records it
// without making the caller wait for a disk (SPEC C8, C10).
//
// Not here: no retry of a refused call (the PBX has it again), and no wait on
// another call (a verification is shared by those who make it, SPEC H6).
package calls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"releve"
	"releve/attendant"
	"releve/view"
)

// Incoming is a call that the PBX offers and that has had 100 Trying, no more
// (SPEC H6).
type Incoming interface {
	Invite() releve.Invite
	// Answer sends 200. After an error the INVITE still waits for a final response,
	// unless the error is an [*Unacceptable] or the caller is Gone.
	Answer(ctx context.Context) (Leg, error)
	Refuse(code int) error
	// Gone is closed when the caller gave up before an answer, and has had his 487;
	// also once the INVITE has been refused.
	Gone() <-chan struct{}
}

// Unacceptable is what Answer returns when the offer itself is at fault, as without a common
// codec, and was refused with that code: this server is not the one to blame.
type Unacceptable struct {
	Code int
	Why  error
}

func (u *Unacceptable) Error() string { return fmt.Sprintf("%d: %v", u.Code, u.Why) }

// sentence is what the screens say of it.
func (u *Unacceptable) sentence() string {
	return view.Reason(view.Explained(u, u.Error(), "cause-not-acceptable", "code", strconv.Itoa(u.Code), "why", view.Reason(u.Why)))
}

// ErrLost is what Transfer returns, beside the status, when nobody is on the call any
// more: the leg is gone.
var ErrLost = view.Known("nobody is on the call any more", "cause-lost")

// Leg is an answered call. Its methods return soon after their context ends or
// the leg is gone.
type Leg interface {
	// Confirmed is closed when the caller has acknowledged the call. Nothing is said
	// before, and no silence is his.
	Confirmed() <-chan struct{}
	// Withdrawn says whether the caller had given up before he had the answer; known once it
	// is confirmed or gone.
	Withdrawn() bool
	// Play says a prompt, named language/name as package attendant does, and
	// returns when it is said.
	Play(ctx context.Context, prompt string) error
	// Digits are the keys pressed, each once. A 0 among them, which is no key, says that those
	// before it were not the caller's.
	Digits() <-chan byte
	// Transfer puts the caller through to a SIP user and returns the last status
	// heard of the new call, 0 when none was. The leg stays.
	Transfer(ctx context.Context, user string) (code int, err error)
	Hangup(ctx context.Context) error
	// HearsKeys says whether keys can be heard at all; known once it is confirmed.
	HearsKeys() bool
	// Gone is closed when the other side has hung up or the leg was lost.
	Gone() <-chan struct{}
	// Lost says of a leg that is gone that nobody hung up: the PBX had lost the call.
	Lost() bool
}

// Options is what a server's calls need.
type Options struct {
	Seat     releve.Seat
	Channels int // calls in conversation at one time
	Profile  Profile
	Script   attendant.Script
	Duty     Duty
	Spool    Spool
	Log      *slog.Logger
	Run      releve.RunID     // of this server, that its calls are recorded with
	Secret   string           // that both servers of the site know, and nobody else
	Clock    func() time.Time // nil: time.Now
	Began    time.Time        // when the PBX could first reach this server; zero: long ago

	// Broken is told of a call that a fault of this program ended; nil: nobody is.
	Broken func(call releve.CallID, cause string)
}

// Calls is all the calls of a server.
type Calls struct {
	seat    releve.Seat
	run     releve.RunID
	began   time.Time
	profile Profile
	script  attendant.Script
	duty    Duty
	log     *slog.Logger
	now     func() time.Time

	board    *board
	recorder *recorder
	own      *own
	chains   *chains
	broken   func(releve.CallID, string)
}

// New makes the calls of a server. Nothing is recorded until [Calls.Run] runs.
// The error names every mistake of the options.
func New(o Options) (*Calls, error) {
	err := errors.Join(o.Script.Check(), o.Profile.Check())
	if o.Channels < 1 {
		err = errors.Join(err, fmt.Errorf("%d channels: a server that answers needs at least one", o.Channels))
	}
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Calls{
		seat: o.Seat, run: o.Run, began: o.Began, profile: o.Profile, script: o.Script, duty: o.Duty, log: o.Log, now: o.Clock,
		board:    newBoard(o.Channels, o.Clock),
		recorder: newRecorder(o.Spool, o.Log),
		own:      newOwn(o.Secret, o.Clock),
		chains:   newChains(o.Clock),
		broken:   o.Broken,
	}, nil
}

// Run hands the records of calls to the spool until ctx ends, then what is still
// in memory, for two seconds at most. End the calls first: see [Calls.Drop] and
// [Calls.Drained]. The error says how many records were lost.
func (c *Calls) Run(ctx context.Context) error { return c.recorder.run(ctx) }

// Offer takes one call to its end: refused, given up, or answered and talked
// through. The end of ctx drops the call.
func (c *Calls) Offer(ctx context.Context, in Incoming) {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	k := newCall(c, in, drop)
	// On the board before the stance is read: a fence closes the stance, then
	// drops what is on the board, so no call slips between the two (RULES R9).
	if !c.board.enter(k) {
		k.refuse(c.profile.BusyCode, "too many calls are waiting")
		return
	}
	defer c.board.leave(k)
	defer k.survive()

	waiting, stop := untilGone(ctx, in.Gone())
	defer stop()
	if k.decide(waiting) {
		k.takeUp(ctx, waiting)
	}
}

// Drop hangs up every call at once and gives up those not answered, without
// waiting for any of it (RULES R9). Close the stance first.
func (c *Calls) Drop(reason string) { c.board.drop(fmt.Errorf("%w: %s", errDropped, reason)) }

// Drained waits until no call is left, or for the end of ctx.
func (c *Calls) Drained(ctx context.Context) error {
	select {
	case <-c.board.drained():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d calls were still there: %w", c.board.present(), context.Cause(ctx))
	}
}

// Snapshot is the figures of a moment. Counts are since the start.
type Snapshot struct {
	Busy, Channels             int
	Deciding                   int // calls on 100 Trying
	Offered, Answered, Refused int64
	LastInvite, LastAnswered   time.Time
	SaturatedSince             time.Time // all channels busy since; zero: one is free
	RecordsWaiting             int64     // in memory, on no disk yet
	RecordsLost                int64     // an alarm above 0
	Failing                    bool      // see Healthy

	// Calls that were lately refused for what they offer, the last of them, and why.
	Unacceptable    int
	UnacceptableAt  time.Time
	UnacceptableWhy string

	// Calls that were lately answered and in which no key could be heard.
	Keyless   int
	KeylessAt time.Time
}

// Snapshot is the figures now.
func (c *Calls) Snapshot() Snapshot {
	s := c.board.snapshot()
	s.RecordsWaiting, s.RecordsLost = c.recorder.waiting.Load(), c.recorder.lost.Load()
	return s
}

// Saturated says since when all channels have been busy, the zero time when one
// is free (SPEC H4).
func (c *Calls) Saturated() time.Time { return c.board.snapshot().SaturatedSince }

// Healthy says why calls could not be answered lately. A server with such an
// error must not claim that it can take a call (SPEC H4). It passes with the
// next answer, or by itself: a server that is offered no call must not stay
// unwell for ever.
func (c *Calls) Healthy() error { return c.board.healthy() }

// Unacceptable shows a call that was refused before it could be offered here, or answered
// and hung up, for what it asks of the telephone. One that was answered has its record.
func (c *Calls) Unacceptable(in releve.Invite, why *Unacceptable, answered bool) {
	stance := c.duty.Stance()
	k := &call{Calls: c, offer: c.knowing().offer(in, stance.Kind), drop: func(error) {}, log: c.log.With("call", in.Call), term: stance.Term}
	if answered || stance.Kind != OnDuty && stance.Kind != WithoutDuty || !c.board.enter(k) {
		c.board.unacceptable(why.sentence())
		return
	}
	defer c.board.leave(k)
	c.board.refused()
	k.begin(time.Time{})
	k.end(k.unfit(why))
}

// Known is every call in conversation, oldest first, and the last 200 that have ended, newest
// first.
func (c *Calls) Known() []view.Call { return c.board.known() }
