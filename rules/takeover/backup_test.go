package takeover

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
)

// line is the telephone of a server at level backup, and what the PBX has of it.
type line struct {
	open, bound bool
	gone        bool // the PBX showed the binding, and shows it no more
	loses       bool // it loses the next removal: the binding stands until it expires
	since       time.Duration
}

// walk is a site of level backup through which an operator walks who never says what is not so.
type walk struct {
	*pair
	lines  [2]line
	shows  bool // the PBX shows its bindings
	broken string
}

const (
	walkCloses  = 30 * time.Second // a telephone whose user the PBX does not let go is closed then
	walkExpires = 40 * time.Second // … and the binding lapses
)

// newWalk is a site at level backup whose main serves, and whose secondary has a copy at rest.
func newWalk(t *testing.T, seed uint64) (*walk, *rand.Rand) {
	die := rand.New(rand.NewPCG(seed, 0))
	w := &walk{pair: newPair(t), shows: die.IntN(3) > 0}
	w.boot(w.main())
	w.boot(w.secondary())
	w.until("a new site is protected", 10*time.Second, w.inSync)
	w.event(w.main(), Event{Command: UseBackup})
	for range 1000 {
		w.tick()
	}
	if !w.servesAlone() || w.secondary().Phase != Isolated {
		t.Fatalf("level backup does not begin\n%s", strings.Join(w.trace, "\n"))
	}
	w.broken = "" // at high availability both had a telephone
	return w, die
}

// servesAlone: one server has the duty and the telephone, the other has neither.
func (w *walk) servesAlone() bool {
	for i, s := range w.servers {
		if s.up && s.Phase == Serving && s.Gate && w.lines[i].bound && !w.lines[1-i].open {
			return true
		}
	}
	return false
}

// tick moves time by one step: the machines, then the telephones, which do what they are told.
func (w *walk) tick() {
	w.tickAll()
	for i, s := range w.servers {
		l := &w.lines[i]
		switch {
		case !s.up:
			*l = line{} // a dead server's binding lapses, or an operator's word stands for that
		case !s.Mute() && !l.open:
			*l = line{open: true, bound: true}
		case s.Mute() && l.open && l.bound && l.since == 0:
			l.since, l.bound = w.now, l.loses
		case s.Mute() && l.open && (!l.bound || w.now-l.since > walkCloses):
			l.open, l.gone = false, w.shows && !l.bound
		case s.Mute() && l.bound && w.now-l.since > walkExpires:
			l.bound = false
		case !s.Mute() && l.open:
			l.since, l.bound = 0, true
		}
		if told := (Line{Closed: !l.open, Gone: !l.open && l.gone}); s.up && w.now%(10*step) == 0 && told != s.Machine.Line {
			w.event(s, Event{Line: &told})
		}
	}
	a, b := w.lines[0], w.lines[1]
	switch {
	case w.broken != "":
	case a.open && b.open:
		w.broken = "two telephones are open"
	case a.bound && b.bound:
		w.broken = "the PBX has both servers' bindings"
	case w.commits(0) && w.commits(1):
		w.broken = "two servers commit"
	}
}

func (w *walk) commits(i int) bool {
	s := w.servers[i]
	return s.up && s.Gate && s.Owns() && s.Vote
}

// act is one thing that happens, or that an operator does. What he says is so.
func (w *walk) act(die *rand.Rand) {
	i := die.IntN(2)
	s, o := w.servers[i], w.servers[1-i]
	order := func(c Command) {
		w.say(s, "is told: "+string(c))
		w.event(s, Event{Command: c})
	}
	what := die.IntN(16)
	if what < 7 && die.IntN(3) > 0 && o.Phase == Serving { // a move is ordered where the duty is, mostly
		i, s, o = 1-i, o, s
	}
	switch {
	case what < 3:
		order(Move)
	case what < 7:
		order(HandOver)
	case what == 7:
		order(Stay)
	case what == 8 && s.up && !w.lines[i].bound && !w.lines[i].open:
		order(Clear)
	case what == 9 && !o.up:
		order(Take)
	case what == 10:
		order(Rejoin)
	case what == 11:
		order(Renew)
	case what == 12 && s.up:
		w.crash(s)
	case what == 13 && !s.up:
		w.say(s, "starts")
		w.boot(s)
	case what == 14:
		w.link = !w.link
		w.say(s, fmt.Sprintf("the link is there: %v", w.link))
	case what == 15:
		w.lines[i].loses = !w.lines[i].loses
	}
}

