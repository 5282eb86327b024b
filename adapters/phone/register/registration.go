package register

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"releve/adapters/phone/sip"
)

const (
	// One attempt: fetch, question, REGISTER. A silent PBX is asked again sooner
	// than Timer F (32 s) would give up.
	attemptLimit = 8 * time.Second
	// Refusals are never final: the binding of a dead server stands until it
	// expires, and passwords are corrected. The pause grows to spare fail2ban.
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// A PBX forgets its bindings without a word (a restart, an administrator): between
	// two refreshes ours is looked at, or where the PBX shows nothing, refreshed.
	lookPeriod  = 20 * time.Second
	blindPeriod = 30 * time.Second
	// After a silence of the PBX everybody comes at once: each server waits a moment of
	// its own, well under the 3 s in which both must be bound again.
	afterSilence = time.Second
	// maxRetryAfter is the longest that a PBX is left alone because it asks for that.
	maxRetryAfter = 10 * time.Minute
	// beforeExpiry is how long before the end of a binding, and at most a quarter of its
	// time, it is worth more than a Retry-After.
	beforeExpiry = attemptLimit
)

// Registrar is what a Registration needs of a telephone.
type Registrar interface {
	Bindings(context.Context, Account) ([]Binding, error)
	Register(context.Context, Account) (Registered, error)
	Unregister(context.Context, Account) error
}

// RegistrationOptions are the questions and reports of a Registration.
type RegistrationOptions struct {
	// May is asked before each REGISTER, one that answers a challenge among them, with
	// the user's present bindings, nil where the PBX would not show them: may this server
	// bind the user now? A server that woke up after its takeover must not take the user
	// back (H10). Where the PBX is not to be asked, they are those that it last showed, and
	// none of them counts as our own. Nil: always.
	May func(context.Context, []Binding) bool
	// On is told of each attempt, from the registration's own goroutine. Nil: nobody.
	On  func(RegistrationEvent)
	Log *slog.Logger
}

// Outcome is how one attempt ended.
type Outcome string

// The outcomes of an attempt.
const (
	Bound   Outcome = "bound"
	Held    Outcome = "held"    // May said no
	Refused Outcome = "refused" // the PBX said no: Code
	Silent  Outcome = "silent"  // no answer, or none to be had: Err
)

// RegistrationEvent is one attempt.
type RegistrationEvent struct {
	User    string
	Outcome Outcome
	Code    int           // of the refusal
	Err     error         // in words
	At      time.Time     // of the attempt's end
	Next    time.Time     // of the next attempt
	Expires time.Duration // granted
	Asks    string        // the challenge that cannot be answered, if that is why it was refused

	shown      bool          // the PBX shows the binding
	retryAfter time.Duration // how long the PBX is left alone because it asks for that
}

// State is how a registration stands.
type State struct {
	Last  RegistrationEvent
	Until time.Time // the PBX holds our binding until then, as far as it said; zero: none
	// Doubted: there is a reason to think that the PBX forgot the binding, and it was not
	// confirmed since.
	Doubted bool
}

// Bound says whether the binding holds at the given time, as far as can be known.
func (s State) Bound(at time.Time) bool { return at.Before(s.Until) && !s.Doubted }

// Registration keeps one user bound until it is stopped.
type Registration struct {
	registrar Registrar
	account   Account
	options   RegistrationOptions
	now       chan struct{} // one request waits at most: two would do the same
	doubt     chan struct{} // likewise
	cancel    context.CancelFunc
	ended     chan struct{}

	// Of the registration's goroutine:
	free  time.Time // the PBX wants to be left alone until then
	save  time.Time // when the binding is worth more than that; zero: it was tried, or there is none
	known []Binding // as the PBX showed them when it last bound the user

	mu    sync.Mutex
	state State
}

