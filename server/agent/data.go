package agent

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/rules/takeover"
)

// data is the tier of the database: what its watches have seen beside what the table is told.
type data struct {
	mu       sync.Mutex
	illness  releve.Sentence // until it is seen well again
	replayed releve.LSN      // how far our own copy had come …
	stands   time.Time       // … and since when it has not advanced, though it has more; zero: it has not
}

func (d *data) sicken(why releve.Sentence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.illness = why
}

func (d *data) ill() releve.Sentence {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.illness
}

// replay takes in how far our own copy is.
func (d *data) replay(db takeover.Database) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lacks := db.Up && db.InRecovery && db.Replay > 0 && db.Replay < db.Flush
	switch {
	case !lacks:
		d.stands = time.Time{}
	case d.stands.IsZero() || db.Replay > d.replayed:
		d.stands = time.Now()
	}
	d.replayed = db.Replay
}

// replayedMost is how much of the log a copy may still have to replay before the site no
// longer counts as protected.
const replayedMost = 64 << 20

// behind is how much our own copy has yet to replay, and whether that is more than it should.
func (d *data) behind(db takeover.Database) (bytes releve.LSN, far bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stands.IsZero() || db.Replay == 0 || db.Replay >= db.Flush {
		return 0, false
	}
	bytes = db.Flush - db.Replay
	return bytes, bytes > replayedMost || time.Since(d.stands) > standsMost
}

// tier is how the database is. p is how far a copy or a start is, nil when there is none.
func (d *data) tier(m takeover.Machine, p *releve.Progress) releve.Tier {
	behind, far := d.behind(m.DB)
	ill := d.ill()
	switch {
	case apart(m, m.Seat):
		return releve.Tier{State: releve.TierNone}
	case m.DB.Up && ill.Code != "" && !changesDatabase(m.Job):
		return releve.Tier{State: releve.TierDegraded, Why: ill}
	case m.DB.Up && m.DB.InRecovery && far:
		return releve.Tier{
			State: releve.TierDegraded,
			Why:   releve.Say("tier-replay-behind", "seat", string(m.Seat), "bytes", strconv.FormatUint(uint64(behind), 10)),
		}
	case m.Job == takeover.JobStart && p != nil:
		return releve.Tier{State: releve.TierStarting, Why: releve.Say("tier-data-recovering",
			"done", fmt.Sprint(p.Done), "total", fmt.Sprint(p.Total), "left", p.TimeLeft.Round(time.Second).String())}
	case m.DB.Up && (m.Gate || m.DB.InRecovery):
		return releve.Tier{State: releve.TierWell}
	case m.Job == takeover.JobRejoin || m.Job == takeover.JobRestore || m.Job == takeover.JobCreate || m.Job == takeover.JobStart || m.DB.Up:
		return releve.Tier{State: releve.TierStarting, Why: releve.Say("tier-data-starting")}
	}
	return releve.Tier{State: releve.TierDown, Why: releve.Say("tier-data-down", "why", lossOf(m))}
}
