package store

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"releve"
)

// doubtsListed is how many commits in doubt are listed one by one; of further ones, how many
// there are.
const doubtsListed = 8

// clock is how a sentence names a moment.
const clock = "2006-01-02 15:04:05"

// doubt is a commit in doubt: its number, and what it is that nobody knows the fate of.
type doubt struct {
	number int
	what   releve.Sentence
}

// doubtOf is the sentence of a commit whose answer was lost, by its identifier (R7).
func (s *Store) doubtOf(what releve.Sentence, cause error) releve.Sentence {
	args := []string{"at", time.Now().Format(clock), "term", fmt.Sprint(s.opt.Term), "why", releve.Reason(cause)}
	for name, value := range what.Args {
		args = append(args, name, value)
	}
	return releve.Say(what.Code, args...)
}

// doubtfulRecords names what a Drain was about to store.
func doubtfulRecords(seat releve.Seat, incarnation string, records []releve.SpoolRecord) releve.Sentence {
	if len(records) == 0 {
		return releve.Say("doubt-change")
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return releve.Say("doubt-records", "seat", string(seat), "spool", incarnation,
		"first", number(records[0].Sequence), "last", number(records[len(records)-1].Sequence))
}

// doubts are those of the store of the term, and of those before it: a store that was fenced
// leaves what it sent in doubt, until a later commit is acknowledged here or this data is made a
// copy of the other server's (R7).
type doubts struct {
	explain func(what releve.Sentence)
	notice  func(about string, what releve.Sentence)

	mu     sync.Mutex
	stores int // that were opened
	from   int // the first of them whose doubts are not settled
	open   map[int][]releve.Sentence
}

// ofNext is told of the doubts of the store that is about to be opened.
func (d *doubts) ofNext() func([]releve.Sentence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stores++
	store := d.stores
	return func(open []releve.Sentence) {
		d.set(func() {
			if store >= d.from {
				d.open[store] = open
			}
		})
	}
}

// settled: those of all stores before this one, or of this one too, are decided.
func (d *doubts) settled(thisToo bool) {
	d.set(func() {
		d.from = d.stores
		if thisToo {
			d.from++
		}
		maps.DeleteFunc(d.open, func(store int, _ []releve.Sentence) bool { return store < d.from })
	})
}

// set shows what changed: each new one once, and all for as long as they are open.
func (d *doubts) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.all()
	change()
	now := d.all()
	for i := range doubtsListed {
		d.notice("doubt "+strconv.Itoa(i), nth(now, i))
	}
	more := releve.Sentence{}
	if n := len(now) - doubtsListed; n > 0 {
		more = releve.Say("doubt-more", "count", strconv.Itoa(n))
	}
	d.notice("doubt more", more)
	for _, s := range now[:min(len(now), doubtsListed)] {
		if !slices.ContainsFunc(before, func(b releve.Sentence) bool { return reflect.DeepEqual(b, s) }) {
			d.explain(s)
		}
	}
	if len(before) > 0 && len(now) == 0 {
		d.explain(releve.Say("doubt-settled"))
	}
}

// all of them, the oldest first.
func (d *doubts) all() (all []releve.Sentence) {
	for _, store := range slices.Sorted(maps.Keys(d.open)) {
		all = append(all, d.open[store]...)
	}
	return all[:min(len(all), doubtsMost)]
}

func nth(all []releve.Sentence, i int) releve.Sentence {
	if i < len(all) {
		return all[i]
	}
	return releve.Sentence{}
}

// Settled is told that this server's data was made a copy of the other's: what was in doubt here
// is decided there.
func (r *Records) Settled() { r.doubts.settled(true) }

// asideFor is how long a screen tells of records that are missing or set aside, since the last.
const (
	asideFor    = 24 * time.Hour
	asidePeriod = time.Minute
)

// ReadAside counts, by the seat of their spool, the records that were set aside for their own
// fault and the ranges of those that never came, since a moment.
func ReadAside(ctx context.Context, q Querier, since time.Time) (refused, missing map[releve.Seat]int, err error) {
	type row struct {
		Seat    releve.Seat
		Refused bool
		Count   int
	}
	rows, err := list(ctx, q, pgx.RowToStructByPos[row], `
		SELECT seat, true, count(*)::int FROM refused WHERE at >= $1 GROUP BY seat
		UNION ALL
		SELECT seat, false, sum(last - first + 1)::int FROM spool_gap WHERE at >= $1 GROUP BY seat`, since)
	refused, missing = map[releve.Seat]int{}, map[releve.Seat]int{}
	for _, r := range rows {
		if r.Refused {
			refused[r.Seat] = r.Count
		} else {
			missing[r.Seat] = r.Count
		}
	}
	return refused, missing, err
}

// aside tells of records that were set aside, or never came, for a day after the last (R14).
type aside struct {
	explain func(what releve.Sentence)
	notice  func(about string, what releve.Sentence)
	told    map[string]bool
}

// trouble is a kind of them: the sentence that stands, and the one that ends it.
type trouble struct{ notice, over string }

var (
	recordsRefused = trouble{"notice-records-refused", "event-records-refused-over"}
	recordsMissing = trouble{"notice-records-missing", "event-records-missing-over"}
)

// tell shows what there is of one kind, and takes back what has passed. over: it has passed by
// itself, and not because another server tells of it now.
func (a *aside) tell(kind trouble, counts map[releve.Seat]int, over bool) {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		about, n := kind.notice+" "+string(seat), counts[seat]
		switch {
		case n > 0:
			a.told[about] = true
			a.notice(about, releve.Say(kind.notice, "count", strconv.Itoa(n), "seat", string(seat)))
		case a.told[about]:
			delete(a.told, about)
			a.notice(about, releve.Sentence{})
			if over {
				a.explain(releve.Say(kind.over, "seat", string(seat)))
			}
		}
	}
}

// Watch tells, until ctx ends, of records that are missing or set aside.
func (r *Records) Watch(ctx context.Context) {
	told := aside{r.explain, r.notice, map[string]bool{}}
	look := time.NewTicker(asidePeriod)
	defer look.Stop()
	for {
		r.lookAside(ctx, told)
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-r.found:
		}
	}
}

func (r *Records) lookAside(ctx context.Context, told aside) {
	s := r.current()
	if s == nil { // the server on duty tells
		told.tell(recordsRefused, nil, false)
		told.tell(recordsMissing, nil, false)
		return
	}
	refused, missing, err := s.aside(ctx, time.Now().Add(-asideFor))
	if err != nil {
		return // a database that does not answer is told by others
	}
	told.tell(recordsRefused, refused, true)
	told.tell(recordsMissing, missing, true)
}

func (s *Store) aside(ctx context.Context, since time.Time) (refused, missing map[releve.Seat]int, err error) {
	ctx, cancel := s.untilFence(ctx)
	defer cancel()
	return ReadAside(ctx, s.pool, since)
}