// walkOnce walks for a while, and says what broke.
func walkOnce(t *testing.T, seed uint64) (w *walk, broken string) {
	w, die := newWalk(t, seed)
	for range 40 {
		w.act(die)
		for range 20 + die.IntN(250) {
			w.tick()
		}
		if w.broken != "" {
			return w, w.broken
		}
	}
	w.link = true
	for i, s := range w.servers {
		w.lines[i].loses = false
		if !s.up {
			w.boot(s)
		}
	}
	for range 7000 { // a PBX that does not let go is waited for as long
		w.tick()
		for i, s := range w.servers {
			if l := w.lines[i]; s.Phase == Silencing && !l.open && !l.bound && w.now%(100*step) == 0 {
				w.event(s, Event{Command: Clear})
			}
		}
	}
	if w.broken == "" && !w.servesAlone() {
		w.broken = "nobody serves, though both servers are on and hear each other"
	}
	return w, w.broken
}

const walks = 300

// Whatever happens, and whatever an operator orders who says what is so: never two telephones, never
// two bindings, never two that commit (SPEC B3), and at the end one server serves.
func TestLevelBackupKeepsItsPromises(t *testing.T) {
	moved := 0
	for seed := range uint64(walks) {
		w, broken := walkOnce(t, seed)
		if broken != "" {
			t.Fatalf("seed %d: %s\n%s", seed, broken, strings.Join(w.trace, "\n"))
		}
		moved += int(max(w.main().Term, w.secondary().Term)) - 1
	}
	if moved < walks/3 {
		t.Errorf("in %d walks the duty moved %d times", walks, moved)
	}
}

// Each of these rules, taken out, breaks a promise that the walks look for.
func TestLevelBackupNeedsEachOfItsRules(t *testing.T) {
	for without, change := range map[string]struct {
		row  string
		when func(*Machine) bool
	}{
		"the telephone is closed first":       {"duty-given-unregistered", func(m *Machine) bool { return m.Job == NoJob && m.mirrorHolds() }},
		"the binding is seen gone":            {"duty-given-unregistered", func(m *Machine) bool { return m.Line.Closed && m.Job == NoJob && m.mirrorHolds() }},
		"the peer confirms a remembered duty": {"owner-confirmed", func(m *Machine) bool { return !m.Suspended && m.Vote }},
		"who was relieved gives way":          {"duty-lost", func(*Machine) bool { return false }},
	} {
		t.Run(without, func(t *testing.T) {
			i := slices.IndexFunc(table, func(r row) bool { return r.name == change.row })
			kept := table[i].when
			table[i].when = change.when
			defer func() { table[i].when = kept }()
			for seed := range uint64(walks) {
				if _, broken := walkOnce(t, seed); broken != "" {
					t.Logf("seed %d: %s", seed, broken)
					return
				}
			}
			t.Error("nothing broke")
		})
	}
}

// An operator's word is taken only while the other server is not heard, and of a server at level backup.
func TestWhenAWordGivesTheDutyBack(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Machine)
		want   bool
	}{
		"it remembers a duty, and hears nobody": {func(*Machine) {}, true},
		"it hears the other":                    {func(m *Machine) { m.OtherAt = m.Now }, false},
		"another level":                         {func(m *Machine) { m.Level = releve.Mirroring }, false},
		"it has no duty":                        {func(m *Machine) { m.Owner = releve.Secondary }, false},
		"nobody said so":                        {func(m *Machine) { m.Order = "" }, false},
	} {
		m := New(Settings{Seat: releve.Main, Level: releve.Backup})
		m.Durable, m.Known, m.Phase, m.Order, m.Now = Found("D"), true, Unconfirmed, Take, time.Hour
		m.Level = releve.Backup
		c.change(&m)
		if got := m.dutyConfirmed(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
