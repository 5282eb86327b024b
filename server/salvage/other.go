package salvage

import (
	"context"
	"encoding/json"
	"errors"

	"releve"
	"releve/server/order"
)

// Orders to the other server.
const (
	orderPending = "salvage-pending"
	orderExtract = "salvage-extract"
	orderStored  = "salvage-stored"
	orderCarry   = "salvage-order"
)

// Other is the other server's [Disk], over the link, and its salvager.
type Other struct{ order.Link }

// Pending implements [Disk].
func (o Other) Pending(ctx context.Context) ([]string, error) {
	return order.Ask[[]string](ctx, o, orderPending, nil)
}

// Extract implements [Disk]. It takes the salvage first, then its rows page by page.
func (o Other) Extract(ctx context.Context, directory string) (found releve.Salvage, err error) {
	err = o.Command(ctx, orderExtract, order.Args(directory), func(line json.RawMessage) error {
		if found.Directory == "" {
			return json.Unmarshal(line, &found)
		}
		var page []releve.SalvageChange
		err := json.Unmarshal(line, &page)
		found.Changes = append(found.Changes, page...)
		return err
	})
	return found, err
}

// Salvaged implements [Disk].
func (o Other) Salvaged(ctx context.Context, directory string) error {
	return order.Tell(ctx, o, orderStored, order.Args(directory))
}

// decided is the answer to an order: the link carries words, and the cause must survive it.
type decided struct {
	Salvages []releve.Salvage `json:"salvages"`
	Cause    string           `json:"cause,omitempty"`
}

// causes are what an order fails with, by name.
var causes = map[string]error{
	"unknown": releve.ErrNoSalvage, "decided": releve.ErrSalvageDecided, "not-on-duty": releve.ErrNotOnDuty,
}

// Carry has the server on duty carry an order out.
func (o Other) Carry(ctx context.Context, what Order) ([]releve.Salvage, error) {
	answer, err := order.Ask[decided](ctx, o, orderCarry, order.Args(what))
	if cause := causes[answer.Cause]; cause != nil {
		return nil, cause
	}
	return answer.Salvages, err
}

// Desk answers the other server's orders.
func Desk(disk Disk, salvager *Salvager) order.Desk {
	return order.Desk{
		orderPending: order.Answered(disk.Pending),
		orderCarry:   salvager.carryOrder,
		orderStored: ofDirectory(func(ctx context.Context, directory string, _ order.Emit) error {
			return disk.Salvaged(ctx, directory)
		}),
		orderExtract: ofDirectory(func(ctx context.Context, directory string, emit order.Emit) error {
			found, err := disk.Extract(ctx, directory)
			if err != nil {
				return err
			}
			return emitPages(found, emit)
		}),
	}
}

func ofDirectory(do func(ctx context.Context, directory string, emit order.Emit) error) order.Carried {
	return func(ctx context.Context, args json.RawMessage, emit order.Emit) error {
		var directory string
		if err := json.Unmarshal(args, &directory); err != nil {
			return err
		}
		return do(ctx, directory, emit)
	}
}

func (s *Salvager) carryOrder(ctx context.Context, args json.RawMessage, emit order.Emit) error {
	var o Order
	if err := json.Unmarshal(args, &o); err != nil {
		return err
	}
	after, err := s.Carry(ctx, o)
	answer := decided{Salvages: after}
	for name, cause := range causes {
		if errors.Is(err, cause) {
			answer.Cause = name
		}
	}
	return errors.Join(err, order.Line(emit, answer))
}

// pageSize is about how many bytes of rows one line of the link carries; a longer row
// goes alone.
const pageSize = 128 << 10

func emitPages(found releve.Salvage, emit order.Emit) error {
	changes := found.Changes
	found.Changes = nil
	if err := order.Line(emit, found); err != nil {
		return err
	}
	for len(changes) > 0 {
		n, bytes := 0, 0
		for n < len(changes) && (n == 0 || bytes < pageSize) {
			bytes += len(order.Args(changes[n]))
			n++
		}
		if err := order.Line(emit, changes[:n]); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}
