package postgres

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"releve"
)

// A recovery may take as long as the disk needs, so what is limited is how long it may stand
// still. Nobody can ask PostgreSQL before it accepts connections; but its processes show in
// their titles where they are, it says once a second how far it has come
// (log_startup_progress_interval), and the control file follows what it writes.

// recovery watches one start.
type recovery struct {
	c        *Cluster
	mode     Mode
	report   Progress // may be nil
	stall    stall
	looked   time.Time
	from, to releve.LSN
}

func (c *Cluster) newRecovery(mode Mode, report Progress) *recovery {
	r := &recovery{c: c, mode: mode, report: report, stall: stall{limit: c.stallLimit()}}
	if control, err := c.Control(); err == nil && report != nil {
		r.from, r.to = control.RedoLSN, c.endOfLog()
	}
	return r
}

// look is ErrStalled once nothing has moved for too long. It looks once a second.
func (r *recovery) look(p *postmaster) error {
	now := time.Now()
	if now.Sub(r.looked) < stallLook {
		return nil
	}
	r.looked = now
	titles, pids := r.c.recovering()
	said := lastProgress(p.log.entries())
	marks := append(titles, said, r.c.controlChanged())
	if r.mode == Primary { // it waits for nobody: where its processes work, it advances
		for _, pid := range pids {
			marks = append(marks, effort(pid))
		}
	}
	r.tell(titles, said)
	return r.stall.at(now, strings.Join(marks, "\n"))
}

// tell reports how much of the log is replayed, as far as that shows.
func (r *recovery) tell(titles []string, said string) {
	at := max(positionIn(said), segmentIn(titles))
	if r.report != nil && at > r.from && r.to > at {
		r.report(int64(at-r.from), int64(r.to-r.from))
	}
}

// recovering are the titles of the processes that bring PostgreSQL up: who replays the log,
// who receives it, and who writes the pages at its end.
func (c *Cluster) recovering() (titles []string, pids []int) {
	members, err := c.members()
	if err != nil {
		return nil, nil
	}
	for _, pid := range members {
		args := commandLine(pid)
		if !c.isBackend(args) {
			continue
		}
		title := strings.TrimPrefix(args[0], "postgres: "+c.title()+": ")
		part, _, _ := strings.Cut(strings.TrimSpace(title), " ")
		if slices.Contains([]string{"startup", "walreceiver", "checkpointer"}, part) {
			titles, pids = append(titles, strings.TrimSpace(title)), append(pids, pid)
		}
	}
	return titles, pids
}

// lastProgress is the last that PostgreSQL said of how far its start has come.
func lastProgress(entries []logEntry) string {
	for _, e := range slices.Backward(entries) {
		if strings.Contains(e.message, "elapsed time") {
			return e.message
		}
	}
	return ""
}

var (
	replayedTo  = regexp.MustCompile(`current LSN: ([0-9A-F]+/[0-9A-F]+)`)
	replaysFrom = regexp.MustCompile(`^startup recovering ([0-9A-F]{24})`)
)

func positionIn(said string) releve.LSN {
	found := replayedTo.FindStringSubmatch(said)
	if found == nil {
		return 0
	}
	at, err := releve.ParseLSN(found[1])
	if err != nil {
		return 0
	}
	return at
}

func segmentIn(titles []string) releve.LSN {
	for _, title := range titles {
		if found := replaysFrom.FindStringSubmatch(title); found != nil {
			return segmentLSN(found[1])
		}
	}
	return 0
}

// controlChanged is when the control file was last written.
func (c *Cluster) controlChanged() string {
	info, err := os.Stat(c.path("data", "global", "pg_control"))
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano())
}

// endOfLog is about where the log ends: in the file that was written last. Those with later
// names are only made ready.
func (c *Cluster) endOfLog() releve.LSN {
	entries, err := os.ReadDir(c.path("data", "pg_wal"))
	if err != nil {
		return 0
	}
	var end releve.LSN
	var last time.Time
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && segmentForm.MatchString(e.Name()) && info.ModTime().After(last) {
			end, last = segmentLSN(e.Name())+segmentSize, info.ModTime()
		}
	}
	return end
}
