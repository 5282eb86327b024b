package gallery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"releve"
)

// Records are those of two weeks of calls, every nineteen minutes one, as a console reads them.
type Records struct {
	All  []releve.Call // newest first
	Away error         // of the database: then nothing can be read
}

// NewRecords are those that end now. Some callers bear names that mean harm.
func NewRecords(now time.Time) *Records {
	var r Records
	ends := []string{"transferred", "transferred", "transferred", "abandoned", "refused", "transferred", "unanswered", "busy", "lost", "failed"}
	for i := range 14 * 24 * 60 / 19 {
		c := releve.Call{
			Call: releve.CallID(fmt.Sprintf("%d-night@pbx.example", i)), At: now.Add(-time.Duration(i+1) * 19 * time.Minute), Seat: releve.Main, Term: 7,
			From: fmt.Sprintf("06%02d******", i%89), Outcome: ends[i%len(ends)], Duration: time.Duration(9+i%50) * time.Second, Stored: true,
		}
		if i%31 == 5 {
			c.Seat, c.Overflowed = releve.Secondary, true
		}
		for n, s := range []releve.Step{{Name: "greeting"}, {Name: "menu"}, {Name: "digits", Detail: "2***"}, {Name: "transfer", Detail: "extension 2***"}, {Name: "transfer-result", Detail: "taken"}} {
			s.At = c.At.Add(time.Duration(400+1700*n) * time.Millisecond)
			c.Steps = append(c.Steps, s)
		}
		r.All = append(r.All, c)
	}
	evil := &r.All[2]
	evil.Call, evil.From = `"><img src=x onerror=alert(1)>@pbx`, "<b>**"
	evil.Outcome, evil.Detail = "failed", "=HYPERLINK(\"http://evil\") \x1b[31m</td><script>alert(2)</script>"
	evil.Steps[2].Detail = "<script>alert(3)</script>\x1b]0;owned\a"
	return &r
}

// Page is a page of those looked for.
func (r *Records) Page(_ context.Context, q releve.CallQuery, after releve.CallMark, limit int) (page releve.CallPage, err error) {
	if r.Away != nil {
		return page, r.Away
	}
	for _, c := range r.All {
		if !q.Takes(c) || !after.At.IsZero() && !c.At.Before(after.At) {
			continue
		}
		if len(page.Calls) == limit {
			page.More = true
			break
		}
		page.Calls, page.Last = append(page.Calls, c), releve.CallMark{At: c.At, Call: c.Call, Seat: c.Seat}
	}
	return page, nil
}

// Record is the one of a Call-ID.
func (r *Records) Record(_ context.Context, call releve.CallID) (found []releve.Call, err error) {
	i := slices.IndexFunc(r.All, func(c releve.Call) bool { return c.Call == call })
	if r.Away != nil || i < 0 {
		return nil, r.Away
	}
	return r.All[i : i+1], nil
}

// Count counts those between each two times.
func (r *Records) Count(_ context.Context, times []time.Time) ([]releve.CallCount, error) {
	if r.Away != nil {
		return nil, r.Away
	}
	counts := make([]releve.CallCount, len(times)-1)
	for i := range counts {
		counts[i] = releve.CallCount{From: times[i], To: times[i+1], Outcomes: map[string]int{}}
	}
	for _, c := range r.All {
		at, _ := slices.BinarySearchFunc(times, c.At, func(begins, t time.Time) int {
			if begins.After(t) {
				return 1
			}
			return -1
		})
		if at > 0 && at < len(times) {
			n := &counts[at-1]
			n.Calls, n.Callers = n.Calls+1, n.Callers+1
			n.Outcomes[c.Outcome]++
			n.Median, n.Most = 42*time.Millisecond, 310*time.Millisecond
		}
	}
	return counts, nil
}
