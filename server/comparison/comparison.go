// Package comparison proves that the mirror is true (SPEC M7): both databases are compared
// table by table, each piece at one position on both, a piece that differs is narrowed
// down to the rows and columns, and every page on both disks is checked.
//
// It acts on the server that owns the database. What the mirror's server does for it is
// [Local], asked over the link. Calls come first: at most one processor is used on each
// server, and after each batch of pieces it rests as long as the batch took.
package comparison

import (
	"context"
	"fmt"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// PairOf is how they stand by what a server decides.
func PairOf(m takeover.Machine) Pair {
	return Pair{Owner: m.Owns() && m.Phase == takeover.Serving, InSync: m.Protected(), Copy: m.Other.DataID}
}

// Database is one server's database.
type Database interface {
	// Freeze holds the writers of a table up, for at most half a second.
	Freeze(ctx context.Context, table string) (Frozen, error)
	// SnapshotAt is what is there once the log is replayed up to a position; 0 is now.
	SnapshotAt(context.Context, releve.LSN) (Snapshot, error)
	// Lineage is the timeline, with where those before it were left.
	Lineage(context.Context) (string, error)
	// CheckPages reads every page of the disk.
	CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error)
}

// Frozen is a database whose writers wait.
type Frozen struct {
	At      releve.LSN // all that is visible is in the log up to here
	Own     Snapshot   // outlives the release
	Release func(context.Context) error
}

// Snapshot is a database as it was at one moment.
type Snapshot interface {
	Tables(context.Context) (names []string, rows []int64, err error)
	Cut(ctx context.Context, part releve.Stretch, rows, most int) ([]releve.Stretch, error)
	Digest(context.Context, releve.Stretch) (releve.Digest, error)
	Rows(ctx context.Context, part releve.Stretch, most int) ([]releve.KeyedRow, error)
	Close()
}

// Mirror is the other server's database.
type Mirror interface {
	// Answer takes a snapshot at a position, calls ready, and answers one question after
	// the other.
	Answer(ctx context.Context, at releve.LSN, all []Question, ready func() error, each func(Answer) error) error
	Lineage(context.Context) (string, error)
	CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error)
}

// Sizes of the work.
const (
	chunk  = 10_000          // rows of a piece
	batch  = 16              // pieces compared at one position: some 200 ms of work
	finest = 50              // rows that are compared one by one
	named  = 20              // findings told one by one; more damage than that is one more word
	rested = 5 * time.Second // the longest rest
)

// Name of the procedure that a comparison is shown as.
const Name = "verify"

// promotions is the table with one row for each promotion (RULES R10).
const promotions = "public.promotion"

// Comparison is one proof, to be made.
type Comparison struct {
	Owner  Database
	Mirror Mirror
	Seat   releve.Seat           // of the owner
	Show   func(view.Procedure)  // after each change; it must not wait
	Found  func(releve.Sentence) // a difference, a bad page; it must not wait
}

// Result is what a comparison found that came to its end.
type Result struct {
	Rows        int64
	Differences int // what the findings tell, and the pieces that nobody looked into
}

// Run compares everything. A difference is a finding and no error; an error says that
// nothing was proven.
func (v Comparison) Run(ctx context.Context) (Result, error) {
	r := &run{Comparison: v}
	var steps []releve.Sentence
	for _, s := range r.steps() {
		steps = append(steps, r.say(s.code))
	}
	r.sheet = guide.NewSheet(Name, steps, v.Show)
	err := r.list(ctx)
	for i, s := range r.steps() {
		if err != nil {
			break
		}
		err = r.step(ctx, i, s)
	}
	if err != nil {
		why := r.say("verify-failed", "why", releve.Reason(err))
		r.sheet.End(&why)
		return r.Result, err
	}
	r.sheet.End(nil)
	return r.Result, nil
}

// run is a comparison under way.
type run struct {
	Comparison
	Result
	sheet  *guide.Sheet
	atWork int       // the step
	began  time.Time // … since when
	tables []string
	total  int64 // rows, about
}

type step struct {
	code string
	do   func(context.Context) (found releve.Sentence, err error)
}

func (r *run) steps() []step {
	return []step{
		{"step-verify-promotions", r.comparePromotions},
		{"step-verify-tables", r.compareTables},
		{"step-verify-pages", func(ctx context.Context) (releve.Sentence, error) {
			return r.checkPages(ctx, r.Seat.Other(), r.Mirror.CheckPages)
		}},
		{"step-verify-own-pages", func(ctx context.Context) (releve.Sentence, error) {
			return r.checkPages(ctx, r.Seat, r.Owner.CheckPages)
		}},
	}
}

func (r *run) step(ctx context.Context, i int, s step) error {
	r.atWork, r.began = i, time.Now()
	r.sheet.Begin(i)
	found, err := s.do(ctx)
	if err != nil {
		r.sheet.Fail(i)
		return fmt.Errorf("%s: %w", s.code, err)
	}
	r.sheet.Found(i, found)
	r.sheet.Done(i)
	return nil
}

// say names the owner as the seat.
func (r *run) say(code string, pairs ...string) releve.Sentence {
	return releve.Say(code, append(pairs, "seat", string(r.Seat), "other", string(r.Seat.Other()))...)
}

// find counts a difference, and tells it unless there are so many that a list helps nobody.
func (r *run) find(what releve.Sentence) {
	r.Differences++
	if r.Differences > named {
		return
	}
	r.Found(what)
	r.sheet.Finding(r.atWork, what)
}

func (r *run) progress(done, total int64, unit string) {
	p := &releve.Progress{Done: done, Total: max(done, total), Unit: unit}
	p.PerSec = float64(done) / max(time.Since(r.began).Seconds(), 0.001)
	if p.PerSec > 0 {
		p.TimeLeft = time.Duration(float64(p.Total-done) / p.PerSec * float64(time.Second))
	}
	r.sheet.Advance(r.atWork, p)
}

func (r *run) checkPages(
	ctx context.Context, seat releve.Seat,
	check func(context.Context, func(done, total int64)) ([]releve.BadPage, error),
) (releve.Sentence, error) {
	bytes := int64(0)
	bad, err := check(ctx, func(done, total int64) {
		bytes = done
		r.progress(done, total, "B")
	})
	for _, page := range bad {
		r.find(releve.Say("difference-page", "seat", string(seat), "file", page.File, "page", fmt.Sprint(page.Page)))
	}
	return releve.Say("found-pages", "bytes", fmt.Sprint(bytes)), err
}
