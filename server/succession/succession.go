// Package succession lets the calls in progress live through a takeover (SPEC H11): a teller tells the other
// server what it needs to go on with those of this one, and an heir keeps what that one tells of its own,
// and goes on with them once this server has taken the duty.
//
// What is told stands in memory alone, at both ends, and goes by the link between the servers. No caller
// waits for it: of each call only its latest state waits to be told, and one that never arrives is a call
// that ends with its server, as all did before.
//
// Not here: whether to take over. A call that is gone on with is evidence of nothing. Nor what moves with a
// duty that is handed over: a server that lives talks with its own callers to the end.
package succession

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"releve"
	"releve/server/calls"
	"releve/server/order"
)

// orderCalls tells of calls. A server of an earlier version refuses it as unknown, and goes on with none.
const orderCalls = "calls"

// message is what one server tells of its calls. Numbers rise within a run; what comes too late is passed over.
type message struct {
	Run    releve.RunID         `json:"run"` // of who tells it
	Number uint64               `json:"number"`
	Anew   bool                 `json:"anew,omitempty"` // what was told before counts no more
	Calls  []calls.Continuation `json:"calls,omitempty"`
	Over   []releve.FactID      `json:"over,omitempty"`
}

// answer is who keeps it now: one that was started anew has nothing of what was told before.
type answer struct {
	Keeper string `json:"keeper"`
}

// read is a message that came.
func read(raw json.RawMessage) (message, error) {
	var m message
	err := json.Unmarshal(raw, &m)
	return m, err
}

// Options are what a server's end of a succession is made of.
type Options struct {
	Self  releve.RunID // of this server
	Calls interface {  // of this server
		Source
		Calls
	}
	Link order.Link
	// May says that the other server goes on with calls of this one, at the level of the site.
	May func() bool
	// TakeUp speaks on a call from what the telephone of another server wrote down of it. One that cannot be
	// taken up is ended with BYE, as far as it can be read.
	TakeUp  func(written json.RawMessage) (Leg, error)
	Explain func(what releve.Sentence)
	Log     *slog.Logger
}

// Succession is both ends, of which a server without a telephone has none.
type Succession struct {
	teller *teller
	heir   *heir
}

// New makes both ends. Nothing is told before Run.
func New(o Options) *Succession { return &Succession{newTeller(o), newHeir(o, time.Now)} }

// Run tells and goes on with calls until ctx ends and the last of them is over.
func (s *Succession) Run(ctx context.Context) {
	var telling sync.WaitGroup
	telling.Go(func() { s.teller.run(ctx) })
	s.heir.run(ctx)
	telling.Wait()
}

// Changed says that there is something new of a call, or that it is over. It returns at once.
func (s *Succession) Changed(id releve.FactID) { s.teller.changed(id) }

// Told says that the other server may have what it needs to go on with a call.
func (s *Succession) Told(id releve.FactID) bool { return s.teller.has(id) }

// Inherit says that this server has the duty, which the other one did not hand over: its calls are for this
// one to go on with. It returns at once.
func (s *Succession) Inherit() {
	if s != nil {
		s.heir.inherit()
	}
}

// Desk takes in what the other server tells.
func (s *Succession) Desk() order.Desk {
	if s == nil {
		return nil
	}
	return s.heir.desk()
}
