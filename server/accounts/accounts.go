// Package accounts owns the accounts of the people who may log in, on one server (SPEC K5): it keeps the book
// of package rules/access on its disk and at the other server, and takes the orders of administrators. It
// needs no database: who may log in may do so on the day on which that is lost.
//
// It says nothing to the other server while nothing has changed.
package accounts

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"releve"
	"releve/rules/access"
	"releve/screen/view"
	"releve/server/order"
)

// Options are what a Keeper is made of.
type Options struct {
	Seat  releve.Seat
	Dir   string // where the accounts are kept, in a file of their own
	Site  string // its name, for programs that show one-time codes
	Link  order.Link
	Front Front
	Alarms
	Log *slog.Logger
}

// Front is whom this server tells what people do, and what it knows of the other.
type Front interface {
	Explain(what releve.Sentence)
	Audit(what releve.Entry) // into this server's diary alone
	OtherHeard() bool
}

// Keeper keeps the accounts on one server.
type Keeper struct {
	Options
	file string
	news chan struct{} // something changed that the other server may not know

	working chan struct{} // held while a password is worked through

	mu    sync.Mutex
	desk  access.Desk
	saved string // the book as it is on the disk
	twin  order.Twin[access.Book]

	patience access.Patience      // with those who guess; in memory, of this server alone
	untold   []releve.Entry       // acts that the other server has not heard of
	doing    map[view.Deed]string // what is done one at a time, and by whom
	looks    map[look]time.Time
}

// New makes a keeper of what was kept on the disk.
func New(o Options) *Keeper {
	k := &Keeper{Options: o, file: filepath.Join(o.Dir, "accounts.json"), news: make(chan struct{}, 1), working: make(chan struct{}, 1), doing: map[view.Deed]string{}}
	k.desk = access.Desk{Seat: o.Seat, Book: k.read()}
	k.makeTwin()
	return k
}

// tellEach is how often it is looked whether the other server still has to be told something.
const tellEach = 10 * time.Second

// Run tells the other server what changes, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.news:
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), tellEach))
		}
		k.exchange(ctx)
		k.tellActs(ctx)
	}
}

func (k *Keeper) announce() {
	select {
	case k.news <- struct{}{}:
	default: // it is awaited already
	}
}

// acts are what an order may be called.
var acts = map[string]access.Act{
	"add": access.Add, "screen": access.AddWall, "remove": access.Remove, "password": access.Rekey, "role": access.Promote, "codes": access.Enrol, "no-codes": access.Unenrol,
}

// Change carries out what an administrator orders. It is on this server's disk when it returns, and
// at the other one if that can be reached. For one-time codes it gives what a program that shows them needs, for a screen its token. It fails
// with a [releve.Fault].
func (k *Keeper) Change(ctx context.Context, by view.Caller, o view.AccountOrder) (enrolment string, err error) {
	act, there := acts[o.Act]
	if !there {
		return "", &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("user-act")}
	}
	who, err := k.actor(by)
	if err != nil {
		return "", err
	}
	if by.Name = o.By; by.Unix == "" || o.By == "" {
		o.By = who.name
	}
	what := releve.Say("event-user-"+o.Act, "user", o.Name, "role", o.Role, "by", o.By)
	secret := drawn(access.SecretSize)
	err = k.Order(ctx, view.Order{By: by, Deed: view.ChangeAccount, What: what}, func(ctx context.Context) error {
		return k.change(ctx, access.Order{
			Act: act, Name: o.Name, Role: access.Role(o.Role), Password: o.Password, Salt: drawn(access.SaltSize), Secret: secret,
		})
	})
	if err != nil {
		return "", err
	}
	k.Front.Explain(what)
	switch act {
	case access.Enrol:
		enrolment = access.Enrolment(k.Site, o.Name, secret)
	case access.AddWall:
		enrolment = base64.RawURLEncoding.EncodeToString(secret)
	}
	return enrolment, nil
}

func (k *Keeper) change(ctx context.Context, o access.Order) error {
	k.mu.Lock()
	err := k.desk.Change(o)
	if err == nil {
		k.desk.Draw(drawn(keySize)) // with the first account: nobody logs in before
		err = k.save()
	}
	k.mu.Unlock()
	if err == nil {
		k.exchange(ctx)
	}
	return err
}

// keySize is how many bytes a key for sessions has: those of the sum that it makes (RFC 2104, 3).
const keySize = 32

func drawn(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails (crypto/rand)
	return b
}

// Accounts are those that there are, by name.
func (k *Keeper) Accounts() []view.Account {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []view.Account{}
	for _, name := range k.desk.Book.Names() {
		a, _ := k.desk.Book.Find(name)
		all = append(all, view.Account{Name: name, Role: string(a.Role.Value), Codes: len(a.Second.Value) > 0})
	}
	return all
}

// Roles are those that an account may have.
func (k *Keeper) Roles() (all []string) {
	for _, r := range access.Roles() {
		all = append(all, string(r))
	}
	return all
}
