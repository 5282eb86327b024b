package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit ends a test that hangs; nothing is measured by it.
const limit = 30 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, opt Options) *Spool {
	t.Helper()
	s, err := Open(dir, releve.Main, opt)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() }) // most tests close it themselves and look
	return s
}

// fact makes a fact that can be told from others by its call.
func fact(t testing.TB, call string) releve.Fact {
	t.Helper()
	f, err := releve.NewFact(releve.CallStepped, releve.CallID(call), releve.Main, 1, time.Now(), releve.StepBody{Name: "greeting"})
	must(t, err)
	return f
}

// appendCalls appends a fact for each call, each with an fsync of its own.
func appendCalls(t testing.TB, s *Spool, calls ...string) {
	t.Helper()
	for _, c := range calls {
		must(t, s.Append(within(t), fact(t, c)))
	}
}

// calls reads what the spool holds after a sequence, to its end.
func calls(t testing.TB, s *Spool, after uint64) (calls []string) {
	t.Helper()
	page, err := s.Read(after, 1<<20)
	must(t, err)
	before := s.Last() - uint64(len(page.Records))
	for i, r := range page.Records {
		if r.Sequence != before+uint64(i)+1 || page.Incarnation != s.Incarnation() {
			t.Errorf("record %d of %s stands at place %d of %s", r.Sequence, page.Incarnation, before+uint64(i)+1, s.Incarnation())
		}
		calls = append(calls, string(r.Fact.Call))
	}
	return calls
}

func expect(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestWhatWasAppendedIsReadAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Options{})
	if o := s.Opened(); !o.Created || o.Records != 0 {
		t.Errorf("opened: %+v", o)
	}
	sent := fact(t, "a")
	must(t, s.Append(within(t), sent, fact(t, "b")))
	appendCalls(t, s, "c")
	incarnation := s.Incarnation()
	must(t, s.Close())
	if err := s.Append(within(t), sent); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}

	s = open(t, dir, Options{})
	if o := s.Opened(); o.Created || o.Records != 3 || o.CutBytes != 0 || s.Incarnation() != incarnation {
		t.Errorf("opened again: %+v, incarnation %s", o, s.Incarnation())
	}
	expect(t, calls(t, s, 0), "a", "b", "c")
	expect(t, calls(t, s, 2), "c")
	page, err := s.Read(0, 1)
	must(t, err)
	if got := page.Records[0].Fact; got.ID != sent.ID || !got.At.Equal(sent.At) || string(got.Body) != string(sent.Body) {
		t.Errorf("read %+v, appended %+v", got, sent)
	}
	appendCalls(t, s, "d")
	if s.Last() != 4 || s.Waiting() != 4 {
		t.Errorf("last %d, waiting %d", s.Last(), s.Waiting())
	}
}

func TestReadingGoesOnWhereItStopped(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var want []string
	for i := range 3*stride + 5 {
		want = append(want, fmt.Sprint(i))
	}
	var facts []releve.Fact
	for _, c := range want {
		facts = append(facts, fact(t, c))
	}
	must(t, s.Append(within(t), facts...))
	var got []string
	for after := uint64(0); ; {
		page, err := s.Read(after, 7)
		must(t, err)
		if len(page.Records) == 0 {
			break
		}
		for _, r := range page.Records {
			got = append(got, string(r.Fact.Call))
			after = r.Sequence
		}
	}
	expect(t, got, want...)
}

func TestLargeRecordsAreReadInPagesBoundedInBytes(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	const records, size = 12, 900 << 10
	for range records {
		appendCalls(t, s, strings.Repeat("x", size))
	}
	got := 0
	for after := uint64(0); after < records; {
		read, err := s.Read(after, 500)
		must(t, err)
		page := read.Records
		if len(page) == 0 || len(page)*size > maxRead {
			t.Fatalf("%d records of %d bytes after %d", len(page), size, after)
		}
		got, after = got+len(page), page[len(page)-1].Sequence
	}
	if got != records {
		t.Errorf("%d records read, expected %d", got, records)
	}
}

func TestManyWritersShareFsyncsAndNoneIsLost(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	const writers, each = 16, 20
	var failed atomic.Int64
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if s.Append(within(t), fact(t, fmt.Sprintf("%d.%d", w, i))) != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	got := calls(t, s, 0)
	slices.Sort(got)
	if failed.Load() != 0 || len(slices.Compact(got)) != writers*each {
		t.Errorf("%d appends failed, %d facts of %d read", failed.Load(), len(got), writers*each)
	}
}

func TestATornEndIsCutOffAndSaid(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	appendCalls(t, s, "a", "b")
	must(t, s.Close())
	path := filepath.Join(dir, "spool")
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, info.Size()-3))

	s = open(t, dir, Options{})
	if o := s.Opened(); o.Records != 1 || o.CutBytes == 0 {
		t.Errorf("opened: %+v", o)
	}
	appendCalls(t, s, "c")
	must(t, s.Close())
	s = open(t, dir, Options{})
	if o := s.Opened(); o.CutBytes != 0 {
		t.Errorf("opened again: %+v", o)
	}
	expect(t, calls(t, s, 0), "a", "c")
}

