package console_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"releve"
	"releve/screen/console"
	"releve/screen/console/client"
	"releve/screen/view"
)

// fakeDrills says by whom and how it was asked, and refuses.
type fakeDrills struct {
	by     string
	dryRun bool
}

func (f *fakeDrills) Drills() view.Drills { return view.Drills{Last: []view.Drill{{By: "A. Martin"}}} }

func (f *fakeDrills) Drill(_ context.Context, by string, dryRun bool, emit func(view.Procedure)) error {
	f.by, f.dryRun = by, dryRun
	emit(view.Procedure{Name: "drill"})
	return releve.Refused(releve.ErrForbidden, "not now")
}

// A drill is ordered on the machine alone, in somebody's name, and refused with its cause.
func TestADrillIsOrderedThroughTheSocket(t *testing.T) {
	drills := &fakeDrills{}
	socket := filepath.Join(t.TempDir(), "control.sock")
	url := "http://" + served(t, newSite(t, "not-ready"), console.Options{Socket: socket, Drills: drills}).Address()
	operator := client.New(socket)
	shown := 0
	err := operator.Drill(t.Context(), "A. Martin & Co", true, func(p view.Procedure) { shown++ })
	if !errors.Is(err, releve.ErrForbidden) || drills.by != "A. Martin & Co" || !drills.dryRun || shown != 1 {
		t.Errorf("%v, asked %+v, shown %d times", err, drills, shown)
	}
	if d, err := operator.Drills(t.Context()); err != nil || len(d.Last) != 1 || d.Last[0].By != "A. Martin" {
		t.Errorf("%+v, %v", d, err)
	}
	if response, body := ask(t, http.MethodPost, url+"/api/drills"); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("over the network: %s %s", response.Status, body)
	}
}
