package releve

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
