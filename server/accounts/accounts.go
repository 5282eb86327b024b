// Package accounts owns the accounts of the people who may log in, on one server (SPEC K5): it keeps the book
// of package rules/access on its disk and at the other server, and takes the orders of administrators. It
// needs no database: who may log in may do so on the day on which that is lost.
//
// It says nothing to the other server while nothing has changed.
package accounts

import (
	"context"
	"crypto/rand"
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
	Link  order.Link
	Front Front
	Log   *slog.Logger
}

// Front is whom this server tells what people do, and what it knows of the other.
type Front interface {
	Explain(what releve.Sentence)
	OtherHeard() bool
}

// Keeper keeps the accounts on one server.
type Keeper struct {
	Options
	file string
	news chan struct{} // something changed that the other server may not know

	mu    sync.Mutex
	desk  access.Desk
	saved string    // the book as it is on the disk
	told  string    // … and as both servers have it
	again time.Time // when the other server is told again, after that came to nothing
}

// New makes a keeper of what was kept on the disk.
func New(o Options) *Keeper {
	k := &Keeper{Options: o, file: filepath.Join(o.Dir, "accounts.json"), news: make(chan struct{}, 1)}
	k.desk = access.Desk{Seat: o.Seat, Book: k.read()}
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
	"add": access.Add, "remove": access.Remove, "password": access.Rekey, "role": access.Promote,
}

// Change carries out what an administrator orders. It is on this server's disk when it returns, and at the other
// one if that can be reached. It fails with a [releve.Fault].
func (k *Keeper) Change(ctx context.Context, o view.AccountOrder) error {
	k.mu.Lock()
	err := k.desk.Change(access.Order{
		Act: acts[o.Act], Name: o.Name, Role: access.Role(o.Role), Password: o.Password, Salt: drawn(access.SaltSize),
	})
	if err == nil {
		k.desk.Draw(drawn(keySize)) // with the first account: nobody logs in before
		err = k.save()
	}
	k.mu.Unlock()
	if err != nil {
		return err
	}
	k.Front.Explain(releve.Say("event-user-"+o.Act, "user", o.Name, "role", o.Role, "by", o.By))
	k.exchange(ctx)
	return nil
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
		all = append(all, view.Account{Name: name, Role: string(a.Role.Value)})
	}
	return all
}
