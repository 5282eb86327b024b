package overflow

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"releve"
	"releve/server/calls"
	"releve/server/order"
)

// toDesk is a link to whoever stands at a desk.
type toDesk struct{ order.Desk }

func (d toDesk) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	carried, known := d.Desk[name]
	if !known {
		return errors.New("no such order")
	}
	return carried(ctx, args, emit)
}

// counter is the calls of a server that counts those of the site.
type counter struct {
	Calls
	answered int64
}

func (c *counter) Snapshot() calls.Snapshot { return calls.Snapshot{OwnAnswered: c.answered} }

// A call of the site's own is proof of a server only when that server took it.
func TestWhoAnsweredACallOfTheSitesOwn(t *testing.T) {
	main, secondary := &counter{answered: 7}, &counter{answered: 2}
	there := toDesk{(&Tester{Options: Options{Calls: main}}).Desk()}
	for story, s := range map[string]struct {
		link  order.Link
		takes func()
		by    releve.Seat
		known bool
	}{
		"the main takes it":             {there, func() { main.answered++ }, releve.Main, true},
		"it comes back and is answered": {there, func() { secondary.answered++ }, releve.Secondary, true},
		"a voicemail takes it":          {there, func() {}, "", true},
		"an older version does not say": {toDesk{}, func() {}, "", false},
	} {
		a := Answerers{Seat: releve.Secondary, Link: s.link, Own: secondary.Snapshot}
		by, known, err := a.Of(t.Context(), func() error { s.takes(); return nil })
		if by != s.by || known != s.known || err != nil {
			t.Errorf("%s: by %q, known %v, %v", story, by, known, err)
		}
	}
}
