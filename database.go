package releve

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DataID names one copy of the data: random, new for each clone or restore, and
// kept both in the journal and beside the data itself (RULES R2).
type DataID string

// NewDataID draws a data id that no other copy has.
func NewDataID() DataID { return DataID(rand.Text()) }

// PromotionID names one promotion; timeline numbers alone can be the same for
// two promotions (RULES R10).
type PromotionID string

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

// What the database may fail with, as other rooms must know it.
var (
	// ErrLogGone: the other server no longer has the log that a copy needs next.
	ErrLogGone = Known("the other server no longer keeps the log that this copy needs next", "cause-log-gone")
	ErrNoRoom  = Known("the disk has no room for a copy beside the data that it replaces", "cause-no-room")
	// ErrUnsafe marks a promotion whose tail may have lost acknowledged rows (R4).
	ErrUnsafe = Known("the promotion may lack acknowledged rows", "cause-unsafe")
	// ErrSlow marks a proof of health that was not answered in time: it may be a wedged
	// disk, or a busy one.
	ErrSlow = Known("the database did not prove its health in time", "cause-slow")
)

// Fork is where a timeline was left for the next one.
type Fork struct {
	Timeline Timeline // the one that was left
	At       LSN
}

// BadPage is a page on a server's disk that is not what PostgreSQL wrote there: its
// checksum says so.
type BadPage struct {
	File string `json:"file"` // from the data directory
	Page uint32 `json:"page"` // of 8 KiB, from 0
}

// SortOrder is what decides in which order the site's database keeps texts. An index of the
// mirror is a copy of the owner's: where the two servers sort by other rules, it is wrong
// from the takeover on (manual §24.2.3).
type SortOrder struct {
	Collation string `json:"collation"` // as pg_database names it, with its provider
	ByBytes   bool   `json:"by_bytes"`  // no library decides
	Library   string `json:"library"`   // whose rules they are, with its version
	Made      string `json:"made"`      // the rules' version when the indexes were made, "" where none is told
	Now       string `json:"now"`       // … and today's
}

// Differs says whether a copy of one database sorts in another order on the other server.
func (o SortOrder) Differs(other SortOrder) bool {
	return !o.ByBytes && (o.Library != other.Library || o.Now != other.Now)
}

// Aged says whether the rules have changed under indexes that are there.
func (o SortOrder) Aged() bool { return !o.ByBytes && o.Made != o.Now }

// Rules are library and version, for people.
func (o SortOrder) Rules() string { return strings.TrimSpace(o.Library + " " + o.Now) }

// Row is the content of one row of a table: each column in PostgreSQL's text form,
// nil for NULL. A nil Row is no row.
type Row map[string]*string

// RowOperation is what was done to a row.
type RowOperation string

// The operations on a row.
const (
	RowInserted RowOperation = "insert"
	RowUpdated  RowOperation = "update"
	RowDeleted  RowOperation = "delete"
)

// RowChange is what one transaction did to one row. A row that was given another key
// is deleted under the old one and inserted under the new one.
type RowChange struct {
	Table  string
	Key    Row // of the primary key's columns; of all columns where there is none
	Op     RowOperation
	Before Row // whole; nil: there was none, or it is not known
	After  Row // nil: there is none
}

// Key is what a row's primary key holds: PostgreSQL's text form of each column, in the
// key's order.
type Key []string

// Stretch is a part of a table: the rows whose key comes after After and not after
// UpTo. A nil Key is an open end.
type Stretch struct {
	Table string `json:"table"` // with its schema, quoted where SQL wants it
	After Key    `json:"after,omitempty"`
	UpTo  Key    `json:"up_to,omitempty"`
}

// Digest sums up the rows of a stretch. Equal rows have equal digests, whatever
// server they are read on; unequal rows have equal ones once in 2^64 times.
type Digest struct {
	Rows int64  `json:"rows"`
	Sum  string `json:"sum"` // of the rows' hashes
	Xor  int64  `json:"xor"`
}

// KeyedRow is a row with the key that it is found by.
type KeyedRow struct {
	Key Key `json:"key"`
	Row Row `json:"row"`
}

// SalvageMethod is how lone rows were found.
type SalvageMethod string

