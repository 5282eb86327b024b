package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/server/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spool is a source in memory: facts are kept until they are told stored.
type spool struct {
	seat   releve.Seat
	remote bool // cannot say when there is more

	mu          sync.Mutex
	incarnation int
	kept        []releve.SpoolRecord
	next        uint64
	more        chan struct{}
	looks       int
	told        []uint64 // positions it was told of
	silent      bool     // answers nobody
	frozen      bool     // does not answer once, when it is told what was stored
	refuses     error
	deaf        int // how many times what is stored is not heard
}

func newSpool(seat releve.Seat) *spool { return &spool{seat: seat, more: make(chan struct{})} }

func (s *spool) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.next++
		id := releve.FactID(fmt.Sprintf("%s-%d-%d", s.seat, s.incarnation, s.next))
		s.kept = append(s.kept, releve.SpoolRecord{Sequence: s.next, Fact: releve.Fact{ID: id}})
	}
	close(s.more)
	s.more = make(chan struct{})
}

func (s *spool) change(f func(*spool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *spool) Seat() releve.Seat { return s.seat }

func (s *spool) Waiting(ctx context.Context, limit int) (releve.SpoolPage, error) {
	s.mu.Lock()
	s.looks++
	silent, refuses := s.silent, s.refuses
	page := releve.SpoolPage{Incarnation: fmt.Sprint(s.incarnation), Records: slices.Clone(s.kept[:min(limit, len(s.kept))])}
	s.mu.Unlock()
	if silent {
		<-ctx.Done()
		return releve.SpoolPage{}, ctx.Err()
	}
	return page, refuses
}

func (s *spool) Stored(ctx context.Context, incarnation string, upTo uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		s.frozen = false
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	}
	if s.deaf > 0 {
		s.deaf--
		return errors.New("the link is cut")
	}
	if incarnation != fmt.Sprint(s.incarnation) {
		return nil
	}
	s.told = append(s.told, upTo)
	s.kept = slices.DeleteFunc(s.kept, func(r releve.SpoolRecord) bool { return r.Sequence <= upTo })
	return nil
}

func (s *spool) Ahead(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incarnation++
	for i := range s.kept {
		s.kept[i].Sequence = uint64(i + 1)
	}
	s.next = uint64(len(s.kept))
	return nil
}

func (s *spool) More() <-chan struct{} {
	if s.remote {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.more
}

func (s *spool) looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

func (s *spool) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// database is a sink that counts like the product's: a position for each spool,
// and what it stored, in order.
type database struct {
	mu        sync.Mutex
	open      chan struct{}
	positions map[string]uint64
	stored    []releve.FactID
	drains    int
	refuses   error
	lost      int           // how many commits are made and their answer lost
	blocked   chan struct{} // a commit waits until it is closed, or a fence comes
	waits     chan struct{} // closed when a commit waits
	fence     chan struct{}
}

func newDatabase() *database {
	d := &database{open: make(chan struct{}), positions: map[string]uint64{}, waits: make(chan struct{}), fence: make(chan struct{})}
	close(d.open)
	return d
}

func (d *database) change(f func(*database)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *database) Ready() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

func (d *database) Drain(_ context.Context, seat releve.Seat, page releve.SpoolPage) (uint64, bool, error) {
	d.mu.Lock()
	d.drains++
	blocked, fence := d.blocked, d.fence
	if blocked != nil {
		close(d.waits)
		d.blocked = nil
	}
	d.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-fence:
			return 0, false, errors.New("the duty was lost")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuses != nil {
		return 0, false, d.refuses
	}
	key := string(seat) + page.Incarnation
	if d.positions[key] > page.Records[len(page.Records)-1].Sequence {
		return 0, true, errors.New("the database counted further than this spool")
	}
	for _, r := range page.Records {
		if r.Sequence > d.positions[key] {
			d.positions[key] = r.Sequence
			d.stored = append(d.stored, r.Fact.ID)
		}
	}
	if d.lost > 0 {
		d.lost--
		return 0, false, errors.New("the answer to COMMIT was lost")
	}
	return d.positions[key], false, nil
}

// close is a fence: what waits ends, and nothing is taken before reopen.
func (d *database) close() {
	d.change(func(d *database) {
		close(d.fence)
		d.open, d.fence = make(chan struct{}), make(chan struct{})
	})
}

func (d *database) reopen() { d.change(func(d *database) { close(d.open) }) }

// of are the facts stored from one spool, in the order of their storing.
func (d *database) of(s *spool) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, id := range d.stored {
		if len(id) > len(s.seat) && string(id[:len(s.seat)]) == string(s.seat) {
			all = append(all, string(id))
		}
	}
	return all
}

