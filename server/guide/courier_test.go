package guide_test

import (
	"context"
	"errors"
	"testing"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// mirror gives its vote back, and keeps whose word it was brought.
type mirror struct {
	brought []takeover.Return
	fails   error
}

func (m *mirror) Wish(_ context.Context, _ view.Wish, brought takeover.Return, _ func(view.Procedure)) error {
	m.brought = append(m.brought, brought)
	return nil
}

func (m *mirror) Offers() []view.Offer { return nil }

func (m *mirror) Abdicate(ctx context.Context) (takeover.Return, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return takeover.Return{}, errors.New("it may last for ever")
	}
	return takeover.Return{Seat: releve.Secondary, Term: 4, Number: 9}, m.fails
}

// seal signs, and believes what it signed.
type seal struct{}

func (seal) Sign(statement []byte) (string, error) { return "signed " + string(statement), nil }

func (seal) Believe(_ string, _ releve.Seat, statement []byte, signature string) *releve.Sentence {
	if signature == "signed "+string(statement) {
		return nil
	}
	why := releve.Say("before-word-forged")
	return &why
}

// A word that is carried over is the one that was given, or nothing begins.
func TestAWordIsCarried(t *testing.T) {
	m := &mirror{}
	c := guide.Courier{Site: "SITE", Server: m, Seal: seal{}}
	word, err := c.Abdicate(t.Context())
	if err != nil || word.Site != "SITE" || word.Signature == "" {
		t.Fatalf("%+v, %v", word, err)
	}
	said := ""
	show := func(p view.Procedure) { said = p.Name + " " + p.Failed.Code }
	if err := c.Procedure(t.Context(), view.Wish{Name: "solo-carried", Abdication: &word}, show); err != nil || said != "" {
		t.Errorf("it is refused: %v, %s", err, said)
	}
	if err := c.Procedure(t.Context(), view.Wish{Name: "solo"}, show); err != nil {
		t.Errorf("without a word: %v", err)
	}
	word.Number++
	if err := c.Procedure(t.Context(), view.Wish{Name: "solo-carried", Abdication: &word}, show); !errors.Is(err, guide.ErrNotAllowed) || said != "solo-carried before-word-forged" {
		t.Errorf("another word: %v, said %q", err, said)
	}
	want := takeover.Return{Seat: releve.Secondary, Term: 4, Number: 9}
	if len(m.brought) != 2 || m.brought[0] != want || m.brought[1] != (takeover.Return{}) {
		t.Errorf("asked on the word of %+v", m.brought)
	}
	m.fails = errors.New("no disk")
	if word, err := c.Abdicate(t.Context()); !errors.Is(err, m.fails) || word != (view.Abdication{}) {
		t.Errorf("a vote that was not given back: %+v, %v", word, err)
	}
	m.fails = releve.ErrNoVote // what is refused says by itself what it is
	if _, err := c.Abdicate(t.Context()); err != releve.ErrNoVote {
		t.Errorf("a vote that nobody has: %v", err)
	}
}
