package app

import (
	"context"
	"slices"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/calls"
)

// What is asked of the agent by those who are made before it. None of them does before Run.

// explain tells the operator a fact.
func (a *App) explain(severity string, what releve.Sentence) { a.agent.Explain(severity, what) }

// recovering tells how far a start of PostgreSQL is.
func (a *App) recovering(what releve.Sentence, p *releve.Progress) { a.agent.Recovering(what, p) }

// acknowledged is told of each fact that the database has.
func (a *App) acknowledged(facts []releve.Fact) {
	facts = slices.DeleteFunc(slices.Clone(facts), func(f releve.Fact) bool { return f.Call == "" })
	a.agent.Stored(facts) // what is no call's is nobody's record
	a.ledger.Add(facts)
}

// mayRenew: a spool whose facts are all stored may go once they are on two disks.
func (a *App) mayRenew() bool {
	if a.agent == nil { // it was full when it was opened
		return false
	}
	m := a.agent.Machine()
	return m.Protected()
}

// Stance is that of this server towards callers.
func (a *App) Stance() (takeover.StanceKind, releve.Term) { return a.agent.Stance() }

// View is the site now.
func (a *App) View() view.Site { return a.agent.View() }

// Verify waits for the verdict that a call asks for.
func (a *App) Verify(ctx context.Context, o calls.Offer) releve.Decision {
	return a.agent.Verify(ctx, o.Invite.Call, o.Reason, o.Own)
}
