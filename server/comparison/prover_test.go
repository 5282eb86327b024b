package comparison_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
	"releve/server/comparison"
)

// pairOf is a site in virtual time: an empty database, compared with an empty one.
type pairOf struct {
	t    *testing.T
	file string

	mu     sync.Mutex
	pair   comparison.Pair
	wrong  []releve.BadPage // on the mirror's disk
	fails  error            // of a comparison
	hang   bool             // until it is given up
	proven []time.Time
	told   []string
	shown  bool
}

func (p *pairOf) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *pairOf) prover() *comparison.Prover {
	return comparison.New(comparison.Options{
		Own: side{p, nil}, Other: comparison.Local{Database: side{p, &p.wrong}},
		Seat: releve.Main, Hour: 3*time.Hour + 30*time.Minute, File: p.file,
		Pair: func() comparison.Pair { p.mu.Lock(); defer p.mu.Unlock(); return p.pair },
		Tell: func(what releve.Sentence) {
			p.with(func() { p.told = append(p.told, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code) })
		},
		Show:     func(v *view.Procedure) { p.with(func() { p.shown = v != nil }) },
		Verified: func(r comparison.Record) { p.with(func() { p.proven = append(p.proven, r.At) }) },
		Forward: func(_ context.Context, emit func(view.Procedure)) error {
			why := releve.Say("before-proof-runs")
			emit(view.Procedure{Failed: &why})
			return errors.New("the other server: it is being verified")
		},
		Log: slog.New(slog.DiscardHandler),
	})
}

// side is one database of it.
type side struct {
	*pairOf
	bad *[]releve.BadPage
}

func (s side) Freeze(context.Context, string) (comparison.Frozen, error) {
	return comparison.Frozen{}, errors.New("there is no table")
}

func (s side) SnapshotAt(ctx context.Context, _ releve.LSN) (comparison.Snapshot, error) {
	s.mu.Lock()
	fails, hang := s.fails, s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return nothing{}, fails
}

func (s side) Lineage(context.Context) (string, error) { return "timeline 1", nil }

func (s side) CheckPages(context.Context, func(done, total int64)) ([]releve.BadPage, error) {
	if s.bad == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(*s.bad), nil
}

// nothing is a database without a table.
type nothing struct{ comparison.Snapshot }

func (nothing) Tables(context.Context) ([]string, []int64, error) { return nil, nil, nil }
func (nothing) Close()                                            {}

// on runs a story of a site that has just come into sync, at midnight.
func on(t *testing.T, story func(t *testing.T, p *pairOf)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pairOf{
			t: t, file: filepath.Join(t.TempDir(), "verified.json"),
			pair: comparison.Pair{Owner: true, InSync: true, Copy: "first"},
		}
		story(t, p)
	})
}

// running keeps the schedule until the returned function is called.
func (p *pairOf) running() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	prover := p.prover()
	go func() { prover.Run(ctx); close(ended) }()
	return func() { cancel(); <-ended }
}

// times is how often the mirror was proven, and when last, since midnight.
func (p *pairOf) times() (n int, last time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	proven := slices.DeleteFunc(slices.Clone(p.proven), time.Time.IsZero)
	if len(proven) == 0 {
		return 0, 0
	}
	at := proven[len(proven)-1]
	return len(proven), at.Sub(at.Truncate(24 * time.Hour))
}

// said is what was told so far.
func (p *pairOf) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

func TestTheMirrorIsProvenSoonAfterItJoinedAndEachNight(t *testing.T) {
	on(t, func(t *testing.T, p *pairOf) {
		stop := p.running()
		time.Sleep(90 * time.Second)
		if n, _ := p.times(); n != 0 {
			t.Error("it was compared before it had settled")
		}
		time.Sleep(2 * time.Minute)
		if n, _ := p.times(); n != 1 {
			t.Errorf("after it joined it was compared %d times", n)
		}
		time.Sleep(24 * time.Hour)
		if n, at := p.times(); n != 2 || at.Round(time.Minute) != nightly(t, p) {
			t.Errorf("compared %d times, last at %s", n, at)
		}
		p.with(func() { p.pair.Copy = "second" })
		time.Sleep(5 * time.Minute)
		if n, _ := p.times(); n != 3 {
			t.Errorf("another copy joined, and it was compared %d times", n)
		}
		stop()
		stop = p.running() // a restart remembers
		defer stop()
		time.Sleep(time.Hour)
		if n, _ := p.times(); n > 4 {
			t.Errorf("a restart had it compared again: %d times", n)
		}
	})
}

