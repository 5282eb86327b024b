package console_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"releve"

	"releve/screen/console"
	"releve/screen/console/client"
	"releve/screen/view"
)

// prover emits a verification under way and its end.
type prover struct{ err error }

func (p prover) VerifyMirror(_ context.Context, emit func(view.Procedure)) error {
	v := view.Procedure{ID: "one", Name: "verify", Steps: []view.ProcedureStep{{State: "running"}}}
	emit(v)
	v.Steps = []view.ProcedureStep{{State: "done", Findings: []releve.Sentence{releve.Say("difference-page", "page", "3")}}}
	v.Finished = time.Now()
	emit(v)
	return p.err
}

func TestAVerificationIsFollowedByTheSocketOnly(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	p := &prover{}
	server := served(t, newSite(t, "protected"), console.Options{Socket: socket, Mirror: p})
	var states []string
	show := func(v view.Procedure) {
		states = append(states, fmt.Sprintf("%s, %d found", v.Steps[0].State, len(v.Steps[0].Findings)))
	}
	err := client.New(socket).VerifyMirror(t.Context(), show)
	if want := "[running, 0 found done, 1 found]"; err != nil || fmt.Sprint(states) != want {
		t.Errorf("showed %v (%v), want %s", states, err, want)
	}
	for _, cause := range []error{releve.ErrBusy, releve.ErrForbidden} {
		p.err = fmt.Errorf("no: %w", cause)
		if err := client.New(socket).VerifyMirror(t.Context(), show); !errors.Is(err, cause) {
			t.Errorf("%v came as %v", cause, err)
		}
	}
	if response, body := ask(t, "POST", "http://"+server.Address()+"/api/mirror/verify"); response.StatusCode/100 != 4 {
		t.Errorf("by the page's address: %s %s", response.Status, body)
	}
}
