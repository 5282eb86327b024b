// Package licence says what a site may run: it reads licences, adds them up, and gives the
// moment at which a level that is not licensed falls back. It has no clock: what time it is for
// licences is a value of its own ([Clock]), for a machine's clock may be wrong by years.
//
// A licence is a text that a person can read and mail, signed as a note (C2SP signed-note, the
// form of Go's checksum database): lines of TOML, an empty line, and one line with the issuer's
// name and its Ed25519 signature. The signature is of the text as it stands, so nothing is ever
// interpreted that an issuer did not write: who signed is looked at first, what it says after.
//
// Nothing here stops a call, a takeover or a start. See docs/licences.md.
package licence

import (
	"time"

	"releve"
)

// Licence is one that an issuer has signed. It is only made by [Issuers.Read], whole or not at
// all, and by [Signer.Sign].
type Licence struct {
	ID       string // of its text, in hexadecimal: two licences are the same when it is
	Issuer   string
	Serial   string // no issuer gives one twice; a text with the same and other contents contradicts it
	Site     string // the id that `releve init` drew
	IssuedTo string
	Level    releve.Level // it gives: base, or what stands on top of it
	Channels int
	From     time.Time // the first day, at 0 h UTC
	Until    time.Time // the end of the last day, UTC; zero: it has none
	Issued   time.Time
	Replaces []string // serials of the same issuer that count no more once this one counts

	// Demonstration: of the issuer whose key everybody has. It holds for demonstrations alone.
	Demonstration bool
}

// What a licence may say.
const (
	// Largest is the size of the largest file that is looked at, in bytes.
	Largest = 16 << 10
	// Most is how many licences a site keeps.
	Most = 64

	channelsMost = 100_000
	replacesMost = 32
	serialMost   = 64
	nameMost     = 200
)

// LastDay is the last day on which a licence holds, as people write it; "" where it has none.
func (l Licence) LastDay() string {
	if l.Until.IsZero() {
		return ""
	}
	return LastDay(l.Until)
}

// FirstDay is the first day on which it holds.
func (l Licence) FirstDay() string { return l.From.UTC().Format(time.DateOnly) }

// gives says whether a licence of one level is one for another: high availability holds both
// mirroring and backup, and the two together do not make it (SPEC L1).
func gives(of, level releve.Level) bool {
	return of == level || of == releve.HighAvailability && level != releve.Base
}

// Gives says whether it is, with one for base, a licence for that level.
func (l Licence) Gives(level releve.Level) bool { return gives(l.Level, level) }

// ErrRefused is the cause of all that is wrong with a licence. The sentence beside it says what.
var ErrRefused = releve.Refused(releve.ErrForbidden, "this is no licence that can be used here")

func refused(code string, pairs ...string) error {
	return &releve.Fault{Cause: ErrRefused, Why: releve.Say(code, pairs...)}
}

// For says whether a licence is for a site; the error says what to do where it is not.
func (l Licence) For(site string) error {
	if l.Site != site {
		return refused("licence.other-site", "serial", l.Serial, "site", l.Site, "here", site)
	}
	return nil
}
