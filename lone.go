package releve

import "time"

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
