package licence_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve/rules/licence"
)

const hour, days = time.Hour, 24 * time.Hour

// machine is a server whose clock and whose time the test turns.
type machine struct {
	licence.Clock
	wall  time.Time
	other func(m *machine) time.Time // what the other server's clock shows
}

func newMachine() *machine {
	m := &machine{wall: day(0)}
	m.look(0)
	return m
}

func (m *machine) look(ran time.Duration) {
	l := licence.Look{Wall: m.wall, Ran: ran}
	if m.other != nil {
		l.Other = m.other(m)
	}
	m.Clock = m.After(l)
}

// runs lets the machine run, with a look each hour.
func (m *machine) runs(d time.Duration) *machine {
	for ; d > 0; d -= hour {
		m.wall = m.wall.Add(min(d, hour))
		m.look(min(d, hour))
	}
	return m
}

// jumps turns the clock, off is a machine that is off, and both are seen at the next look.
func (m *machine) jumps(d time.Duration) *machine {
	m.wall = m.wall.Add(d)
	return m
}

func (m *machine) off(d time.Duration) *machine {
	m.wall = m.wall.Add(d)
	m.look(0)
	return m
}

func (m *machine) shows(t time.Time) *machine { m.wall = t; return m }

// heard has the other server's clock ahead of what this one's shows now, and right from then on.
func (m *machine) heard(ahead time.Duration) *machine {
	m.other = func(m *machine) time.Time { return m.wall.Add(ahead) }
	return m
}

func (m *machine) unheard() *machine { m.other = nil; return m }

var epoch = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

func TestTimeForLicences(t *testing.T) {
	for story, c := range map[string]struct {
		lived *machine
		now   time.Time
	}{
		"a clock that goes":                              {newMachine().runs(10 * days), day(10)},
		"set by some minutes":                            {newMachine().runs(days).jumps(40 * time.Minute).runs(days), day(2).Add(40 * time.Minute)},
		"a battery that is dead":                         {newMachine().runs(days).shows(epoch).runs(9 * days), day(10)},
		"… from a start on":                              {newMachine().runs(days).shows(epoch).off(0).runs(9 * days), day(10)},
		"… and the clock set right again":                {newMachine().runs(days).shows(epoch).runs(9 * days).shows(day(10)).runs(days), day(11)},
		"set back by a month, to have more of a licence": {newMachine().runs(40 * days).jumps(-30 * days).runs(20 * days), day(60)},
		"set back at every start":                        {newMachine().runs(10 * days).shows(day(0)).off(0).runs(10 * days).shows(day(0)).off(0).runs(5 * days), day(25)},
		"off for a night":                                {newMachine().runs(days).off(10 * hour).runs(hour), day(1).Add(11 * hour)},
		"off for a month, and heard":                     {newMachine().runs(days).heard(0).off(30 * days).runs(hour), day(31).Add(hour)},
		"off for a month, alone":                         {newMachine().runs(days).off(30 * days).runs(hour), day(1).Add(hour)},
		"… and for a week":                               {newMachine().runs(days).off(30 * days).runs(7 * days), day(38)},
		"… the other says otherwise":                     {newMachine().runs(days).heard(-30 * days).off(30 * days).runs(9 * days), day(10)},
		"ten years ahead for an hour":                    {newMachine().runs(days).jumps(3650 * days).runs(hour).jumps(-3650 * days).runs(hour), day(1).Add(2 * hour)},
		"ten years ahead, and nobody sees it":            {newMachine().runs(days).jumps(3650 * days).runs(6 * days), day(7)},
		"… for a week":                                   {newMachine().runs(days).jumps(3650 * days).runs(8 * days), day(3659)},
		"… and then somebody does":                       {newMachine().runs(days).jumps(3650 * days).runs(9 * days).jumps(-3650 * days).runs(days), day(11)},
		"two leaps, the first not believed":              {newMachine().runs(days).jumps(3650 * days).runs(6 * days).jumps(365 * days).runs(6 * days), day(13)},
		"a leap that comes and goes":                     {newMachine().jumps(90 * days).runs(4 * days).jumps(-90 * days).runs(hour).jumps(90 * days).runs(4 * days), day(8).Add(hour)},
		"believed, then the battery dies":                {newMachine().heard(0).off(90 * days).runs(days).unheard().shows(epoch).runs(days), day(92)},
		"believed, and off again":                        {newMachine().heard(0).off(90 * days).unheard().off(5 * hour).runs(hour), day(90).Add(6 * hour)},
		"the first start of a clock without a battery":   {new(machine).shows(epoch).off(0).runs(hour).shows(day(5)).runs(hour), day(5).Add(hour)},
	} {
		if got := c.lived.Now(); !got.Equal(c.now) {
			t.Errorf("%s: %s, not %s", story, got, c.now)
		}
	}
}

// The clock that counts is seen to be another than the machine's.
func TestAWrongClockIsKnown(t *testing.T) {
	m := newMachine().runs(days)
	if m.Wrong(m.wall) {
		t.Error("a right one is wrong")
	}
	if m.jumps(9 * days).runs(hour); !m.Wrong(m.wall) {
		t.Error("a leap that is not believed is right")
	}
	if m.shows(epoch).runs(hour); !m.Wrong(m.wall) {
		t.Error("1970 is right")
	}
}

// Whatever a clock shows and whoever is heard: what ran has passed, time goes back only to where
// it would be without a leap, and what is kept on disk goes on as it was.
func TestTimeNeverGoesBackBehindWhatRan(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var c licence.Clock
		var ran, seen time.Duration
		for i := range rapid.IntRange(1, 60).Draw(r, "looks") {
			step := time.Duration(rapid.Int64Range(0, int64(2*hour)).Draw(r, "ran"))
			l := licence.Look{Wall: day(rapid.SampledFrom([]int{-20000, -3, 0, 0, 1, 2, 40, 5000}).Draw(r, "wall")).Add(ran), Ran: step}
			if i == 0 {
				l.Ran = 0
			}
			if rapid.Bool().Draw(r, "heard") {
				l.Other = day(rapid.SampledFrom([]int{0, 0, 40, 5000}).Draw(r, "other")).Add(ran)
			}
			text, err := json.Marshal(c)
			if err != nil {
				r.Fatal(err)
			}
			var kept licence.Clock
			if err := json.Unmarshal(text, &kept); err != nil || kept.After(l) != c.After(l) {
				r.Fatalf("kept as %s it goes on otherwise (%v): %+v, %+v", text, err, kept.After(l), c.After(l))
			}
			next := c.After(l)
			if valid := c.Ran.After(day(-365)); valid && next.Ran.Sub(c.Ran) < l.Ran || next.Leap < 0 {
				r.Fatalf("%+v after %+v and %+v", next, c, l)
			} else if valid && next.Now().Before(c.Now()) && next.Leap >= c.Leap {
				r.Fatalf("it went back: %+v after %+v and %+v", next, c, l)
			}
			c, seen = next, seen+l.Ran
			ran += step
		}
	})
}
