package postgres

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"releve"
)

// The log that is kept for an absent mirror grows, and others write on the same disks. An
// operator hears of it while he can still do something, and of what was given up.

const (
	roomPeriod = 500 * time.Millisecond

	// calmPeriod: while the mirror takes its log, next to nothing is kept and the disks are
	// roomy, nothing is given up before a good part of them was written.
	calmPeriod = 1500 * time.Millisecond

	// roomSteps is how finely a screen shows how full the bound is.
	roomSteps = 16
)

// roomy is what the watch needs of PostgreSQL.
type roomy interface {
	TendLog(context.Context) (LogRoom, error)
	ExamineKept() error
}

// rooms watches the disks and the log on them.
type rooms struct {
	database roomy
	seat     releve.Seat
	explain  func(what releve.Sentence)
	notice   func(about string, what releve.Sentence)
	log      *slog.Logger

	last  LogRoom // the latest look at an owner's
	state logState
	step  int64           // of the bound, that the screen shows
	low   map[string]bool // disks that have been told of
	why   string          // the latest look that failed
}

// logState is what was told of the kept log.
type logState string

const (
	logWell    logState = ""
	logGrows   logState = "grows"
	logGivenUp logState = "given-up"
)

// WatchLog tells of the disks and of the log kept for the mirror, until ctx ends: explain once,
// notice as long as it stands, about each thing; a sentence without a code takes it back.
func (c *Cluster) WatchLog(
	ctx context.Context,
	explain func(what releve.Sentence),
	notice func(about string, what releve.Sentence),
) {
	newRooms(c, c.opts.Seat, explain, notice, c.log).run(ctx)
}

func newRooms(
	database roomy, seat releve.Seat,
	explain func(releve.Sentence), notice func(string, releve.Sentence),
	log *slog.Logger,
) *rooms {
	return &rooms{database: database, seat: seat, explain: explain, notice: notice, log: log, low: map[string]bool{}}
}

// run looks until ctx ends.
func (r *rooms) run(ctx context.Context) {
	r.compare()
	for {
		found, err := r.database.TendLog(ctx)
		r.failed(err)
		r.look(found)
		period := roomPeriod
		if err == nil && r.calm(found) {
			period = calmPeriod
		}
		if pause(ctx, releve.UntilBeat(time.Now(), period)) != nil {
			return
		}
	}
}

// calm: there is time to look again before anything is near a bound.
func (r *rooms) calm(found LogRoom) bool {
	roomy := !slices.ContainsFunc(found.Disks, func(d Disk) bool { return !d.Roomy() })
	return roomy && (!found.Owner || found.Connected && r.state == logWell && found.Kept < found.Bound/roomSteps)
}

// compare says once that the site's own bound is more than the disk holds.
func (r *rooms) compare() {
	err := r.database.ExamineKept()
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		r.explain(fault.Why)
	}
}

// failed notes why a look failed, once: a database that does not answer is told by others.
func (r *rooms) failed(err error) {
	if err == nil {
		r.why = ""
		return
	}
	if why := err.Error(); why != r.why {
		r.why = why
		r.log.Info("the room for kept log is not known", "err", err)
	}
}

func (r *rooms) look(found LogRoom) {
	for _, d := range found.Disks {
		r.lookAtDisk(d)
	}
	if found.Owner {
		r.lookAtLog(found)
	}
}

func (r *rooms) lookAtDisk(d Disk) {
	words := []string{"seat", string(r.seat), "directory", d.Directory, "free", number(d.Free), "total", number(d.Total)}
	switch told := r.low[d.Directory]; {
	case d.Low() && !told:
		r.low[d.Directory] = true
		r.explain(releve.Say("event-disk-low", words...))
		r.notice("disk "+d.Directory, releve.Say("event-disk-low", words...))
	case d.Roomy() && told:
		delete(r.low, d.Directory)
		r.explain(releve.Say("event-disk-roomy", words...))
		r.notice("disk "+d.Directory, releve.Sentence{})
	}
}

// lookAtLog tells what has changed. What PostgreSQL gave up at a checkpoint of its own it
// gave up for the same reason.
func (r *rooms) lookAtLog(found LogRoom) {
	before := r.state
	r.state = r.judge(found)
	step := found.Kept * roomSteps / max(found.Bound, 1)
	switch {
	case r.state == logGivenUp && before != logGivenUp:
		r.tell(releve.Say("event-kept-log-given-up", r.givenUp(found)...))
	case r.state == logGrows && before != logGrows:
		r.tell(r.grows(found))
	case r.state == logGrows && (step != r.step || found.Stranger != r.last.Stranger):
		r.notice("log", r.grows(found))
	case r.state == logWell && before != logWell:
		r.explain(releve.Say("event-kept-log-well", "seat", string(r.seat)))
		r.notice("log", releve.Sentence{})
	}
	r.last, r.step = found, step
}

// judge: half of the bound is early enough, for the second half takes as long as the first.
func (r *rooms) judge(found LogRoom) logState {
	switch {
	case found.Lost:
		return logGivenUp
	case found.Kept >= found.Bound/2, r.state == logGrows && found.Kept >= found.Bound/4:
		return logGrows
	}
	return logWell
}

func (r *rooms) tell(what releve.Sentence) {
	r.explain(what)
	r.notice("log", what)
}

func (r *rooms) grows(found LogRoom) releve.Sentence {
	words := []string{"seat", string(r.seat), "directory", found.Directory,
		"kept", number(found.Kept), "bound", number(found.Bound), "free", number(found.Free)}
	if found.Stranger != "" {
		return releve.Say("event-kept-log-stranger", append(words, "slot", found.Stranger)...)
	}
	return releve.Say("event-kept-log-grows", words...)
}

// givenUp: how much there was is known from this look, or from the one before PostgreSQL's
// own checkpoint, or not at all after a start.
func (r *rooms) givenUp(found LogRoom) []string {
	words := []string{"seat", string(r.seat), "directory", found.Directory, "free", number(found.Free)}
	if kept := max(found.Kept, r.last.Kept); kept > 0 {
		words = append(words, "kept", number(kept))
	}
	if found.Fixed {
		words = append(words, "limit", number(found.Bound))
	}
	return words
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
