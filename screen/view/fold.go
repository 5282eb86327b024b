package view

import (
	"iter"
	"slices"
	"time"

	"releve"
)

// AttemptsRead is how many calls are to be read for a row: of callers who were refused again
// and again there may be fewer rows than were asked for.
const AttemptsRead = 10

const (
	// chainSpan is how far apart the attempts of one caller may lie: calls lets 20 follow each
	// other within 10 s.
	chainSpan = 4 * time.Minute
	// unfoldedMost bounds the calls that wait for older attempts.
	unfoldedMost = 2000
)

// Fold puts the attempts of each caller into one row: it takes pages of calls, newest first,
// and gives as many rows as are wanted. A row is the attempt that came furthest, the newest of
// those that came equally far, and lists the others.
func Fold(pages iter.Seq2[[]releve.Call, error], rows int) iter.Seq2[[]releve.Call, error] {
	return func(yield func([]releve.Call, error) bool) {
		var f folder
		left := rows
		give := func(done []releve.Call) bool {
			done = done[:min(len(done), left)]
			left -= len(done)
			return len(done) == 0 || yield(done, nil)
		}
		for page, err := range pages {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, c := range page {
				f.take(c)
			}
			if !give(f.older()) || left == 0 {
				return
			}
		}
		give(f.waiting)
	}
}

// folder holds the rows that older attempts may still belong to, newest first.
type folder struct {
	waiting []releve.Call
	place   map[string]int // of a chain's row, counted from the first row of all
	gone    int            // rows taken out
}

func (f *folder) take(c releve.Call) {
	if at, there := f.place[c.Chain]; there && c.Chain != "" {
		f.waiting[at-f.gone] = joined(f.waiting[at-f.gone], c)
		return
	}
	if f.place == nil {
		f.place = map[string]int{}
	}
	f.place[c.Chain] = f.gone + len(f.waiting)
	f.waiting = append(f.waiting, c)
}

// older takes out the rows that no attempt still to come belongs to.
func (f *folder) older() (done []releve.Call) {
	n := max(0, len(f.waiting)-unfoldedMost)
	if last := len(f.waiting) - 1; last >= 0 {
		for n < last && f.waiting[n].At.Sub(f.waiting[last].At) > chainSpan {
			n++
		}
	}
	for _, c := range f.waiting[:n] {
		delete(f.place, c.Chain)
	}
	f.gone += n
	done, f.waiting = f.waiting[:n:n], f.waiting[n:]
	return done
}

// joined is the row of two attempts.
func joined(row, older releve.Call) releve.Call {
	others := row.Attempts
	if further(older, row) {
		row, older = older, row
	}
	row.Attempts = append(slices.Clone(others), releve.Attempt{
		Call: older.Call, At: older.At, Seat: older.Seat, Outcome: older.Outcome, Detail: older.Detail,
	})
	slices.SortStableFunc(row.Attempts, func(x, y releve.Attempt) int { return y.At.Compare(x.At) })
	return row
}

// further says whether an attempt came further than a newer one.
func further(c, newer releve.Call) bool {
	if goesOn := c.Outcome == ""; goesOn != (newer.Outcome == "") {
		return goesOn
	}
	return len(c.Steps) > len(newer.Steps)
}
