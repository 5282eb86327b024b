package releve

import (
	"time"
)

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
	SalvageAlready     SalvageClass = "already"     // the site has the same row, or neither has it
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
