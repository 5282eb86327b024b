package agent

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// Front is an agent as the other rooms of its server know it: what they tell it, and what
// they ask it. The rooms that an agent works with speak to it themselves; so its front is
// made before them, and the agent behind it after.
type Front struct {
	FrontOptions
	offers chan *offer
	gone   chan *offer

	snapshot atomic.Pointer[snapshot]
	changed  *broadcast
	board    board
}

// FrontOptions are what a front is made of.
type FrontOptions struct {
	Settings takeover.Settings
	Refusal  int // SIP code of a refusal to the PBX
	Diary    Diary
	Alarms   Alarms // none: nobody keeps them
	Log      *slog.Logger
	Now      func() time.Duration // CLOCK_BOOTTIME when nil (R19)
}

// offerQueue holds what a PBX may offer at a time; full, it makes the call wait.
const offerQueue = 2048

// NewFront makes the front of an agent that is yet to come. What is told is kept from now
// on; a call that asks for a verdict waits.
func NewFront(o FrontOptions) *Front {
	if o.Now == nil {
		o.Now = boottime
	}
	f := &Front{
		FrontOptions: o,
		offers:       make(chan *offer, offerQueue),
		gone:         make(chan *offer, offerQueue),
		changed:      newBroadcast(),
	}
	if f.Alarms == nil {
		f.Alarms = unkept{o.Settings.Seat}
	}
	f.publish(takeover.New(o.Settings))
	return f
}

// boottime goes on while the machine sleeps (R19).
func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME cannot be read: " + err.Error()) // Linux has it since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// snapshot is the machine as it was after a step. It says nothing any more once
// that step is longer ago than asleep: the process may have been stopped meanwhile.
type snapshot struct{ takeover.Machine }

func (f *Front) publish(m takeover.Machine) { f.snapshot.Store(&snapshot{m}) }

// Machine is the latest snapshot, for those who look and do not decide.
func (f *Front) Machine() takeover.Machine { return f.snapshot.Load().Machine }

// RunsAt is at what level the site runs.
func (f *Front) RunsAt() releve.Level {
	m := f.Machine()
	return m.RunsAt()
}

// Protected says that both servers have all that is acknowledged, as far as this one knows.
func (f *Front) Protected() bool {
	m := f.Machine()
	return m.Protected()
}

// Changed tells viewers that there is something new to see.
func (f *Front) Changed(ctx context.Context) <-chan struct{} { return f.changed.listen(ctx) }

// Notice has the screens show something of this server for as long as it lasts: until it is
// said anew about the same thing, or with nothing.
func (f *Front) Notice(about string, what releve.Sentence) {
	f.board.notice(about, what)
	f.changed.announce()
}

// Explain adds a fact of another room to the diary and the board: a bad password at the PBX, a saturation.
// What it means for the alarms, and how grave it is, their rule book says.
func (f *Front) Explain(what releve.Sentence) {
	m := f.Machine()
	told := f.Alarms.Tell(what)
	now := time.Now().UTC()
	f.Diary.Write(releve.Entry{At: now, Seat: m.Seat, Term: m.Term, Kind: "fact", What: what, Routine: true})
	f.board.add(view.Event{At: now, Seat: m.Seat, Term: m.Term, Severity: told.Severity, What: what})
	level := slog.LevelInfo
	if told.Severity.AtLeast(releve.Warning) {
		level = slog.LevelWarn
	}
	f.Log.Log(context.Background(), level, "noticed", "what", what.Code, "said", what)
	f.changed.announce()
}

// Audit adds what a person did, on this server or the other, to the diary alone.
func (f *Front) Audit(what releve.Entry) {
	what.Term = f.Machine().Term
	f.Diary.Write(what)
}

// Recovering is told how far the replay of the log has come in a start.
func (f *Front) Recovering(_ releve.Sentence, p *releve.Progress) {
	f.board.advance(p)
	f.changed.announce()
}
