package study

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	rules "releve/rules/study"
	"releve/server/comparison"
	"releve/server/order"
)

// Night replays by night what a site's study measured of this server, as far as that can be measured
// while the site runs (SPEC E4): a prerequisite that was lost is an alarm until it is back. What the
// site itself holds or uses all the time, its ports, the way between the servers and the PBX, is not
// measured again: it is seen in service.
type Night struct {
	NightOptions
	last Replayed // of Run
}

// NightOptions are what it is made of.
type NightOptions struct {
	Seat    releve.Seat
	Hour    time.Duration        // of the night, since midnight
	File    string               // where what was found last is kept
	Adopted func() *releve.Study // nil: none
	Runs    func() releve.Level

	Look     func(ctx context.Context, seat releve.Seat) []releve.Measurement
	Services func(ctx context.Context, q releve.StudyQuestion, seat releve.Seat) []releve.Measurement
	Link     order.Link
	Front    Front
	Log      *slog.Logger
}

// Front is who is told.
type Front interface {
	Explain(what releve.Sentence)
	Notice(about string, what releve.Sentence)
}

// Replayed is what the last replay found, kept over a restart.
type Replayed struct {
	At   time.Time        `json:"at"`
	Of   string           `json:"of"` // the digest of the study that was replayed
	Lost []releve.Finding `json:"lost,omitempty"`
}

// NewNight reads what was found last. A file that cannot be read costs the alarms until the next night.
func NewNight(o NightOptions) *Night {
	n := &Night{NightOptions: o}
	raw, err := os.ReadFile(o.File)
	if err == nil {
		err = json.Unmarshal(raw, &n.last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Log.Warn("what the last replay of the study found is not known", "err", err)
		n.last = Replayed{}
	}
	return n
}

const (
	// nightly is how often it is looked whether there is something to do.
	nightly = 10 * time.Minute
	// replayLimit bounds one replay: each of its parts has a limit of its own, of seconds.
	replayLimit = 5 * time.Minute
)

// Run replays each night until ctx ends.
func (n *Night) Run(ctx context.Context) {
	for _, f := range n.last.Lost {
		n.Front.Notice(about(f), n.sentence("study-prerequisite-lost", f))
	}
	n.begin(time.Now())
	wait := time.NewTimer(n.rest(time.Now()))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		n.look(ctx, time.Now())
		wait.Reset(n.rest(time.Now()))
	}
}

// rest is until the next look, which is not later than the night's hour.
func (n *Night) rest(now time.Time) time.Duration {
	return min(releve.UntilBeat(now, nightly), comparison.LastHour(now, n.Hour).AddDate(0, 0, 1).Sub(now))
}

// begin: the night to come is the first.
func (n *Night) begin(now time.Time) {
	if n.last.At.IsZero() {
		n.settle(Replayed{At: now})
	}
}

// look replays where that is due: the night has come since the last one, and a study was adopted.
func (n *Night) look(ctx context.Context, now time.Time) {
	made := n.Adopted()
	switch {
	case made == nil:
		n.settle(Replayed{At: n.last.At})
	case n.last.Of != made.Digest() && len(n.last.Lost) > 0: // what was lost of another study is no loss of this one
		n.settle(Replayed{At: n.last.At})
	case n.last.At.Before(comparison.LastHour(now, n.Hour)):
		ctx, cancel := context.WithTimeout(ctx, replayLimit)
		defer cancel()
		lost := n.replay(ctx, *made)
		if ctx.Err() == nil {
			n.settle(Replayed{At: now, Of: made.Digest(), Lost: lost})
		}
	}
}

// replay are the prerequisites of the level that runs which the study found on this server and which are
// not there now. What could not be measured says nothing, and what was lost before stays so.
func (n *Night) replay(ctx context.Context, made releve.Study) (lost []releve.Finding) {
	taken := slices.Concat(n.Look(ctx, n.Seat), n.Services(ctx, made.Question, n.Seat), n.clock(ctx))
	judged, _ := rules.Judge(made.Question, taken)
	level := n.Runs()
	needed := func(f releve.Finding) bool { return f.Seat == n.Seat && slices.Contains(f.Levels, level) }
	again := releve.Study{Findings: slices.DeleteFunc(judged, func(f releve.Finding) bool {
		return !needed(f) || f.Verdict == releve.StudyUnmeasured
	})}
	changes, _ := rules.Compare(made, again)
	for _, c := range changes {
		lost = append(lost, c.Now)
	}
	for _, f := range n.last.Lost {
		seen := func(g releve.Finding) bool { return about(g) == about(f) }
		if !slices.ContainsFunc(again.Findings, seen) && needed(f) {
			lost = append(lost, f)
		}
	}
	return lost
}

// settle keeps what was found, and says what is new and what is over.
func (n *Night) settle(r Replayed) {
	before, now := byName(n.last.Lost), byName(r.Lost)
	for name, f := range now {
		what := n.sentence("study-prerequisite-lost", f)
		n.Front.Notice(name, what)
		if _, known := before[name]; !known {
			n.Front.Explain(what)
		}
	}
	for name, f := range before {
		if _, still := now[name]; !still {
			n.Front.Notice(name, releve.Sentence{})
			n.Front.Explain(n.sentence("study-prerequisite-back", f))
		}
	}
	if n.last.At.Equal(r.At) && maps.EqualFunc(before, now, func(_, _ releve.Finding) bool { return true }) {
		return
	}
	n.last = r
	raw, err := json.Marshal(r)
	if err == nil {
		err = renameio.WriteFile(n.File, append(raw, '\n'), 0o600)
	}
	if err != nil {
		n.Log.Warn("what the replay of the study found is not kept", "err", err)
	}
}

// about is what a finding is of, as a notice has it.
func about(f releve.Finding) string { return "study " + f.Check + " " + f.About }

func byName(all []releve.Finding) map[string]releve.Finding {
	by := map[string]releve.Finding{}
	for _, f := range all {
		by[about(f)] = f
	}
	return by
}

// sentence says of a prerequisite that it was lost or is back, with what is wrong and what to do.
func (n *Night) sentence(code string, f releve.Finding) releve.Sentence {
	args := []string{"seat", string(n.Seat), "check", f.Check, "about", f.About, "fault", f.Why.Code}
	for name, value := range f.Why.Args {
		args = append(args, name, value)
	}
	return releve.Say(code, args...)
}

// orderClock is what the other server's clock shows.
const orderClock = "clock"

// Desk answers the other server's.
func Desk() order.Desk {
	return order.Desk{orderClock: order.Answered(func(context.Context) (time.Time, error) { return time.Now().UTC(), nil })}
}

// clock compares the secondary's with the main's, as the study did: the quickest round errs least. A server
// that does not answer is no clock that is wrong.
func (n *Night) clock(ctx context.Context) []releve.Measurement {
	if n.Seat != releve.Secondary {
		return nil
	}
	m := releve.Measurement{Check: "clock-other", Seat: n.Seat, State: releve.Unmeasured, Why: releve.Say("study-not-reached")}
	best := time.Duration(-1)
	for range clockRounds {
		begin := time.Now()
		theirs, err := order.Ask[time.Time](ctx, n.Link, orderClock, nil)
		round := time.Since(begin)
		if err == nil && (best < 0 || round < best) {
			best = round
			m.State, m.Value, m.Why = releve.Measured, begin.Add(round/2).Sub(theirs).Seconds(), releve.Sentence{}
		}
	}
	return []releve.Measurement{m}
}
