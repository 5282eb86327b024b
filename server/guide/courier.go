package guide

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// Courier takes what an operator carries from one server to the other while the link is cut
// (RULES R3): this server's word is signed, and the other's is believed by its signature.
type Courier struct {
	Site   string
	Book   *Book // of what becomes of what is ordered
	Server interface {
		Offers() []view.Offer
		Wish(context.Context, view.Wish, takeover.Return, func(view.Procedure)) error
		Abdicate(context.Context) (takeover.Return, error)
	}
	Seal interface {
		Sign(statement []byte) (signature string, err error)
		// Believe says why a statement is not taken for the other server's word, nil when it is.
		Believe(site string, seat releve.Seat, statement []byte, signature string) *releve.Sentence
	}
}

// Procedure runs a guided procedure, on a word that was carried here if there is one. A word that
// is not the other server's ends it before it begins.
func (c Courier) Procedure(ctx context.Context, w view.Wish, emit func(view.Procedure)) error {
	var brought takeover.Return
	if word := w.Abdication; word != nil {
		if why := c.Seal.Believe(word.Site, word.Seat, word.Statement(), word.Signature); why != nil {
			now := time.Now().UTC()
			emit(view.Procedure{ID: rand.Text()[:8], Name: w.Name, DryRun: w.DryRun, Started: now, Finished: now, Failed: why})
			return ErrNotAllowed
		}
		brought = takeover.Return{Seat: word.Seat, Term: word.Term, Number: word.Number}
	}
	if w.DryRun {
		return c.Server.Wish(ctx, w, brought, emit)
	}
	return c.Server.Wish(ctx, w, brought, func(p view.Procedure) {
		c.Book.Note(w, p)
		emit(p)
	})
}

// Offers are the procedures that somebody may choose of, each with what forbids it now.
func (c Courier) Offers() []view.Offer { return c.Server.Offers() }

// Runs are the procedures that were ordered of either server, the newest first.
func (c Courier) Runs() []view.Run { return c.Book.Runs() }

// AbortProcedure ends a procedure where it is, whichever server leads it.
func (c Courier) AbortProcedure(ctx context.Context, id string) error {
	return c.Book.AbortRun(ctx, id)
}

// abdicateLimit is how long a mirror may take to give its vote back: its journal, and what
// it may be about.
const abdicateLimit = 10 * time.Second

// Abdicate gives this mirror's vote back and returns its word, signed.
func (c Courier) Abdicate(ctx context.Context) (view.Abdication, error) {
	limit, cancel := context.WithTimeout(ctx, abdicateLimit)
	defer cancel()
	gave, err := c.Server.Abdicate(limit)
	switch {
	case errors.Is(err, releve.ErrForbidden): // a refusal says by itself what it is
		return view.Abdication{}, err
	case err != nil:
		return view.Abdication{}, fmt.Errorf("the vote could not be given back: %w", err)
	}
	word := view.Abdication{Site: c.Site, Seat: gave.Seat, Term: gave.Term, Number: gave.Number}
	word.Signature, err = c.Seal.Sign(word.Statement())
	return word, err
}