// damage writes a byte of the file anew.
func damage(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	must(t, err)
	b[0] ^= 0x55
	_, err = f.WriteAt(b, at)
	must(t, errors.Join(err, f.Close()))
}

// refused fails unless the spool is refused with cause and left as it is.
func refused(t *testing.T, dir string, seat releve.Seat, cause error) {
	t.Helper()
	path := filepath.Join(dir, "spool")
	before, err := os.ReadFile(path)
	must(t, err)
	s, err := Open(dir, seat, Options{})
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, expected %v", err, cause)
	}
	if s != nil {
		must(t, s.Close())
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the refused file was changed")
	}
}

func TestARecordThatHadBeenSafeIsNeverCutOff(t *testing.T) {
	for place, offset := range map[string]int64{"mark": 0, "length": 6, "sequence": 15, "payload": int64(prefixSize) + 5} {
		t.Run(place, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Options{})
			appendCalls(t, s, "a", "b", "c")
			second := s.file.end - (s.file.end-s.file.index[0])/3*2
			must(t, s.Close())
			damage(t, filepath.Join(dir, "spool"), second+offset)
			refused(t, dir, releve.Main, ErrDamaged)
		})
	}
}

func TestADiskMayWriteThePagesOfOneBatchInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	appendCalls(t, s, "a")
	batch := s.file.end
	must(t, s.Append(within(t), fact(t, "b"), fact(t, "c"))) // one write, one fsync
	must(t, s.Close())
	damage(t, filepath.Join(dir, "spool"), batch+int64(prefixSize)) // b's page did not arrive, c's did
	s = open(t, dir, Options{})
	if o := s.Opened(); o.Records != 1 || o.CutBytes == 0 {
		t.Errorf("opened: %+v", o)
	}
	expect(t, calls(t, s, 0), "a")
}

func TestAFileThatIsNotOursIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	appendCalls(t, s, "a")
	refused(t, dir, releve.Main, ErrInUse)
	must(t, s.Close())
	refused(t, dir, releve.Secondary, ErrOtherSeat)
	damage(t, filepath.Join(dir, "spool"), 3)
	refused(t, dir, releve.Main, ErrDamaged)
	must(t, os.WriteFile(filepath.Join(dir, "spool"), nil, 0o600))
	refused(t, dir, releve.Main, ErrDamaged)
}

func TestAtItsBoundItTakesNoMore(t *testing.T) {
	s := open(t, t.TempDir(), Options{Bound: 700})
	appendCalls(t, s, "a")
	var err error
	for n := 0; err == nil && n < 10; n++ {
		err = s.Append(within(t), fact(t, "b"))
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	if info, err := s.file.Stat(); err != nil || info.Size() > 700 {
		t.Errorf("the file has %d bytes: %v", info.Size(), err)
	}
	if err := s.Append(within(t), releve.Fact{Body: []byte(`"` + strings.Repeat("x", maxFact) + `"`)}); err == nil {
		t.Error("a fact larger than a record was taken")
	}
}

// swap puts a device in the place of the spool's file.
func swap(t *testing.T, s *Spool, device string) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	must(t, err)
	must(t, s.file.Close())
	s.file.File = f
}

