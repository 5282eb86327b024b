package console_test

import (
	"bytes"
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

// keeper is a server's, which notes what it is asked to install.
type keeper struct {
	file []byte
	how  view.Installing
	err  error
}

func (k *keeper) Licences() view.Licences {
	return view.Licences{Running: releve.Base, All: []view.Licence{{Serial: "7"}}}
}

func (k *keeper) InstallLicence(_ context.Context, file []byte, how view.Installing) (view.Installed, error) {
	k.file, k.how = file, how
	if bytes.HasPrefix(file, []byte("no")) {
		why := releve.Say("licence.none")
		return view.Installed{Refused: &why}, k.err
	}
	return view.Installed{Licence: &view.Licence{Serial: "8"}, DryRun: how.DryRun}, k.err
}

func (k *keeper) AdoptStudy(_ context.Context, file []byte, dryRun bool) (view.Adoption, error) {
	k.file = file
	return view.Adoption{DryRun: dryRun}, k.err
}

func TestALicenceIsInstalledByTheSocketOnly(t *testing.T) {
	socket, k := filepath.Join(t.TempDir(), "s"), &keeper{}
	server := served(t, newSite(t, "protected"), console.Options{Socket: socket, Licences: k})
	operator := client.New(socket)
	if l, err := operator.Licences(t.Context()); err != nil || len(l.All) != 1 || l.All[0].Serial != "7" {
		t.Errorf("shown %+v (%v)", l, err)
	}
	for _, how := range []view.Installing{{DryRun: true}, {WithoutStudy: "Zoë & Cie"}} {
		answer, err := operator.InstallLicence(t.Context(), []byte("a\nb — é"), how)
		if err != nil || answer.Licence.Serial != "8" || k.how != how || string(k.file) != "a\nb — é" || answer.DryRun != how.DryRun {
			t.Errorf("%+v, %+v, %v", answer, k, err)
		}
	}
	for _, dryRun := range []bool{true, false} {
		if a, err := operator.AdoptStudy(t.Context(), []byte("{}"), dryRun); err != nil || a.DryRun != dryRun || string(k.file) != "{}" {
			t.Errorf("a study: %+v, %q, %v", a, k.file, err)
		}
	}
	if answer, err := operator.InstallLicence(t.Context(), []byte("no"), view.Installing{}); err != nil || answer.Refused.Code != "licence.none" {
		t.Errorf("refused: %+v, %v", answer, err)
	}
	k.err = errors.New("the disk is full")
	if _, err := operator.InstallLicence(t.Context(), nil, view.Installing{}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("a disk that is full: %v", err)
	}
	for _, path := range []string{"/api/licences", "/api/study"} {
		response, err := http.Post("http://"+server.Address()+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed && response.StatusCode != http.StatusNotFound {
			t.Errorf("%s from the network: %s", path, response.Status)
		}
	}
}