func (d *database) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drains
}

// carried runs a story with the outbox at work, in virtual time.
func carried(t *testing.T, story func(t *testing.T, d *database, own, other *spool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, own, other := newDatabase(), newSpool(releve.Main), newSpool(releve.Secondary)
		other.remote = true
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			outbox.Run(ctx, d, slog.New(slog.DiscardHandler), own, other)
		}()
		defer func() { cancel(); <-ended }()
		synctest.Wait()
		story(t, d, own, other)
	})
}

// checkWhole: every fact of a spool is stored once, in the spool's order, and the
// spool is empty.
func checkWhole(t *testing.T, d *database, s *spool, n int) {
	t.Helper()
	got := d.of(s)
	if len(got) != n || s.waiting() != 0 {
		t.Fatalf("the %s's: %d facts stored, want %d; %d wait", s.seat, len(got), n, s.waiting())
	}
	for i, id := range got {
		if want := fmt.Sprintf("%s-0-%d", s.seat, i+1); id != want {
			t.Fatalf("the %s's fact %d is %s, want %s", s.seat, i+1, id, want)
		}
	}
}

func TestFactsAreStoredOnceInOrder(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, other *spool) {
		own.add(1234)
		other.add(1700)
		time.Sleep(time.Second)
		checkWhole(t, d, own, 1234)
		checkWhole(t, d, other, 1700)
		if n := d.count(); n > 3+4 {
			t.Errorf("%d transactions for 3 and 4 pages", n)
		}
	})
}

// A fact of our own is stored as soon as it is there.
func TestOwnFactsAreStoredAtOnce(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		for n := 1; n <= 3; n++ {
			own.add(1)
			synctest.Wait()
			checkWhole(t, d, own, n)
		}
	})
}

// The other server's facts are looked for five times a second.
func TestTheOthersFactsAreFound(t *testing.T) {
	carried(t, func(t *testing.T, d *database, _, other *spool) {
		other.add(3)
		time.Sleep(250 * time.Millisecond)
		checkWhole(t, d, other, 3)
	})
}

// A quiet minute costs what it must: nothing for our own spool, ever fewer looks at
// the other's, and no transaction.
func TestAQuietSiteIsNoBusyLoop(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, other *spool) {
		time.Sleep(time.Minute)
		if d.count() != 0 || own.looked() > 1 || other.looked() > 44 {
			t.Errorf("in a minute: %d transactions, %d looks at our own spool, %d at the other's", d.count(), own.looked(), other.looked())
		}
	})
}

// A fact after a quiet time waits for the next look at most.
func TestTheOthersFactsAreSoonCarriedAfterAQuietTime(t *testing.T) {
	carried(t, func(t *testing.T, d *database, _, other *spool) {
		time.Sleep(time.Minute)
		other.add(1)
		time.Sleep(1600 * time.Millisecond)
		checkWhole(t, d, other, 1)
	})
}

// A database that refuses is tried more and more seldom, and gets everything in the end.
func TestAFailureIsTriedAgainUnhurried(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		d.change(func(d *database) { d.refuses = errors.New("disk full") })
		own.add(10)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			own.add(1) // what is new does not hurry a database that refuses
		}
		if n := d.count(); n < 7 || n > 10 {
			t.Errorf("%d tries in ten seconds", n)
		}
		d.change(func(d *database) { d.refuses = nil })
		time.Sleep(1700 * time.Millisecond)
		checkWhole(t, d, own, 110)
	})
}

func TestASpoolThatCannotBeReadIsTriedAgain(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		own.change(func(s *spool) { s.refuses = errors.New("input/output error") })
		own.add(2)
		time.Sleep(10 * time.Second)
		own.change(func(s *spool) {
			if s.looks > 11 {
				t.Errorf("%d looks in ten seconds", s.looks)
			}
			s.refuses = nil
		})
		time.Sleep(1700 * time.Millisecond)
		checkWhole(t, d, own, 2)
	})
}

