package site_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// siteWithWitness is a new site of three machines.
func siteWithWitness(t *testing.T) site.Options {
	t.Helper()
	o := hospital(t)
	o.Witness = site.Witness{At: netip.MustParseAddrPort("127.0.0.30:7444"), Data: "w"}
	if _, err := site.Init(o); err != nil {
		t.Fatal(err)
	}
	return o
}

func generations(t *testing.T, o site.Options) []string {
	t.Helper()
	all, err := identity.Generations(filepath.Join(o.Dir, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func rekey(t *testing.T, o site.Options) site.Rekeyed {
	t.Helper()
	made, err := site.Rekey(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// With every file, at every stage, each machine would start; and at the end nothing of the
// former keys is left.
func TestTheKeysOfASiteAreChanged(t *testing.T) {
	o := siteWithWitness(t)
	right := func() {
		t.Helper()
		for _, f := range []string{"main.toml", "secondary.toml", "witness.toml"} {
			for _, m := range mistakes(o, f) {
				t.Error(m)
			}
		}
	}
	tls := filepath.Join(o.Dir, "tls")
	before, first := identitytest.Every(t, tls), generations(t, o)
	made := rekey(t, o)
	right()
	if !made.Begun || len(generations(t, o)) != 2 || generations(t, o)[1] != first[0] {
		t.Errorf("got %+v, of %q", made, generations(t, o))
	}
	if want := []string{"ca.pem", "main.pem", "main.key", "secondary.pem"}; !slices.Equal(made.Machines["main"], want) || len(made.Machines) != 3 {
		t.Errorf("the machines need %q", made.Machines)
	}
	half := contents(t, o.Dir)
	if again := rekey(t, o); again.Begun || len(again.Files) != 0 {
		t.Errorf("asked again, it changes %q", again.Files)
	}
	if _, err := site.Renew(o.Dir); !errors.Is(err, site.ErrRekeying) {
		t.Errorf("issued anew meanwhile: %v", err)
	}
	for name, text := range contents(t, o.Dir) {
		if half[name] != text {
			t.Errorf("%s has changed", name)
		}
	}
	changed, err := site.ForgetIn(o.Dir)
	if err != nil || len(changed) != 8 {
		t.Errorf("forgot in %q, %v", changed, err)
	}
	right()
	for name, now := range identitytest.Every(t, tls) {
		if now.Leaf.SerialNumber.Cmp(before[name].Leaf.SerialNumber) == 0 {
			t.Errorf("%s is the same", name)
		}
	}
	if strings.Count(contents(t, o.Dir)[filepath.Join(tls, "ca.key")], "BEGIN") != 1 || len(generations(t, o)) != 1 {
		t.Error("the former authority is still there")
	}
	if changed, err := site.ForgetIn(o.Dir); err != nil || len(changed) != 0 {
		t.Errorf("asked again, it forgot in %q, %v", changed, err)
	}
	if _, err := site.Renew(o.Dir); err != nil {
		t.Errorf("issued anew afterwards: %v", err)
	}
}

// The files are replaced one after the other, and the power may go between any two.
func TestAChangeOfKeysThatIsCutOffIsGoneOnWith(t *testing.T) {
	o := siteWithWitness(t)
	before := contents(t, o.Dir)
	first, made := generations(t, o), rekey(t, o)
	after := contents(t, o.Dir)
	for n := range made.Files {
		restore(t, before)
		for _, name := range made.Files[:n] { // those that were replaced
			restore(t, map[string]string{name: after[name]})
		}
		for _, f := range []string{"main.toml", "secondary.toml", "witness.toml"} {
			for _, m := range mistakes(o, f) {
				t.Errorf("cut off after %d files: %s", n, m)
			}
		}
		if again := rekey(t, o); !again.Begun || len(generations(t, o)) != 2 || generations(t, o)[1] != first[0] {
			t.Errorf("cut off after %d files, it is not gone on with: %+v", n, again)
		}
		for _, files := range []identity.Files{filesOf(t, o, "main.toml"), filesOf(t, o, "secondary.toml")} {
			held, err := identity.Load(files)
			if err != nil || !slices.Equal(held.Generations(), generations(t, o)) {
				t.Errorf("cut off after %d files, a server has %v, %v", n, held, err)
			}
		}
	}
}

func TestForgettingThatIsCutOffIsGoneOnWith(t *testing.T) {
	o := siteWithWitness(t)
	rekey(t, o)
	files, together := filesOf(t, o, "main.toml"), contents(t, o.Dir)
	changed, err := site.Forget(files)
	if err != nil || len(changed) != 4 || changed[0] != files.Authority {
		t.Fatalf("forgot in %q, %v", changed, err)
	}
	after := contents(t, o.Dir)
	for n := range changed {
		restore(t, together)
		for _, name := range changed[:n] {
			restore(t, map[string]string{name: after[name]})
		}
		for _, m := range mistakes(o, "main.toml") {
			t.Errorf("cut off after %d files: %s", n, m)
		}
		if again, err := site.Forget(files); err != nil || len(again) != len(changed)-n {
			t.Errorf("cut off after %d files, it forgot in %q, %v", n, again, err)
		}
		for name, text := range contents(t, o.Dir) {
			if text != after[name] {
				t.Errorf("cut off after %d files, %s is another", n, name)
			}
		}
	}
}

// A machine without its new files keeps the former ones: they are all that it has.
func TestNothingIsForgottenBeforeTheNewIsThere(t *testing.T) {
	o := siteWithWitness(t)
	before := contents(t, o.Dir)
	rekey(t, o)
	key := filepath.Join(o.Dir, "tls", "main.key")
	restore(t, map[string]string{key: before[key]})
	half := contents(t, o.Dir)
	if changed, err := site.Forget(filesOf(t, o, "main.toml")); err == nil {
		t.Errorf("forgot in %q", changed)
	}
	for name, text := range contents(t, o.Dir) {
		if text != half[name] {
			t.Errorf("%s has changed", name)
		}
	}
}

func filesOf(t *testing.T, o site.Options, file string) identity.Files {
	t.Helper()
	c, mistakes := config.Load(filepath.Join(o.Dir, file))
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return c.Peer.Files()
}

func restore(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
