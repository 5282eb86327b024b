package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// PostgreSQL says in its log what any of its processes met, its own writers included, and
// before each line the SQLSTATE (log_line_prefix %e). That is read here: it costs nothing,
// and no query tells as much.

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
	mu      sync.Mutex
	lasting ailment
	full    ailment
	gone    string // the WAL file that a copy needs next and its source no longer has
}

// stated is a line of the log behind its SQLSTATE. Lines from before the configuration is
// read, and those that go on from the one before, have none.
var stated = regexp.MustCompile(`^([0-9A-Z]{5}) ([A-Z]+[0-9]?:.*)$`)

// ErrLogGone says that the other server no longer has the log that a copy needs next. Only
// a new copy helps.
var ErrLogGone = errors.New("the other server no longer keeps the log that this copy needs next")

// gone is how a receiver passes on its source's answer (src/backend/replication/walsender.c).
var gone = regexp.MustCompile(`requested WAL segment ([0-9A-F]{24}) has already been removed`)

// starved is ErrLogGone once a receiver was told so.
func (a *ailments) starved() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone == "" {
		return nil
	}
	return fmt.Errorf("%w (%s)", ErrLogGone, a.gone)
}

// read notes what a line complains of, and returns the line without its SQLSTATE.
func (a *ailments) read(line string) string {
	found := stated.FindStringSubmatch(line)
	if found == nil {
		return line
	}
	severity, message, _ := strings.Cut(found[2], ":")
	if segment := gone.FindStringSubmatch(message); segment != nil && severity == "FATAL" { // ERROR: we are the source
		a.starve(segment[1])
	}
	switch severity {
	case "WARNING", "ERROR", "LOG", "FATAL", "PANIC":
		if kind := ailmentOf(found[1], message); kind != nil {
			a.note(ailment{kind: kind, said: strings.TrimSpace(message), at: time.Now()})
		}
	}
	return found[2]
}

func (a *ailments) starve(segment string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = segment
}

func (a *ailments) note(one ailment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case one.kind == ErrDiskFull:
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
// there as a matter of course: WAL and histories that a receiver asks for.
var ownFile = regexp.MustCompile(`"(?:base|global|pg_xact|pg_multixact)/`)

// ailmentOf judges a SQLSTATE (manual, appendix A), nil when it says nothing of the data.
func ailmentOf(code, message string) error {
	switch code {
	case "XX001", "XX002", "58030": // data_corrupted, index_corrupted, io_error
		return ErrDamaged
	case "53100": // disk_full
		return ErrDiskFull
	case "58P01": // undefined_file
		if ownFile.MatchString(message) {
			return ErrFilesGone
		}
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
