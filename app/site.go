package app

import (
	"context"
	"iter"
	"time"

	"releve"
	"releve/adapters/store"
	"releve/screen/view"
)

// The site as the page and the command line see it.

// View is the site now.
func (a *App) View() view.Site { return a.agent.View() }

// Watch sends the site after each change, the latest only, and once at first.
func (a *App) Watch(ctx context.Context) <-chan view.Site {
	out := make(chan view.Site, 1)
	changed := a.agent.Changed(ctx)
	go func() {
		defer close(out)
		for {
			select {
			case out <- a.agent.View():
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Calls are the latest calls, newest first, a page after the other.
func (a *App) Calls(ctx context.Context, limit int) iter.Seq2[[]releve.Call, error] {
	memory := store.Memory{Known: a.telephony.Known, Run: a.spool.Run(), OtherHeard: a.agent.OtherHeard}
	return view.Fold(a.records.List(ctx, memory, attemptsRead*limit), limit)
}

// attemptsRead is how many calls are read for a row: of callers who were refused again and
// again there may be fewer rows than were asked for.
const attemptsRead = 10

// Stored sends acknowledged facts from now on: an outside ledger can count them.
func (a *App) Stored(ctx context.Context) <-chan []releve.Fact { return a.ledger.Listen(ctx) }

// Diary are the decisions between two times, newest last.
func (a *App) Diary(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	if err := a.diary.Flush(ctx); err != nil {
		return nil, err
	}
	return a.diary.Read(from, to, limit)
}
