package access

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"slices"
	"time"
)

const (
	// Most is how many names a book holds, those of removed accounts included: a removal has to be
	// known for as long as a server may come back that has not heard of it.
	Most = 500
	// endedMost is how many sessions a book remembers as ended before their time. Of more, those that
	// would end first are forgotten.
	endedMost = 1000
)

// Book is all that is known of who may. The zero book is empty.
type Book struct {
	Count    uint64               `json:"count"` // the latest stamp's
	Accounts map[string]Account   `json:"accounts,omitempty"`
	Key      Register[[]byte]     `json:"key,omitzero"`    // signs sessions
	Ended    map[string]time.Time `json:"ended,omitempty"` // sessions that somebody ended, until they would have by themselves
}

// Account is somebody who may. It is removed and made again by its lives: a removal ends the life that
// it saw, with whatever else was done to that one.
type Account struct {
	Life     uint64           `json:"life"`              // counts how often it was made
	Removed  uint64           `json:"removed,omitempty"` // lives up to this one are over
	Role     Register[Role]   `json:"role,omitzero"`
	Password Register[string] `json:"password,omitzero"` // as [Hash] writes it
	Second   Register[[]byte] `json:"second,omitzero"`   // the secret of one-time codes; empty: none are asked for
	Device   Register[[]byte] `json:"device,omitzero"`   // of a screen on a wall: the hash of what it shows in the place of a login
	Used     int64            `json:"used,omitempty"`    // the step of the last code that was used
}

// Register is a value of which the last one written counts.
type Register[T any] struct {
	Value T     `json:"value"`
	Stamp Stamp `json:"stamp"`
}

// Stands says that the account is there.
func (a Account) Stands() bool { return a.Life > a.Removed }

// Find is an account that stands.
func (b Book) Find(name string) (Account, bool) {
	a := b.Accounts[name]
	return a, a.Stands()
}

// Screen is the name of the screen that shows a token, "" where none does.
func (b Book) Screen(token []byte) string {
	shown := sha256.Sum256(token)
	for name, a := range b.Accounts {
		if a.Stands() && a.Role.Value == Screen && hmac.Equal(a.Device.Value, shown[:]) {
			return name
		}
	}
	return ""
}

// Names are those of the accounts that stand, in order.
func (b Book) Names() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(b.Accounts)) {
		if b.Accounts[name].Stands() {
			all = append(all, name)
		}
	}
	return all
}

// Merge is all that either book knows. It is commutative, associative and idempotent: books may be
// exchanged in any order, twice or through a third.
func Merge(x, y Book) Book {
	return Book{
		Count: max(x.Count, y.Count), Accounts: union(x.Accounts, y.Accounts, mergeAccounts),
		Key: latest(x.Key, y.Key), Ended: union(x.Ended, y.Ended, later),
	}
}

func mergeAccounts(x, y Account) Account {
	merged := Account{Life: max(x.Life, y.Life), Removed: max(x.Removed, y.Removed)}
	for _, a := range []Account{x, y} {
		if a.Life == merged.Life { // what was done to a life before has no part in this one
			merged.Role, merged.Password = latest(merged.Role, a.Role), latest(merged.Password, a.Password)
			merged.Second, merged.Used = latest(merged.Second, a.Second), max(merged.Used, a.Used)
			merged.Device = latest(merged.Device, a.Device)
		}
	}
	if !merged.Stands() { // nothing of who is gone is kept but that
		return Account{Life: merged.Life, Removed: merged.Removed}
	}
	return merged
}

// latest is the later of two values. A server that lost its disk may give a stamp a second time: then the
// text decides, alike on both.
func latest[T any](x, y Register[T]) Register[T] {
	if cmp.Or(x.Stamp.compare(y.Stamp), cmp.Compare(written(x), written(y))) < 0 {
		return y
	}
	return x
}

func later(x, y time.Time) time.Time {
	if x.Before(y) {
		return y
	}
	return x
}

func union[V any](x, y map[string]V, both func(V, V) V) map[string]V {
	merged := map[string]V{}
	maps.Copy(merged, x)
	for key, theirs := range y {
		if ours, there := merged[key]; there {
			theirs = both(ours, theirs)
		}
		merged[key] = theirs
	}
	return merged
}

// Tidy is the book without the sessions that are over by now, or are too many.
func (b Book) Tidy(now time.Time) Book {
	b.Ended = maps.Clone(b.Ended)
	maps.DeleteFunc(b.Ended, func(_ string, until time.Time) bool { return until.Before(now) })
	if more := len(b.Ended) - endedMost; more > 0 {
		soonest := slices.SortedFunc(maps.Keys(b.Ended), func(x, y string) int { return cmp.Or(b.Ended[x].Compare(b.Ended[y]), cmp.Compare(x, y)) })
		for _, id := range soonest[:more] {
			delete(b.Ended, id)
		}
	}
	return b
}
