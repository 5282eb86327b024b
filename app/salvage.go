package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"releve"
	"releve/adapters/peer"
	"releve/adapters/postgres"
	"releve/adapters/store"
	"releve/screen/console"
	"releve/server/salvage"
)

// ownDisk is this server's disk as salvage needs it. One data directory runs at a time.
type ownDisk struct {
	cluster *postgres.Cluster
	seat    releve.Seat
	busy    chan struct{}
}

func newOwnDisk(cluster *postgres.Cluster, seat releve.Seat) ownDisk {
	return ownDisk{cluster, seat, make(chan struct{}, 1)}
}

func (d ownDisk) Pending(context.Context) ([]string, error) { return d.cluster.Unsalvaged() }

func (d ownDisk) Extract(ctx context.Context, directory string) (releve.Salvage, error) {
	select {
	case d.busy <- struct{}{}:
		defer func() { <-d.busy }()
	case <-ctx.Done():
		return releve.Salvage{}, context.Cause(ctx)
	}
	aside, err := d.cluster.OpenAside(ctx, directory)
	if err != nil {
		return releve.Salvage{}, err
	}
	defer aside.Close()
	return salvage.Extract(ctx, d.seat, directory, aside)
}

func (d ownDisk) Salvaged(_ context.Context, directory string) error {
	return d.cluster.MarkSalvaged(directory)
}

// wait returns when no data set aside runs any more.
func (d ownDisk) wait() { d.busy <- struct{}{} }

// Orders over the link.
const (
	salvagePending = "salvage-pending"
	salvageExtract = "salvage-extract"
	salvageStored  = "salvage-stored"
	salvageOrder   = "salvage-order"
)

// otherDisk is the other server's, over the link.
type otherDisk struct{ peer *peer.Peer }

func (d otherDisk) Pending(ctx context.Context) (names []string, err error) {
	err = d.peer.Command(ctx, salvagePending, nil, func(line json.RawMessage) error { return json.Unmarshal(line, &names) })
	return names, err
}

// Extract takes the salvage first, then its rows page by page.
func (d otherDisk) Extract(ctx context.Context, directory string) (found releve.Salvage, err error) {
	err = d.peer.Command(ctx, salvageExtract, asJSON(directory), func(line json.RawMessage) error {
		if found.Directory == "" {
			return json.Unmarshal(line, &found)
		}
		var page []releve.SalvageChange
		err := json.Unmarshal(line, &page)
		found.Changes = append(found.Changes, page...)
		return err
	})
	return found, err
}

func (d otherDisk) Salvaged(ctx context.Context, directory string) error {
	return d.peer.Command(ctx, salvageStored, asJSON(directory), ignore)
}

func ignore(json.RawMessage) error { return nil }

// asJSON writes a value of our own, which always can be.
func asJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be written as JSON: %v", v, err))
	}
	return raw
}

// decided is the answer to an order: the link carries words, and the cause must survive it.
type decided struct {
	Salvages []releve.Salvage `json:"salvages"`
	Cause    string           `json:"cause,omitempty"`
}

// salvageCauses are what an order fails with, by name.
var salvageCauses = map[string]error{
	"unknown": salvage.ErrUnknown, "decided": salvage.ErrDecided, "not-on-duty": salvage.ErrNotOnDuty,
}

// forward has the server on duty carry an order out.
func (d otherDisk) forward(ctx context.Context, o salvage.Order) ([]releve.Salvage, error) {
	var answer decided
	err := d.peer.Command(ctx, salvageOrder, asJSON(o), func(line json.RawMessage) error { return json.Unmarshal(line, &answer) })
	if cause := salvageCauses[answer.Cause]; cause != nil {
		return nil, cause
	}
	return answer.Salvages, err
}

// salvageDesk answers the other server's orders.
type salvageDesk struct {
	disk     ownDisk
	salvager *salvage.Salvager
}

func (d *salvageDesk) command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if name == salvagePending {
		names, err := d.disk.Pending(ctx)
		if err != nil {
			return err
		}
		return emitJSON(emit, names)
	}
	if name == salvageOrder {
		return d.order(ctx, args, emit)
	}
	var directory string
	if err := json.Unmarshal(args, &directory); err != nil {
		return err
	}
	if name == salvageStored {
		return d.disk.Salvaged(ctx, directory)
	}
	found, err := d.disk.Extract(ctx, directory)
	if err != nil {
		return err
	}
	return emitSalvage(found, emit)
}

func (d *salvageDesk) order(ctx context.Context, args json.RawMessage, emit func(json.RawMessage) error) error {
	var o salvage.Order
	if err := json.Unmarshal(args, &o); err != nil {
		return err
	}
	after, err := d.salvager.Carry(ctx, o)
	answer := decided{Salvages: after}
	for name, cause := range salvageCauses {
		if errors.Is(err, cause) {
			answer.Cause = name
		}
	}
	return errors.Join(err, emitJSON(emit, answer))
}

