package accounts

import (
	"context"
	"strconv"
	"time"

	"releve"
	"releve/rules/access"
	"releve/screen/view"
)

// ChangeOwn gives whoever is logged in another password, when he proves that he knows the one that he has: a session
// that was left open is not enough. Who guesses waits, as at a login. It fails with a [releve.Fault].
func (k *Keeper) ChangeOwn(ctx context.Context, by view.Caller, current, fresh string) error {
	who, err := k.actor(by)
	if err != nil {
		return err
	}
	what := releve.Say("event-user-own", "user", who.name)
	return k.Order(ctx, view.Order{By: by, Deed: view.ChangeOwnPassword, What: what}, func(ctx context.Context) error {
		if err := k.proven(ctx, access.Attempt{Name: who.name, From: network(by.From)}, current); err != nil {
			return err
		}
		return k.change(ctx, access.Order{Act: access.Rekey, Name: who.name, Password: fresh, Salt: drawn(access.SaltSize)})
	})
}

// proven has somebody prove that he knows his password.
func (k *Keeper) proven(ctx context.Context, attempt access.Attempt, password string) error {
	if err := k.turn(ctx); err != nil {
		return err
	}
	defer func() { <-k.working }()
	if wait := k.wait(attempt); wait > 0 {
		return &releve.Fault{Cause: releve.ErrBusy, Why: releve.Say("login-wait", "seconds", strconv.Itoa(int(wait/time.Second)+1))}
	}
	a, there := k.find(attempt.Name)
	proves := access.Proves(password, a.Password.Value) && there
	k.mu.Lock()
	defer k.mu.Unlock()
	if !proves {
		k.patience.Failed(time.Now(), attempt)
		return &releve.Fault{Cause: releve.ErrForbidden, Why: releve.Say("user-own-unproven")}
	}
	k.patience.Succeeded(time.Now(), attempt)
	return nil
}
