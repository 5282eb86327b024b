// Package telephone is the way to the PBX of a server whose level may give it a telephone, or take
// it away, while it runs (SPEC V1). A closed one binds no socket, registers nowhere and sends the PBX
// nothing; an open one is closed only once its users are given back and its calls are over.
package telephone

import (
	"context"
	"sync"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
	"releve/server/overflow"
)

// ErrClosed is what a closed telephone answers whoever asks for it.
var ErrClosed = releve.Known("this server has no telephone at the level of the site", "cause-mute")

// ErrOpen is what an open telephone answers to who asks for what only a closed one may.
var ErrOpen = releve.Known("this server's telephone is open", "cause-telephone-open")

// Line is an open telephone.
type Line interface {
	agent.Way
	overflow.Telephone
	Held() takeover.Users // whose bindings the PBX may still have
	Gone() bool           // the PBX showed the binding of the reception, and shows it no more
	// Granted is for how long the PBX granted the binding of the reception that stands, and whether it
	// shows it; 0: there is none.
	Granted() (granted time.Duration, shown bool)
	Serve()              // begins to hear what comes
	Run(context.Context) // keeps the users bound until the context ends, then gives back what is still ours
	Close() error
}

// Parts are what a Switch is made of.
type Parts struct {
	Open func() (Line, error) // binds the sockets
	// Ask asks the PBX once who has the reception, through a socket that is closed again.
	Ask     func(context.Context) (takeover.Shown, error)
	Mute    func() bool                           // the level gives this server no telephone now
	Changed func(context.Context) <-chan struct{} // Mute may say something else
	Calls   func() int                            // calls in progress
	Explain func(releve.Sentence)                 // to the operator
	Notice  func(about string, what releve.Sentence)
}

// Switch is a telephone that is opened and closed as the level says.
type Switch struct {
	parts   Parts
	asking  sync.Mutex // who has the address of SIP to himself; taken before mu
	mu      sync.Mutex
	line    Line           // nil while it is closed
	gone    bool           // what the last one that was closed said of its binding
	users   takeover.Users // what the agent wants bound
	serving bool

	end     func()    // ends the line that runs, owned by Run
	vain    int       // attempts to open, in a row, owned by Run
	next    time.Time // not before, after one in vain, owned by Run
	leaving time.Time // since when it is to be closed, owned by Run
}

// New makes a closed one.
func New(p Parts) *Switch { return &Switch{parts: p, end: func() {}} }

// Open binds the sockets. Nothing is read from them before [Switch.Serve].
func (s *Switch) Open() error {
	s.asking.Lock()
	defer s.asking.Unlock()
	line, err := s.parts.Open()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line, s.gone = line, false
	line.Keep(s.users)
	if s.serving {
		line.Serve()
	}
	return nil
}

// Serve begins to hear what comes, now or once there is a line.
func (s *Switch) Serve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = true
	if s.line != nil {
		s.line.Serve()
	}
}

// Close closes the sockets at once.
func (s *Switch) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.line
	if s.line = nil; line == nil {
		return nil
	}
	return line.Close()
}

const (
	again      = time.Second // before another attempt to open, doubled each time
	doubled    = 6           // at most so often
	closeLook  = 250 * time.Millisecond
	closeLimit = 30 * time.Second // for the PBX to take the users back; calls have all the time they need
)

// Run has the telephone open or closed as the level says until ctx ends.
func (s *Switch) Run(ctx context.Context) {
	defer func() { s.end() }()
	if s.current() != nil {
		s.begin(ctx)
	}
	changed := s.parts.Changed(ctx)
	for {
		var look <-chan time.Time
		if pause := s.suit(ctx); pause > 0 {
			look = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-look:
		}
	}
}

// suit does what the level asks for, and says after which pause it is to be looked at again; 0: not
// before something changes.
func (s *Switch) suit(ctx context.Context) time.Duration {
	line := s.current()
	switch mute := s.parts.Mute(); {
	case mute == (line == nil):
		s.leaving = time.Time{}
		s.opened()
		return 0
	case !mute:
		return s.open(ctx)
	}
	return s.close(line)
}

// about is the thing that the notices of this room are about.
const about = "telephone"

