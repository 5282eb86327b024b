package site_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
)

// siteInItsLastHour is a new site, with a witness, whose certificates end before they
// should: in an hour, or an hour ago.
func siteInItsLastHour(t *testing.T, left time.Duration) site.Options {
	t.Helper()
	o := hospital(t)
	o.Witness = site.Witness{At: netip.MustParseAddrPort("127.0.0.30:7444"), Data: "w"}
	if _, err := site.Init(o); err != nil {
		t.Fatal(err)
	}
	tls := filepath.Join(o.Dir, "tls")
	authority, err := identity.LoadAuthority(filepath.Join(tls, "ca.pem"), filepath.Join(tls, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	valid := identity.Validity{From: time.Now().AddDate(-1, 0, 0), Until: time.Now().Add(left)}
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary, identity.Witness} {
		name := filepath.Join(tls, string(seat)+".pem")
		text, err := authority.Reissue(name, seat, valid)
		if err := errors.Join(err, os.WriteFile(name, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestASiteWhoseCertificatesExpiredIsBroughtBack(t *testing.T) {
	o := siteInItsLastHour(t, -time.Hour)
	files := []string{"main.toml", "secondary.toml", "witness.toml"}
	for _, f := range files {
		for _, m := range mistakes(o, f) {
			t.Error("its dates are no mistake of", f, m)
		}
	}
	before := contents(t, o.Dir)
	made, err := site.Renew(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, m := range mistakes(o, f) {
			t.Error(m)
		}
	}
	for _, name := range made.Files {
		held, err := identity.Look(filepath.Join(o.Dir, "tls", filepath.Base(name)))
		if err != nil || len(held) != 1 || held[0].Ending(time.Now()) != nil {
			t.Errorf("%s is still not believed: %+v, %v", name, held, err)
		}
	}
	if left := time.Until(made.Until); left < 3650*24*time.Hour || left > 3654*24*time.Hour {
		t.Errorf("they last until %s", made.Until)
	}
	var changed []string
	for name, text := range contents(t, o.Dir) {
		if text != before[name] {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	slices.Sort(made.Files)
	if !slices.Equal(changed, made.Files) || len(changed) != 4 || len(contents(t, o.Dir)) != len(before) {
		t.Errorf("changed %q, and says %q", changed, made.Files)
	}
	if want := []string{"ca.pem", "main.pem", "secondary.pem"}; !slices.Equal(made.Servers, want) || !slices.Equal(made.Witness, []string{"ca.pem", "witness.pem"}) {
		t.Errorf("the servers need %q, the witness %q", made.Servers, made.Witness)
	}
}

func mistakes(o site.Options, file string) (all []config.Mistake) {
	path := filepath.Join(o.Dir, file)
	if config.IsWitness(path) {
		_, all = config.LoadWitness(path)
	} else {
		_, all = config.Load(path)
	}
	return all
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range filesBelow(t, dir) {
		path := file
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, file)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

// The private keys may be on their machines alone, and the witness need not exist.
func TestOnlyTheAuthoritysKeyIsNeeded(t *testing.T) {
	o := hospital(t)
	if _, err := site.Init(o); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"tls/main.key", "tls/secondary.key"} {
		if err := os.Remove(filepath.Join(o.Dir, key)); err != nil {
			t.Fatal(err)
		}
	}
	made, err := site.Renew(o.Dir)
	if err != nil || made.Witness != nil || len(made.Files) != 3 {
		t.Errorf("got %+v, %v", made, err)
	}
}

func TestWhatCannotBeRenewedIsLeftAsItWas(t *testing.T) {
	for story, c := range map[string]struct {
		spoil func(t *testing.T, tls string)
		code  string
	}{
		"without the authority's key": {func(t *testing.T, tls string) { remove(t, tls, "ca.key") }, identity.Missing},
		"another site's key":          {func(t *testing.T, tls string) { replace(t, tls, "ca.key", other(t, "ca.key")) }, identity.NoPair},
		"another site's authority": {func(t *testing.T, tls string) {
			foreign := other(t, "")
			replace(t, tls, "ca.key", filepath.Join(foreign, "ca.key"))
			replace(t, tls, "ca.pem", filepath.Join(foreign, "ca.pem"))
		}, identity.ForeignAuthority},
		"another site's witness": {func(t *testing.T, tls string) {
			replace(t, tls, "witness.pem", other(t, "main.pem"))
			remove(t, tls, "witness.key")
		}, identity.ForeignAuthority},
		"a certificate that is none": {func(t *testing.T, tls string) { replace(t, tls, "witness.pem", filepath.Join(tls, "ca.key")) }, identity.OtherPEM},
		"a key of another seat":      {func(t *testing.T, tls string) { replace(t, tls, "secondary.key", filepath.Join(tls, "main.key")) }, identity.NoPair},
		"one that is gone":           {func(t *testing.T, tls string) { remove(t, tls, "secondary.pem") }, identity.Missing},
		"the wrong seat": {func(t *testing.T, tls string) {
			replace(t, tls, "secondary.pem", filepath.Join(tls, "main.pem"))
			remove(t, tls, "secondary.key")
		}, identity.WrongSeat},
	} {
		t.Run(story, func(t *testing.T) {
			o := siteInItsLastHour(t, time.Hour)
			c.spoil(t, filepath.Join(o.Dir, "tls"))
			before := contents(t, o.Dir)
			_, err := site.Renew(o.Dir)
			if fault, ok := identity.FaultOf(err); !ok || fault.Why.Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
			now := contents(t, o.Dir)
			for name, text := range before {
				if now[name] != text {
					t.Errorf("%s has changed", name)
				}
			}
			if len(now) != len(before) {
				t.Errorf("there were %d files and are %d", len(before), len(now))
			}
		})
	}
}

// A disk that refuses the last file has changed none.
func TestAFileThatCannotBeWrittenChangesNone(t *testing.T) {
	o := siteInItsLastHour(t, time.Hour)
	tls := filepath.Join(o.Dir, "tls")
	// The name of what is written beside it would be too long for any file system.
	long := strings.Repeat("x", 250)
	if err := os.WriteFile(filepath.Join(tls, long), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := contents(t, o.Dir)
	if err := site.ReplaceAll(tls, map[string]string{"ca.pem": "new", long: "new"}); err == nil {
		t.Fatal("it was written: the test proves nothing")
	}
	now := contents(t, o.Dir)
	if len(now) != len(before) || now[filepath.Join(tls, "ca.pem")] != before[filepath.Join(tls, "ca.pem")] {
		t.Error("something has changed")
	}
}

func other(t *testing.T, file string) string {
	t.Helper()
	o := hospital(t)
	if _, err := site.Init(o); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(o.Dir, "tls", file)
}

func remove(t *testing.T, dir, file string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, dir, file, by string) {
	t.Helper()
	text, err := os.ReadFile(by)
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, file), text, 0o600)); err != nil {
		t.Fatal(err)
	}
}
