package licences

import (
	"context"
	"errors"
	"time"

	"releve"
)

// Faller carries out the fall of a level that is not licensed any more.
type Faller interface {
	// Ready says that this is the server to act, and that nothing speaks against it now: the site is
	// well, and nobody is about to change it.
	Ready() bool
	Fall(ctx context.Context, to releve.Level) error
}

// fall is what a server's licences have the level do.
type fall struct {
	From releve.Level `json:"from"`
	To   releve.Level `json:"to"`
	Due  bool         `json:"due"` // the announced moment has come
	// Left is how long it is until then: two servers have not run equally long.
	Left time.Duration `json:"left_ns,omitempty"`
}

// as says that another is to fall alike, now.
func (f fall) as(other fall) bool {
	return f.Due && other.Due && f.From == other.From && f.To == other.To
}

// fallAgain is how long after a fall that failed, or that the other server sees no reason for yet, it
// is tried again.
const fallAgain = 10 * time.Minute

// falls is that of this server, as of its last look.
func (k *Keeper) falls() fall {
	f := k.ruling.FallsBack
	if f.To == "" {
		return fall{}
	}
	return fall{k.ruling.Level, f.To, f.Due, max(0, f.At.Sub(k.now()))}
}

// ripe says that the announced moment has come since the last look.
func (k *Keeper) ripe() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.ruling.FallsBack.Due && k.ruling.FallsBack.Comes(k.now())
}

// untilFall is how long it is until the announced moment, or until what was in the way then is to be
// tried again; none, where nothing is announced or it has passed.
func (k *Keeper) untilFall() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ruling.FallsBack.To == "" {
		return 0
	}
	if k.ruling.FallsBack.Due {
		return max(0, k.pause-k.o.Boot())
	}
	return max(0, k.ruling.FallsBack.At.Sub(k.now()))
}

// Now is what time it is: what this server has seen pass, and what its clock adds to that as far
// as it is believed ([licence.Clock]). Zero before the first look.
func (k *Keeper) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.looked == 0 {
		return time.Time{}
	}
	return k.now()
}

// now is the time for licences, with what has run since the last look.
func (k *Keeper) now() time.Time { return k.memory.Clock.Now().Add(k.o.Boot() - k.looked) }

// due is what the level is to do, in the eyes of this server and of the other as of what each
// looked at last.
func (k *Keeper) due() (own, theirs fall) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.falls(), k.theirFall
}

// waitFor has no fall tried before the other server's moment comes, which may be seconds away, or not
// be in sight.
func (k *Keeper) waitFor(theirs fall) {
	k.pause = k.o.Boot() + fallAgain
	if theirs.Left > 0 {
		k.pause = k.o.Boot() + min(theirs.Left+time.Second, fallAgain)
	}
}

// fallBack has the level fall when both servers say that its moment has come (SPEC L1). It looks
// anew just before, and asks the other to: what was told an hour ago may be over.
func (k *Keeper) fallBack(ctx context.Context) {
	f, _ := k.due()
	if !f.Due || k.o.Faller == nil || !k.o.Faller.Ready() || k.o.Boot() < k.pause {
		return
	}
	k.look()
	if k.exchange(ctx) != nil {
		return
	}
	f, theirs := k.due()
	if !f.as(theirs) {
		k.waitFor(theirs)
		return
	}
	k.mu.Lock()
	why := releve.Reason(k.ruling.Lacks(f.From))
	k.mu.Unlock()
	k.o.Front.Explain(releve.Say("licence-falls", "level", string(f.From), "lower", string(f.To), "why", why))
	err := k.o.Faller.Fall(ctx, f.To)
	if err != nil && ctx.Err() == nil && !errors.Is(err, releve.ErrBusy) {
		k.o.Front.Explain(releve.Say("licence-fall-failed", "level", string(f.From), "lower", string(f.To), "why", releve.Reason(err)))
	}
	k.pause = 0
	if err != nil {
		k.pause = k.o.Boot() + fallAgain
	}
	k.look()
}
