// Package order is how a room of one server has something done by the same room of the
// other: a name, arguments in JSON, and an answer in lines of JSON. The room that owns an
// order keeps both its ends, who asks and who carries it out; the road between them is the
// link's.
//
// The servers of a pair may be of two versions while they are upgraded: an order's arguments
// and lines keep their tags, and one that is to mean something else gets another name, which
// the version before refuses as unknown.
package order

import (
	"context"
	"encoding/json"
	"fmt"

	"releve/screen/view"
)

// Link is the way to the other server.
type Link interface {
	// Command has an order carried out there. Each line of its answer is emitted; an error
	// of emit ends it.
	Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error
}

// Emit sends one line of an answer. Its error means that nobody reads any more.
type Emit = func(json.RawMessage) error

// Carried carries one order out.
type Carried func(ctx context.Context, args json.RawMessage, emit Emit) error

// Desk is what this server carries out for the other, by the orders' names.
type Desk map[string]Carried

// Line sends a value as one line.
func Line(emit Emit, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return emit(raw)
}

// Args are values of our own, which always can be written.
func Args(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be written as JSON: %v", v, err))
	}
	return raw
}

// Ask has an order carried out whose answer is one line.
func Ask[T any](ctx context.Context, link Link, name string, args json.RawMessage) (answer T, err error) {
	err = link.Command(ctx, name, args, func(line json.RawMessage) error { return json.Unmarshal(line, &answer) })
	return answer, err
}

// Tell has an order carried out that is not answered, or whose answer is of no interest.
func Tell(ctx context.Context, link Link, name string, args json.RawMessage) error {
	return link.Command(ctx, name, args, func(json.RawMessage) error { return nil })
}

// Answered carries out an order without arguments, whose answer is one line.
func Answered[T any](do func(context.Context) (T, error)) Carried {
	return func(ctx context.Context, _ json.RawMessage, emit Emit) error {
		answer, err := do(ctx)
		if err != nil {
			return err
		}
		return Line(emit, answer)
	}
}

// Show has a procedure carried out, and shows how far it is.
func Show(ctx context.Context, link Link, name string, args json.RawMessage, show func(view.Procedure)) error {
	return link.Command(ctx, name, args, func(line json.RawMessage) error {
		var p view.Procedure
		if err := json.Unmarshal(line, &p); err != nil {
			return err
		}
		show(p)
		return nil
	})
}

// Shown carries out a procedure that shows how far it is. A reader that left ends its
// context.
func Shown(do func(context.Context, func(view.Procedure)) error) Carried {
	return func(ctx context.Context, _ json.RawMessage, emit Emit) error {
		return do(ctx, func(p view.Procedure) { _ = Line(emit, p) })
	}
}
