package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve"
	"releve/rules/takeover"
)

// journal is a server's durable memory on its disk.
type journal struct {
	kept  takeover.Durable
	known bool
	stall time.Duration // added to each save
	torn  bool          // the server crashes in the middle of its next save

	refuses error         // what each save fails with
	hangs   chan struct{} // until it is closed no save is written, nor returns before it is given up …
	deaf    bool          // … nor then
	saving  int           // saves that have not returned
}

// saver is the journal as a process sees it.
type saver struct{ *process }

func (j saver) Load() (takeover.Durable, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.without.remembers(j.journal.kept), j.journal.known, nil
}

// Save can be cut short by the end of the server: then the disk has the old or the
// new, as its rename came or not.
func (j saver) Save(ctx context.Context, d takeover.Durable) error {
	if err := j.acts(); err != nil {
		return err
	}
	if j.byHand {
		defer j.counts()()
		if err := j.broken(ctx); err != nil {
			return err
		}
	}
	if j.without.Saving {
		j.later(j.dice.of(j.seat, ofJournal).between(time.Millisecond, 300*time.Millisecond),
			func() { j.change(func() { j.write(d) }) })
		return nil
	}
	j.mu.Lock()
	lasts, unsure, began := j.journal.stall, j.unsure, j.elapsed()
	j.mu.Unlock()
	if unsure {
		return errUnsure
	}
	lasts += j.dice.of(j.seat, ofJournal).between(500*time.Microsecond, 4*time.Millisecond)
	if err := j.takes(ctx, lasts); err != nil {
		return j.lost(d, began+lasts, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.journal.torn {
		j.journal.torn = false
		if j.dice.of(j.seat, ofJournal).one(2) {
			j.write(d)
			j.ends("crashes after its journal was written")
		} else {
			j.ends("crashes before its journal is written")
		}
		return errDead
	}
	j.write(d)
	return nil
}

// counts a save until it has returned.
func (j saver) counts() (end func()) {
	count := func(by int) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.journal.saving += by
	}
	count(1)
	return func() { count(-1) }
}

// broken: a disk that hangs and that nobody waits for any more does not write what it was given.
func (j saver) broken(ctx context.Context) error {
	j.mu.Lock()
	refuses, hangs, deaf := j.journal.refuses, j.journal.hangs, j.journal.deaf
	j.mu.Unlock()
	switch {
	case refuses != nil:
		return refuses
	case hangs == nil:
		return nil
	case deaf:
		<-hangs
		return j.alive()
	}
	select {
	case <-hangs:
		return j.alive()
	case <-ctx.Done():
		return fmt.Errorf("the disk does not answer: %w", errors.Join(context.Cause(ctx), j.alive()))
	}
}

var errUnsure = errors.New("the journal's disk has not ended an earlier save: what it holds is not known until it does")

// lost: the disk was too slow. It may have written what it was given before it has ended;
// once it has, it holds that, and the journal takes the next save, as the product's does.
func (j saver) lost(d takeover.Durable, ends time.Duration, err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead {
		return err
	}
	j.unsure = true
	if j.dice.of(j.seat, ofJournal).one(2) {
		j.write(d)
	}
	j.later(max(0, ends-j.elapsed()), func() {
		j.change(func() {
			j.write(d)
			j.unsure = false
		})
	})
	return errors.Join(errUnsure, err)
}

// write puts a Durable on the disk. The caller holds the lock.
func (j saver) write(d takeover.Durable) {
	if j.dead {
		return
	}
	before := j.journal.kept
	j.journal.kept, j.journal.known = d, true
	j.ledger.saved(j.server, before)
}

// spoolFile is a server's spool on its disk.
type spoolFile struct {
	incarnation int
	name        string
	records     []releve.SpoolRecord
	stored      uint64 // as far as the process knows
	torn        bool   // the server crashes in the middle of the next append
}

// renewAfter is how long a spool of the simulation grows: a page or two, so that
// a story sees it begin anew.
const renewAfter = 40

func newSpoolFile(seat releve.Seat) spoolFile {
	f := spoolFile{}
	f.renew(seat)
	return f
}

// renew begins a file of another incarnation with what is not stored.
func (f *spoolFile) renew(seat releve.Seat) {
	left := f.records[f.stored:]
	f.incarnation++
	f.name, f.records, f.stored = fmt.Sprintf("%s-%d", seat, f.incarnation), nil, 0
	for _, r := range left {
		f.add(r.Fact)
	}
}

func (f *spoolFile) add(fact releve.Fact) {
	f.records = append(f.records, releve.SpoolRecord{Sequence: uint64(len(f.records)) + 1, Fact: fact})
}

func (f *spoolFile) page(limit int) releve.SpoolPage {
	left := f.records[f.stored:]
	return releve.SpoolPage{Incarnation: f.name, Records: left[:min(limit, len(left)):min(limit, len(left))]}
}

// spool is the file as a process sees it.
type spool struct {
	*process
	changed chan struct{}
}

// Finished changes nothing: these sites name no runs.
func (f *spool) Finished() error { return nil }

// Append returns when the facts are on the disk. Cut short by the end of the server, the
// first of them are there and the rest is torn off; nobody was promised any.
func (f *spool) Append(ctx context.Context, facts ...releve.Fact) error {
	if err := f.acts(); err != nil {
		return err
	}
	if f.without.Fsync {
		f.later(f.dice.of(f.seat, ofSpool).between(10*time.Millisecond, 300*time.Millisecond),
			func() { f.change(func() { f.write(facts) }) })
		f.change(func() { f.ledger.promise(facts) })
		return nil
	}
	if err := f.takes(ctx, f.dice.of(f.seat, ofSpool).between(500*time.Microsecond, 5*time.Millisecond)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file := &f.server.spool
	if file.torn {
		file.torn = false
		f.write(facts[:f.dice.of(f.seat, ofSpool).below(len(facts)+1)])
		f.ends("crashes in the middle of a write to its spool")
		return errDead
	}
	f.write(facts)
	f.ledger.promise(facts)
	return nil
}

// write puts facts on the disk. The caller holds the lock.
func (f *spool) write(facts []releve.Fact) {
	if f.dead {
		return
	}
	for _, fact := range facts {
		f.server.spool.add(fact)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *spool) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.server.spool.records) - int(f.server.spool.stored)
}

// acknowledge takes in what the database has. A position beyond the end
// means that the file is older than the database: its facts go under another name.
func (f *spool) acknowledge(name string, upTo uint64) {
	m := f.agent.Machine()
	f.mu.Lock()
	defer f.mu.Unlock()
	file := &f.server.spool
	switch {
	case f.dead || name != file.name || upTo <= file.stored:
		return
	case upTo > uint64(len(file.records)):
		file.stored = 0
		file.renew(f.seat)
		return
	}
	file.stored = upTo
	if len(file.records) > renewAfter && int(upTo) == len(file.records) && m.Protected() {
		file.renew(f.seat)
	}
}

// ownSpool is this server's spool as a source.
type ownSpool struct{ *process }

func (o ownSpool) Seat() releve.Seat { return o.seat }

func (o ownSpool) Waiting(_ context.Context, limit int) (releve.SpoolPage, error) {
	if err := o.alive(); err != nil {
		return releve.SpoolPage{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.server.spool.page(limit), nil
}

func (o ownSpool) Stored(_ context.Context, name string, upTo uint64) error {
	if err := o.acts(); err != nil {
		return err
	}
	o.records.acknowledge(name, upTo)
	return nil
}

func (o ownSpool) Ahead(context.Context) error {
	if err := o.acts(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.server.spool.renew(o.seat)
	return nil
}

func (o ownSpool) More() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.records.changed
}

// otherSpool is the other server's spool over the link.
type otherSpool struct{ *process }

func (o otherSpool) Seat() releve.Seat { return o.seat.Other() }

func (o otherSpool) Waiting(ctx context.Context, limit int) (releve.SpoolPage, error) {
	return ask(ctx, o.process, peerLink, func(_ context.Context, there *process) (releve.SpoolPage, error) {
		there.mu.Lock()
		defer there.mu.Unlock()
		return there.server.spool.page(limit), nil
	})
}

func (o otherSpool) Stored(ctx context.Context, name string, upTo uint64) error {
	_, err := ask(ctx, o.process, peerLink, patiently(func(ctx context.Context, there *process) (none struct{}, err error) {
		return none, ownSpool{there}.Stored(ctx, name, upTo)
	}))
	return err
}

func (o otherSpool) Ahead(ctx context.Context) error {
	page, err := o.Waiting(ctx, 1)
	if err != nil {
		return err
	}
	return o.Stored(ctx, page.Incarnation, ^uint64(0))
}

func (o otherSpool) More() <-chan struct{} { return nil }