// pageSize is about how many bytes of rows one line of the link carries; a longer row
// goes alone.
const pageSize = 128 << 10

func emitSalvage(found releve.Salvage, emit func(json.RawMessage) error) error {
	changes := found.Changes
	found.Changes = nil
	if err := emitJSON(emit, found); err != nil {
		return err
	}
	for len(changes) > 0 {
		n, bytes := 0, 0
		for n < len(changes) && (n == 0 || bytes < pageSize) {
			bytes += len(asJSON(changes[n]))
			n++
		}
		if err := emitJSON(emit, changes[:n]); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// book is the store of the term as salvage needs it.
type book struct{ *records }

func (b book) OnDuty() bool { return b.current() != nil }

// Follow makes a slot that could not be made before the first commit: late, it serves the
// next parting.
func (b book) Follow(ctx context.Context) error {
	return errors.Join(b.cluster.EnsureSalvageSlot(ctx), b.cluster.AdvanceSalvageSlot(ctx))
}

func (b book) Keep(ctx context.Context, found releve.Salvage) (releve.Salvage, error) {
	return decide(b, func(s *store.Store) (releve.Salvage, error) { return s.KeepSalvage(ctx, found) })
}

func (b book) Apply(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return decide(b, func(s *store.Store) (releve.Salvage, error) {
		return s.ApplySalvage(ctx, id, store.SalvageChoice{DryRun: dryRun, Replace: replace})
	})
}

func (b book) Discard(ctx context.Context, id int64) (releve.Salvage, error) {
	return decide(b, func(s *store.Store) (releve.Salvage, error) { return s.DiscardSalvage(ctx, id) })
}

// decide tells salvage's causes from the store's.
func decide(b book, do func(*store.Store) (releve.Salvage, error)) (releve.Salvage, error) {
	s := b.current()
	if s == nil {
		return releve.Salvage{}, salvage.ErrNotOnDuty
	}
	after, err := do(s)
	return after, renamed(err, map[error]error{
		store.ErrNoSalvage: salvage.ErrUnknown, store.ErrApplied: salvage.ErrDecided, store.ErrFenced: salvage.ErrNotOnDuty,
	})
}

// renamed gives an error the name by which another room knows it.
func renamed(err error, names map[error]error) error {
	for from, to := range names {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}

func (a *App) makeSalvager(disk ownDisk) {
	other := otherDisk{a.peer}
	a.salvager = salvage.New(salvage.Options{
		Own: disk, Other: other, Book: book{a.records}, Forward: other.forward,
		Tell: func(severity string, what releve.Sentence) { a.agent.Explain(severity, what) }, Log: a.log,
	})
}

// Salvages reads what this server's PostgreSQL has, also as a mirror.
func (f faces) Salvages(ctx context.Context) ([]releve.Salvage, error) {
	return localRead(ctx, f.records, func(ctx context.Context, q store.Querier) ([]releve.Salvage, error) {
		return store.ReadSalvages(ctx, q)
	})
}

// Salvage reads one.
func (f faces) Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	found, err := localRead(ctx, f.records, func(ctx context.Context, q store.Querier) (releve.Salvage, error) {
		return store.ReadSalvage(ctx, q, id, limit)
	})
	return found, renamed(err, map[error]error{store.ErrNoSalvage: console.ErrNoSalvage})
}

// localRead asks the local PostgreSQL, whatever its duty.
func localRead[T any](ctx context.Context, r *records, query func(context.Context, store.Querier) (T, error)) (found T, err error) {
	pool, err := r.cluster.Pool(ctx, 1)
	if err != nil {
		return found, err
	}
	defer pool.Close()
	return query(ctx, pool)
}

// ExtractSalvage looks for lone rows now.
func (f faces) ExtractSalvage(ctx context.Context) ([]releve.Salvage, error) {
	return f.order(ctx, salvage.Order{Verb: salvage.VerbExtract})
}

// ApplySalvage applies one.
func (f faces) ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return one(f.order(ctx, salvage.Order{Verb: salvage.VerbApply, ID: id, DryRun: dryRun, Replace: replace}))
}

// DiscardSalvage records that one is not wanted.
func (f faces) DiscardSalvage(ctx context.Context, id int64) (releve.Salvage, error) {
	return one(f.order(ctx, salvage.Order{Verb: salvage.VerbDiscard, ID: id}))
}

func (f faces) order(ctx context.Context, o salvage.Order) ([]releve.Salvage, error) {
	after, err := f.salvager.Do(ctx, o)
	return after, renamed(err, map[error]error{
		salvage.ErrUnknown: console.ErrNoSalvage, salvage.ErrDecided: console.ErrDecided, salvage.ErrNotOnDuty: console.ErrNotOnDuty,
	})
}

func one(all []releve.Salvage, err error) (releve.Salvage, error) {
	if err != nil || len(all) == 0 {
		return releve.Salvage{}, err
	}
	return all[0], nil
}
