package accounts

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/netip"
	"strconv"
	"time"

	"releve"
	"releve/rules/access"
	"releve/screen/view"
)

// Working a password through takes a processor and 19 MiB: one at a time, and who does not get his turn soon
// is asked to come again. Calls come first.
const turnLimit = 3 * time.Second

// Login proves who somebody is, and gives the session that he carries from now on. It fails with a
// [releve.Fault] that does not say what of it was wrong, or how long to wait.
func (k *Keeper) Login(ctx context.Context, c view.Credentials) (token string, err error) {
	attempt := access.Attempt{Name: c.Name, From: network(c.From)}
	if err := k.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-k.working }()
	if wait := k.wait(attempt); wait > 0 {
		seconds := strconv.Itoa(int(wait/time.Second) + 1)
		return "", &releve.Fault{Cause: releve.ErrBusy, Why: releve.Say("login-wait", "seconds", seconds)}
	}
	a, there := k.find(c.Name)
	proven := access.Proves(c.Password, a.Password.Value)
	by := actor{name: "", from: c.From.String()}
	if there {
		by.name, by.role = c.Name, a.Role.Value
	}
	token, ok := k.begin(attempt, a, c.Code, proven && there)
	if !ok {
		k.audit(by, releve.Say("event-login-refused", "user", by.name), releve.Say("audit-unproven"), true)
		return "", &releve.Fault{Cause: releve.ErrForbidden, Why: releve.Say("login-refused")}
	}
	k.audit(by, releve.Say("event-login", "user", by.name), releve.Say("audit-done"), false)
	return token, nil
}

// turn waits until nobody else's password is worked through.
func (k *Keeper) turn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	select {
	case k.working <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &releve.Fault{Cause: releve.ErrBusy, Why: releve.Say("login-wait", "seconds", "5")}
	}
}

// network is an address, or of IPv6 the network that one site has (RFC 6177): of addresses anybody there has
// as many as he likes.
func network(from netip.Addr) string {
	if from = from.Unmap(); from.Is6() {
		if net, err := from.WithZone("").Prefix(64); err == nil {
			return net.String()
		}
	}
	return from.String()
}

func (k *Keeper) wait(a access.Attempt) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.patience.Wait(time.Now(), a)
}

func (k *Keeper) find(name string) (access.Account, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.desk.Book.Find(name)
}

// begin begins a session of who has proven who he is, if the account is still as it was while that was worked through.
func (k *Keeper) begin(attempt access.Attempt, a access.Account, code string, proven bool) (token string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if proven {
		still, stands := k.desk.Book.Find(attempt.Name)
		proven = stands && still.Password == a.Password && k.desk.Use(now, attempt.Name, code)
	}
	if !proven {
		k.patience.Failed(now, attempt)
		return "", false
	}
	k.patience.Succeeded(now, attempt)
	_ = k.save() // the code that was used: it is in the log, and in memory
	k.announce()
	return k.desk.Begin(now, attempt.Name, rand.Text()), true
}

// Who says who carries a session, and the session written anew where that is due.
func (k *Keeper) Who(token string) (p view.Person, renewed string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.desk.Book.Holds(token, time.Now())
	if !ok {
		return p, "", false
	}
	a, _ := k.desk.Book.Find(s.Name)
	role := a.Role.Value
	return view.Person{
		Name: s.Name, Role: string(role),
		SeesCalls: role.May(access.SeeCalls), SeesPeople: role.May(access.SeePeople), HandlesAlarms: role.May(access.HandleAlarm),
		Rehearses: role.May(access.Rehearse), RunsSite: role.May(access.RunSite), KeepsAccounts: role.May(access.Accounts),
	}, k.desk.Book.Renew(s, time.Now()), true
}

// Screen says that a screen on a wall shows its token.
func (k *Keeper) Screen(token string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	k.mu.Lock()
	defer k.mu.Unlock()
	return err == nil && len(raw) > 0 && k.desk.Book.Screen(raw) != ""
}

// Logout ends a session, on both servers.
func (k *Keeper) Logout(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.desk.Book.Holds(token, time.Now()); ok {
		k.desk.End(time.Now(), s)
		_ = k.save() // it is in the log, and in memory
		k.announce()
	}
}
