package overflow

import (
	"context"

	"releve"
)

// Line is the standby's at the PBX.
type Line interface {
	// CallAsStandby calls a number. The call bears an id by which this site knows it again. What
	// the PBX refused it with is an error with a Status.
	CallAsStandby(ctx context.Context, number, id string) (releve.TestCall, error)
}

// Placed are this server's calls, which are told of those that it makes itself, and sign them.
type Placed interface {
	Place(id string, lesson bool) (done func())
	Seal(id string) string
}

// Caller makes the site's own calls to its reception.
type Caller struct {
	Line      Line
	Calls     Placed
	Number    string // of the reception
	Answerers Answerers
}

// TestCall makes a call that whoever is on duty is to answer. whom: it takes the time to find
// out which server does.
func (c Caller) TestCall(ctx context.Context, id string, whom bool) (seen releve.TestCall, err error) {
	if !whom {
		return c.call(ctx, id, false)
	}
	seen.By, seen.Known, err = c.Answerers.Of(ctx, func() (failed error) {
		seen, failed = c.call(ctx, id, false)
		return failed
	})
	return seen, err
}

// Call makes a call that is not answered where it overflows to.
func (c Caller) Call(ctx context.Context, id string) (releve.TestCall, error) {
	return c.call(ctx, id, true)
}

func (c Caller) call(ctx context.Context, id string, lesson bool) (releve.TestCall, error) {
	defer c.Calls.Place(id, lesson)()
	return c.Line.CallAsStandby(ctx, c.Number, c.Calls.Seal(id))
}
