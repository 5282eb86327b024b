package guide

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	"releve/screen/view"
	"releve/server/order"
)

// bookMost is how many procedures are remembered; of more, the oldest are forgotten.
const bookMost = 50

// Book is what became of the procedures that people ordered, on both servers' disks: who ordered what, how far it
// is, how it ended. A leader that is killed leaves what it had reached with the other server, where anybody with the
// right goes on from there.
type Book struct {
	BookOptions
	news chan struct{}

	mu   sync.Mutex
	runs map[string]view.Run // by the procedure's ID; each is written by the server that leads it alone
	kept string              // as it is on the disk
	twin order.Twin[map[string]view.Run]
}

// BookOptions are what a Book is made of.
type BookOptions struct {
	Seat  releve.Seat
	File  string
	Link  order.Link
	Heard func() bool           // the other server is
	Abort func(id string) error // a procedure that this server leads
	Log   *slog.Logger
}

// NewBook makes a book of what the disk has. One that cannot be read is begun anew, and filled by the other server.
func NewBook(o BookOptions) *Book {
	b := &Book{BookOptions: o, news: make(chan struct{}, 1), runs: map[string]view.Run{}}
	if raw, err := os.ReadFile(o.File); err == nil {
		var runs map[string]view.Run
		if json.Unmarshal(raw, &runs) == nil && runs != nil {
			b.runs = runs
		}
	}
	b.twin = order.Twin[map[string]view.Run]{
		Name: "procedures", Again: bookEvery / 2, Lock: &b.mu, Heard: o.Heard,
		Own:  func() (string, map[string]view.Run) { return order.Written(b.runs), maps.Clone(b.runs) },
		Hear: b.hear,
	}
	return b
}

// bookEvery is how often it is looked whether the other server still has to be told something.
const bookEvery = 10 * time.Second

// Run keeps the book on the disk and at the other server, until ctx ends.
func (b *Book) Run(ctx context.Context) {
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.news:
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), bookEvery))
		}
		if b.twin.Exchange(ctx, b.Link) {
			b.announce()
		}
		b.keep()
	}
}

func (b *Book) announce() {
	select {
	case b.news <- struct{}{}:
	default: // it is awaited already
	}
}

// keep writes what is new to the disk. One that takes nothing is told by those who need it.
func (b *Book) keep() {
	b.mu.Lock()
	text := order.Written(b.runs)
	due := text != b.kept
	b.mu.Unlock()
	if !due {
		return
	}
	if err := renameio.WriteFile(b.File, []byte(text+"\n"), 0o600); err != nil {
		b.Log.Warn("what became of procedures is in memory only", "err", err)
		return
	}
	b.mu.Lock()
	b.kept = text
	b.mu.Unlock()
}

// Note takes in how far a procedure is that this server leads. It waits for no disk and no other server.
func (b *Book) Note(w view.Wish, p view.Procedure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, there := b.runs[p.ID]
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].Progress = nil // of the moment
	}
	run := view.Run{Procedure: p, Seat: b.Seat, By: w.Ordered, What: w.Sentence(), Revision: before.Revision}
	if there && order.Written(run) == order.Written(before) {
		return
	}
	run.Revision++
	b.runs[p.ID] = run
	b.tidy()
	b.announce()
}

func (b *Book) hear(theirs map[string]view.Run) {
	for id, run := range theirs {
		if run.Revision > b.runs[id].Revision {
			b.runs[id] = run
		}
	}
	b.tidy()
	b.announce()
}

func (b *Book) tidy() {
	for _, old := range newest(b.runs)[min(bookMost, len(b.runs)):] {
		delete(b.runs, old.Procedure.ID)
	}
}

func newest(runs map[string]view.Run) []view.Run {
	return slices.SortedFunc(maps.Values(runs), func(x, y view.Run) int {
		return cmp.Or(y.Procedure.Started.Compare(x.Procedure.Started), cmp.Compare(x.Procedure.ID, y.Procedure.ID))
	})
}

// Runs are the procedures that are remembered, the newest first.
func (b *Book) Runs() []view.Run {
	b.mu.Lock()
	defer b.mu.Unlock()
	return newest(b.runs)
}

// orderAbort has the server that leads a procedure abort it.
const orderAbort = "end-run"

// abortLimit is how long the other server may take to say whether it does.
const abortLimit = 2 * time.Second

// AbortRun ends a procedure where it is, whichever server leads it. It fails as [Guide.Abort] does.
func (b *Book) AbortRun(ctx context.Context, id string) error {
	b.mu.Lock()
	run, there := b.runs[id]
	b.mu.Unlock()
	switch {
	case !there:
		return ErrNoneRuns
	case run.Seat == b.Seat:
		return b.Abort(id)
	}
	limit, cancel := context.WithTimeout(ctx, abortLimit)
	defer cancel()
	refused, err := order.Ask[string](limit, b.Link, orderAbort, order.Args(id))
	switch {
	case err != nil:
		return err
	case refused == refusedFirm:
		return ErrFirm
	case refused != "":
		return ErrNoneRuns
	}
	return nil
}

// Why the other server does not abort, in the answer to orderAbort.
const (
	refusedFirm = "firm"
	refusedNone = "none"
)

// Desk answers the other server.
func (b *Book) Desk() order.Desk {
	return order.Desk{b.twin.Name: b.twin.Answer, orderAbort: func(_ context.Context, args json.RawMessage, emit order.Emit) error {
		var id string
		if err := json.Unmarshal(args, &id); err != nil {
			return err
		}
		answer := ""
		switch b.Abort(id) {
		case ErrFirm:
			answer = refusedFirm
		case ErrNoneRuns:
			answer = refusedNone
		}
		return order.Line(emit, answer)
	}}
}
