package readiness_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
	"releve/rules/version"
	"releve/screen/view"
	"releve/server/order"
	"releve/server/readiness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is one server of a site, whose other one answers by it.
type desk struct {
	mu      sync.Mutex
	site    view.Site
	other   order.Desk
	cut     bool
	told    []string
	shown   *view.Readiness
	times   int // that something new was shown
	sighted time.Time
}

func (d *desk) View() view.Site {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.site
}

func (d *desk) Readied(r *view.Readiness) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = r
	d.times++
}

func (d *desk) Explain(what releve.Sentence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
}

var errCut = errors.New("the link is cut")

func (d *desk) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if d.severed() {
		return errCut
	}
	return d.other[name](ctx, args, emit)
}

func (d *desk) severed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cut
}

func (d *desk) overflowed() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sighted
}

func (d *desk) shownTimes() (int, *view.Readiness) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.times, d.shown
}

func (d *desk) change(do func(*desk)) {
	d.mu.Lock()
	do(d)
	d.mu.Unlock()
	time.Sleep(2500 * time.Millisecond) // in virtual time: a look, at least
}

func (d *desk) answer() (ready bool, wrong []string, told []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown == nil {
		return false, nil, slices.Clone(d.told)
	}
	for _, r := range d.shown.Reasons {
		if r.State == "broken" || r.State == "pending" {
			wrong = append(wrong, r.About)
		}
	}
	return d.shown.Ready, wrong, slices.Clone(d.told)
}

// well is the main of a site that is well.
func well(now time.Time) view.Site {
	server := func(seat releve.Seat, duty releve.Duty, user string) view.Server {
		up := releve.Tier{State: releve.TierWell}
		return view.Server{Seat: seat, Duty: duty, Heard: true, Data: up, Processing: up, Interfaces: up, Registered: []string{user}, Version: version.Own(17)}
	}
	s := view.Site{
		Level: releve.HighAvailability, Seat: releve.Main, Owner: releve.Main,
		Main: server(releve.Main, releve.Active, "reception"), Secondary: server(releve.Secondary, releve.Passive, "standby"),
		Mirror: view.Mirror{State: view.MirrorInSync, VerifiedAt: now}, Licences: &view.Licences{},
	}
	s.Secondary.Vote = true
	return s
}

func run(t *testing.T, story func(*desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		d := &desk{site: well(now), sighted: now}
		o := readiness.Options{
			Seat: releve.Main, Site: d, Front: d, Link: d, User: "standby", Within: 72 * time.Hour,
			Own:      readiness.Own{Dir: t.TempDir(), Expires: func() (time.Time, error) { return now.AddDate(5, 0, 0), nil }},
			Overflow: d.overflowed,
		}
		k := readiness.New(o)
		d.other = k.Desk()
		ctx, end := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { k.Run(ctx) })
		time.Sleep(2500 * time.Millisecond)
		story(d)
		end()
		all.Wait()
	})
}

// The answer is withdrawn as soon as what it rests on is, it is an alarm once it lasts, and the
// alarm is cleared when it is yes again.
func TestANoIsAnAlarmUntilItIsYes(t *testing.T) {
	run(t, func(d *desk) {
		if ready, wrong, told := d.answer(); !ready || len(told) > 0 {
			t.Fatalf("a well site: %v, told %q", wrong, told)
		}
		d.change(func(d *desk) { d.site.Secondary.Registered = nil })
		if ready, wrong, told := d.answer(); ready || !slices.Equal(wrong, []string{"telephone"}) || len(told) > 0 {
			t.Fatalf("at once: ready %v, wrong %v, told %q", ready, wrong, told)
		}
		time.Sleep(5 * time.Second)
		if _, _, told := d.answer(); !slices.Equal(told, []string{"major event-not-ready"}) {
			t.Fatalf("when it lasts: %q", told)
		}
		d.change(func(d *desk) { d.site.Secondary.Registered = []string{"standby"} })
		if ready, _, told := d.answer(); !ready || !slices.Equal(told, []string{"major event-not-ready", "cleared event-ready-again"}) {
			t.Fatalf("yes again: %v %q", ready, told)
		}
	})
}

// What moves for a moment is no alarm, nor is what a procedure moves.
func TestWhatSettlesIsNoAlarm(t *testing.T) {
	run(t, func(d *desk) {
		d.change(func(d *desk) { d.site.Secondary.Vote = false })
		d.change(func(d *desk) { d.site.Secondary.Vote = true })
		d.change(func(d *desk) { d.site.Procedure, d.site.Secondary.Vote = &view.Procedure{Name: "return"}, false })
		time.Sleep(time.Minute)
		if ready, _, told := d.answer(); ready || len(told) > 0 {
			t.Errorf("ready %v, told %q", ready, told)
		}
	})
}

// What the other server has is asked again and again: cut off from it, what it said grows old.
func TestAWordGrowsOld(t *testing.T) {
	run(t, func(d *desk) {
		d.change(func(d *desk) { d.cut = true })
		time.Sleep(40 * time.Second)
		if ready, wrong, _ := d.answer(); ready || !slices.Equal(wrong, []string{"word"}) {
			t.Errorf("ready %v, wrong %v", ready, wrong)
		}
		d.change(func(d *desk) { d.cut = false })
		time.Sleep(10 * time.Second)
		if ready, wrong, _ := d.answer(); !ready {
			t.Errorf("heard again: %v", wrong)
		}
	})
}

// A site at rest shows nothing new for an hour: whoever is shown something looks again.
func TestAtRestNothingIsShown(t *testing.T) {
	run(t, func(d *desk) {
		before, _ := d.shownTimes()
		time.Sleep(time.Hour)
		if now, _ := d.shownTimes(); now != before {
			t.Errorf("it was shown %d times more", now-before)
		}
	})
}

// A level where nobody takes over has no answer.
func TestWhereNobodyTakesOverThereIsNoAnswer(t *testing.T) {
	run(t, func(d *desk) {
		d.change(func(d *desk) { d.site.Level = releve.Mirroring })
		_, shown := d.shownTimes()
		if _, _, told := d.answer(); shown != nil || len(told) > 0 {
			t.Errorf("%+v, told %q", shown, told)
		}
	})
}

// A proof that comes by itself is awaited without an alarm, for as long as it may take.
func TestAProofThatNeverComesIsAnAlarm(t *testing.T) {
	run(t, func(d *desk) {
		d.change(func(d *desk) { d.sighted = time.Time{} })
		time.Sleep(15 * time.Minute)
		if ready, _, told := d.answer(); ready || len(told) > 0 {
			t.Fatalf("after a quarter of an hour: ready %v, told %q", ready, told)
		}
		time.Sleep(6 * time.Minute)
		if _, _, told := d.answer(); !slices.Equal(told, []string{"major event-not-ready"}) {
			t.Errorf("later: %q", told)
		}
	})
}
