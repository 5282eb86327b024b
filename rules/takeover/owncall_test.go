package takeover

import (
	"testing"
	"time"
)

// What our own call proves against a main that says that it is well: that it came back, that
// the main was well all along, had time to see it, and has seen none since it left (K3).
func TestWhatOurOwnCallProves(t *testing.T) {
	lost := OwnCall{Out: 1, Left: 10 * time.Second, Doubt: true, Back: true}
	asked := lost.Left + arrivesWithin
	for _, c := range []struct {
		story  string
		change func(*OwnCall)
		last   time.Duration // how long ago the main saw a call, negative: never
		asked  time.Duration
		want   bool
	}{
		{"it came back, and the main never saw any", nil, -1, asked, true},
		{"it came back, and the main saw one before", nil, arrivesWithin + time.Millisecond, asked, true},
		{"the main saw one since", nil, arrivesWithin, asked, false},
		{"it is still on its way", nil, -1, asked - time.Millisecond, false},
		{"it did not come back", func(o *OwnCall) { o.Back = false }, -1, asked, false},
		{"the main was not well all along", func(o *OwnCall) { o.Doubt = false }, -1, asked, false},
	} {
		own := lost
		if c.change != nil {
			c.change(&own)
		}
		if got := own.missed(Reply{Heard: true, Well: true, LastInvite: c.last}, c.asked); got != c.want {
			t.Errorf("%s: missed %v, want %v", c.story, got, c.want)
		}
	}
}

// A call that came back because nobody was bound, at its start or since, proves nothing of a
// main that is bound now; of one that is not, it does.
func TestOurOwnCallProvesNothingOfAMainThatIsBoundAgain(t *testing.T) {
	well := func(registered bool) Round {
		return Round{Replies: []Reply{{Heard: true, Well: true, Registered: registered, LastInvite: -1}}}
	}
	for _, c := range []struct {
		story  string
		rounds []bool // the last before it left, and those since: whether the main was bound
		want   bool
	}{
		{"bound all along", []bool{true, true, true}, true},
		{"never bound", []bool{false, false, false}, true},
		{"bound since it left", []bool{false, true, true}, false},
		{"lost its binding and has it again", []bool{true, false, true}, false},
		{"lost its binding", []bool{true, true, false}, true},
		{"bound in the last round alone", []bool{false, false, true}, false},
	} {
		own := OwnCall{}.begun(10*time.Second, true).seen(well(c.rounds[0]))
		own.Back = true
		last := well(c.rounds[len(c.rounds)-1])
		for _, bound := range c.rounds[1 : len(c.rounds)-1] {
			own = own.seen(well(bound))
		}
		if got := own.missed(last.Replies[0], own.Left+arrivesWithin); got != c.want {
			t.Errorf("%s: missed %v, want %v", c.story, got, c.want)
		}
		if held := own.seen(last).Doubt; held != c.want {
			t.Errorf("%s: a caller waits for it: %v, want %v", c.story, held, c.want)
		}
	}
}

// A server that was stopped asked nothing meanwhile: that is no silence of the PBX (R19).
func TestASleepIsNoSilenceOfThePBX(t *testing.T) {
	for _, c := range []struct {
		woke, since time.Duration // ago: the wake-up, and the PBX's last answer
		want        bool
	}{
		{pbxLost, pbxLost, true}, {pbxLost - time.Millisecond, time.Hour, false},
		{time.Hour, pbxLost - time.Millisecond, false}, {time.Hour, time.Hour, true},
	} {
		m := Machine{Now: 10 * time.Hour}
		m.PBXAt, m.PBX, m.WokeAt = m.Now, PBX{Ago: c.since}, m.Now-c.woke
		if got := m.pbxSilent(); got != c.want {
			t.Errorf("awake for %s, the last answer %s ago: silent %v, want %v", c.woke, c.since, got, c.want)
		}
	}
}

// A silence of the PBX that was everybody's moves no duty, whichever of the two clocks stood
// still meanwhile: the mirror tells for how long it has heard the PBX, and the main counts too.
func TestASilenceIsEverybodysByEitherClock(t *testing.T) {
	for _, c := range []struct {
		story         string
		theirs, ours  time.Duration // the mirror's silence, by its clock and by the main's
		answeredSince time.Duration
		want          bool
	}{
		{"the mirror was always answered", time.Second, time.Second, time.Second, true},
		{"a restart", 3 * time.Second, 3 * time.Second, time.Second, false},
		{"a restart, and the main's clock stood still", 3 * time.Second, time.Second, time.Second, false},
		{"a restart, and the mirror's clock stood still", time.Second, 3 * time.Second, time.Second, false},
		{"a restart after which the mirror alone is answered", 3 * time.Second, 3 * time.Second, pbxLost, true},
	} {
		mirror, main := copied(), owner()
		pass := func(theirs, ours time.Duration) { mirror.Now, main.Now = mirror.Now+theirs, main.Now+ours }
		answered := func() {
			mirror.Step(Event{Now: mirror.Now, PBX: &PBX{Heard: true}})
			main.observeOther(mirror.Status())
		}
		answeredFor := func(lasts time.Duration) {
			const period = 500 * time.Millisecond
			for answered(); lasts > 0; lasts -= period {
				pass(period, period)
				answered()
			}
		}
		answeredFor(time.Minute)
		pass(c.theirs, c.ours)
		answeredFor(c.answeredSince)
		main.PBX, main.PBXAt, main.RegisterAt = PBX{Ago: time.Hour}, main.Now, main.Now
		if got := main.pbxGone(); got != c.want {
			t.Errorf("%s: the PBX is lost to the main alone: %v, want %v", c.story, got, c.want)
		}
	}
}
