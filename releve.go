// Package releve holds the words of the product as types, and nothing else:
// who the servers are, what they are doing, and what they keep.
//
// A site is one establishment with its PBX and two servers. Each server sits in
// a [Seat] that never changes; at most one of them has the [Duty] Active. Each
// change of duty raises the [Term] by one.
package releve

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
)

// Seat is where a server was installed. It never changes.
type Seat string

// The two seats of a site.
const (
	Main      Seat = "main"
	Secondary Seat = "secondary"
)

// Other is the seat of the other server.
func (s Seat) Other() Seat {
	if s == Main {
		return Secondary
	}
	return Main
}

// Valid says whether s is one of the two seats.
func (s Seat) Valid() bool { return s == Main || s == Secondary }

// Duty is what a server does now. At most one server of a site is Active.
type Duty string

// The duties a server can have.
const (
	Active       Duty = "active"
	Passive      Duty = "passive"
	OutOfService Duty = "out-of-service"
)

// Level is how much of a site is protected.
type Level string

// The levels of SPEC §2.
const (
	Base             Level = "base"
	Mirroring        Level = "mirroring"
	Backup           Level = "backup"
	HighAvailability Level = "high-availability"
)

// Arbiter is who decides where the vote lies.
type Arbiter string

// The arbiters. Pair is the two servers alone; Witness is a process on a third machine.
const (
	Pair    Arbiter = "pair"
	Witness Arbiter = "witness"
)

// Language is a language that users read and callers hear.
type Language string

// The two languages, equal in everything.
const (
	French  Language = "fr"
	English Language = "en"
)

// Term is the number of the current duty. It never goes back.
type Term uint64

// CallID is the Call-ID header of the call's INVITE (RFC 3261 §20.8).
type CallID string

// DataID names one copy of the data: random, new for each clone or restore, and
// kept both in the journal and beside the data itself (RULES R2).
type DataID string

// NewDataID draws a data id that no other copy has.
func NewDataID() DataID { return DataID(rand.Text()) }

// PromotionID names one promotion; timeline numbers alone can be the same for
// two promotions (RULES R10).
type PromotionID string

// NewPromotionID draws a promotion id that no other promotion has.
func NewPromotionID() PromotionID { return PromotionID(rand.Text()) }

// Timeline is a PostgreSQL timeline number (manual §26.3.5).
type Timeline uint32

// LSN is a position in PostgreSQL's write-ahead log, in bytes.
type LSN uint64

// String writes the position as PostgreSQL's pg_lsn does, for example 0/3000148.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads PostgreSQL's pg_lsn form, for example 0/3000148.
func ParseLSN(s string) (LSN, error) {
	high, low, ok := strings.Cut(s, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("%q is not a position in the write-ahead log: expected a form like 0/3000148", s)
	}
	return LSN(h<<32 | l), nil
}

// MarshalText writes the position as PostgreSQL does.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the form that MarshalText writes.
func (l *LSN) UnmarshalText(text []byte) error {
	v, err := ParseLSN(string(text))
	if err == nil {
		*l = v
	}
	return err
}