// NewRegistration makes a registration, not yet started.
func NewRegistration(r Registrar, a Account, o RegistrationOptions) *Registration {
	return &Registration{registrar: r, account: a, options: o, now: make(chan struct{}, 1), doubt: make(chan struct{}, 1)}
}

// Start begins to register, at once. It is called once.
func (r *Registration) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.ended = cancel, make(chan struct{})
	go func() {
		defer close(r.ended)
		r.run(ctx)
	}()
}

// Stop ends the loop, and when asked removes this server's own binding. Without that
// it sends nothing. ctx bounds both.
func (r *Registration) Stop(ctx context.Context, unregister bool) error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	select {
	case <-r.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !unregister {
		return nil
	}
	if err := r.registrar.Unregister(ctx, r.account); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Until = time.Time{}
	return nil
}

// Now asks for an attempt at once instead of at its time.
func (r *Registration) Now() {
	select {
	case r.now <- struct{}{}:
	default:
	}
}

// Doubt says that the PBX may have forgotten the binding: it was silent for a while.
// Until it is confirmed the user does not count as bound, and it is asked for soon,
// whatever is left of its expiry.
func (r *Registration) Doubt() {
	r.mu.Lock()
	r.state.Doubted = true
	r.mu.Unlock()
	select {
	case r.doubt <- struct{}{}:
	default:
	}
}

// State is how the registration stands.
func (r *Registration) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// run makes an attempt, waits, and begins again.
func (r *Registration) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		event := r.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := max(event.Expires/2, firstPause)
		if event.Outcome == Bound {
			pause = firstPause
			if !event.shown {
				wait = min(wait, blindPeriod)
			}
		} else {
			wait = jitter(pause)
			pause = min(2*pause, maxPause)
		}
		r.leaveAlone(event.retryAfter)
		if event.Outcome == Held {
			r.save = time.Time{} // not ours to save
		}
		next := r.mayAsk(time.Now().Add(wait))
		r.report(event, time.Until(next))
		if r.rest(ctx, event, next) {
			pause = firstPause // the PBX is back
		}
	}
}

// leaveAlone notes that the PBX said Retry-After, in answer to whatever.
func (r *Registration) leaveAlone(asked time.Duration) {
	r.free = later(r.free, time.Now().Add(asked))
}

// mayAsk is when the PBX may be asked what is to be asked at that time: not while it wants
// to be left alone, but before a binding lapses that may still hold.
func (r *Registration) mayAsk(at time.Time) time.Time {
	at = later(at, r.free)
	if r.save.IsZero() || !r.State().holds() {
		return at
	}
	return earlier(at, later(r.save, time.Now().Add(firstPause)))
}

// saving says that the binding lapses unless it is renewed at once, without a question
// before: such an attempt is made once.
func (r *Registration) saving() bool {
	due := !r.save.IsZero() && !time.Now().Before(r.save)
	if due {
		r.save = time.Time{}
	}
	return due && r.State().holds()
}

// holds says that the PBX may still hold the binding, doubted or not.
func (s State) holds() bool { return time.Now().Before(s.Until) }

// rest lasts until the next attempt, and looks at the binding meanwhile where the PBX
// shows it. Nothing ends it while the PBX wants to be left alone, save the binding itself.
// It says whether a doubt ended it.
func (r *Registration) rest(ctx context.Context, event RegistrationEvent, next time.Time) (doubted bool) {
	look := time.NewTicker(lookPeriod)
	defer look.Stop()
	if !event.shown {
		look.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Until(next)):
			return doubted
		case <-r.now:
			next = earlier(next, later(r.free, time.Now()))
		case <-r.doubt:
			doubted = true
			next = earlier(next, later(r.free, time.Now().Add(rand.N(afterSilence))))
		case <-look.C:
			if time.Now().Before(r.free) {
				continue
			}
			if r.forgotten(ctx) {
				return true
			}
			next = r.mayAsk(next)
		}
	}
}

