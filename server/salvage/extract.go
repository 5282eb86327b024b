package salvage

import (
	"context"
	"errors"

	"releve"
)

// Aside is data that was set aside, running by itself and read by nobody else.
type Aside interface {
	Parting(context.Context) (releve.Parting, error)
	// Decode lists the transactions from the fork on. Any error says why the log does not
	// tell them, not that there are none.
	Decode(ctx context.Context, fork releve.LSN) ([]releve.LoneTransaction, error)
	// Commits counts them by other means.
	Commits(context.Context, releve.Parting) (int, error)
	// Compare lists the rows that the site lacks or has otherwise.
	Compare(context.Context) ([]releve.RowChange, error)
}

// Extract finds what was committed in data that was set aside and nowhere else: from its
// log, or where that does not tell by comparing rows (RULES R11).
func Extract(ctx context.Context, seat releve.Seat, directory string, a Aside) (releve.Salvage, error) {
	p, err := a.Parting(ctx)
	if err != nil {
		return releve.Salvage{}, err
	}
	s := releve.Salvage{
		Seat: seat, Directory: directory,
		Term: p.Term, Timeline: p.Timeline, Fork: p.Fork,
		Method: releve.SalvageDecoded,
	}
	var uncounted error
	if s.Commits, uncounted = a.Commits(ctx, p); uncounted != nil {
		s.Commits = -1
	}
	found, unread := a.Decode(ctx, p.Fork)
	if ctx.Err() != nil {
		return releve.Salvage{}, context.Cause(ctx)
	}
	s.Transactions, s.Changes = len(found), fold(found)
	if unread != nil {
		s.Method = releve.SalvageCompared
		rows, err := a.Compare(ctx)
		if err != nil {
			return releve.Salvage{}, errors.Join(unread, err)
		}
		s.Changes = fold([]releve.LoneTransaction{{Changes: rows}})
	}
	if why := errors.Join(unread, uncounted); why != nil {
		s.Why = releve.Reason(why)
	}
	return s, nil
}
