package comparison_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"releve"
	"releve/adapters/postgres"
	"releve/screen/view"
	"releve/server/comparison"
)

// proof is a comparison and what it said.
type proof struct {
	comparison.Result
	found []releve.Sentence
	shown []view.Procedure
}

func prove(t *testing.T, owner, mirror *server) proof {
	t.Helper()
	var p proof
	var err error
	p.Result, err = comparison.Comparison{
		Owner: comparison.Of(owner.Cluster), Mirror: comparison.Local{Database: comparison.Of(mirror.Cluster)}, Seat: releve.Main,
		Show:  func(v view.Procedure) { p.shown = append(p.shown, v) },
		Found: func(s releve.Sentence) { p.found = append(p.found, s) },
	}.Run(within(t))
	must(t, err)
	return p
}

// said are the findings without what is the same in all.
func (p proof) said() string {
	var all []string
	for _, s := range p.found {
		a := s.Args
		line := strings.TrimPrefix(s.Code, "difference-")
		for _, name := range []string{"table", "key", "column", "own", "theirs"} {
			if a[name] != "" {
				line += " " + a[name]
			}
		}
		if s.Code == "difference-missing" {
			line += " " + a["seat"]
		}
		all = append(all, line)
	}
	return strings.Join(all, "; ")
}

// A main with a million rows and its mirror, on which one letter of one row was changed:
// nothing but this comparison can see it. Calls go on meanwhile, and raise no alarm.
func TestOneRowInAMillionIsNamedWhileOthersAreWritten(t *testing.T) {
	main, secondary := newSite(t)
	main.do(`CREATE TABLE fact (id bigint PRIMARY KEY, word text, note text) WITH (autovacuum_enabled = false);
		INSERT INTO fact SELECT n, 'word ' || n || '.', CASE WHEN n % 3 = 0 THEN 'x' END FROM generate_series(1, 1000000) AS n`)
	main.do(`CREATE TABLE counter (name text PRIMARY KEY, n bigint); INSERT INTO counter VALUES ('a', 0), ('b', 0)`)
	secondary.clone(main)
	secondary.mirrors(main)

	stop := write(t, main)
	whole := prove(t, main, secondary)
	if whole.Differences != 0 || whole.Rows < 1_000_000 {
		t.Errorf("a true mirror: %+v, %s", whole.Result, whole.said())
	}
	checkSteps(t, whole)
	stop()

	var file string
	must(t, main.pool.QueryRow(within(t), `SELECT pg_relation_filepath('fact')`).Scan(&file))
	secondary.settles(main)
	must(t, secondary.Stop(within(t), true))
	secondary.alter(file, "word 765432.", "word 765431.")
	secondary.mirrors(main)

	stop = write(t, main)
	defer stop()
	began := time.Now()
	altered := prove(t, main, secondary)
	t.Logf("found in %s", time.Since(began))
	if got, want := altered.said(), `column public.fact 765432 word "word 765432." "word 765431."`; got != want ||
		altered.Differences != 1 {
		t.Errorf("found %d: %s\nwant %s", altered.Differences, got, want)
	}
}

// settles brings a restart's beginning behind all that was written: the log also holds
// whole pages, written when a reader first marks their rows, and to replay one would
// undo what a test altered on the disk.
func (s *server) settles(owner *server) {
	s.t.Helper()
	must(s.t, owner.Checkpoint(within(s.t)))
	end, err := owner.Position(within(s.t))
	must(s.t, err)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		own, err := s.Position(within(s.t))
		must(s.t, err)
		if own.Replay >= end.Flush {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the mirror stays at %s, the owner is at %s", own.Replay, end.Flush)
		}
	}
	must(s.t, s.Checkpoint(within(s.t)))
}

// checkSteps: each step was shown running and done, and the tables with their progress.
func checkSteps(t *testing.T, p proof) {
	t.Helper()
	last := p.shown[len(p.shown)-1]
	for _, s := range last.Steps {
		if s.State != "done" || s.Found == nil || s.Finished.Before(s.Started) {
			t.Errorf("%s: %+v", s.What.Code, s)
		}
	}
	moved := false
	for _, v := range p.shown {
		at := v.Steps[1].Progress
		moved = moved || at != nil && at.Done > 0 && at.Done < at.Total && at.PerSec > 0 && at.TimeLeft > 0
	}
	if !moved || last.Finished.IsZero() || last.Failed != nil {
		t.Errorf("progress with a rate was never shown, or it did not end: %+v", last)
	}
}

// write inserts, changes and deletes on the owner until the returned function is called, as
// calls do: each transaction waits for the mirror.
func write(t *testing.T, s *server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	var written atomic.Int64
	for w := range 3 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := 2_000_000 + w*1_000_000 + int(time.Now().UnixNano()%1_000_000)
				_, err := s.pool.Exec(context.WithoutCancel(ctx), fmt.Sprintf(`
					WITH i AS (INSERT INTO fact VALUES (%d, 'new')
						ON CONFLICT (id) DO UPDATE SET word = fact.word || '+'),
					d AS (DELETE FROM fact WHERE id = %d)
					UPDATE counter SET n = n + 1`, id, 1+w*300_000+n))
				if err == nil {
					written.Add(1)
				}
			}
		})
	}
	until(t, "others write", func() bool { return written.Load() > 10 })
	return func() {
		before := written.Load()
		until(t, "others still write", func() bool { return written.Load() > before })
		cancel()
		writers.Wait()
	}
}

