package store

import (
	"context"
	"iter"
	"slices"

	"releve"
)

// Memory is what this server remembers of calls, and who else can tell of them.
type Memory struct {
	Known      func() []releve.Call // in progress and ended, newest first
	Run        releve.RunID         // of this server
	OtherHeard func() bool          // the other server is there to be asked
}

// List are so many calls at most of those looked for, newest first, a page after the other: those in progress and
// those that only memory has come from this server, the others from its database.
func (r *Records) List(ctx context.Context, m Memory, q releve.CallQuery, limit int) iter.Seq2[[]releve.Call, error] {
	memory := slices.DeleteFunc(m.Known(), func(c releve.Call) bool { return !q.Takes(c) })
	return listed(memory, limit, func(after releve.CallMark, most int) (releve.CallPage, error) {
		page, err := r.calls(ctx, q, after, most)
		// Memory is looked at again, afterwards: it knows each call of this run that the page has.
		witnesses{r.seat, m.Run, m.OtherHeard(), m.Known()}.judge(page.Calls)
		return page, err
	})
}

// witnesses are who can say that a call goes on: this run of this server of the calls that it has, and
// the other server, while it is heard, of its.
type witnesses struct {
	seat   releve.Seat
	run    releve.RunID
	heard  bool
	memory []releve.Call
}

// judge gives the calls of the database that have no end the outcome that is known of them.
func (w witnesses) judge(stored []releve.Call) {
	for i := range stored {
		if c := &stored[i]; c.Outcome == "" {
			c.Outcome = w.outcome(*c)
		}
	}
}

func (w witnesses) outcome(c releve.Call) string {
	has := c.Holder()
	if has.Seat != w.seat {
		if w.heard {
			return ""
		}
		return releve.Unknown
	}
	if has.Run != w.run {
		return releve.Cut
	}
	own := slices.IndexFunc(w.memory, func(m releve.Call) bool { return m.Call == c.Call })
	if own < 0 {
		return releve.Unknown
	}
	return w.memory[own].Outcome
}

// listed takes the calls in memory and those that are stored together. Nothing is held but
// the calls in memory and one page. A database that is away leaves what memory has (C10).
func listed(
	memory []releve.Call, limit int,
	read func(after releve.CallMark, most int) (releve.CallPage, error),
) iter.Seq2[[]releve.Call, error] {
	return func(yield func([]releve.Call, error) bool) {
		var after releve.CallMark
		rest, left := memory, limit
		for more := true; more && left > 0; {
			stored, err := read(after, left)
			if err != nil && (after != releve.CallMark{} || len(memory) == 0) {
				yield(nil, err)
				return
			}
			more = stored.More
			var page []releve.Call
			page, rest = merged(rest, stored)
			page = page[:min(len(page), left)]
			if left -= len(page); len(page) > 0 && !yield(page, nil) {
				return
			}
			if more {
				after = stored.Last
			}
		}
	}
}

// merged is a page with the calls of memory that belong in it, and those that come later. A
// call is stored no earlier than it came, so that it is in the page of its row.
func merged(memory []releve.Call, stored releve.CallPage) (page, rest []releve.Call) {
	type record struct {
		call releve.CallID
		seat releve.Seat // a PBX may offer one call to both servers: those are two
	}
	rows := map[record]bool{}
	for _, c := range stored.Calls {
		rows[record{c.Call, c.Seat}] = true
	}
	shown := map[record]bool{}
	for _, c := range memory {
		key := record{c.Call, c.Seat}
		c.Stored = rows[key]
		if stored.More && !c.Stored && c.At.Before(stored.Last.At) {
			rest = append(rest, c)
			continue
		}
		shown[key] = true
		page = append(page, c)
	}
	for _, c := range stored.Calls {
		if !shown[record{c.Call, c.Seat}] {
			page = append(page, c)
		}
	}
	slices.SortStableFunc(page, func(x, y releve.Call) int { return y.At.Compare(x.At) })
	return page, rest
}