func TestAFailedFsyncIsFinal(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	appendCalls(t, s, "a")
	swap(t, s, "/dev/null") // takes every write and refuses fsync
	for range 2 {
		if err := s.Append(within(t), fact(t, "b")); !errors.Is(err, ErrFailed) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Renew(within(t)); !errors.Is(err, ErrFailed) || s.Last() != 1 {
		t.Errorf("renewed after a failed fsync: %v, last %d", err, s.Last())
	}
}

func TestAWriteThatCannotBeTakenBackIsFinal(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	swap(t, s, "/dev/full") // refuses every write, and cannot be truncated
	if err := s.Append(within(t), fact(t, "a")); !errors.Is(err, ErrFailed) {
		t.Errorf("got %v", err)
	}
}

func TestAppendsAreSignalled(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	changed := s.Changed()
	select {
	case <-changed:
		t.Error("signalled before anything was appended")
	default:
	}
	appendCalls(t, s, "a")
	select {
	case <-changed:
	case <-within(t).Done():
		t.Error("an append was not signalled")
	}
}

func TestStoredCountsOnlyForItsIncarnation(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	appendCalls(t, s, "a", "b", "c")
	s.Stored("another", 3)
	s.Stored(s.Incarnation(), 2)
	s.Stored(s.Incarnation(), 1)
	if s.Waiting() != 1 {
		t.Errorf("%d waiting, expected 1", s.Waiting())
	}
}

// What is read begins where the database is in the very file that it is of: a page of one file
// that began at a place of the one before would have the facts between taken for missing.
func TestAPageBeginsAtAPlaceOfItsOwnFile(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	appendCalls(t, s, "a", "b", "c")
	s.Stored(s.Incarnation(), 2)
	expect(t, calls(t, s, 0), "c")
	old := s.file
	fresh, err := s.fresh([][]byte{[]byte(`{"call":"c"}`), []byte(`{"call":"d"}`), []byte(`{"call":"e"}`)})
	must(t, err)
	put := func(f *file, stored uint64) { // as the writer does, without the disk's time
		s.mu.Lock()
		defer s.mu.Unlock()
		s.file, s.stored = f, stored
	}
	var writer sync.WaitGroup
	ctx, end := context.WithCancel(t.Context())
	writer.Go(func() {
		for ctx.Err() == nil {
			put(fresh, 0)
			put(old, 2)
		}
	})
	first := map[string]uint64{old.incarnation: 3, fresh.incarnation: 1}
	for range 2000 {
		page, err := s.Read(0, 10)
		must(t, err)
		if len(page.Records) == 0 || page.Records[0].Sequence != first[page.Incarnation] {
			t.Errorf("read %+v, of a file whose first fact that is not stored is %d", page, first[page.Incarnation])
			break
		}
	}
	end()
	writer.Wait()
	must(t, fresh.Close())
}

func TestRenewCarriesOnWhatIsNotStored(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	appendCalls(t, s, "a", "b", "c")
	old := s.Incarnation()
	s.Stored(old, 1)
	must(t, s.Renew(within(t)))
	if s.Incarnation() == old || s.Waiting() != 2 {
		t.Errorf("incarnation %s after %s, %d waiting", s.Incarnation(), old, s.Waiting())
	}
	expect(t, calls(t, s, 0), "b", "c")
	appendCalls(t, s, "d")
	must(t, s.Close())
	s = open(t, dir, Options{})
	expect(t, calls(t, s, 0), "b", "c", "d")
}

func TestAPositionAboveOursBeginsANewIncarnation(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	appendCalls(t, s, "a", "b")
	old, changed := s.Incarnation(), s.Changed()
	s.Stored(old, 9)
	select {
	case <-changed:
	case <-within(t).Done():
		t.Fatal("no new incarnation")
	}
	if s.Incarnation() == old || s.Waiting() != 2 {
		t.Errorf("incarnation %s after %s, %d waiting: the database's 9 were not ours", s.Incarnation(), old, s.Waiting())
	}
	expect(t, calls(t, s, 0), "a", "b")
}

func TestALargeSpentFileIsRenewedWhenItMay(t *testing.T) {
	var may atomic.Bool
	asked := make(chan struct{}, 100)
	s := open(t, t.TempDir(), Options{MayRenew: func() bool { asked <- struct{}{}; return may.Load() }})
	fill(t, s)
	old := s.Incarnation()
	s.Stored(old, s.Last())
	select {
	case <-asked:
	case <-within(t).Done():
		t.Fatal("nobody was asked whether the file may go")
	}
	appendCalls(t, s, "a") // so the writer has had its answer
	if s.Incarnation() != old {
		t.Fatal("renewed although it may not")
	}
	may.Store(true)
	changed := s.Changed()
	s.Stored(old, s.Last())
	select {
	case <-changed:
	case <-within(t).Done():
		t.Fatal("not renewed although it may")
	}
	if s.Incarnation() == old || s.Last() != 0 || s.Waiting() != 0 {
		t.Errorf("incarnation %s after %s, last %d, %d waiting", s.Incarnation(), old, s.Last(), s.Waiting())
	}
}

// fill makes the file large enough to be renewed.
func fill(t *testing.T, s *Spool) {
	t.Helper()
	large := releve.Fact{ID: "large", Body: []byte(`"` + strings.Repeat("x", maxFact/2) + `"`)}
	for s.Last()*maxFact/2 <= renewSize {
		must(t, s.Append(within(t), large))
	}
}

func TestARecordOfAnotherVersionIsHandedOn(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	must(t, s.ask(within(t), request{payloads: [][]byte{[]byte(`{"id":7}`)}}))
	appendCalls(t, s, "a")
	page, err := s.Read(0, 10)
	must(t, err)
	if records := page.Records; len(records) != 2 || records[0].Fact.ID != "" || string(records[0].Fact.Body) != `{"id":7}` || records[1].Fact.Call != "a" {
		t.Errorf("read %+v", page.Records)
	}
}

func TestACallerWaitsNoLongerThanItsContext(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := open(t, t.TempDir(), Options{MayRenew: func() bool {
		once.Do(func() { close(entered); <-release }) // the writer stands still, as on a wedged disk
		return false
	}})
	fill(t, s)
	s.Stored(s.Incarnation(), s.Last())
	<-entered
	ctx, giveUp := context.WithCancel(context.Background())
	giveUp()
	if err := s.Append(ctx, fact(t, "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	must(t, s.Close())
}

// Incarnation names the file: the database counts positions by it.
func (s *Spool) Incarnation() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file.incarnation
}

// Last is the sequence of the last durable record, 0 when there is none.
func (s *Spool) Last() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file.last
}
