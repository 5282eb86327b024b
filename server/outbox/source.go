package outbox

import (
	"context"

	"releve"
)

// Spool is this server's own.
type Spool interface {
	// Read returns what the database does not have yet, after a sequence at least.
	Read(after uint64, limit int) (releve.SpoolPage, error)
	Stored(incarnation string, upTo uint64)
	Renew(context.Context) error
	Changed() <-chan struct{}
}

// Own is this server's spool as a source.
func Own(s Spool, seat releve.Seat) Source { return own{s, seat} }

type own struct {
	spool Spool
	seat  releve.Seat
}

func (o own) Seat() releve.Seat { return o.seat }

func (o own) Waiting(_ context.Context, limit int) (releve.SpoolPage, error) {
	return o.spool.Read(0, limit)
}

func (o own) Stored(_ context.Context, incarnation string, upTo uint64) error {
	o.spool.Stored(incarnation, upTo)
	return nil
}

func (o own) Ahead(ctx context.Context) error { return o.spool.Renew(ctx) }
func (o own) More() <-chan struct{}           { return o.spool.Changed() }

// Link is the way to the other server's spool.
type Link interface {
	SpoolRead(ctx context.Context, after uint64, limit int) (releve.SpoolPage, error)
	SpoolStored(ctx context.Context, incarnation string, upTo uint64) error
}

// Other is the other server's spool, over the link.
func Other(l Link, seat releve.Seat) Source { return other{l, seat} }

type other struct {
	link Link
	seat releve.Seat
}

func (o other) Seat() releve.Seat { return o.seat }

func (o other) Waiting(ctx context.Context, limit int) (releve.SpoolPage, error) {
	return o.link.SpoolRead(ctx, 0, limit)
}

func (o other) Stored(ctx context.Context, incarnation string, upTo uint64) error {
	return o.link.SpoolStored(ctx, incarnation, upTo)
}

// Ahead: the other renews by itself when it is told of a position beyond its end.
func (o other) Ahead(ctx context.Context) error {
	page, err := o.link.SpoolRead(ctx, 0, 1)
	if err != nil {
		return err
	}
	return o.link.SpoolStored(ctx, page.Incarnation, ^uint64(0))
}

func (o other) More() <-chan struct{} { return nil }
