package releve

import "strings"

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
