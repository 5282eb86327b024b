package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"releve"

	"releve/adapters/peer"
	"releve/adapters/phone"
	"releve/rules/takeover"
	"releve/server/agent"
)

// telephone is the link to the PBX as the agent needs it.
type telephone struct {
	phone     *phone.Phone
	peer      *peer.Peer
	other     netip.AddrPort
	number    string
	reception *line
	standby   *line
	own       ownCalls

	mu     sync.Mutex
	heard  time.Time // the PBX's last answer
	missed int       // questions in a row that it did not answer since
}

// ownCalls is who is told of the calls that this server makes, and signs them.
type ownCalls interface {
	Seal(id string) string
	Place(id string, lesson bool) (done func())
}

// forCall marks the nonce of a question that a waiting call asks.
const forCall = "call-"

func (t *telephone) Options(ctx context.Context) error {
	_, err := t.phone.Options(ctx)
	if t.backAgain(err) {
		t.reception.doubt()
		t.standby.doubt()
	}
	return err
}

// A PBX that answers late once is not back from anywhere.
const (
	silentAfter  = time.Second
	silentMissed = 2
)

// backAgain takes in how a question to the PBX ended, and says whether it answers again
// after a silence: it may have been started anew, and have forgotten who is bound.
func (t *telephone) backAgain(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled): // nobody waited for the answer
		return false
	case err != nil:
		t.missed++
		return false
	}
	back := t.missed >= silentMissed && !t.heard.IsZero() && time.Since(t.heard) > silentAfter
	t.heard, t.missed = time.Now(), 0
	return back
}

func (t *telephone) CheckOther(ctx context.Context, q agent.CheckQuestion) (takeover.Reply, error) {
	nonce := rand.Text()
	if q.Call {
		nonce = forCall + nonce
	}
	question, err := t.peer.SealQuestion(nonce)
	if err != nil {
		return takeover.Reply{}, err
	}
	sealed, code, err := t.phone.CheckOther(ctx, t.other, question)
	if err != nil {
		return takeover.Reply{}, err
	}
	if sealed == "" {
		return takeover.Reply{}, releve.Known(fmt.Sprintf("answered %d without a word about itself", code), "cause-wordless", "code", strconv.Itoa(code))
	}
	answer, err := t.peer.OpenAnswer(nonce, sealed)
	if err != nil {
		return takeover.Reply{}, err
	}
	return reply(answer), nil
}

// Keep says which users are to be bound from now on. It never waits.
func (t *telephone) Keep(u takeover.Users) {
	t.reception.want(u.Reception)
	t.standby.want(u.Standby)
}

func (t *telephone) Bound() takeover.Users {
	return takeover.Users{Reception: t.reception.bound(), Standby: t.standby.bound()}
}

func (t *telephone) RegisterNow() { t.reception.now() }

func (t *telephone) BindingThere(ctx context.Context) (bool, error) {
	bindings, err := t.phone.Bindings(ctx, t.reception.account)
	return slices.ContainsFunc(bindings, isOwn), err
}

func isOwn(b phone.Binding) bool { return b.Own }

// TestCall calls as the standby: where there is none, nobody is there to call.
func (t *telephone) TestCall(ctx context.Context, id string) (agent.TestCall, error) {
	return t.call(ctx, id, false)
}

// call makes a call of our own; a lesson is not answered where it overflows to.
func (t *telephone) call(ctx context.Context, id string, lesson bool) (agent.TestCall, error) {
	if t.standby.account.User == "" {
		return agent.TestCall{}, releve.Known("at level mirroring there is no standby user to call with", "cause-no-standby")
	}
	defer t.own.Place(id, lesson)()
	call, err := t.phone.TestCall(ctx, t.standby.account, t.number, t.own.Seal(id))
	return agent.TestCall{AnsweredAfter: call.AnsweredAfter, SoundAfter: call.SoundAfter, AnsweredBy: call.AnsweredBy}, err
}

// questionOf reads what the other asked over SIP.
func questionOf(nonce string) agent.CheckQuestion {
	return agent.CheckQuestion{Call: strings.HasPrefix(nonce, forCall)}
}
