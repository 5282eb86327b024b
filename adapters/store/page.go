package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"releve"
)

// Reader reads the records with what this server remembers of calls beside them.
type Reader struct {
	*Records
	Memory Memory
}

// Page are the records looked for that come after a mark, each attempt of a caller one of its own, and where the
// next page begins. With an error it has what memory knows of the first page (C10).
func (r Reader) Page(ctx context.Context, q releve.CallQuery, after releve.CallMark, limit int) (releve.CallPage, error) {
	memory := slices.DeleteFunc(r.Memory.Known(), func(c releve.Call) bool { return !q.Takes(c) || shownBefore(c, q, after) })
	page, err := r.calls(ctx, q, after, limit)
	if err != nil {
		return releve.CallPage{Calls: memory[:min(len(memory), limit)]}, err
	}
	witnesses{r.seat, r.Memory.Run, r.Memory.OtherHeard(), r.Memory.Known()}.judge(page.Calls)
	page.Calls, _ = merged(memory, page)
	return page, nil
}

// shownBefore says that a call of memory belongs in a page before this one. Where calls are looked for by their ends,
// those of memory are the latest.
func shownBefore(c releve.Call, q releve.CallQuery, after releve.CallMark) bool {
	return !after.At.IsZero() && (q.Outcome != "" || !c.At.Before(after.At))
}

// Record are the records of one Call-ID, the oldest first: a PBX may offer it to both servers, or twice to one.
func (r Reader) Record(ctx context.Context, call releve.CallID) ([]releve.Call, error) {
	ctx, cancel := context.WithTimeout(ctx, callsLimit)
	defer cancel()
	stored, err := localRead(ctx, r.Records, func(ctx context.Context, db Querier) ([]releve.Call, error) {
		return ReadRecord(ctx, db, r.ownUser, call)
	})
	memory := slices.DeleteFunc(r.Memory.Known(), func(c releve.Call) bool { return c.Call != call })
	if err != nil && len(memory) == 0 {
		return nil, err
	}
	witnesses{r.seat, r.Memory.Run, r.Memory.OtherHeard(), r.Memory.Known()}.judge(stored)
	all, _ := merged(memory, releve.CallPage{Calls: stored})
	slices.Reverse(all)
	return all, nil
}

// recordsMost is how many records of one Call-ID are read.
const recordsMost = 20

// ReadRecord returns the records of db of one Call-ID, the oldest first. ownUser is the site's own user at the PBX.
func ReadRecord(ctx context.Context, db Querier, ownUser string, call releve.CallID) ([]releve.Call, error) {
	return list(ctx, db, func(row pgx.CollectableRow) (releve.Call, error) {
		c, _, err := scanCall(row, ownUser)
		return c, err
	}, `
SELECT call, at, seat, term, caller, overflowed, without_duty, test,
	`+knownOutcome+`, coalesce(duration_ms, 0), steps, run, chain, coalesce(outcome_detail, ''), at
FROM call_record r WHERE call = $1 ORDER BY at, seat LIMIT $2`, call, recordsMost)
}
