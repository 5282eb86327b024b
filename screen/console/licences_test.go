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
	file   []byte
	dryRun bool
	err    error
}

func (k *keeper) Licences() view.Licences {
	return view.Licences{Running: releve.Base, All: []view.Licence{{Serial: "7"}}}
}

func (k *keeper) InstallLicence(_ context.Context, file []byte, dryRun bool) (view.Installed, error) {
	k.file, k.dryRun = file, dryRun
	if bytes.HasPrefix(file, []byte("no")) {
		why := releve.Say("licence.none")
		return view.Installed{Refused: &why}, k.err
	}
	return view.Installed{Licence: &view.Licence{Serial: "8"}, DryRun: dryRun}, k.err
}

func TestALicenceIsInstalledByTheSocketOnly(t *testing.T) {
	socket, k := filepath.Join(t.TempDir(), "s"), &keeper{}
	server := served(t, newSite(t, "protected"), console.Options{Socket: socket, Licences: k})
	operator := client.New(socket)
	if l, err := operator.Licences(t.Context()); err != nil || len(l.All) != 1 || l.All[0].Serial != "7" {
		t.Errorf("shown %+v (%v)", l, err)
	}
	for _, dryRun := range []bool{true, false} {
		answer, err := operator.InstallLicence(t.Context(), []byte("a\nb — é"), dryRun)
		if err != nil || answer.Licence.Serial != "8" || k.dryRun != dryRun || string(k.file) != "a\nb — é" || answer.DryRun != dryRun {
			t.Errorf("%+v, %+v, %v", answer, k, err)
		}
	}
	if answer, err := operator.InstallLicence(t.Context(), []byte("no"), false); err != nil || answer.Refused.Code != "licence.none" {
		t.Errorf("refused: %+v, %v", answer, err)
	}
	k.err = errors.New("the disk is full")
	if _, err := operator.InstallLicence(t.Context(), nil, false); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("a disk that is full: %v", err)
	}
	response, err := http.Post("http://"+server.Address()+"/api/licences", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("from the network: %s", response.Status)
	}
}
