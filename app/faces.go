package app

import (
	"context"
	"iter"
	"path/filepath"
	"time"

	"releve"
	"releve/adapters/store"
	"releve/screen/console"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/guide"
	"releve/server/history"
)

func (a *App) openConsole() (err error) {
	c := a.config.Console
	a.book = guide.NewBook(guide.BookOptions{
		Seat: a.config.Site.Seat, File: filepath.Join(a.config.Site.Data, "runs.json"), Link: a.peer, Heard: a.front.OtherHeard,
		Abort: a.agent.AbortProcedure, Log: a.log,
	})
	calls := store.Reader{Records: a.records, Memory: store.Memory{Known: a.telephony.Known, Run: a.spool.Run(), OtherHeard: a.agent.OtherHeard}}
	a.console, err = console.New(console.Options{
		Site: faces{a.agent, a, calls}, Guide: guide.Courier{Site: a.config.Site.ID, Book: a.book, Server: a.agent, Seal: a.peer}, Salvage: a.salvager,
		Mirror: a.prover, Telephone: a.telephony, Alarms: a.accounts, Licences: a.licences, Drills: a.drills, Accounts: a.accounts, Door: a.accounts, Post: a.post, Records: calls,
		History: history.Reader{Own: a.diary, Link: a.peer, OtherHeard: a.agent.OtherHeard},
		Listen:  c.Listen, Names: c.Names, OtherConsole: c.Other, Seal: a.config.Page(), Socket: a.config.Socket(), Log: a.log,
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
	app   *App
	calls store.Reader
}

// Calls are the calls looked for, newest first, a page after the other.
func (f faces) Calls(ctx context.Context, q releve.CallQuery, limit int) iter.Seq2[[]releve.Call, error] {
	return view.Fold(f.calls.List(ctx, f.calls.Memory, q, view.AttemptsRead*limit), limit)
}

// Stored sends acknowledged facts from now on: an outside ledger can count them.
func (f faces) Stored(ctx context.Context) <-chan []releve.Fact { return f.app.ledger.Listen(ctx) }

// Diary are the decisions between two times, newest last.
func (f faces) Diary(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	return f.app.diary.Now(ctx, from, to, limit)
}
