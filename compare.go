package releve

import "strings"

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