// What a mirror can have wrong, one by one.
func TestEachKindOfDifferenceIsNamed(t *testing.T) {
	main, secondary := newSite(t)
	main.do(`CREATE TABLE fact (id bigint PRIMARY KEY, word text, note text)`)
	main.do(`INSERT INTO fact SELECT n, 'word', NULL FROM generate_series(1, 300) AS n`)
	main.do(`CREATE TABLE loose (word text); INSERT INTO loose SELECT 'same' FROM generate_series(1, 120)`)
	main.do(`CREATE TABLE empty (id bigint PRIMARY KEY)`)
	secondary.clone(main)
	must(t, secondary.Start(within(t), postgres.Isolated))
	// A copy that can be written to, and is no mirror any more.
	_, err := secondary.Promote(within(t), postgres.Asked{ID: "promotion"})
	must(t, err)
	main.standsAlone()
	secondary.do(`UPDATE fact SET note = '' WHERE id = 7`)
	secondary.do(`DELETE FROM fact WHERE id = 150`)
	secondary.do(`INSERT INTO fact VALUES (0, 'more', NULL)`)
	secondary.do(`INSERT INTO loose VALUES ('same')`)
	secondary.do(`INSERT INTO empty SELECT generate_series(1, 500)`)
	p := prove(t, main, secondary)
	said := p.said()
	for _, want := range []string{
		"lineage timeline 1 timeline 2 ← 1 at ", "promoted-apart",
		`column public.fact 7 note NULL ""`, "missing public.fact 150 secondary",
		"missing public.fact 0 main", "rows public.empty 0 500", "rows public.loose 120 121",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("not named: %s\namong %s", want, said)
		}
	}
	if p.Differences != 7 {
		t.Errorf("%d differences: %s", p.Differences, said)
	}
}

// Both servers were promoted apart, and both are on a timeline 2 (RULES R10).
func TestTheSameTimelineNumberTwiceIsFound(t *testing.T) {
	main, secondary := newSite(t)
	main.do(`CREATE TABLE promotion (id text PRIMARY KEY, term bigint, seat text)`)
	main.do(`INSERT INTO promotion VALUES ('first', 1, 'main')`)
	secondary.clone(main)
	must(t, main.Stop(within(t), true))
	for _, s := range []*server{main, secondary} {
		must(t, s.Start(within(t), postgres.Isolated))
		p, err := s.Promote(within(t), postgres.Asked{ID: "promotion"})
		must(t, err)
		if p.Timeline != 2 {
			t.Fatalf("promoted to timeline %d", p.Timeline)
		}
	}
	main.standsAlone()
	main.do(`INSERT INTO promotion VALUES ('of the main', 2, 'main')`)
	secondary.do(`INSERT INTO promotion VALUES ('of the secondary', 2, 'secondary')`)
	secondary.do(`CREATE TABLE padding AS SELECT generate_series(1, 10000)`) // as a mirror would, it is where the owner is
	p := prove(t, main, secondary)
	said := p.said()
	for _, want := range []string{
		"missing public.promotion of the main secondary", "missing public.promotion of the secondary main", "promoted-apart",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %s\namong %s", want, said)
		}
	}
}

// A mirror that goes away proves nothing and harms nothing: the owner's writers go on.
func TestAMirrorThatIsAwayEndsTheComparison(t *testing.T) {
	main, secondary := newSite(t)
	main.do(`CREATE TABLE fact (id bigint PRIMARY KEY)`)
	_, err := comparison.Comparison{
		Owner: comparison.Of(main.Cluster), Mirror: comparison.Local{Database: comparison.Of(secondary.Cluster)}, Seat: releve.Main,
		Show: func(view.Procedure) {}, Found: func(releve.Sentence) {},
	}.Run(within(t))
	if err == nil || !strings.Contains(err.Error(), "step-verify-promotions") {
		t.Errorf("ended with %v", err)
	}
	main.do(`INSERT INTO fact VALUES (1)`)
}

func TestWhenAComparisonIsDue(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	must(t, err)
	at := func(text string) time.Time {
		moment, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		must(t, err)
		return moment
	}
	const hour = 3*time.Hour + 30*time.Minute
	for _, c := range []struct {
		story, now, last string
		copyOf           releve.DataID
		due              bool
	}{
		{"last night, before the hour of tonight", "2026-11-24 03:29", "2026-11-23 03:31", "a", false},
		{"last night, and it is the hour", "2026-11-24 03:30", "2026-11-23 03:31", "a", true},
		{"tonight already", "2026-11-24 12:00", "2026-11-24 03:31", "a", false},
		{"the server was off at the hour", "2026-11-24 12:00", "2026-11-23 12:00", "a", true},
		{"another copy since", "2026-11-24 12:00", "2026-11-24 03:31", "b", true},
		{"the night with 25 hours", "2026-10-25 03:31", "2026-10-24 03:31", "a", true},
		{"the night with 23 hours", "2026-03-29 03:29", "2026-03-28 03:31", "a", false},
	} {
		r := comparison.Record{Data: "a", At: at(c.last)}
		if got := r.Due(at(c.now), hour, c.copyOf); got != c.due {
			t.Errorf("%s: due %v", c.story, got)
		}
	}
}
