package register

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"releve"
)

// Line keeps one SIP user bound, or not, as the duty asks. One goroutine, Run,
// begins and ends its registration.
type Line struct {
	pbx     Registrar
	account Account
	may     func(own, any bool) bool
	explain func(what releve.Sentence)
	log     *slog.Logger
	wanted  chan bool // the latest wish, at most one waits

	mu      sync.Mutex
	current *Registration
	held    bool          // the PBX may have a binding of ours
	shown   bool          // it showed the last one that was made
	granted time.Duration // … which it granted for so long
	gone    bool          // … and shows it no more, since it was taken away
	before  time.Time     // until then a PBX that is spoken to no more may hold a binding of ours
	refused string        // the refusal last said, owned by the registration's goroutine
}

// NewLine makes the line of a user. may is asked before each REGISTER: may this server bind
// him, where the PBX shows our own binding, or any? explain tells the operator.
func NewLine(
	pbx Registrar, a Account, may func(own, any bool) bool,
	explain func(releve.Sentence), log *slog.Logger,
) *Line {
	return &Line{pbx: pbx, account: a, may: may, explain: explain, log: log, wanted: make(chan bool, 1)}
}

// Want says whether the user is to be bound from now on. It never waits.
func (l *Line) Want(on bool) {
	for {
		select {
		case l.wanted <- on:
			return
		case <-l.wanted: // an older wish is void
		}
	}
}

// endLimit bounds how long a server that ends waits for the PBX to let a binding go.
const endLimit = 2 * time.Second

// Run ends with ctx and then gives back a binding that is still this server's. At level
// mirroring there is no standby user to keep.
func (l *Line) Run(ctx context.Context) {
	if l.account.User == "" {
		return
	}
	leave := LeaveFormer
	on, live := l.next(ctx)
	for live {
		if on {
			live = l.keep(ctx)
			leave = Leave
		} else {
			live = l.away(ctx, leave)
		}
		on = !on
	}
}

// next is the next wish, unless ctx ends first.
func (l *Line) next(ctx context.Context) (on, live bool) {
	select {
	case on = <-l.wanted:
		return on, true
	case <-ctx.Done():
		return false, false
	}
}

// Account is the user's.
func (l *Line) Account() Account { return l.account }

// until waits for the wish that says on, unless ctx ends first.
func (l *Line) until(ctx context.Context, on bool) (live bool) {
	for {
		if wish, live := l.next(ctx); !live || wish == on {
			return live
		}
	}
}

// keep binds the user until it is no longer wanted.
func (l *Line) keep(ctx context.Context) (live bool) {
	r := l.begin()
	live = l.until(ctx, false)
	l.mu.Lock()
	l.current = nil
	l.mu.Unlock()
	last, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	_ = r.Stop(last, !live) // a PBX that does not answer lets the binding expire
	return live
}

// away takes the binding away until the PBX agreed, or the user is wanted again.
func (l *Line) away(ctx context.Context, leave func(context.Context, Registrar, Account, *slog.Logger)) (live bool) {
	leaving, stop := context.WithCancel(ctx)
	var left sync.WaitGroup
	defer left.Wait()
	defer stop()
	left.Go(func() {
		leave(leaving, l.pbx, l.account, l.log)
		gone := l.shownGone(leaving)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held, l.gone = l.held && leaving.Err() != nil, gone
	})
	return l.until(ctx, true)
}

func (l *Line) registration() *Registration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *Line) begin() *Registration {
	r := NewRegistration(l.pbx, l.account, RegistrationOptions{May: l.allowed, On: l.said, Log: l.log})
	l.mu.Lock()
	l.current, l.held, l.shown, l.granted, l.gone = r, true, false, 0, false
	l.mu.Unlock()
	r.Start()
	return r
}

func (l *Line) allowed(_ context.Context, bindings []Binding) bool {
	return l.may(slices.ContainsFunc(bindings, isOwn), len(bindings) > 0)
}

// Now asks for an attempt at once, but never sooner than a PBX that refused may be
// asked again: it would ban the address.
func (l *Line) Now() {
	r := l.registration()
	if r == nil {
		return
	}
	if last := r.State().Last; last.Outcome == Refused && time.Now().Before(last.Next) {
		return
	}
	r.Now()
}

// Bound is what the PBX last confirmed.
func (l *Line) Bound() bool {
	r := l.registration()
	return r != nil && r.State().Bound(time.Now()) && r.State().Last.Outcome != Held
}

// Held says that the PBX may have a binding of ours: the user was to be bound, and the PBX has not
// agreed since to let him go.
func (l *Line) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held || time.Now().Before(l.before)
}

// Gone says that the PBX showed our binding while it stood, and shows it no more (RFC 3261 §10.2.3).
func (l *Line) Gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone && !time.Now().Before(l.before)
}

// Moved says that another PBX is spoken to from now on. The one before may hold our binding until that lapses, and nobody is
// there to take it away: it counts until then.
func (l *Line) Moved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.before = time.Now().Add(max(l.granted, l.account.Expires))
	}
}

// Granted is for how long the PBX last granted the binding that stands, and whether it shows it to who
// asks; 0 while there is none.
func (l *Line) Granted() (granted time.Duration, shown bool) {
	if !l.Bound() {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.granted, l.shown
}

// shownGone looks once more, at a PBX that shows what it holds.
func (l *Line) shownGone(ctx context.Context) bool {
	l.mu.Lock()
	shown := l.shown
	l.mu.Unlock()
	if !shown {
		return false
	}
	limit, done := context.WithTimeout(ctx, attemptLimit)
	defer done()
	all, err := l.pbx.Bindings(limit, l.account)
	return err == nil && !slices.ContainsFunc(all, isOwn)
}

// Doubt says that the PBX may have forgotten the binding.
func (l *Line) Doubt() {
	if r := l.registration(); r != nil {
		r.Doubt()
	}
}

// said tells the operator of the first refusal of a kind, and of its end.
func (l *Line) said(e RegistrationEvent) {
	if e.Outcome == Bound {
		l.mu.Lock()
		l.shown, l.granted = e.shown, e.Expires
		l.mu.Unlock()
	}
	kind := fmt.Sprint(e.Code, e.Asks)
	switch {
	case e.Outcome == Refused && kind != l.refused:
		l.refused = kind
		l.explain(refusalOf(e))
	case e.Outcome == Bound && l.refused != "":
		l.refused = ""
		l.explain(releve.Say("event-registered", "user", l.account.User))
	}
}

// refusalOf says why a user is not registered: the PBX will not have him, or asks for
// what cannot be given.
func refusalOf(e RegistrationEvent) releve.Sentence {
	next := time.Until(e.Next).Round(time.Second).String()
	if e.Asks != "" {
		return releve.Say("event-register-challenge", "user", e.User, "code", fmt.Sprint(e.Code), "asks", e.Asks, "next", next)
	}
	return releve.Say("event-register-refused", "user", e.User, "code", fmt.Sprint(e.Code), "next", next)
}
