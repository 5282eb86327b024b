package takeover

import (
	"testing"
	"time"

	"releve"
)

// look is what the PBX shows, some time after the main fell silent.
type look struct {
	after time.Duration
	shown Shown
}

// What a secondary of level backup makes of the bindings that the PBX shows while the main is silent.
func TestWhatTheLookAtThePBXTells(t *testing.T) {
	const s = time.Second
	there := func(left time.Duration) Shown { return Shown{Any: true, There: true, Left: left} }
	minute := Line{Granted: time.Minute, Shown: true}
	for name, c := range map[string]struct {
		told   Line // by the main, before
		looks  []look
		asked  time.Duration // when the verdict is wanted
		want   Lease
		taken  bool // the order to relieve it is carried out
		silent bool // nothing was ever heard
	}{
		"before anybody looks": {told: minute, asked: 20 * s, want: Lease{Stands: true, Left: 40 * s}},
		"long after":           {told: minute, asked: 90 * s, want: Lease{}},
		"it runs out": {told: minute, looks: []look{{20 * s, there(25 * s)}, {23 * s, there(22 * s)}}, asked: 24 * s,
			want: Lease{Stands: true, Left: 21 * s}},
		"it has run out": {told: minute, looks: []look{{20 * s, there(25 * s)}, {46 * s, Shown{}}}, asked: 46 * s, want: Lease{Gone: true}, taken: true},
		"it was given back by one that was stopped": {told: minute, looks: []look{{2 * s, Shown{}}}, asked: 2 * s, want: Lease{Gone: true}, taken: true},
		"that was a while ago": {told: minute, looks: []look{{2 * s, Shown{}}}, asked: 9 * s,
			want: Lease{Stands: true, Left: 51 * s}},
		"it is renewed after the silence": {told: minute, looks: []look{{31 * s, there(59 * s)}, {34 * s, there(56 * s)}}, asked: 34 * s,
			want: Lease{Renewed: true, Stands: true, Left: 56 * s}},
		"it is renewed between two looks": {told: minute, looks: []look{{20 * s, there(12 * s)}, {23 * s, there(9 * s)}, {35 * s, there(58 * s)}}, asked: 35 * s,
			want: Lease{Renewed: true, Stands: true, Left: 58 * s}},
		"it was renewed, and is gone now": {told: minute, looks: []look{{31 * s, there(59 * s)}, {34 * s, there(56 * s)}, {37 * s, Shown{}}}, asked: 37 * s,
			want: Lease{Gone: true}, taken: true},
		"with the main's last breath": {told: minute, looks: []look{{1 * s, there(61 * s)}, {4 * s, there(58 * s)}}, asked: 4 * s,
			want: Lease{Stands: true, Left: 56 * s}},
		"a PBX that shows what it granted, always": {told: minute, looks: []look{{31 * s, there(60 * s)}, {34 * s, there(60 * s)}, {37 * s, there(60 * s)}}, asked: 37 * s,
			want: Lease{Stands: true, Left: 23 * s}},
		"a PBX that says no time":              {told: minute, looks: []look{{61 * s, there(0)}}, asked: 61 * s, want: Lease{Stands: true}},
		"a PBX that shows nothing":             {told: Line{Granted: time.Minute}, looks: []look{{70 * s, Shown{}}}, asked: 70 * s, want: Lease{Hidden: true}},
		"a PBX that shows this server's own":   {silent: true, looks: []look{{70 * s, Shown{Any: true}}}, asked: 70 * s, want: Lease{Gone: true}, taken: true},
		"after a restart, the main registered": {silent: true, looks: []look{{70 * s, there(20 * s)}}, asked: 70 * s, want: Lease{Stands: true, Left: 20 * s}},
		"after a restart, it runs out": {silent: true, looks: []look{{70 * s, there(2 * s)}, {73 * s, Shown{}}}, asked: 73 * s,
			want: Lease{Gone: true}, taken: true},
		"after a restart, it is renewed": {silent: true, looks: []look{{70 * s, there(20 * s)}, {73 * s, there(17 * s)}, {76 * s, there(59 * s)}}, asked: 76 * s,
			want: Lease{Renewed: true, Stands: true, Left: 59 * s}},
		"after a restart, nothing":   {silent: true, looks: []look{{70 * s, Shown{}}}, asked: 70 * s, want: Lease{Hidden: true}},
		"the PBX does not answer":    {told: minute, looks: []look{{5 * s, Shown{Silent: true}}}, asked: 5 * s, want: Lease{Silent: true, Stands: true, Left: 55 * s}},
		"it answered once, and none": {told: minute, looks: []look{{5 * s, Shown{}}, {6 * s, Shown{Silent: true}}}, asked: 6 * s, want: Lease{Silent: true, Stands: true, Left: 54 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(Settings{Seat: releve.Secondary, Level: releve.Backup})
			m.Durable, m.Known, m.Phase = Durable{Seat: releve.Secondary, Term: 1, Owner: releve.Main, DataID: "S", Level: releve.Backup}, true, Isolated
			m.DB = Database{Up: true, InRecovery: true}
			const fell = time.Hour
			if !c.silent {
				m.Step(Event{Now: fell, Peer: &Status{Seat: releve.Main, Known: true, Term: 1, Owner: releve.Main, Line: c.told}})
			}
			for _, l := range c.looks {
				m.Step(Event{Now: fell + l.after, Shown: &l.shown})
			}
			m.Now = fell + c.asked
			if got := m.Lease(); got != c.want {
				t.Errorf("%+v, not %+v", got, c.want)
			}
			m.Step(Event{Now: m.Now, Command: Relieve})
			if taken := m.Owns(); taken != c.taken {
				t.Errorf("the duty is taken: %v", taken)
			}
			if m.Order != "" {
				t.Errorf("the order waits: %s", m.Order)
			}
		})
	}
}

