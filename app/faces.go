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
	"releve/server/salvage"
)

// Socket is where the command line finds the server of a configuration.
func Socket(c config.Config) string { return filepath.Join(c.Site.Data, "control.sock") }

func (a *App) openConsole() (err error) {
	c, f := a.config.Console, faces{a, store.Book{Records: a.records}}
	a.console, err = console.New(console.Options{
		Site: f, Salvage: f, Mirror: f, Telephone: f,
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
	*App
	book store.Book
}

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

// attemptsRead is how many calls are read for a row: of callers who were refused again and
// again there may be fewer rows than were asked for.
const attemptsRead = 10

// Calls are the latest calls, newest first, a page after the other.
func (f faces) Calls(ctx context.Context, limit int) iter.Seq2[[]releve.Call, error] {
	memory := store.Memory{Known: f.telephony.Known, Run: f.spool.Run(), OtherHeard: f.agent.OtherHeard}
	return view.Fold(f.records.List(ctx, memory, attemptsRead*limit), limit)
}

// Stored sends acknowledged facts from now on: an outside ledger can count them.
func (f faces) Stored(ctx context.Context) <-chan []releve.Fact { return f.ledger.Listen(ctx) }

// Diary are the decisions between two times, newest last.
func (f faces) Diary(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	if err := f.diary.Flush(ctx); err != nil {
		return nil, err
	}
	return f.diary.Read(from, to, limit)
}

// Procedure runs a guided procedure. A word that is not the other server's ends it before it
// begins.
func (f faces) Procedure(ctx context.Context, w console.Wish, emit func(view.Procedure)) error {
	wish := agent.Wish{Name: w.Name, DryRun: w.DryRun, OtherIsOff: w.OtherIsOff}
	if word := w.Abdication; word != nil {
		if why := f.peer.Believe(word.Site, word.Seat, word.Statement(), word.Signature); why != nil {
			now := time.Now().UTC()
			emit(view.Procedure{ID: rand.Text()[:8], Name: w.Name, DryRun: w.DryRun, Started: now, Finished: now, Failed: why})
			return releve.ErrForbidden
		}
		wish.Carried = takeover.Return{Seat: word.Seat, Term: word.Term, Number: word.Number}
	}
	return f.agent.Wish(ctx, wish, emit)
}

// abdicateLimit is how long a mirror may take to give its vote back: its journal, and what
// it may be about.
const abdicateLimit = 10 * time.Second

// Abdicate gives this mirror's vote back and returns its word, signed (R3).
func (f faces) Abdicate(ctx context.Context) (view.Abdication, error) {
	limit, cancel := context.WithTimeout(ctx, abdicateLimit)
	defer cancel()
	gave, err := f.agent.Abdicate(limit)
	if err != nil {
		return view.Abdication{}, fmt.Errorf("the vote could not be given back: %w", err)
	}
	word := view.Abdication{Site: f.config.Site.ID, Seat: gave.Seat, Term: gave.Term, Number: gave.Number}
	word.Signature, err = f.peer.Sign(word.Statement())
	return word, err
}

// Arbiter is by what this server decides.
func (f faces) Arbiter() view.Arbiter { return f.agent.ArbiterNow() }

// CheckCalls checks the PBX by a call of the standby's (SPEC H7, H8).
func (f faces) CheckCalls(ctx context.Context, emit func(view.Procedure)) error {
	return f.telephony.check(ctx, emit)
}

// VerifyMirror proves the mirror now.
func (f faces) VerifyMirror(ctx context.Context, emit func(view.Procedure)) error {
	return f.prover.Prove(ctx, emit)
}

// Salvages reads what this server's PostgreSQL has, also as a mirror.
func (f faces) Salvages(ctx context.Context) ([]releve.Salvage, error) { return f.book.All(ctx) }

// Salvage reads one.
func (f faces) Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error) {
	return f.book.One(ctx, id, limit)
}

// ExtractSalvage looks for lone rows now.
func (f faces) ExtractSalvage(ctx context.Context) ([]releve.Salvage, error) {
	return f.salvager.Do(ctx, salvage.Order{Verb: salvage.VerbExtract})
}

// ApplySalvage applies one.
func (f faces) ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error) {
	return f.one(ctx, salvage.Order{Verb: salvage.VerbApply, ID: id, DryRun: dryRun, Replace: replace})
}

// DiscardSalvage records that one is not wanted.
func (f faces) DiscardSalvage(ctx context.Context, id int64) (releve.Salvage, error) {
	return f.one(ctx, salvage.Order{Verb: salvage.VerbDiscard, ID: id})
}

func (f faces) one(ctx context.Context, o salvage.Order) (releve.Salvage, error) {
	all, err := f.salvager.Do(ctx, o)
	if err != nil || len(all) == 0 {
		return releve.Salvage{}, err
	}
	return all[0], nil
}