// forgotten looks whether the PBX still shows the binding. One that does not answer, or
// will not show it now, has said nothing, but may want to be left alone.
func (r *Registration) forgotten(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	bindings, err := r.registrar.Bindings(ctx, r.account)
	if wait := alone(err); wait > 0 {
		r.leaveAlone(wait)
		r.options.Log.Info("the PBX wants to be left alone", "user", r.account.User, "error", err, "for", wait)
	}
	gone := err == nil && !slices.ContainsFunc(bindings, isOwn)
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone {
		r.save = time.Time{} // nothing is left to save
		r.state.Doubted = true
		r.options.Log.Warn("the PBX forgot a binding", "user", r.account.User)
	}
	return gone
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// attempt looks who is bound, unless there is no time for that, asks whether we may, and
// registers.
func (r *Registration) attempt(ctx context.Context) RegistrationEvent {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	bindings, err := r.present(ctx)
	if mustWait(err) {
		return failed(err)
	}
	account, held := r.account, RegistrationEvent{Outcome: Held}
	if may := r.options.May; may != nil {
		if !may(ctx, bindings) {
			return held
		}
		account.Still = func() bool { return may(ctx, bindings) }
	}
	granted, err := r.registrar.Register(ctx, account)
	if errors.Is(err, ErrNotWanted) {
		return held
	}
	if err != nil {
		return failed(err)
	}
	r.known = granted.Bindings
	r.save = granted.At.Add(granted.Expires - min(beforeExpiry, granted.Expires/4))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Until, r.state.Doubted = granted.At.Add(granted.Expires), false
	return RegistrationEvent{Outcome: Bound, Expires: granted.Expires, shown: granted.Shown()}
}

// present are the user's bindings. Who has only the time to save one takes them as they
// last were: whether ours stands there today, nobody has seen.
func (r *Registration) present(ctx context.Context) ([]Binding, error) {
	if !r.saving() {
		return r.registrar.Bindings(ctx, r.account)
	}
	unproven := slices.Clone(r.known)
	for i := range unproven {
		unproven[i].Own = false
	}
	return unproven, nil
}

// mustWait says that after this answer to the question nothing more is to be asked now: a
// PBX that will not show its bindings is no reason not to register, one that says nothing,
// or wants to be left alone, is.
func mustWait(err error) bool {
	status, refused := errors.AsType[*StatusError](err)
	return err != nil && (!refused || status.RetryAfter > 0)
}

// alone is how long the PBX is left alone because it asks for that.
func alone(err error) time.Duration {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return min(status.RetryAfter, maxRetryAfter)
	}
	return 0
}

func failed(err error) RegistrationEvent {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return RegistrationEvent{Outcome: Refused, Code: status.Code, Err: err, retryAfter: alone(err)}
	}
	if challenge, ok := errors.AsType[*sip.ChallengeError](err); ok {
		return RegistrationEvent{Outcome: Refused, Code: challenge.Code, Err: err, Asks: challenge.Asks}
	}
	return RegistrationEvent{Outcome: Silent, Err: err}
}

func others(all []Binding) []Binding {
	var foreign []Binding
	for _, b := range all {
		if !b.Own {
			foreign = append(foreign, b)
		}
	}
	return foreign
}

// report completes an event and tells who asked for it.
func (r *Registration) report(event RegistrationEvent, wait time.Duration) {
	event.User, event.At = r.account.User, time.Now()
	event.Next = event.At.Add(wait)
	r.mu.Lock()
	r.state.Last = event
	r.mu.Unlock()
	r.options.Log.Info("registration", "user", event.User, "outcome", event.Outcome, "code", event.Code,
		"error", event.Err, "next", wait.Round(time.Millisecond))
	if r.options.On != nil {
		r.options.On(event)
	}
}

// jitter spreads the attempts of many servers that a restart of the PBX woke up
// together: up to a tenth more.
func jitter(pause time.Duration) time.Duration {
	return pause + rand.N(pause/10)
}
