package licence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/licence"
)

// watch is a site that is looked at each hour of so many days, from day 0 on.
type watch struct {
	has    []licence.Licence
	runs   releve.Level
	memory licence.Memory
	ruling licence.Ruling
	codes  []string // of all that was said, each when it first was
}

func newWatch(t *testing.T, runs releve.Level, has ...licence.Licence) *watch {
	w := &watch{has: all(t, has...), runs: runs}
	w.memory.Clock = licence.Clock{Ran: day(0)}
	w.look()
	return w
}

func (w *watch) look() {
	w.ruling, w.memory = licence.Verdict(w.has, licence.Running{Level: w.runs, Channels: 30}, w.memory, time.UTC)
	for _, n := range w.ruling.Notices(w.memory.Clock.Now()) {
		if code := n.Code; len(w.codes) == 0 || w.codes[len(w.codes)-1] != code {
			w.codes = append(w.codes, code)
		}
	}
}

func (w *watch) lasts(d time.Duration) *watch {
	for ; d > 0; d -= hour {
		w.memory.Clock = w.memory.Clock.After(licence.Look{Wall: w.memory.Clock.Now().Add(hour), Ran: hour})
		w.look()
	}
	return w
}

func TestALevelFallsBackAtAMomentThatWasAnnounced(t *testing.T) {
	for story, c := range map[string]struct {
		watched *watch
		falls   licence.FallBack
		said    string
	}{
		"licensed":                          {newWatch(t, ha, of("1", base), of("2", ha)).lasts(5 * days), licence.FallBack{}, ""},
		"its end comes near":                {newWatch(t, ha, of("1", base), of("2", ha, from(0, 40))).lasts(11 * days), licence.FallBack{}, "licence-ends-soon"},
		"it ends, and 30 days have passed":  {newWatch(t, ha, of("1", base), of("2", ha, from(0, 40))).lasts(75 * days), licence.FallBack{To: base, At: day(70).Add(10 * hour)}, "licence-ends-soon licence-lapsed licence-over"},
		"… in the hours of work":            {newWatch(t, ha, of("1", base), of("2", ha, from(0, 40))).lasts(75*days + 11*hour), licence.FallBack{To: base, At: day(70).Add(10 * hour), Due: true}, "licence-ends-soon licence-lapsed licence-over"},
		"… on a Sunday":                     {newWatch(t, ha, of("1", base), of("2", ha, from(0, 40))).lasts(72*days + 11*hour), licence.FallBack{To: base, At: day(70).Add(10 * hour)}, "licence-ends-soon licence-lapsed licence-over"},
		"the moment would be a Saturday":    {newWatch(t, ha, of("1", base), of("2", ha, from(0, 41))).lasts(50 * days), licence.FallBack{To: base, At: day(73).Add(10 * hour)}, "licence-ends-soon licence-lapsed"},
		"mirroring stays":                   {newWatch(t, ha, of("1", base), of("2", ha, from(0, 40)), of("3", mirroring)).lasts(50 * days), licence.FallBack{To: mirroring, At: day(70).Add(10 * hour)}, "licence-ends-soon licence-lapsed"},
		"backup stays":                      {newWatch(t, ha, of("1", base), of("3", backup)), licence.FallBack{To: backup, At: day(31).Add(10 * hour)}, "licence-lapsed"},
		"backup is nothing of mirroring's":  {newWatch(t, mirroring, of("1", base), of("3", backup)), licence.FallBack{To: base, At: day(31).Add(10 * hour)}, "licence-lapsed"},
		"none at all, and the base goes on": {newWatch(t, base).lasts(90 * days), licence.FallBack{}, "licence-base-only"},
		"none at all, and more runs":        {newWatch(t, ha), licence.FallBack{To: base, At: day(31).Add(10 * hour)}, "licence-lapsed"},
		"base ends, all that stands on it":  {newWatch(t, mirroring, of("1", base, from(-9, 0)), of("2", ha)), licence.FallBack{To: base, At: day(31).Add(10 * hour)}, "licence-lapsed"},
		"more channels than are licensed":   {newWatch(t, base, of("1", base, channels(8))), licence.FallBack{}, "licence-channels"},
		"two that contradict each other":    {newWatch(t, base, of("1", base), of("1", base, channels(8))), licence.FallBack{}, "licence-contradicts"},
		"renewed in the grace":              {renewed(t), licence.FallBack{}, "licence-lapsed"},
		"taken back to base meanwhile":      {meanwhile(t), licence.FallBack{To: base, At: day(31).Add(10 * hour)}, "licence-lapsed licence-base-only licence-lapsed"},
	} {
		if got := c.watched.ruling.FallsBack; got.To != c.falls.To || !got.At.Equal(c.falls.At) || got.Due != c.falls.Due {
			t.Errorf("%s: falls back %+v, not %+v", story, got, c.falls)
		}
		if said := strings.Join(c.watched.codes, " "); said != c.said {
			t.Errorf("%s: said %q, not %q", story, said, c.said)
		}
	}
}

func renewed(t *testing.T) *watch {
	w := newWatch(t, ha).lasts(20 * days)
	w.has = all(t, of("1", base), of("2", ha))
	return w.lasts(20 * days)
}

// meanwhile another level was run: the days of grace that were had are not had again.
func meanwhile(t *testing.T) *watch {
	w := newWatch(t, ha).lasts(10 * days)
	w.runs = base
	w.lasts(5 * days)
	w.runs = ha
	return w.lasts(5 * days)
}