// open tries to, not before the pause is over, whatever else changes meanwhile.
func (s *Switch) open(ctx context.Context) time.Duration {
	if left := time.Until(s.next); s.vain > 0 && left > 0 {
		return left
	}
	if err := s.Open(); err != nil {
		pause := again << min(s.vain, doubled)
		s.vain, s.next = s.vain+1, time.Now().Add(pause)
		what := releve.Say("event-telephone-not-opened", "why", releve.Reason(err), "pause", pause.String())
		if s.vain == 1 {
			s.parts.Explain(what)
		}
		s.parts.Notice(about, what)
		return pause
	}
	s.opened()
	s.begin(ctx)
	s.parts.Explain(releve.Say("event-telephone-opened"))
	return 0
}

// opened takes back what was said of attempts in vain. A notice is news to those who watch the site,
// this room among them: it is given when there is one to take back.
func (s *Switch) opened() {
	if s.vain > 0 {
		s.vain = 0
		s.parts.Notice(about, releve.Sentence{})
	}
}

// begin runs the open line.
func (s *Switch) begin(ctx context.Context) {
	line := s.current()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { line.Run(ctx) })
	s.end = func() {
		cancel()
		running.Wait()
	}
}

// close closes the telephone once it is left: the agent wants no user any more, and calls are
// refused, which the PBX gives back.
func (s *Switch) close(line Line) time.Duration {
	if s.leaving.IsZero() {
		s.leaving = time.Now()
	}
	bound := line.Held() != takeover.Users{} && time.Since(s.leaving) < closeLimit
	if bound || s.parts.Calls() > 0 {
		return closeLook
	}
	gone := line.Gone()
	s.end()
	s.end = func() {}
	s.mu.Lock()
	s.gone = gone
	s.mu.Unlock()
	if err := s.Close(); err != nil {
		s.parts.Explain(releve.Say("event-telephone-close", "why", releve.Reason(err)))
	}
	s.leaving = time.Time{}
	s.parts.Explain(releve.Say("event-telephone-closed"))
	return 0
}

func (s *Switch) current() Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line
}

// way is the open line, or nobody.
func (s *Switch) way() agent.Way {
	if line := s.current(); line != nil {
		return line
	}
	return agent.Absent{Why: ErrClosed}
}

// Keep implements [agent.Telephone], as the others do.
func (s *Switch) Keep(u takeover.Users) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = u
	if s.line != nil {
		s.line.Keep(u)
	}
}

// Options implements [agent.Telephone], as those after it do.
func (s *Switch) Options(ctx context.Context) error { return s.way().Options(ctx) }

// CheckOther asks the other server over SIP.
func (s *Switch) CheckOther(ctx context.Context, q releve.CheckQuestion) (takeover.Reply, error) {
	return s.way().CheckOther(ctx, q)
}

// Bound is nobody while the telephone is closed. Until it is, whoever the PBX has not let go yet is
// bound to it.
func (s *Switch) Bound() takeover.Users {
	if line := s.current(); line != nil && s.parts.Mute() {
		return line.Held()
	}
	return s.way().Bound()
}

// State is whether it is closed, and what the PBX showed of its binding then. One that was never open
// since this process began has seen nothing.
func (s *Switch) State() takeover.Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == nil {
		return takeover.Line{Closed: true, Gone: s.gone}
	}
	granted, shown := s.line.Granted()
	return takeover.Line{Granted: granted, Shown: shown}
}

// Theirs asks the PBX who has the reception. It is for a server that an operator would have take it,
// and whose telephone is closed: an open one knows.
func (s *Switch) Theirs(ctx context.Context) (takeover.Shown, error) {
	s.asking.Lock() // the sockets are not opened meanwhile
	defer s.asking.Unlock()
	if s.current() != nil {
		return takeover.Shown{}, ErrOpen
	}
	return s.parts.Ask(ctx)
}

// RegisterNow is for users that are wanted.
func (s *Switch) RegisterNow() { s.way().RegisterNow() }

// BindingThere asks the PBX.
func (s *Switch) BindingThere(ctx context.Context) (bool, takeover.Shown, error) {
	return s.way().BindingThere(ctx)
}

// TestCall calls the reception.
func (s *Switch) TestCall(ctx context.Context, id string, whom bool) (releve.TestCall, error) {
	return s.way().TestCall(ctx, id, whom)
}

// Ask implements [overflow.Telephone], as Call does.
func (s *Switch) Ask(ctx context.Context) (code int, challenged bool, err error) {
	if line := s.current(); line != nil {
		return line.Ask(ctx)
	}
	return 0, false, ErrClosed
}

// Call calls the reception as the standby.
func (s *Switch) Call(ctx context.Context, id string) (releve.TestCall, error) {
	if line := s.current(); line != nil {
		return line.Call(ctx, id)
	}
	return releve.TestCall{}, ErrClosed
}