// The methods. Decoded knows what each transaction did; compared only sees which rows
// differ, and no deletion (RULES R11).
const (
	SalvageDecoded  SalvageMethod = "decoded"
	SalvageCompared SalvageMethod = "compared"
)

// SalvageState is what became of a salvage.
type SalvageState string

// The states of a salvage.
const (
	SalvageOpen      SalvageState = "open"      // an operator is to decide
	SalvageSettled   SalvageState = "settled"   // there was nothing to decide
	SalvageApplied   SalvageState = "applied"   // what could be applied is
	SalvageDiscarded SalvageState = "discarded" // kept on record, not applied
)

// SalvageClass is how a lone row stands to what the site has now.
type SalvageClass string

// The classes of SPEC M6, and one for rows that a server keeps about itself.
const (
	SalvageSame        SalvageClass = "same"        // the transactions left the row as it was
	SalvageAlready     SalvageClass = "already"     // the site has the same row, neither has it, or its time is over (SPEC C8)
	SalvageConflict    SalvageClass = "conflict"    // the site has another row under this key
	SalvageNew         SalvageClass = "new"         // can be applied
	SalvageBookkeeping SalvageClass = "bookkeeping" // a term, a position: never applied
)

// Salvage is what an old owner committed alone, found in data that was set aside (SPEC M6).
type Salvage struct {
	ID           int64           `json:"id"`
	Seat         Seat            `json:"seat"`      // whose data it was
	Directory    string          `json:"directory"` // its name on that server; it is kept
	Term         Term            `json:"term"`      // the last one that the data was written in
	Timeline     Timeline        `json:"timeline"`
	Fork         LSN             `json:"fork"` // where both servers parted
	Method       SalvageMethod   `json:"method"`
	Why          string          `json:"why,omitempty"` // the transactions could not be decoded
	Commits      int             `json:"commits"`       // that changed rows after the fork, counted by pg_waldump; -1 when it cannot tell
	Transactions int             `json:"transactions"`  // decoded; the two must agree
	At           time.Time       `json:"at"`            // stored
	State        SalvageState    `json:"state"`
	DecidedAt    time.Time       `json:"decided_at,omitzero"`
	Counts       SalvageCounts   `json:"counts"`
	Changes      []SalvageChange `json:"changes,omitempty"`
}

// Agree says whether the independent count confirms that all transactions are listed.
func (s Salvage) Agree() bool { return s.Method == SalvageDecoded && s.Commits == s.Transactions }

// SalvageCounts are how many rows a salvage has, by class as last judged.
type SalvageCounts struct {
	Same        int `json:"same"`
	Already     int `json:"already"`
	Conflict    int `json:"conflict"`
	New         int `json:"new"`
	Bookkeeping int `json:"bookkeeping"`
	Applied     int `json:"applied"` // of those in conflict or new
}

// All is how many rows there are.
func (c SalvageCounts) All() int { return c.Same + c.Already + c.Conflict + c.New + c.Bookkeeping }

// Undecided is how many rows wait for an operator.
func (c SalvageCounts) Undecided() int { return c.Conflict + c.New - c.Applied }

// SalvageChange is what the lone transactions, taken together, did to one row.
type SalvageChange struct {
	Number    int          `json:"number"` // from 1, in the order of the transactions
	Table     string       `json:"table"`
	Key       Row          `json:"key"`
	Op        RowOperation `json:"op"`
	Before    Row          `json:"before,omitempty"`
	Known     bool         `json:"known"` // Before is how the row was, or that there was none
	After     Row          `json:"after,omitempty"`
	Times     int          `json:"times"` // how often the row was changed
	At        time.Time    `json:"at"`    // of the last change; zero when compared
	Class     SalvageClass `json:"class"`
	Theirs    Row          `json:"theirs,omitempty"` // what the site had under this key when it was judged
	AppliedAt time.Time    `json:"applied_at,omitzero"`
}

// LoneTransaction is a commit that the other server never had, with its changes in
// their order (SPEC M6).
type LoneTransaction struct {
	Commit  LSN // of its commit record
	At      time.Time
	Changes []RowChange
}

// Parting is where data that was set aside left what the site has now.
type Parting struct {
	Term     Term // the last one that the data was written in
	Timeline Timeline
	Fork     LSN
}
