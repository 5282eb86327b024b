// Package version says which version of this program it is, what each level needs of a server,
// and which versions may stand side by side (SPEC L3). What it says is a table, which
// docs/versions.md shows.
package version

import (
	"golang.org/x/mod/semver"

	"releve"
)

// number is this program's: it stands here, for who builds from a clone may have no tags. What an
// earlier one is refused with is tried by a build of the same source that says it is one:
//
//	go build -ldflags "-X releve/rules/version.number=0.2.0" ./cmd/releve
var number = "0.4.0"

// Own is this server's version, beside the major version of PostgreSQL that it uses.
func Own(postgresql int) releve.Version {
	return releve.Version{Number: number, Beside: besideOf(number), PostgreSQL: postgresql}
}

// Older compares two numbers. One that is not known, or is none, is older than all.
func Older(number, than string) bool { return semver.Compare("v"+number, "v"+than) < 0 }

// OfWire is the version of a server that does not tell it: before numbers were told, each had
// its own version of the link. Nothing is known of one that should tell it.
func OfWire(wire int) releve.Version {
	for _, r := range Table() {
		if r.Wire == wire && r.Number != newest().Number {
			return releve.Version{Number: r.Number, Beside: r.Beside}
		}
	}
	return releve.Version{}
}

// Needs is the oldest version that may be brought to a level while the site runs.
func Needs(level releve.Level) string { return needs[level] }
