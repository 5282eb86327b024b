package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"releve"

	"releve/doors/identity"
	"releve/rules/takeover"
	"releve/screen/view"
)

// abdicateLimit is how long a mirror may take to give its vote back: its journal, and what
// it may be about.
const abdicateLimit = 10 * time.Second

// Abdicate gives this mirror's vote back and returns its word, signed (R3).
func (f faces) Abdicate(ctx context.Context) (view.Abdication, error) {
	limit, cancel := context.WithTimeout(ctx, abdicateLimit)
	defer cancel()
	gave, err := f.agent.Abdicate(limit)
	switch {
	case errors.Is(err, releve.ErrForbidden):
		return view.Abdication{}, err
	case err != nil:
		return view.Abdication{}, fmt.Errorf("the vote could not be given back: %w", err)
	}
	word := view.Abdication{Site: f.config.Site.ID, Seat: gave.Seat, Term: gave.Term, Number: gave.Number}
	word.Signature, err = f.peer.Sign(word.Statement())
	return word, err
}

// believe takes the other server's word for what it says, or says why not.
func (f faces) believe(word view.Abdication) (takeover.Return, *releve.Sentence) {
	own := f.config.Site
	refused := func(code string, pairs ...string) (takeover.Return, *releve.Sentence) {
		why := releve.Say(code, append(pairs, "seat", string(own.Seat), "other", string(own.Seat.Other()))...)
		return takeover.Return{}, &why
	}
	switch {
	case word.Site != own.ID:
		return refused("before-word-foreign", "site", word.Site, "own", own.ID)
	case word.Seat == own.Seat:
		return refused("before-word-own")
	}
	err := f.peer.Verify(word.Statement(), word.Signature)
	if errors.Is(err, identity.ErrNotAccepted) {
		return refused("before-word-certificate")
	}
	if err != nil {
		f.log.Warn("a word that an operator brought is not the other server's", "err", err)
		return refused("before-word-forged")
	}
	return takeover.Return{Seat: word.Seat, Term: word.Term, Number: word.Number}, nil
}

// Arbiter is by what this server decides.
func (f faces) Arbiter() view.Arbiter { return f.agent.ArbiterNow() }
