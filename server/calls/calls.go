// Package calls takes up what the PBX offers: one goroutine a call, from the
// INVITE to the end of the conversation.
//
// Who is on duty is decided elsewhere and read here as a stance. Package
// attendant says what the caller hears; this one makes it heard, and records it
// without making the caller wait for a disk (SPEC C8, C10).
//
// Not here: no retry of a refused call (the PBX has it again), and no wait on
// another call (a verification is shared by those who make it, SPEC H6).
package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
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
	return releve.Reason(releve.Explained(u, u.Error(),
		"cause-not-acceptable", "code", strconv.Itoa(u.Code), "why", releve.Reason(u.Why)))
}

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
	// heard of the new call, 0 when none was. The leg stays, but with [releve.ErrLost].
	Transfer(ctx context.Context, user string) (code int, err error)
	// Bridged says whether the caller talks to somebody by way of this server, after a Transfer. The end of either
	// side's call is then the end of both.
	Bridged() bool
	// Await returns as Transfer does, of the transfer that another server's telephone had begun on a leg
	// that was taken up from it.
	Await(ctx context.Context) (code int, err error)
	Hangup(ctx context.Context) error
	// Leave ends the leg here and says nothing to anybody: another server goes on with it.
	Leave()
	// Written is all that the telephone of another server needs to take the leg up as it is now, and
	// WhenChanged has f called when what was written before no longer serves for that.
	Written() json.RawMessage
	WhenChanged(f func())
	// HearsKeys says whether keys come as telephone events, surely; known once it is confirmed.
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

	// Explain tells the operator a fact; nil: nobody is told.
	Explain func(what releve.Sentence)
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
	crowd    crowd
	spool    Spool
	offered  chan Incoming
	explain  func(what releve.Sentence)
	heir     Heir
}

// offeredMax calls wait to be taken up: more at once than any PBX sends.
const offeredMax = 1024

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
	if o.Explain == nil {
		o.Explain = func(releve.Sentence) {}
	}
	return &Calls{
		seat: o.Seat, run: o.Run, began: o.Began, profile: o.Profile, script: o.Script, duty: o.Duty, log: o.Log, now: o.Clock,
		board:    newBoard(o.Channels, o.Clock),
		recorder: newRecorder(o.Spool, o.Log),
		own:      newOwn(o.Secret, o.Clock),
		chains:   newChains(o.Clock),
		spool:    o.Spool,
		offered:  make(chan Incoming, offeredMax),
		explain:  o.Explain,
		heir:     nobody{},
	}, nil
}

// Run hands the records of calls to the spool until ctx ends, then what is still
// in memory, for two seconds at most, and that none is missing where none is. End the calls
// first: see [Calls.Drop] and [Calls.Drained]. The error says how many records were lost.
func (c *Calls) Run(ctx context.Context) error {
	if err := c.recorder.run(ctx); err != nil {
		return err
	}
	if left := c.Snapshot(); left.Busy+left.Deciding > 0 || left.RecordsLost > 0 {
		return nil
	}
	return c.spool.Finished()
}

// Offered hands a call on to [Calls.Take], and returns when it is over or was refused.
func (c *Calls) Offered(in Incoming) {
	select {
	case c.offered <- in:
		<-in.Gone()
	default:
		_ = in.Refuse(c.profile.BusyCode)
	}
}

// Take takes up what is offered until ctx ends, each call in a goroutine of its own, and
// returns after the last.
func (c *Calls) Take(ctx context.Context) {
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-c.offered:
			talks.Go(func() { c.Offer(ctx, in) })
		}
	}
}

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

// Present is how many calls there are, answered or not.
func (c *Calls) Present() int { return c.board.present() }

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
	TurnedAway                 int64 // of the refused, those of a crowd: before anything was done for them
	OwnAnswered                int64 // of the answered, those that the site itself made
	LastInvite                 time.Time
	SaturatedSince             time.Time // all channels busy since; zero: one is free
	RecordsWaiting             int64     // in memory, on no disk yet
	RecordsLost                int64     // an alarm above 0

	// Calls that were lately refused for what they offer, the last of them, and why.
	Unacceptable    int
	UnacceptableAt  time.Time
	UnacceptableWhy string

	// Calls that were lately turned away because too many came at once.
	Crowded   int
	CrowdedAt time.Time

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

// Room takes a channel for a call of this server's own, which leave gives back: to whom a caller is put through, or to
// somebody on duty. must: the call is there already, whether there is room or not.
func (c *Calls) Room(must bool) (leave func(), ok bool) {
	if !c.board.second(must) {
		return func() {}, false
	}
	return sync.OnceFunc(c.board.free), true
}

// Well says why calls could not be answered lately. A server with such an
// error must not claim that it can take a call (SPEC H4). It passes with the
// next answer, or by itself: a server that is offered no call must not stay
// unwell for ever.
func (c *Calls) Well() error { return c.board.healthy() }

// Load is how busy the calls are, with what the screens say of them beside their numbers.
func (c *Calls) Load() releve.Load {
	s := c.Snapshot()
	return releve.Load{
		Busy: s.Busy, Channels: s.Channels, Offered: s.Offered,
		Answered: s.Answered, Refused: s.Refused, LastInvite: s.LastInvite,
		Notices: c.Notices(),
	}
}

// Unacceptable shows a call that was refused before it could be offered here, or answered
// and hung up, for what it asks of the telephone. One that was answered has its record.
func (c *Calls) Unacceptable(in releve.Invite, why *Unacceptable, answered bool) {
	stance, term := c.duty.Stance()
	k := &call{Calls: c, of: c.seat, offer: c.knowing().offer(in, stance), drop: func(error) {}, log: c.log.With("call", in.Call), term: term}
	if answered || stance != takeover.OnDuty && stance != takeover.NoDuty || !c.board.enter(k) {
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
func (c *Calls) Known() []releve.Call { return c.board.known() }
