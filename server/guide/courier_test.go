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

// mirror gives its vote back, and keeps what it was asked for.
type mirror struct {
	asked []guide.Wish
	fails error
}

func (m *mirror) Wish(_ context.Context, w guide.Wish, _ func(view.Procedure)) error {
	m.asked = append(m.asked, w)
	return nil
}

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
	if err := c.Procedure(t.Context(), guide.Wish{Name: "solo-carried"}, &word, show); err != nil || said != "" {
		t.Errorf("it is refused: %v, %s", err, said)
	}
	if err := c.Procedure(t.Context(), guide.Wish{Name: "solo"}, nil, show); err != nil {
		t.Errorf("without a word: %v", err)
	}
	word.Number++
	if err := c.Procedure(t.Context(), guide.Wish{Name: "solo-carried"}, &word, show); !errors.Is(err, releve.ErrForbidden) || said != "solo-carried before-word-forged" {
		t.Errorf("another word: %v, said %q", err, said)
	}
	want := takeover.Return{Seat: releve.Secondary, Term: 4, Number: 9}
	if len(m.asked) != 2 || m.asked[0].Carried != want || m.asked[1].Carried != (takeover.Return{}) {
		t.Errorf("asked for %+v", m.asked)
	}
	m.fails = errors.New("no disk")
	if word, err := c.Abdicate(t.Context()); !errors.Is(err, m.fails) || word != (view.Abdication{}) {
		t.Errorf("a vote that was not given back: %+v, %v", word, err)
	}
}
