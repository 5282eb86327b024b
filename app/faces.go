package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"releve"
	"releve/adapters/store"
	"releve/config"
	"releve/rules/takeover"
	"releve/screen/console"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/guide"
)

// Socket is where the command line finds the server of a configuration.
func Socket(c config.Config) string { return filepath.Join(c.Site.Data, "control.sock") }

func (a *App) openConsole() (err error) {
	c := a.config.Console
	a.console, err = console.New(console.Options{
		Site: faces{a.agent, a}, Salvage: a.salvager, Mirror: a.prover, Telephone: a.telephony,
		Listen: c.Listen, Names: c.Names, OtherConsole: c.Other, Socket: Socket(a.config), Log: a.log,
	})
	if err != nil {
		return missing(err)
	}
	a.closers = append(a.closers, a.console.Close)
	return nil
}

// faces is the site as the page and the command line see it.
type faces struct {
	*agent.Agent
	app *App
}

// attemptsRead is how many calls are read for a row: of callers who were refused again and
// again there may be fewer rows than were asked for.
const attemptsRead = 10

// Calls are the latest calls, newest first, a page after the other.
func (f faces) Calls(ctx context.Context, limit int) iter.Seq2[[]releve.Call, error] {
	memory := store.Memory{Known: f.app.telephony.Known, Run: f.app.spool.Run(), OtherHeard: f.OtherHeard}
	return view.Fold(f.app.records.List(ctx, memory, attemptsRead*limit), limit)
}

// Stored sends acknowledged facts from now on: an outside ledger can count them.
func (f faces) Stored(ctx context.Context) <-chan []releve.Fact { return f.app.ledger.Listen(ctx) }

// Diary are the decisions between two times, newest last.
func (f faces) Diary(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	if err := f.app.diary.Flush(ctx); err != nil {
		return nil, err
	}
	return f.app.diary.Read(from, to, limit)
}

// Procedure runs a guided procedure. A word that is not the other server's ends it before it
// begins.
func (f faces) Procedure(ctx context.Context, w console.Wish, emit func(view.Procedure)) error {
	wish := guide.Wish{Name: w.Name, DryRun: w.DryRun, OtherIsOff: w.OtherIsOff}
	if word := w.Abdication; word != nil {
		if why := f.app.peer.Believe(word.Site, word.Seat, word.Statement(), word.Signature); why != nil {
			now := time.Now().UTC()
			emit(view.Procedure{ID: rand.Text()[:8], Name: w.Name, DryRun: w.DryRun, Started: now, Finished: now, Failed: why})
			return releve.ErrForbidden
		}
		wish.Carried = takeover.Return{Seat: word.Seat, Term: word.Term, Number: word.Number}
	}
	return f.Wish(ctx, wish, emit)
}

// abdicateLimit is how long a mirror may take to give its vote back: its journal, and what
// it may be about.
const abdicateLimit = 10 * time.Second

// Abdicate gives this mirror's vote back and returns its word, signed (R3).
func (f faces) Abdicate(ctx context.Context) (view.Abdication, error) {
	limit, cancel := context.WithTimeout(ctx, abdicateLimit)
	defer cancel()
	gave, err := f.Agent.Abdicate(limit)
	if err != nil {
		return view.Abdication{}, fmt.Errorf("the vote could not be given back: %w", err)
	}
	word := view.Abdication{Site: f.app.config.Site.ID, Seat: gave.Seat, Term: gave.Term, Number: gave.Number}
	word.Signature, err = f.app.peer.Sign(word.Statement())
	return word, err
}

// Arbiter is by what this server decides.
func (f faces) Arbiter() view.Arbiter { return f.ArbiterNow() }