// A main that is heard again was not dead: what the PBX showed before is forgotten, and nothing is taken.
func TestAMainThatIsHeardAgainIsNotRelieved(t *testing.T) {
	m := New(Settings{Seat: releve.Secondary, Level: releve.Backup})
	m.Durable, m.Known, m.Phase = Durable{Seat: releve.Secondary, Term: 1, Owner: releve.Main, DataID: "S", Level: releve.Backup}, true, Isolated
	m.DB = Database{Up: true, InRecovery: true}
	word := Status{Seat: releve.Main, Known: true, Term: 1, Owner: releve.Main, Line: Line{Granted: time.Minute, Shown: true}}
	m.Step(Event{Now: time.Hour, Peer: &word})
	m.Step(Event{Now: time.Hour + 2*time.Second, Shown: &Shown{}})
	if !m.Lease().Gone {
		t.Fatalf("%+v", m.Lease())
	}
	m.Step(Event{Now: time.Hour + 3*time.Second, Peer: &word})
	m.Step(Event{Now: time.Hour + 3*time.Second, Command: Relieve})
	if m.Owns() || m.Look != (Look{}) {
		t.Errorf("owner %s, %+v", m.Owner, m.Look)
	}
}

// At level backup nobody takes the reception from a server that the PBX shows, unless that is off, on an
// operator's word, or has closed its telephone.
func TestWhoMayTakeTheReceptionFromAnother(t *testing.T) {
	m := New(Settings{Seat: releve.Main, Level: releve.Backup})
	m.Durable, m.Known, m.Phase, m.Order = Found("D"), true, Unconfirmed, Take
	m.Level, m.Promotion.Done = releve.Backup, true
	may := func(when string, unheard, heard bool) {
		t.Helper()
		if m.MayDisplace(false) != unheard || m.MayDisplace(true) != heard {
			t.Errorf("%s: %v, and of one that is heard %v", when, m.MayDisplace(false), m.MayDisplace(true))
		}
	}
	may("one that remembers a duty", false, false)
	m.Step(Event{Now: time.Hour})
	if !m.Confirmed {
		t.Errorf("an operator's word does not give the duty: %+v", m.Order)
	}
	may("one to whom an operator gave the duty", true, true)
	bound := true
	m.Step(Event{Now: time.Hour, Reception: &bound})
	may("one that was bound since", false, false)
	m.Other.Line.Closed = true
	may("the other's telephone is about to be opened", false, false)
	m.Other.Mute = true
	may("the other's telephone is closed", false, true)
	m.Level = releve.HighAvailability
	may("at another level, with the vote", true, true)
}

// A server of level backup that remembers a duty is confirmed by what its peer answers, and not by what that
// said by itself, which may be from before an operator gave the peer the duty.
func TestARememberedDutyIsConfirmedByAnAnswer(t *testing.T) {
	for unasked, confirmed := range map[bool]bool{true: false, false: true} {
		m := New(Settings{Seat: releve.Main, Level: releve.Backup})
		m.Durable, m.Known, m.Phase = Found("D"), true, Unconfirmed
		m.Level, m.Promotion.Done = releve.Backup, true
		word := Status{Seat: releve.Secondary, Known: true, Term: m.Term, Owner: releve.Main, Level: releve.Backup, Mute: true,
			Line: Line{Closed: true}, Phase: Isolated}
		m.Step(Event{Now: time.Hour, Peer: &word, Unasked: unasked})
		if m.Confirmed != confirmed {
			t.Errorf("a word that came by itself (%v) confirms it: %v", unasked, m.Confirmed)
		}
		word.Term, word.Owner = m.Term+1, releve.Secondary
		if m.Step(Event{Now: time.Hour, Peer: &word, Unasked: unasked}); m.Phase != Deposed {
			t.Errorf("a later term is passed over: %s", m.Phase)
		}
	}
}