// A clock that leaps by years ends nothing at once, believed or not: the grace is of days that
// the server has run.
func TestAClockThatLeapsEndsNothingAtOnce(t *testing.T) {
	w := newWatch(t, ha, of("1", base), of("2", ha)).lasts(days)
	leap := licence.Look{Wall: day(3650), Ran: hour, Other: day(3650)}
	w.memory.Clock = w.memory.Clock.After(leap)
	w.look()
	if !w.ruling.Lapse || w.ruling.FallsBack.Due || w.ruling.FallsBack.At.Sub(day(3650)).Truncate(days) < 29*days || w.ruling.FallsBack.At.After(day(3650+33)) {
		t.Errorf("it falls back %+v", w.ruling.FallsBack)
	}
	if !w.memory.Clock.Wrong(day(1)) {
		t.Error("the leap was not believed")
	}
	w.memory.Clock = w.memory.Clock.After(licence.Look{Wall: day(1).Add(2 * hour), Ran: hour})
	w.look()
	if w.ruling.Lapse || len(w.memory.Lapsed) != 0 {
		t.Errorf("the clock was set right, and it falls back %+v, %v", w.ruling.FallsBack, w.memory.Lapsed)
	}
}

// A server that was off for months does not fall back at its start.
func TestAServerThatWasOffHasItsGrace(t *testing.T) {
	w := newWatch(t, ha, of("1", base), of("2", ha, from(0, 40))).lasts(41 * days)
	w.memory.Clock = w.memory.Clock.After(licence.Look{Wall: day(300).Add(11 * hour), Other: day(300).Add(11 * hour)})
	w.look()
	if got := w.ruling.FallsBack; got.Due || !got.At.After(day(328)) {
		t.Errorf("it falls back %+v", got)
	}
}

func TestWhyALevelIsNotLicensed(t *testing.T) {
	for story, c := range map[string]struct {
		runs releve.Level
		has  []licence.Licence
		why  string
	}{
		"none":                  {ha, nil, "licence-why-none"},
		"base alone":            {ha, []licence.Licence{of("1", base)}, "licence-why-missing"},
		"no base":               {ha, []licence.Licence{of("2", ha)}, "licence-why-missing"},
		"base has expired":      {ha, []licence.Licence{of("1", base, from(-9, 0)), of("2", ha)}, "licence-why-expired"},
		"it has expired":        {ha, []licence.Licence{of("1", base), of("2", ha, from(-9, 0)), of("3", mirroring)}, "licence-why-expired"},
		"it has not begun":      {mirroring, []licence.Licence{of("1", base), of("2", ha, from(9, 20))}, "licence-why-future"},
		"two do not make one":   {ha, []licence.Licence{of("1", base), of("2", mirroring), of("3", backup)}, "licence-why-two"},
		"expired and to come":   {mirroring, []licence.Licence{of("1", base), of("2", ha, from(9, 20)), of("3", mirroring, from(-9, -3))}, "licence-why-expired"},
		"a base without a base": {base, []licence.Licence{of("2", ha)}, "licence-why-missing"},
	} {
		w := newWatch(t, c.runs, c.has...)
		notices := w.ruling.Notices(day(0))
		if inner, ok := releve.Inner(notices[0].Args["why"]); !ok || inner.Code != c.why {
			t.Errorf("%s: %+v", story, notices)
		}
	}
}

func TestHowEachLicenceStands(t *testing.T) {
	w := newWatch(t, base, of("1", base), of("2", mirroring, from(9, 20)), of("3", backup, from(-9, 0)), of("4", ha), of("5", ha, replacing("4")), of("1", base, channels(5)))
	var got []string
	for _, h := range w.ruling.All {
		got = append(got, h.Serial+" "+string(h.State)+" "+h.Sentence().Code)
	}
	slices.Sort(got)
	want := []string{"1 contradicts licence-contradicts", "1 holds ", "2 future licence-future", "3 expired licence-expired", "4 replaced licence-replaced", "5 holds "}
	// Both of one serial were issued in one moment: either counts, and always the same.
	if !slices.Equal(got, want) {
		t.Errorf("they stand as %q", got)
	}
}

// A level that has fallen is told for as long as the site stays there and 30 days at most; a licence
// that comes back makes it something to do, and no alarm.
func TestALevelThatHasFallenIsTold(t *testing.T) {
	fell := func() *watch {
		w := newWatch(t, ha, of("1", base)).lasts(31*days + 11*hour)
		w.memory = w.ruling.Fell(w.memory)
		w.runs, w.codes = w.ruling.FallsBack.To, nil
		w.look()
		return w
	}
	for story, c := range map[string]struct {
		then func(*watch)
		said string
	}{
		"it stays there":           {func(*watch) {}, "licence-fell"},
		"for 29 days":              {func(w *watch) { w.lasts(29 * days) }, "licence-fell"},
		"for longer than 30 days":  {func(w *watch) { w.lasts(31 * days) }, ""},
		"it is licensed again":     {func(w *watch) { w.has = all(t, of("1", base), of("2", ha)); w.look() }, "licence-raise"},
		"and raised":               {func(w *watch) { w.has, w.runs = all(t, of("1", base), of("2", ha)), ha; w.look() }, ""},
		"another level is chosen":  {func(w *watch) { w.has, w.runs = all(t, of("1", base), of("3", backup)), backup; w.look() }, ""},
		"raised without a licence": {func(w *watch) { w.runs = ha; w.look() }, "licence-over"},
	} {
		w := fell()
		c.then(w)
		var said []string
		for _, n := range w.ruling.Notices(w.memory.Clock.Now()) {
			said = append(said, n.Code)
			if n.Code == "licence-fell" && n.Args["why"] == "" {
				t.Errorf("%s: it does not say why", story)
			}
		}
		if got := strings.Join(said, " "); got != c.said {
			t.Errorf("%s: said %q, not %q", story, got, c.said)
		}
	}
}
