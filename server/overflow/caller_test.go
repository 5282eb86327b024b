package overflow

import (
	"context"
	"errors"
	"testing"

	"releve"
	"releve/server/calls"
)

// line is the standby's, on which a call is as the test says.
type line struct {
	placed *placed
	seen   releve.TestCall
	err    error
}

func (l line) CallAsStandby(_ context.Context, number, id string) (releve.TestCall, error) {
	if id != "signed x" || number != "9" || !l.placed.now {
		return releve.TestCall{}, errors.New("a call of nobody")
	}
	return l.seen, l.err
}

// placed are the calls of a server that makes one itself.
type placed struct{ now, lesson bool }

func (p *placed) Seal(id string) string { return "signed " + id }

func (p *placed) Place(_ string, lesson bool) (done func()) {
	p.now, p.lesson = true, lesson
	return func() { p.now = false }
}

// A call of the site's own is signed, and known to the calls of this server while it lasts; what
// was seen before a failure is told with it.
func TestTheSitesOwnCalls(t *testing.T) {
	other := &counter{answered: 7}
	busy := errors.New("486")
	for story, c := range map[string]struct {
		make   func(Caller) (releve.TestCall, error)
		lesson bool
		err    error
		want   releve.TestCall
	}{
		"a lesson": {func(c Caller) (releve.TestCall, error) { return c.Call(t.Context(), "x") }, true, busy, releve.TestCall{AnsweredBy: "whom"}},
		"a test":   {func(c Caller) (releve.TestCall, error) { return c.TestCall(t.Context(), "x", false) }, false, nil, releve.TestCall{AnsweredBy: "whom"}},
		"a test that asks who answers": {
			func(c Caller) (releve.TestCall, error) { return c.TestCall(t.Context(), "x", true) }, false, nil,
			releve.TestCall{AnsweredBy: "whom", Known: true},
		},
	} {
		calls := new(placed)
		got, err := c.make(Caller{
			Line: line{calls, releve.TestCall{AnsweredBy: "whom"}, c.err}, Calls: calls, Number: "9",
			Answerers: Answerers{Seat: releve.Secondary, Link: toDesk{(&Tester{Options: Options{Calls: other}}).Desk()}, Own: snapshot},
		})
		if got != c.want || !errors.Is(err, c.err) || calls.lesson != c.lesson || calls.now {
			t.Errorf("%s: %+v, %v; lesson %v, still in progress %v", story, got, err, calls.lesson, calls.now)
		}
	}
}

func snapshot() (none calls.Snapshot) { return none }