// An order that rests on the other's being off, and waits for a job, is void once the other is heard.
func TestAnOrderThatWaitsIsVoidOnceTheOtherIsHeard(t *testing.T) {
	m := New(Settings{Seat: releve.Secondary, Level: releve.Backup})
	m.Durable, m.Known, m.Phase = Durable{Seat: releve.Secondary, Term: 1, Owner: releve.Main, DataID: "S", Level: releve.Backup}, true, Isolated
	m.Job = JobStart
	m.Step(Event{Now: time.Hour, Command: Take})
	if m.Order != Take {
		t.Fatalf("it does not wait: %q", m.Order)
	}
	m.Step(Event{Now: time.Hour + time.Second, Peer: &Status{Seat: releve.Main, Known: true, Term: 1, Owner: releve.Main}})
	m.Step(Event{Now: time.Hour + time.Minute, Done: &Done{Job: JobStart, Database: &Database{Up: true, InRecovery: true}}})
	if m.Order != "" || m.Owns() {
		t.Errorf("order %q, owner %s", m.Order, m.Owner)
	}
}

// onDutyAtBackup is a main of level backup that an operator gave the duty, and whose peer is dead.
func onDutyAtBackup(t *testing.T) *Machine {
	t.Helper()
	m := New(Settings{Seat: releve.Main, Level: releve.Backup})
	m.Durable, m.Known, m.Phase = Found("D"), true, Unconfirmed
	m.Level, m.Promotion.Done, m.DB = releve.Backup, true, Database{Up: true}
	m.Step(Event{Now: time.Hour, Peer: &Status{Seat: releve.Secondary, Known: true, Term: 1, Owner: releve.Main, Level: releve.Backup}})
	m.Step(Event{Now: 2 * time.Hour, Command: Take})
	m.Step(Event{Now: 2 * time.Hour, Done: &Done{Job: JobOpen, Turn: m.Turn}})
	if m.Phase != Serving || !m.Confirmed || !m.Status().Serving {
		t.Fatalf("in phase %s, confirmed: %v", m.Phase, m.Confirmed)
	}
	return &m
}

// A machine that is busy may stand still for a second just when the duty came, before anything is bound
// at the PBX: nothing there could ever say that it is still on duty, and nobody else lives who could.
func TestAServerThatSleepsBeforeItIsBoundGoesOn(t *testing.T) {
	m := onDutyAtBackup(t)
	m.Step(Event{Now: m.Now + 3*time.Second, Woke: 3 * time.Second})
	if s := m.Status(); !s.Serving || !m.Users().Reception {
		t.Errorf("serving: %v, its users: %+v", s.Serving, m.Users())
	}
}

// What tells a server of level backup that slept, and whose peer is dead, that it is still on duty.
func TestAServerThatSleptLooksWhoIsBound(t *testing.T) {
	const s = time.Second
	shown := Line{Granted: time.Minute, Shown: true}
	for name, c := range map[string]struct {
		line  Line // what it knew of its own binding before
		after time.Duration
		looks Shown
		on    bool
	}{
		"nobody is bound, and whoever took the duty would be": {line: shown, after: 12 * s, on: true},
		"nobody is bound yet":         {line: shown, after: 4 * s},
		"another is bound":            {line: shown, after: 12 * s, looks: Shown{Any: true, There: true}},
		"the PBX does not say":        {line: shown, after: 12 * s, looks: Shown{Silent: true}},
		"the PBX shows nothing, ever": {line: Line{Granted: time.Minute}, after: 12 * s},
	} {
		t.Run(name, func(t *testing.T) {
			m, yes, no := onDutyAtBackup(t), true, false
			m.Step(Event{Now: m.Now, Reception: &yes})
			m.Step(Event{Now: m.Now, Line: &c.line})
			m.Step(Event{Now: m.Now + 5*time.Minute, Woke: 5 * time.Minute})
			if m.Status().Serving {
				t.Fatal("it is sure of its duty at once")
			}
			m.Step(Event{Now: m.Now, Line: &Line{}})
			m.Step(Event{Now: m.Now + c.after, Reception: &no})
			m.Step(Event{Now: m.Now, Shown: &c.looks})
			if on := m.Status().Serving; on != c.on {
				t.Errorf("on duty: %v", on)
			}
			m.Step(Event{Now: m.Now, Command: Take})
			if !m.Status().Serving {
				t.Error("nor by an operator's word that the other is off")
			}
		})
	}
}

// An owner that starts again and is called before it has heard its peer may answer without the duty. Once it
// knows that the duty is its own it does so no more, and does not say that it does.
func TestAnOwnerThatIsConfirmedAnswersWithoutTheDutyNoMore(t *testing.T) {
	m := New(Settings{Seat: releve.Main, Level: releve.HighAvailability})
	m.Durable, m.Known, m.Phase = Found("D"), true, Unconfirmed
	m.Promotion.Done, m.DB, m.WithoutDuty = true, Database{Up: true}, true
	m.Step(Event{Now: time.Hour})
	if m.Phase != Serving || m.WithoutDuty {
		t.Errorf("in phase %s, answering without the duty: %v", m.Phase, m.WithoutDuty)
	}
}
