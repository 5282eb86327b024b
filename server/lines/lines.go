// Package lines watches a server's analogue lines (SPEC T2): it asks gateways and cards every two seconds how
// their ports are, has package rules/lines judge them beside those of the other server, and tells of a line that
// is not where it has to be.
//
// What nobody says is unknown, and never well: an alarm of it ends in those words.
package lines

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"releve"
	rules "releve/rules/lines"
	"releve/screen/view"
)

const (
	// lookEach is how often the devices are asked.
	lookEach = 2 * time.Second
	// answerWithin is how long one of them may take.
	answerWithin = 3 * time.Second
	// sureAfter is how many looks in a row have to show what is new: a line has no feed for a moment when it is
	// seized, and when a PABX switches.
	sureAfter = 2
)

// Ports asks a device how its ports are. It fails with a [releve.Fault].
type Ports func(ctx context.Context) (map[int]releve.LineState, error)

// Site is how the site stands, as this server knows it.
type Site interface{ View() view.Site }

// Front is whom this server tells.
type Front interface {
	Lines(all []releve.Line)
	Explain(what releve.Sentence)
}

// Options are what a Keeper is made of.
type Options struct {
	Seat    releve.Seat
	Plan    []releve.Line
	Devices map[string]Ports // how each device of the plan is asked; one that cannot be asked is not there
	Site    Site
	Front   Front
}

// Keeper watches the lines of one server.
type Keeper struct {
	Options
	lines []line
	mute  map[string]int // how many looks in a row a device said nothing
}

// line is one, with what the looks have shown of it.
type line struct {
	releve.Line
	next  releve.LineState // what the last looks show, if that is new
	times int
	told  releve.LineVerdict // what was last told of it
}

// New makes a keeper, which has looked at nothing yet.
func New(o Options) *Keeper {
	k := &Keeper{Options: o, mute: map[string]int{}}
	for _, l := range o.Plan {
		k.lines = append(k.lines, line{Line: l, next: l.State, told: releve.LineUnseen})
	}
	return k
}

// Run looks until ctx ends. A server without lines has nothing to look at.
func (k *Keeper) Run(ctx context.Context) {
	if len(k.lines) == 0 {
		return
	}
	for {
		k.look(ctx)
		timer := time.NewTimer(releve.UntilBeat(time.Now(), lookEach))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// answer is what a device said.
type answer struct {
	ports map[int]releve.LineState
	err   error
}

func (k *Keeper) look(ctx context.Context) {
	said := k.ask(ctx)
	if ctx.Err() != nil {
		return
	}
	k.take(said, time.Now().UTC())
	site := k.Site.View()
	other := site.Other()
	theirs := other.Lines
	if !other.Heard {
		theirs = nil
	}
	judged := rules.Judge(site.Level, rules.Expected(site.Level, k.Seat, site.Owner), k.shown(), theirs)
	for i := range judged {
		k.lines[i].Line = judged[i]
	}
	k.Front.Lines(judged)
	if !site.Procedure.Runs() { // it moves the lines, and looks at them itself
		k.tell()
	}
}

// ask asks all devices at once: one that is silent keeps no other from being heard.
func (k *Keeper) ask(ctx context.Context) map[string]answer {
	ctx, done := context.WithTimeout(ctx, answerWithin)
	defer done()
	var mu sync.Mutex
	var all sync.WaitGroup
	said := map[string]answer{}
	for device, ports := range k.Devices {
		all.Go(func() {
			found, err := ports(ctx)
			mu.Lock()
			defer mu.Unlock()
			said[device] = answer{found, err}
		})
	}
	all.Wait()
	return said
}

// take takes in what was said. A port that its device does not name is not known.
func (k *Keeper) take(said map[string]answer, now time.Time) {
	for device, a := range said {
		k.answers(device, a.err)
	}
	for i := range k.lines {
		l := &k.lines[i]
		state, known := said[l.Device].ports[l.Port]
		if !known {
			state = releve.LineUnknown
		}
		l.sees(state, now)
	}
}

// sees takes in what one look shows.
func (l *line) sees(state releve.LineState, now time.Time) {
	if state != l.next {
		l.next, l.times = state, 0
	}
	l.times++
	if state != l.State && l.times >= sureAfter {
		l.State, l.Since = state, now
	}
}

// answers tells of a device that says nothing, and that it says something again.
func (k *Keeper) answers(device string, err error) {
	silent := k.mute[device] >= sureAfter
	if err == nil {
		k.mute[device] = 0
		if silent {
			k.Front.Explain(releve.Say("event-line-device-answers", "device", device))
		}
		return
	}
	if k.mute[device]++; k.mute[device] == sureAfter {
		why := releve.Reason(err)
		if fault, is := errors.AsType[*releve.Fault](err); is {
			why = releve.Inside(fault.Why)
		}
		k.Front.Explain(releve.Say("event-line-device-silent", "device", device, "why", why))
	}
}

func (k *Keeper) shown() []releve.Line {
	all := make([]releve.Line, 0, len(k.lines))
	for _, l := range k.lines {
		all = append(all, l.Line)
	}
	return all
}

// events are the sentences by which a verdict is told: what is wrong, and what ends that.
var events = map[releve.LineVerdict]string{
	releve.LineMissing: "event-line-missing", releve.LineElsewhere: "event-line-elsewhere", releve.LineStray: "event-line-stray",
	releve.LineWell: "event-line-well", releve.LineAway: "event-line-away", releve.LineUnseen: "event-line-unseen",
}

// tell tells of what is wrong now, and of what was and is so no more.
func (k *Keeper) tell() {
	for i := range k.lines {
		l := &k.lines[i]
		if l.told == l.Verdict {
			continue
		}
		if l.Verdict.Wrong() || l.told.Wrong() {
			k.Front.Explain(releve.Say(events[l.Verdict],
				"number", l.Number, "place", l.Place(), "channel", strconv.Itoa(l.Channel), "seat", string(k.Seat), "other", string(k.Seat.Other())))
		}
		l.told = l.Verdict
	}
}
