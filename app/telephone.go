package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"releve/agent"
	"releve/peer"
	"releve/phone"
	"releve/phone/register"
	"releve/takeover"
	"releve/view"
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
		return takeover.Reply{}, fmt.Errorf("answered %d without a word about itself", code)
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
		return agent.TestCall{}, errors.New("at level mirroring there is no standby user to call with")
	}
	defer t.own.Place(id, lesson)()
	call, err := t.phone.TestCall(ctx, t.standby.account, t.number, t.own.Seal(id))
	return agent.TestCall{AnsweredAfter: call.AnsweredAfter, SoundAfter: call.SoundAfter, AnsweredBy: call.AnsweredBy}, err
}

// line keeps one SIP user bound, or not, as the duty asks. One goroutine, run,
// begins and ends its registration.
type line struct {
	phone   *phone.Phone
	account phone.Account
	may     func(own, any bool) bool
	explain func(severity string, what view.Sentence)
	log     *slog.Logger
	wanted  chan bool // the latest wish, at most one waits

	mu      sync.Mutex
	current *register.Registration
	refused string // the refusal last said, owned by the registration's goroutine
}

func newLine(p *phone.Phone, a phone.Account, may func(own, any bool) bool, explain func(string, view.Sentence), log *slog.Logger) *line {
	return &line{phone: p, account: a, may: may, explain: explain, log: log, wanted: make(chan bool, 1)}
}

func (l *line) want(on bool) {
	for {
		select {
		case l.wanted <- on:
			return
		case <-l.wanted: // an older wish is void
		}
	}
}

// endLimit bounds how long a PBX may take to let a binding go.
const endLimit = 2 * time.Second

// run ends with ctx and then gives back a binding that is still this server's.
func (l *line) run(ctx context.Context) {
	defer l.end()
	for {
		select {
		case <-ctx.Done():
			return
		case on := <-l.wanted:
			if on == (l.registration() != nil) {
				continue
			}
			if on {
				l.begin()
			} else {
				l.end()
			}
		}
	}
}

func (l *line) registration() *register.Registration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *line) begin() {
	r := register.NewRegistration(l.phone, l.account, register.RegistrationOptions{May: l.allowed, On: l.said, Log: l.log})
	l.mu.Lock()
	l.current = r
	l.mu.Unlock()
	r.Start()
}

func (l *line) end() {
	r := l.registration()
	if r == nil {
		return
	}
	l.mu.Lock()
	l.current = nil
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	_ = r.Stop(ctx, true) // a PBX that does not answer lets the binding expire
}

func (l *line) allowed(_ context.Context, bindings []phone.Binding) bool {
	return l.may(slices.ContainsFunc(bindings, isOwn), len(bindings) > 0)
}

// now asks for an attempt at once, but never sooner than a PBX that refused may be
// asked again: it would ban the address.
func (l *line) now() {
	r := l.registration()
	if r == nil {
		return
	}
	if last := r.State().Last; last.Outcome == register.Refused && time.Now().Before(last.Next) {
		return
	}
	r.Now()
}

func (l *line) bound() bool {
	r := l.registration()
	return r != nil && r.State().Bound(time.Now()) && r.State().Last.Outcome != register.Held
}

// doubt says that the PBX may have forgotten the binding.
func (l *line) doubt() {
	if r := l.registration(); r != nil {
		r.Doubt()
	}
}

// said tells the operator of the first refusal of a kind, and of its end.
func (l *line) said(e register.RegistrationEvent) {
	kind := fmt.Sprint(e.Code, e.Asks)
	switch {
	case e.Outcome == register.Refused && kind != l.refused:
		l.refused = kind
		l.explain("warning", refusalOf(e))
	case e.Outcome == register.Bound && l.refused != "":
		l.refused = ""
		l.explain("cleared", view.Say("event-registered", "user", l.account.User))
	}
}

// refusalOf says why a user is not registered: the PBX will not have him, or asks for
// what cannot be given.
func refusalOf(e register.RegistrationEvent) view.Sentence {
	next := time.Until(e.Next).Round(time.Second).String()
	if e.Asks != "" {
		return view.Say("event-register-challenge", "user", e.User, "code", fmt.Sprint(e.Code), "asks", e.Asks, "next", next)
	}
	return view.Say("event-register-refused", "user", e.User, "code", fmt.Sprint(e.Code), "next", next)
}

// questionOf reads what the other asked over SIP.
func questionOf(nonce string) agent.CheckQuestion {
	return agent.CheckQuestion{Call: strings.HasPrefix(nonce, forCall)}
}
