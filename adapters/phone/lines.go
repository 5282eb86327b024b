package phone

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"releve"
	"releve/adapters/phone/register"
	"releve/rules/takeover"
)

// Lines are the two users of a server at the PBX, kept bound or not as the duty asks. A PBX
// that was silent and answers again may have forgotten them.
type Lines struct {
	phone              *Phone
	names              []string // that the PBX's sources are written as
	Reception, Standby *register.Line

	mu     sync.Mutex
	heard  time.Time // the PBX's last answer
	missed int       // questions in a row that it did not answer since
}

// NewLines joins the lines of a telephone that does not serve yet, whose PBX's sources are also written as names.
func NewLines(p *Phone, names []string, reception, standby *register.Line) *Lines {
	l := &Lines{phone: p, names: names, Reception: reception, Standby: standby}
	p.back, p.moved = l.doubt, l.moved
	return l
}

// moved has both lines know that another PBX is spoken to, and that the one before may still hold what it was told.
func (l *Lines) moved() {
	l.Reception.Moved()
	l.Standby.Moved()
}

// doubt has both users confirmed soon: the PBX was away, or the connection to it.
func (l *Lines) doubt() {
	l.Reception.Doubt()
	l.Standby.Doubt()
}

// Run keeps both until ctx ends, and then gives back what is still this server's. Until then the door is watched.
func (l *Lines) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { l.phone.findPBX(ctx) })
	both.Go(func() { l.phone.WatchDoor(ctx, l.names, l.phone.options.Explain) })
	both.Go(func() { l.Reception.Run(ctx) })
	both.Go(func() { l.Standby.Run(ctx) })
	both.Wait()
}

// Keep says which users are to be bound from now on. It never waits.
func (l *Lines) Keep(u takeover.Users) {
	l.Reception.Want(u.Reception)
	l.Standby.Want(u.Standby)
}

// Bound is what the PBX last confirmed.
func (l *Lines) Bound() takeover.Users {
	return takeover.Users{Reception: l.Reception.Bound(), Standby: l.Standby.Bound()}
}

// Held are the users of whom the PBX may still have a binding of this server's.
func (l *Lines) Held() takeover.Users {
	return takeover.Users{Reception: l.Reception.Held(), Standby: l.Standby.Held()}
}

// Gone says that the PBX showed this server's binding of the reception while it stood, and shows it no
// more. One that shows none proves nothing.
func (l *Lines) Gone() bool { return l.Reception.Gone() }

// Granted is for how long the PBX last granted the reception to this server, and whether it shows that.
// Where the PBX's name stands for several, what one shows is nothing to whoever asks another.
func (l *Lines) Granted() (granted time.Duration, shown bool) {
	granted, shown = l.Reception.Granted()
	return granted, shown && !l.phone.whereabouts.several()
}

// Options asks the PBX whether it lives.
func (l *Lines) Options(ctx context.Context) error {
	at := l.phone.pbx()
	_, err := l.phone.Options(ctx)
	if l.backAgain(err) {
		l.doubt()
	}
	if l.givesUp() {
		l.phone.silent(at)
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
func (l *Lines) backAgain(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled): // nobody waited for the answer
		return false
	case err != nil:
		l.missed++
		return false
	}
	back := l.missed >= silentMissed && !l.heard.IsZero() && time.Since(l.heard) > silentAfter
	l.heard, l.missed = time.Now(), 0
	return back
}

// givesUp says that this address of the PBX has not answered often and long enough for the next to be tried.
func (l *Lines) givesUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.missed > 0 && l.missed%silentMissed == 0 && time.Since(l.heard) > silentAfter
}

// RegisterNow asks for an attempt of the reception at once.
func (l *Lines) RegisterNow() { l.Reception.Now() }

// BindingThere says whether the PBX shows this server's own binding of the reception, and what it shows beside.
func (l *Lines) BindingThere(ctx context.Context) (own bool, shown takeover.Shown, err error) {
	bindings, err := l.phone.Bindings(ctx, l.Reception.Account())
	return slices.ContainsFunc(bindings, func(b Binding) bool { return b.Own }), OfOthers(bindings), err
}

// Ask is [Phone.Ask].
func (l *Lines) Ask(ctx context.Context) (code int, challenged bool, err error) {
	return l.phone.Ask(ctx)
}

// CallAsStandby is [Phone.TestCall] by the standby, or by the reception where that alone is bound to
// this server: where there is none, nobody is there to call.
func (l *Lines) CallAsStandby(ctx context.Context, number, testID string) (releve.TestCall, error) {
	standby := l.Standby.Account()
	if !l.Standby.Bound() && l.Reception.Bound() {
		standby = l.Reception.Account()
	}
	if standby.User == "" {
		return releve.TestCall{}, releve.Known("at level mirroring there is no standby user to call with", "cause-no-standby")
	}
	return l.phone.TestCall(ctx, standby, number, testID)
}
