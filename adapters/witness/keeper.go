package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"releve"
	"releve/rules/takeover"
)

// Record is the durable memory of one small value; journal.Journal is one.
type Record interface {
	// Load gives what was saved last; ok is false when nothing ever was. It fails
	// when what the disk holds is not known, as after a save that did not end well.
	Load() (payload json.RawMessage, ok bool, err error)
	// SaveWithin returns nil only when the payload is durable. It fails when ctx
	// ends first; the save may then still happen.
	SaveWithin(ctx context.Context, payload any) error
}

// saveLimit bounds one write: a wedged disk looks alive (R12). Longer than a
// server waits for its answer, for giving up costs a restart.
const saveLimit = 5 * time.Second

var (
	// ErrUnsure ends a witness that does not know what its disk holds. Started
	// again, it reads it.
	ErrUnsure = errors.New("the register is unsure since a write that did not end well: check the disk, then start the witness again")
	// errNotSaved says that a claim was not carried out, for sure.
	errNotSaved = errors.New("the register cannot be written and stays as it is: check the witness's disk")
)

// entry is what the record holds: the register, and for a person since when.
type entry struct {
	Register takeover.Register `json:"register"`
	By       releve.Seat       `json:"by"`
	At       time.Time         `json:"at"`
}

// keeper owns the register: claims one at a time, each durable before the next
// is looked at.
type keeper struct {
	record Record
	turn   chan struct{} // holds a token while nobody claims

	mu      sync.Mutex // of what is below; never held during a write
	durable entry      // is on the disk
	unsure  error
}

// newKeeper remembers what the record holds. An empty one is a register of
// incarnation 0, which grants nothing.
func newKeeper(record Record, site string) (*keeper, error) {
	k := &keeper{record: record, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	k.durable.Register.Site = site
	payload, ok, err := record.Load()
	if err != nil || !ok {
		return k, err
	}
	if err := json.Unmarshal(payload, &k.durable); err != nil {
		return nil, fmt.Errorf("what the register holds cannot be read: %w", err)
	}
	if k.durable.Register.Site != site {
		return nil, fmt.Errorf("the register is of site %q, and this is %q: give this witness its own data directory", k.durable.Register.Site, site)
	}
	return k, nil
}

// read is what is on the disk for sure.
func (k *keeper) read() (entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.durable, k.unsure
}

// claim carries one out, and gives the register after it. A refusal is
// takeover.ErrClaim. ErrUnsure means that the outcome is not known, now or for
// any later claim; the register that is read is never ahead of the disk.
func (k *keeper) claim(ctx context.Context, c takeover.Claim, by releve.Seat) (takeover.Register, error) {
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return takeover.Register{}, fmt.Errorf("%w: another claim is being written", errNotSaved)
	}
	before, err := k.read()
	if err != nil {
		return takeover.Register{}, err
	}
	after, err := before.Register.Apply(c, by)
	if err != nil {
		return before.Register, err
	}
	return after, k.save(ctx, entry{Register: after, By: by, At: time.Now().UTC()})
}

func (k *keeper) save(ctx context.Context, next entry) error {
	// The write goes on when who claims has left: given up, its outcome would be
	// unknown to everybody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	err := k.record.SaveWithin(ctx, next)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.durable = next
		return nil
	}
	if _, _, unsure := k.record.Load(); unsure != nil {
		k.unsure = fmt.Errorf("%w: %w", ErrUnsure, err)
		return k.unsure
	}
	return fmt.Errorf("%w: %w", errNotSaved, err)
}
