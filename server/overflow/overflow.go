// Package overflow proves, before it matters, that the PBX lets calls overflow to the standby and
// gives them back, and learns how it shows that (SPEC H7, H8): the standby calls the reception,
// and the main refuses that call.
package overflow

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/calls"
	"releve/server/comparison"
	"releve/server/order"
)

const (
	// testAfter is how long a site is protected before its standby makes the first call: no
	// procedure is then about to prove itself by calls of its own.
	testAfter = 5 * time.Second
	// testLimit is how long a PBX may take to let a call overflow and to give it back.
	testLimit = 30 * time.Second
	// A test that showed nothing is made again after a pause that grows.
	testPauseFirst = time.Minute
	testPauseMost  = time.Hour
	// testAge is when what was seen is looked at again, in the night's hour.
	testAge = 20 * time.Hour
)

// orderGiveBack is the order by which the standby has its next call refused, so that the PBX
// lets it overflow; orderSeen tells the other what came of it.
const (
	orderGiveBack = "give-back"
	orderSeen     = "lesson-seen"
)

// Telephone is this server's, with which the calls are made.
type Telephone interface {
	// Ask asks the PBX whether it lives: its answer, and whether it asked for a password first.
	Ask(context.Context) (code int, challenged bool, err error)
	// Call calls the reception as the standby. What the PBX refused it with is an error with a
	// Status.
	Call(ctx context.Context, id string) (releve.TestCall, error)
}

// Calls are this server's.
type Calls interface {
	Sighted() calls.Sighting
	Learn(calls.Sighting)
	GiveBack(id string, within time.Duration)
	Snapshot() calls.Snapshot
}

// Site is how the site stands, as the agent knows it.
type Site interface {
	Stance() (takeover.StanceKind, releve.Term)
	View() view.Site
}

// Options are what a Tester is made of.
type Options struct {
	Seat     releve.Seat
	Profile  calls.Profile
	OwnCalls bool          // tests are made without being asked for
	Night    time.Duration // since midnight: the hour in which they are made again
	File     string        // where what was seen is kept

	Telephone Telephone
	Calls     Calls
	Site      Site
	Link      order.Link
	Explain   func(what releve.Sentence)
	Log       *slog.Logger
}

// Tester makes the calls. What was seen is kept on both servers.
type Tester struct {
	Options
	tried int       // in vain, since one was seen
	next  time.Time // not before
	calm  time.Time // since when the site is protected
	kept  time.Time // of what is on this disk
	told  time.Time // of what the other server keeps

	orders  chan checkOrder // of an operator
	busy    chan struct{}   // held by the order that is carried out
	checked time.Time       // when the last was
}

// New makes a tester, which knows what was seen last.
func New(o Options) *Tester {
	t := &Tester{Options: o, orders: make(chan checkOrder), busy: make(chan struct{}, 1)}
	var seen calls.Sighting
	if text, err := os.ReadFile(o.File); err == nil && json.Unmarshal(text, &seen) == nil {
		o.Calls.Learn(seen)
		t.kept = seen.At
	}
	return t
}

// Seen is when the PBX last brought a call of our own to the standby; zero: never. Calls of others
// show nothing: their headers are anybody's (SPEC K3).
func (t *Tester) Seen() time.Time { return t.Calls.Sighted().At }

// Run makes tests until ctx ends.
func (t *Tester) Run(ctx context.Context) {
	look := time.NewTimer(releve.UntilBeat(time.Now(), time.Second))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-t.orders:
			o.done <- t.check(ctx, o.emit)
			continue
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), time.Second))
		}
		t.keep(ctx)
		if t.due(time.Now()) {
			t.give(ctx)
		}
	}
}

// stands says whether this is the standby of a protected site, while no procedure runs.
func (t *Tester) stands() bool {
	if stance, _ := t.Site.Stance(); stance != takeover.Verifying {
		return false
	}
	site := t.Site.View()
	running := site.Procedure.Runs()
	return site.Word == view.Protected && site.Level == releve.HighAvailability && !running
}

// due says whether a test is to be made now, when none was seen yet or it is night.
func (t *Tester) due(now time.Time) bool {
	switch {
	case !t.OwnCalls || !t.stands():
		t.calm = time.Time{}
		return false
	case t.calm.IsZero():
		t.calm = now
	}
	if now.Sub(t.calm) < testAfter || now.Before(t.next) {
		return false
	}
	seen := t.Calls.Sighted()
	return seen.At.IsZero() || now.Sub(seen.At).Abs() > testAge && nightly(now, t.Night)
}

