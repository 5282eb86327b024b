package overflow

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
	"releve/server/calls"
	"releve/server/order"
)

// board is the calls of a server, as the other's orders change them.
type board struct {
	Calls
	seen calls.Sighting
	back time.Duration
}

func (b *board) Learn(s calls.Sighting)                  { b.seen = s }
func (b *board) Sighted() calls.Sighting                 { return b.seen }
func (b *board) GiveBack(_ string, within time.Duration) { b.back = within }

func nobody(json.RawMessage) error { return nil }

// What the standby orders is done here, and what it has seen is known here after a restart.
func TestTheMainGivesBackAndLearns(t *testing.T) {
	main, file := new(board), filepath.Join(t.TempDir(), "overflow.json")
	desk := New(Options{Calls: main, File: file}).Desk()
	if err := desk[orderGiveBack](t.Context(), nil, nobody); err != nil || main.back != testLimit {
		t.Errorf("the next call of the standby is given back for %s (%v)", main.back, err)
	}
	seen := calls.Sighting{At: time.Date(2026, 11, 29, 3, 30, 0, 0, time.UTC), Evidence: releve.EvidenceTo, To: "9", Fits: true}
	if err := desk[orderSeen](t.Context(), order.Args(seen), nobody); err != nil || main.seen.To != "9" {
		t.Errorf("it knows %+v (%v)", main.seen, err)
	}
	again := new(board)
	if New(Options{Calls: again, File: file}); !again.seen.At.Equal(seen.At) {
		t.Errorf("after a restart it knows %+v", again.seen)
	}
	if err := desk[orderSeen](t.Context(), json.RawMessage("7"), nobody); err == nil {
		t.Error("what is no sighting is learned")
	}
}

// A server without a telephone says so to each order, and why no check is made.
func TestAServerWithoutATelephone(t *testing.T) {
	mute := errors.New("no telephone")
	for _, name := range []string{orderGiveBack, orderSeen, orderCheck, orderOwnAnswered} {
		if err := Closed(mute)[name](context.Background(), nil, nobody); !errors.Is(err, mute) {
			t.Errorf("%s: %v", name, err)
		}
	}
	said := ""
	err := NoStandby(func(p view.Procedure) { said = p.Failed.Code })
	if !errors.Is(err, releve.ErrForbidden) || said != "calls-check-no-standby" {
		t.Errorf("%v, said %s", err, said)
	}
}
