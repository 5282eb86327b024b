package overflow

import (
	"context"
	"time"

	"releve"
	"releve/server/calls"
	"releve/server/order"
)

// orderOwnAnswered asks how many of the site's own calls the other server has answered.
const orderOwnAnswered = "own-answered"

// countLimit is how long the other server may take to say how many it has answered.
const countLimit = 2 * time.Second

// Answerers tells which server answered a call of the site's own. The address that the PBX
// shows for whoever answers may be its own, and what answers with sound may be a voicemail:
// each server counts the calls of the site that it took, and the count is its word for it.
type Answerers struct {
	Seat releve.Seat // of this server
	Link order.Link
	Own  func() calls.Snapshot // of this server's calls
}

// counted is how many calls of the site each server had answered at a moment.
type counted map[releve.Seat]int64

// Of places a call and says who answered it: a server of the site, or "" for somebody else.
// It is known only where both servers tell: one of an earlier version does not.
func (a Answerers) Of(ctx context.Context, place func() error) (by releve.Seat, known bool, err error) {
	before, told := a.count(ctx)
	if err = place(); err != nil || !told {
		return "", false, err
	}
	after, told := a.count(ctx)
	for seat, n := range after {
		if n > before[seat] {
			by = seat
		}
	}
	return by, told, nil
}

func (a Answerers) count(ctx context.Context) (counted, bool) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	theirs, err := order.Ask[int64](ctx, a.Link, orderOwnAnswered, nil)
	return counted{a.Seat: a.Own().OwnAnswered, a.Seat.Other(): theirs}, err == nil
}