// nightly says whether it is the hour after a time of the day.
func nightly(now time.Time, at time.Duration) bool {
	return now.Sub(comparison.LastHour(now, at)) < time.Hour
}

// give makes a test. The second time in vain says why.
func (t *Tester) give(ctx context.Context) {
	o := t.test(ctx)
	if t.tell(o) {
		t.tried, t.next = 0, time.Time{}
		return
	}
	t.next = time.Now().Add(min(testPauseFirst<<min(t.tried, 10), testPauseMost))
	if t.tried++; t.tried == 1 || t.tried%10 == 2 {
		t.Explain(releve.Say("event-overflow-unseen", "why", o.why()))
	}
}

// tell says what a test has shown, if it has shown anything.
func (t *Tester) tell(o outcome) bool {
	if !o.came {
		return false
	}
	t.Explain(releve.Say("event-overflow-seen", "evidence", string(o.seen.Evidence), "to", o.seen.To))
	if o.err == nil {
		t.Explain(releve.Say("event-overflow-returned", "by", o.call.AnsweredBy))
	}
	return true
}

// errNotBack: what the main refused went elsewhere.
var errNotBack = releve.Known("the call did not come back to this server", "cause-not-back")

// test has the main refuse the next call of the standby, and makes it.
func (t *Tester) test(ctx context.Context) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	begun, before := time.Now(), t.Calls.Sighted()
	id := rand.Text()
	which, err := json.Marshal(id)
	if err != nil {
		o.unasked = err
		return o
	}
	if o.unasked = order.Tell(ctx, t.Link, orderGiveBack, which); o.unasked != nil {
		return o
	}
	o.call, o.err = t.Telephone.Call(ctx, id)
	o.seen = t.Calls.Sighted()
	o.came = o.seen.At.After(before.At)
	if s := t.Calls.Snapshot(); s.UnacceptableAt.After(begun) {
		o.unfit = s.UnacceptableWhy
	}
	return o
}

// keep writes what was seen to this disk, and tells the other server, once each.
func (t *Tester) keep(ctx context.Context) {
	seen := t.Calls.Sighted()
	if seen.At.IsZero() || seen.At.Equal(t.kept) && seen.At.Equal(t.told) {
		return
	}
	text, err := json.Marshal(seen)
	if err != nil {
		return
	}
	if !seen.At.Equal(t.kept) && renameio.WriteFile(t.File, text, 0o600) == nil {
		t.kept = seen.At
	}
	if !seen.At.Equal(t.told) && t.hearsOther() {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if order.Tell(ctx, t.Link, orderSeen, text) == nil {
			t.told = seen.At
		}
	}
}

// hearsOther says that the other server is there to be told.
func (t *Tester) hearsOther() bool {
	site := t.Site.View()
	other := site.Main
	if t.Seat == releve.Main {
		other = site.Secondary
	}
	return other.Heard
}

// Desk answers the other server's orders.
func (t *Tester) Desk() order.Desk {
	return order.Desk{
		orderGiveBack: func(_ context.Context, args json.RawMessage, _ order.Emit) error {
			var id string
			if len(args) > 0 { // none from a server of the version before
				if err := json.Unmarshal(args, &id); err != nil {
					return err
				}
			}
			t.Calls.GiveBack(id, testLimit)
			return nil
		},
		orderSeen:        t.learn,
		orderCheck:       order.Shown(t.order),
		orderOwnAnswered: order.Answered(func(context.Context) (int64, error) { return t.Calls.Snapshot().OwnAnswered, nil }),
	}
}

// Closed is the desk of a server that has no telephone: it answers why.
func Closed(why error) order.Desk {
	no := func(context.Context, json.RawMessage, order.Emit) error { return why }
	return order.Desk{orderGiveBack: no, orderSeen: no, orderCheck: no, orderOwnAnswered: no}
}

func (t *Tester) learn(_ context.Context, args json.RawMessage, _ order.Emit) error {
	var seen calls.Sighting
	if err := json.Unmarshal(args, &seen); err != nil {
		return err
	}
	t.Calls.Learn(seen)
	return renameio.WriteFile(t.File, args, 0o600) // the other says that it is kept here
}
