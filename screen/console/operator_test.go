package console_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"releve"
	"releve/screen/console"
	"releve/screen/console/client"
	"releve/screen/view"
)

// What an operator says himself reaches the site whole, over the socket alone.
func TestTheOperatorsWordComesThroughTheSocket(t *testing.T) {
	s := newSite(t, "protected")
	var got []view.Wish
	s.run = func(_ context.Context, w view.Wish, _ func(view.Procedure)) error {
		got = append(got, w)
		return nil
	}
	socket := filepath.Join(t.TempDir(), "control.sock")
	url := "http://" + served(t, s, console.Options{Socket: socket}).Address()
	operator := client.New(socket)
	word := view.Abdication{Site: "SITE", Seat: releve.Secondary, Term: 7, Number: 3, Signature: "c2ln"}
	for _, w := range []view.Wish{
		{Name: "solo", OtherIsOff: true}, {Name: "solo", DryRun: true}, {Name: "solo-carried", Abdication: &word},
	} {
		if err := operator.Wish(t.Context(), w, func(view.Procedure) {}); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 3 || !got[0].OtherIsOff || got[0].DryRun || got[0].Abdication != nil || got[1].OtherIsOff || !got[1].DryRun ||
		got[2].Abdication == nil || *got[2].Abdication != word {
		t.Errorf("the site was asked for %+v", got)
	}
	for _, path := range []string{"/api/procedures/solo?other-is-off=true", "/api/abdication"} {
		if response, body := ask(t, http.MethodPost, url+path); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s over the network: %s %s", path, response.Status, body)
		}
	}
	if len(got) != 3 {
		t.Errorf("the network commanded: %+v", got[3:])
	}
}

func TestAMirrorsWordComesThroughTheSocket(t *testing.T) {
	s := newSite(t, "protected")
	s.word = view.Abdication{Site: "SITE", Seat: releve.Secondary, Term: 7, Number: 3, Signature: "c2ln"}
	socket := filepath.Join(t.TempDir(), "control.sock")
	served(t, s, console.Options{Socket: socket})
	operator := client.New(socket)
	if word, err := operator.Abdicate(t.Context()); err != nil || word != s.word {
		t.Errorf("%+v, %v", word, err)
	}
	for _, why := range []error{releve.ErrNoVote, releve.ErrVoteAsked} {
		s.refuses = why
		if _, err := operator.Abdicate(t.Context()); !errors.Is(err, why) {
			t.Errorf("%v came as %v", why, err)
		}
	}
}

// By what the site decides may be read by whoever may see the site.
func TestTheArbiterIsShown(t *testing.T) {
	s := newSite(t, "protected")
	s.arbiter = view.Arbiter{Arbiter: releve.Witness, Incarnation: 2,
		Witness: &view.Witness{Heard: true, Term: 7, Owner: releve.Main}}
	socket := filepath.Join(t.TempDir(), "control.sock")
	url := "http://" + served(t, s, console.Options{Socket: socket}).Address()
	if a, err := client.New(socket).Arbiter(t.Context()); err != nil ||
		a.Arbiter != releve.Witness || a.Witness == nil || a.Witness.Term != 7 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, body := ask(t, http.MethodGet, url+"/api/arbiter"); !strings.Contains(body, `"arbiter":"witness"`) {
		t.Errorf("on the network: %s", body)
	}
}

// The page shows what a procedure may cost, and that a witness is silent.
func TestThePageShowsWhatIsForced(t *testing.T) {
	for name, want := range map[string][]string{
		"alone":          {"1,312 records wait on the main server", "If the secondary server is on after all"},
		"witness-silent": {"The witness is silent", "The witness does not answer it.", "a witness on a third machine"},
	} {
		url := "http://" + served(t, newSite(t, name), console.Options{}).Address()
		_, body := ask(t, http.MethodGet, url+"/?lang=en")
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: the page does not say %q", name, text)
			}
		}
	}
}
