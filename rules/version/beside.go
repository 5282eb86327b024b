package version

import (
	"strconv"

	"releve"
)

// Apart says that two versions may not stand side by side. It is for the newer to know: it tells
// which is the oldest beside it. Where one of them is not known nothing is said.
func Apart(x, y releve.Version) bool {
	older, newer := x, y
	if Older(y.Number, x.Number) {
		older, newer = y, x
	}
	return older.Number != "" && Older(older.Number, newer.Beside)
}

// Programs is what the server of a seat says of its program beside the other's: the newer one
// speaks, for the older cannot know.
func Programs(seat releve.Seat, own, other releve.Version) releve.Sentence {
	if other.Number == "" || !Older(other.Number, own.Number) {
		return releve.Sentence{}
	}
	code := "version-differs"
	if Apart(own, other) {
		code = "version-apart"
	}
	return releve.Say(code, "seat", string(seat.Other()), "number", other.Number,
		"other", string(seat), "newer", own.Number, "beside", own.Beside)
}

// Databases is what the owner says of the other's PostgreSQL: a server can be no copy of data of another
// major version.
func Databases(owner releve.Seat, own, other releve.Version) releve.Sentence {
	if own.PostgreSQL == 0 || other.PostgreSQL == 0 || own.PostgreSQL == other.PostgreSQL {
		return releve.Sentence{}
	}
	return releve.Say("version-postgresql", "seat", string(owner.Other()), "has", strconv.Itoa(other.PostgreSQL),
		"other", string(owner), "major", strconv.Itoa(own.PostgreSQL))
}

// ForLevel is why a server's version keeps the site from a level, none where it does not. One that
// is not known is that of a server which tells nothing, and is judged by what else it says.
func ForLevel(seat releve.Seat, v releve.Version, to releve.Level) []releve.Sentence {
	if v.Number == "" || !Older(v.Number, Needs(to)) {
		return nil
	}
	return []releve.Sentence{releve.Say("before-level-version",
		"seat", string(seat), "number", v.Number, "level", string(to), "needs", Needs(to), "newest", newest().Number)}
}

// ForPair is why the versions of a pair keep the site from every level at which both have a part.
func ForPair(owner releve.Seat, own, other releve.Version) (why []releve.Sentence) {
	newer, newest, older := owner, own, other
	if Older(own.Number, other.Number) {
		newer, newest, older = owner.Other(), other, own
	}
	if Apart(newest, older) {
		why = append(why, Programs(newer, newest, older))
	}
	if f := Databases(owner, own, other); f.Code != "" {
		why = append(why, f)
	}
	return why
}
