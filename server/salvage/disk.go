package salvage

import (
	"context"

	"releve"
)

// Data is PostgreSQL as the salvage of this server's disk needs it, with its own type of what is opened.
type Data[O Opened] interface {
	Unsalvaged() (directories []string, err error)
	OpenAside(ctx context.Context, directory string) (O, error)
	MarkSalvaged(directory string) error
}

// Opened is data that was set aside, which runs until it is closed.
type Opened interface {
	Aside
	Close()
}

// OwnDisk is this server's [Disk]. One data directory runs at a time.
type OwnDisk struct {
	data Data[Opened]
	seat releve.Seat
	busy chan struct{}
}

// NewOwnDisk makes it.
func NewOwnDisk[O Opened](data Data[O], seat releve.Seat) OwnDisk {
	return OwnDisk{opener[O]{data}, seat, make(chan struct{}, 1)}
}

type opener[O Opened] struct{ Data[O] }

func (o opener[O]) OpenAside(ctx context.Context, directory string) (Opened, error) {
	return o.Data.OpenAside(ctx, directory)
}

// Pending implements [Disk].
func (d OwnDisk) Pending(context.Context) ([]string, error) { return d.data.Unsalvaged() }

// Extract implements [Disk].
func (d OwnDisk) Extract(ctx context.Context, directory string) (releve.Salvage, error) {
	select {
	case d.busy <- struct{}{}:
		defer func() { <-d.busy }()
	case <-ctx.Done():
		return releve.Salvage{}, context.Cause(ctx)
	}
	aside, err := d.data.OpenAside(ctx, directory)
	if err != nil {
		return releve.Salvage{}, err
	}
	defer aside.Close()
	return Extract(ctx, d.seat, directory, aside)
}

// Salvaged implements [Disk].
func (d OwnDisk) Salvaged(_ context.Context, directory string) error {
	return d.data.MarkSalvaged(directory)
}

// Wait returns when no data set aside runs any more, and none is opened from then on.
func (d OwnDisk) Wait() { d.busy <- struct{}{} }