// nightly is half past three on this machine's clock, as the time of the universal day.
func nightly(t *testing.T, p *pairOf) time.Duration {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	y, m, d := p.proven[len(p.proven)-1].Date()
	at := time.Date(y, m, d, 3, 30, 0, 0, time.Local).UTC()
	return at.Sub(at.Truncate(24 * time.Hour))
}

func TestWhoIsNotOnDutyOrHasNoMirrorProvesNothing(t *testing.T) {
	on(t, func(t *testing.T, p *pairOf) {
		stop := p.running()
		defer stop()
		p.with(func() { p.pair.InSync = false })
		time.Sleep(24 * time.Hour)
		p.with(func() { p.pair.InSync, p.pair.Owner = true, false })
		time.Sleep(24 * time.Hour)
		if n, _ := p.times(); n != 0 || len(p.said()) > 0 {
			t.Errorf("compared %d times, said %v", n, p.said())
		}
	})
}

func TestAComparisonThatFailedIsMadeAgainSoon(t *testing.T) {
	on(t, func(t *testing.T, p *pairOf) {
		stop := p.running()
		defer stop()
		p.with(func() { p.fails = errors.New("the database is starting") })
		time.Sleep(9 * time.Minute)
		p.with(func() { p.fails = nil })
		time.Sleep(5 * time.Minute)
		if n, _ := p.times(); n != 1 ||
			!slices.Equal(p.said(), []string{"warning event-verify-failed", "cleared event-verified"}) {
			t.Errorf("compared %d times, said %v", n, p.said())
		}
	})
}

func TestWhatIsFoundIsAnAlarmUntilAnotherCopyIsTrue(t *testing.T) {
	on(t, func(t *testing.T, p *pairOf) {
		stop := p.running()
		defer stop()
		p.with(func() { p.wrong = []releve.BadPage{{File: "base/5/1259", Page: 3}} })
		time.Sleep(5 * time.Minute)
		p.with(func() { p.wrong, p.pair.Copy = nil, "second" })
		time.Sleep(5 * time.Minute)
		want := []string{"critical difference-page", "critical event-mirror-differs", "cleared event-verified"}
		if got := p.said(); !slices.Equal(got, want) {
			t.Errorf("said %v, want %v", got, want)
		}
	})
}

func TestOneComparisonAtATimeAndNoneOverAChange(t *testing.T) {
	on(t, func(t *testing.T, p *pairOf) {
		p.hang = true
		prover := p.prover()
		ended := make(chan error, 1)
		go func() { ended <- prover.VerifyMirror(context.Background(), func(view.Procedure) {}) }()
		time.Sleep(time.Second)
		var refused view.Procedure
		err := prover.VerifyMirror(context.Background(), func(v view.Procedure) { refused = v })
		if !errors.Is(err, releve.ErrBusy) || refused.Failed.Code != "before-proof-runs" {
			t.Errorf("a second one: %v, %+v", err, refused)
		}
		p.with(func() { p.pair.Copy = "second" })
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
			t.Errorf("ended with %v", err)
		}
		if p.shown {
			t.Error("it is still shown")
		}
	})
}

func TestTheOtherServerIsAskedWhenItIsOnDuty(t *testing.T) {
	on(t, func(t *testing.T, p *pairOf) {
		p.pair.Owner = false
		var said []string
		err := p.prover().VerifyMirror(context.Background(), func(v view.Procedure) { said = append(said, v.Failed.Code) })
		if !errors.Is(err, releve.ErrBusy) || !slices.Equal(said, []string{"before-proof-runs"}) {
			t.Errorf("%v, said %v", err, said)
		}
		if err := p.prover().ProveHere(context.Background(), func(view.Procedure) {}); !errors.Is(err, releve.ErrForbidden) {
			t.Errorf("a server that is not on duty proves: %v", err)
		}
	})
}
