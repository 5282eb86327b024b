package version_test

import (
	"slices"
	"testing"

	"golang.org/x/mod/semver"

	"releve"
	"releve/rules/alarm"
	"releve/rules/version"
)

// The table holds: numbers rise and so does the link's version, each version stands beside the one
// before, and each level that can be run has its own.
func TestTheTableOfVersions(t *testing.T) {
	all := version.Table()
	for i, r := range all {
		if !semver.IsValid("v"+r.Number) || !semver.IsValid("v"+r.Beside) {
			t.Errorf("%+v has no number of the form 1.2.3", r)
		}
		if version.Older(r.Number, r.Beside) || r.Brings == "" {
			t.Errorf("%+v", r)
		}
		if i == 0 {
			continue
		}
		before := all[i-1]
		if !version.Older(before.Number, r.Number) || before.Wire > r.Wire || before.Schema > r.Schema {
			t.Errorf("%+v comes after %+v", r, before)
		}
		if version.Apart(of(before.Number), of(r.Number)) || version.Older(r.Beside, before.Beside) {
			t.Errorf("a pair cannot be upgraded from %s to %s, one server after the other", before.Number, r.Number)
		}
	}
	for _, level := range releve.Levels() {
		if need := version.Needs(level); !semver.IsValid("v"+need) || version.Older(all[len(all)-1].Number, need) {
			t.Errorf("level %s needs version %q", level, need)
		}
	}
	if own := version.Own(15); own.Number != all[len(all)-1].Number || own.PostgreSQL != 15 || own.Beside != all[len(all)-1].Beside {
		t.Errorf("this is %+v", own)
	}
}

// of is a version of the table, or one that is not there yet, as its server tells it.
func of(number string) releve.Version {
	for _, r := range version.Table() {
		if r.Number == number {
			return releve.Version{Number: number, Beside: r.Beside, PostgreSQL: 15}
		}
	}
	return releve.Version{Number: number, Beside: number, PostgreSQL: 15}
}

// Each pair of versions, from whichever seat: what may not stand side by side is said by the newer
// one, and what may is no alarm.
func TestWhichVersionsMayStandSideBySide(t *testing.T) {
	for _, c := range []struct {
		own, other releve.Version
		severity   releve.Severity
		code       string
	}{
		{of("0.4.0"), of("0.4.0"), "", ""},
		{of("0.4.0"), of("0.3.0"), releve.Info, "version-differs"},
		{of("0.4.0"), of("0.2.0"), releve.Major, "version-apart"},
		{of("0.4.0"), of("0.1.0"), releve.Major, "version-apart"},
		{of("0.3.0"), of("0.2.0"), releve.Info, "version-differs"},
		{of("0.3.0"), of("0.1.0"), releve.Major, "version-apart"},
		{of("0.2.0"), of("0.1.0"), releve.Info, "version-differs"},
		{of("0.3.0"), of("0.4.0"), "", ""}, // the other says it
		{of("0.1.0"), of("0.4.0"), "", ""},
		{of("0.4.0"), releve.Version{}, "", ""},
		{of("9.0.0"), of("0.4.0"), releve.Major, "version-apart"}, // no version of the table is beside it
		{of("0.4.0"), of("9.0.0"), "", ""},
	} {
		for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
			f := version.Programs(seat, c.own, c.other)
			if f.Code != c.code || c.code != "" && alarm.Of(seat, f).Severity != c.severity {
				t.Errorf("%s of %s beside %s: %+v, want %s", seat, c.own.Number, c.other.Number, f, c.code)
			}
			if c.code != "" && (f.Args["seat"] != string(seat.Other()) || f.Args["number"] != c.other.Number || f.Args["newer"] != c.own.Number) {
				t.Errorf("%s of %s beside %s: the wrong server is told to upgrade: %v", seat, c.own.Number, c.other.Number, f)
			}
		}
		apart := c.code == "version-apart"
		if c.code != "" && (version.Apart(c.own, c.other) != apart || version.Apart(c.other, c.own) != apart) {
			t.Errorf("%s and %s are apart: %v, want %v", c.own.Number, c.other.Number, !apart, apart)
		}
	}
}

// A copy is of the same major version of PostgreSQL: who has the data stays, the other follows.
func TestTheDatabasesOfAPair(t *testing.T) {
	for _, c := range []struct {
		own, other int
		said       bool
	}{{15, 15, false}, {15, 17, true}, {17, 15, true}, {15, 0, false}, {0, 15, false}} {
		own, other := of("0.4.0"), of("0.4.0")
		own.PostgreSQL, other.PostgreSQL = c.own, c.other
		f := version.Databases(releve.Main, own, other)
		if (f.Code == "version-postgresql" && f.Args["seat"] == "secondary") != c.said || (f.Code == "") == c.said {
			t.Errorf("%d beside %d: %+v", c.own, c.other, f)
		}
		why := version.ForPair(releve.Main, own, other)
		if (len(why) == 1) != c.said {
			t.Errorf("%d beside %d keeps the site from a level: %v", c.own, c.other, why)
		}
	}
}

// Each level under each version of the table: one that is too old is refused, with what to install.
func TestWhatALevelNeeds(t *testing.T) {
	for _, r := range version.Table() {
		for _, level := range releve.Levels() {
			why := version.ForLevel(releve.Secondary, of(r.Number), level)
			if old := version.Older(r.Number, version.Needs(level)); old != (len(why) == 1) {
				t.Errorf("%s at level %s: %v", r.Number, level, why)
			}
		}
	}
	why := version.ForLevel(releve.Secondary, of("0.2.0"), releve.HighAvailability)
	if len(why) != 1 || why[0].Args["seat"] != "secondary" || why[0].Args["needs"] != "0.3.0" {
		t.Errorf("%v", why)
	}
	if why := version.ForLevel(releve.Main, releve.Version{}, releve.Base); why != nil {
		t.Errorf("a version that is not known: %v", why)
	}
	for _, swapped := range []bool{false, true} {
		own, other := of("0.4.0"), of("0.2.0")
		if swapped {
			own, other = other, own
		}
		codes := []string{}
		for _, s := range version.ForPair(releve.Main, own, other) {
			codes = append(codes, s.Code)
		}
		if !slices.Equal(codes, []string{"version-apart"}) {
			t.Errorf("%s beside %s: %q", own.Number, other.Number, codes)
		}
	}
}

// A server that tells no number is of the version that spoke so over the link.
func TestAServerThatTellsNoNumber(t *testing.T) {
	for wire, want := range map[int]string{1: "0.1.0", 2: "0.2.0", 3: "0.3.0", 4: "", 5: "", 0: ""} {
		if v := version.OfWire(wire); v.Number != want || v.PostgreSQL != 0 {
			t.Errorf("link version %d: %+v, want %q", wire, v, want)
		}
	}
}
