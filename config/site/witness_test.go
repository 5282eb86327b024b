package site_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
)

func TestAWitnessIsAddedToASiteThatExists(t *testing.T) {
	o := hospital(t)
	made, err := site.Init(o)
	if err != nil {
		t.Fatal(err)
	}
	before := filesBelow(t, o.Dir)
	at := site.Witness{At: netip.MustParseAddrPort("127.0.0.30:7444"), Data: "w"}
	added, err := site.AddWitness(o.Dir, at)
	if err != nil {
		t.Fatal(err)
	}
	w, mistakes := config.LoadWitness(added.Witness)
	if len(mistakes) > 0 || w.Site.ID != made.SiteID || w.Site.Name != o.Name || w.Witness.Listen != at.At.String() {
		t.Errorf("got %+v, %v", w, mistakes)
	}
	if len(added.Files) != 3 {
		t.Errorf("wrote %q", added.Files)
	}
	_, err = site.AddWitness(o.Dir, at)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	if now := filesBelow(t, o.Dir); len(now) != len(before)+3 {
		t.Errorf("there were %q and are %q", before, now)
	}
}

func TestAWitnessNeedsTheSiteAndItsAuthority(t *testing.T) {
	o := hospital(t)
	if _, err := site.Init(o); err != nil {
		t.Fatal(err)
	}
	at := site.Witness{At: netip.MustParseAddrPort("127.0.0.30:7444"), Data: "w"}
	before := filesBelow(t, o.Dir)
	kept := filepath.Join(o.Dir, "tls/ca.key")
	if err := os.Rename(kept, kept+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := site.AddWitness(o.Dir, at)
	if fault, ok := identity.FaultOf(err); !ok || fault.Why.Code != identity.Missing {
		t.Errorf("without the authority's key: %v", err)
	}
	if err := os.Rename(kept+".away", kept); err != nil {
		t.Fatal(err)
	}
	for story, w := range map[string]site.Witness{"everywhere": {At: netip.MustParseAddrPort("0.0.0.0:7444"), Data: "w"}, "without data": {At: at.At}} {
		_, err = site.AddWitness(o.Dir, w)
		if refused, ok := errors.AsType[*site.MistakesError](err); !ok || len(refused.Mistakes) != 1 {
			t.Errorf("%s: %v", story, err)
		}
	}
	if now := filesBelow(t, o.Dir); !slices.Equal(now, before) {
		t.Errorf("there were %q and are %q", before, now)
	}
	if _, err := site.AddWitness(t.TempDir(), at); err == nil {
		t.Error("a directory without a site is taken")
	}
}

// A server's own key must not pass for the authority's.
func TestAServersKeyMakesNoCertificates(t *testing.T) {
	o := hospital(t)
	if _, err := site.Init(o); err != nil {
		t.Fatal(err)
	}
	main := string(releve.Main)
	_, err := identity.LoadAuthority(filepath.Join(o.Dir, "tls", main+".pem"), filepath.Join(o.Dir, "tls", main+".key"))
	if fault, ok := identity.FaultOf(err); !ok || fault.Why.Code != identity.NoAuthority {
		t.Errorf("got %v", err)
	}
}
