package register

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// One attempt: fetch, question, REGISTER. A silent PBX is asked again sooner
	// than Timer F (32 s) would give up.
	attemptLimit = 8 * time.Second
	// Refusals are never final: the binding of a dead server stands until it
	// expires, and passwords are corrected. The pause grows to spare fail2ban.
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// Registrar is what a Registration needs of a telephone.
type Registrar interface {
	Bindings(context.Context, Account) ([]Binding, error)
	Register(context.Context, Account) (Registered, error)
	Unregister(context.Context, Account) error
}

// RegistrationOptions are the questions and reports of a Registration.
type RegistrationOptions struct {
	// May is asked before each REGISTER with the user's present bindings, nil where
	// the PBX would not show them: may this server bind the user now? A server that
	// woke up after its takeover must not take the user back. Nil: always.
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
	Others  []Binding     // contacts of the user that are not this server's
}

// State is how a registration stands.
type State struct {
	Last  RegistrationEvent
	Until time.Time // the PBX holds our binding until then, as far as it said; zero: none
}

// Bound says whether the binding holds at the given time.
func (s State) Bound(at time.Time) bool { return at.Before(s.Until) }

// Registration keeps one user bound until it is stopped.
type Registration struct {
	registrar Registrar
	account   Account
	options   RegistrationOptions
	now       chan struct{} // one request waits at most: two would do the same
	cancel    context.CancelFunc
	ended     chan struct{}

	mu    sync.Mutex
	state State
}

// NewRegistration makes a registration, not yet started.
func NewRegistration(r Registrar, a Account, o RegistrationOptions) *Registration {
	return &Registration{registrar: r, account: a, options: o, now: make(chan struct{}, 1)}
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

// State is how the registration stands.
func (r *Registration) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// run makes an attempt, waits, and begins again.
func (r *Registration) run(ctx context.Context) {
	pause := firstPause
	for {
		event := r.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := max(event.Expires/2, firstPause)
		if event.Outcome == Bound {
			pause = firstPause
		} else {
			wait = jitter(pause)
			pause = min(2*pause, maxPause)
		}
		r.report(event, wait)
		select {
		case <-ctx.Done():
			return
		case <-r.now:
		case <-time.After(wait):
		}
	}
}

// attempt looks who is bound, asks whether we may, and registers.
func (r *Registration) attempt(ctx context.Context) RegistrationEvent {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	bindings, err := r.registrar.Bindings(ctx, r.account)
	if _, refused := errors.AsType[*StatusError](err); err != nil && !refused {
		return failed(err)
	}
	if r.options.May != nil && !r.options.May(ctx, bindings) {
		return RegistrationEvent{Outcome: Held, Others: others(bindings)}
	}
	granted, err := r.registrar.Register(ctx, r.account)
	if err != nil {
		return failed(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Until = granted.At.Add(granted.Expires)
	return RegistrationEvent{Outcome: Bound, Expires: granted.Expires, Others: others(granted.Bindings)}
}

func failed(err error) RegistrationEvent {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return RegistrationEvent{Outcome: Refused, Code: status.Code, Err: err}
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