// Without the duty nothing is looked at, and with the duty back all goes on.
func TestNothingIsDrainedWithoutTheDuty(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, other *spool) {
		d.close()
		own.add(1) // wakes the carrier, which finds the database closed
		time.Sleep(time.Second)
		looks := own.looked()
		own.add(5)
		other.add(5)
		time.Sleep(time.Minute)
		if d.count() != 0 || own.looked() != looks {
			t.Errorf("%d transactions, %d looks", d.count(), own.looked()-looks)
		}
		d.reopen()
		time.Sleep(250 * time.Millisecond)
		checkWhole(t, d, own, 6)
		checkWhole(t, d, other, 5)
	})
}

// A fence in the middle of a drain: the commit ends without an answer, the spool is
// told nothing, and the next term stores all of it once.
func TestAFenceInTheMiddleOfADrain(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		never := make(chan struct{})
		d.change(func(d *database) { d.blocked = never })
		own.add(700)
		<-d.waits
		d.close()
		time.Sleep(10 * time.Second)
		own.change(func(s *spool) {
			if len(s.told) != 0 || len(s.kept) != 700 {
				t.Errorf("the spool was told %v", s.told)
			}
		})
		d.reopen()
		time.Sleep(time.Second)
		checkWhole(t, d, own, 700)
	})
}

// A commit waits for the mirror as long as it must: no limit of ours ends it (R7).
func TestACommitIsNeverCutShort(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		mirror := make(chan struct{})
		d.change(func(d *database) { d.blocked = mirror })
		own.add(3)
		<-d.waits
		time.Sleep(time.Hour)
		if d.count() != 1 {
			t.Errorf("%d transactions while one waits", d.count())
		}
		close(mirror)
		synctest.Wait()
		checkWhole(t, d, own, 3)
	})
}

// A commit whose answer is lost, or an answer that the spool does not hear, is
// asked for again and stores nothing twice.
func TestALostAnswerStoresNothingTwice(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, other *spool) {
		d.change(func(d *database) { d.lost = 3 })
		other.change(func(s *spool) { s.deaf = 3 })
		own.add(600)
		other.add(600)
		time.Sleep(5 * time.Second)
		checkWhole(t, d, own, 600)
		checkWhole(t, d, other, 600)
	})
}

// The other server freezes between its page and our word that it is stored.
func TestASpoolThatFreezesAfterItsPageIsAskedAgain(t *testing.T) {
	carried(t, func(t *testing.T, d *database, _, other *spool) {
		other.change(func(s *spool) { s.frozen = true })
		other.add(5)
		time.Sleep(6 * time.Second)
		checkWhole(t, d, other, 5)
	})
}

// A spool that takes full pages and never hears that they are stored is no busy loop.
func TestADeafSpoolIsAskedUnhurried(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		own.change(func(s *spool) { s.deaf = 1 << 30 })
		own.add(5000)
		time.Sleep(10 * time.Second)
		if n := d.count(); n < 7 || n > 10 {
			t.Errorf("%d transactions in ten seconds", n)
		}
	})
}

// The database counted further than a spool that was put back from an older copy:
// it gets a new incarnation, and its facts are stored under that (R14).
func TestASpoolBehindTheDatabaseBeginsAnew(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, _ *spool) {
		d.change(func(d *database) { d.positions["main0"] = 100 })
		own.add(5)
		time.Sleep(time.Second)
		if got := d.of(own); len(got) != 5 || own.waiting() != 0 {
			t.Errorf("stored %v, %d wait", got, own.waiting())
		}
		d.change(func(d *database) {
			if d.positions["main1"] != 5 || d.positions["main0"] != 100 {
				t.Errorf("positions %v", d.positions)
			}
		})
	})
}

// The other server does not answer: our own facts go on as if it were not there,
// and each look at it is given up after five seconds.
func TestASilentSpoolDoesNotHoldTheOther(t *testing.T) {
	carried(t, func(t *testing.T, d *database, own, other *spool) {
		other.change(func(s *spool) { s.silent = true })
		for n := 1; n <= 60; n++ {
			own.add(1)
			synctest.Wait()
			checkWhole(t, d, own, n)
			time.Sleep(time.Second)
		}
		other.change(func(s *spool) {
			if s.looks < 10 || s.looks > 14 {
				t.Errorf("%d looks in a minute", s.looks)
			}
			s.silent = false
		})
		other.add(4)
		time.Sleep(6 * time.Second)
		checkWhole(t, d, other, 4)
	})
}
