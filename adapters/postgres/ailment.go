package postgres

import (
	"fmt"
	"regexp"
	"releve"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What PostgreSQL's own processes complain of in the log is believed, and so is what our own
// sessions meet: both do what nobody asked for. What other sessions meet is not: any of them
// may raise any SQLSTATE, and find no room on a device that is not the database's. Only that
// they found none in the database's own directories makes us try it ourselves (RULES R12).

// ailment is what PostgreSQL complained of that makes its data doubtful.
type ailment struct {
	kind error // ErrDiskFull, ErrFilesGone or ErrDamaged
	said string
	at   time.Time
}

// fullFor is how long a complaint about a full disk counts: room may have been made.
const fullFor = 3 * time.Second

// ailments keeps the first complaint of what does not heal, and the last of what may.
type ailments struct {
	mu       sync.Mutex
	lasting  ailment
	full     ailment
	roomless string // the directory in which a session found no room, until we have tried
	gone     string // the WAL file that a copy needs next and its source no longer has

	refused time.Time // when a copy was last told so by us
}

// gone is how a receiver passes on its source's answer (src/backend/replication/walsender.c).
var gone = regexp.MustCompile(`requested WAL segment ([0-9A-F]{24}) has already been removed`)

// starved is releve.ErrLogGone once a receiver was told so.
func (a *ailments) starved() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone == "" {
		return nil
	}
	return fmt.Errorf("%w (%s)", releve.ErrLogGone, a.gone)
}

// read notes what an entry of the log complains of.
func (a *ailments) read(e logEntry) {
	if segment := gone.FindStringSubmatch(e.message); segment != nil {
		a.starve(e.process, segment[1])
	}
	switch {
	case e.severity == "STATEMENT", e.severity == "CONTEXT", e.severity == "QUERY":
	case e.severity == "PANIC":
		a.believe(kindOf(e.code), e.message)
	case e.own():
		a.hear(e.code, e.message)
	default:
		if dir := roomless(e.code, e.message); dir != "" {
			a.suspect(dir)
		}
	}
}

// met notes what one of our own sessions was answered.
func (a *ailments) met(err *pgconn.PgError) {
	said := err.Message + " " + err.Detail
	if dir := roomless(err.Code, said); dir != "" {
		a.suspect(dir)
		return
	}
	a.hear(err.Code, said)
}

func (a *ailments) hear(code, said string) { a.believe(ailmentOf(code, said), said) }

// starve notes that a copy was told that its source lacks what it needs next. A receiver was
// told by the other server; a sender has told the other's.
func (a *ailments) starve(process, segment string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch process {
	case "walreceiver":
		a.gone = segment
	case "walsender":
		a.refused = time.Now()
	}
}

// sentFor is how long that counts: a receiver that is told so asks five times a second.
const sentFor = 3 * time.Second

// forgive: a copy that is made anew needs no more what it was refused.
func (a *ailments) forgive() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = time.Time{}
}

// sentAway says that a copy that wants to follow us cannot.
func (a *ailments) sentAway() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.refused) < sentFor
}

func (a *ailments) believe(kind error, said string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := ailment{kind: kind, said: strings.TrimSpace(said), at: time.Now()}
	switch {
	case kind == nil:
	case kind == ErrDiskFull:
		a.full = one
	case a.lasting.kind == nil:
		a.lasting = one
	}
}

// current is what still counts, its kind nil when nothing does.
func (a *ailments) current() ailment {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lasting.kind == nil && time.Since(a.full.at) < fullFor {
		return a.full
	}
	return a.lasting
}

// ownFile is in a complaint about a file that holds data. Others are asked for and not
// there as a matter of course (histories that a receiver asks for), or are a query's own.
var ownFile = regexp.MustCompile(`(?:"|relation )(?:(base)/[0-9]|(global|pg_wal|pg_xact|pg_multixact)/)`)

// dirOf is the directory of the data that a complaint is about, "" for any other place.
func dirOf(said string) string {
	if found := ownFile.FindStringSubmatch(said); found != nil {
		return found[1] + found[2]
	}
	return ""
}

// full says that something was written where there was no room. A quota has no SQLSTATE of
// its own.
func full(code, said string) bool {
	return code == "53100" || code == "XX000" && strings.Contains(said, "Disk quota exceeded")
}

// roomless is the directory of the data in which there was no room, "" when it was elsewhere.
func roomless(code, said string) (dir string) {
	if !full(code, said) {
		return ""
	}
	return dirOf(said)
}

// suspect keeps the directory in which a session found no room.
func (a *ailments) suspect(dir string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roomless = dir
}

// suspected is the directory that is to be tried, "" for none; it is tried once.
func (a *ailments) suspected() (dir string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dir, a.roomless = a.roomless, ""
	return dir
}

// ailmentOf judges a complaint by its SQLSTATE (manual, appendix A) and the file that it
// names, nil when it says nothing of the data.
func ailmentOf(code, said string) error {
	dir := dirOf(said)
	switch {
	case roomless(code, said) != "": // a quota too
		return ErrDiskFull
	case code == "XX001", code == "XX002": // data_corrupted, index_corrupted
		return ErrDamaged
	case dir == "", code == "58P01" && dir == "pg_wal":
		return nil
	}
	return kindOf(code)
}

// kindOf is what a SQLSTATE stands for where it is about the data.
func kindOf(code string) error {
	switch code {
	case "XX001", "XX002", "58030": // io_error
		return ErrDamaged
	case "53100": // disk_full
		return ErrDiskFull
	case "58P01": // undefined_file
		return ErrFilesGone
	}
	return nil
}

// complaint is what the running PostgreSQL has complained of and still counts.
func (c *Cluster) complaint() error {
	p := c.postmaster()
	if p == nil {
		return nil
	}
	if found := p.ailments.current(); found.kind != nil {
		return c.ailmentFault(found)
	}
	return nil
}

func (c *Cluster) ailmentFault(a ailment) error {
	switch a.kind {
	case ErrDiskFull:
		return c.fault(a.kind, "database-disk-full", "free", "0")
	case ErrFilesGone:
		return c.fault(a.kind, "database-file-gone", "said", a.said)
	}
	return c.fault(a.kind, "database-damaged", "said", a.said)
}
