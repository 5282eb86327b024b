package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/attendant"
	"releve/rules/takeover"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errCancelled is how a telephone fails to answer a caller who has just given up.
var errCancelled = errors.New("cancelled by the caller")

// caller is both ends of a scripted call: what the PBX offers, and the leg once
// it is answered.
type caller struct {
	invite    releve.Invite
	answerIn  time.Duration
	answerErr error
	keyless   bool          // its PBX sends no keys
	withdrawn bool          // its PBX cancelled as soon as it heard of us
	breakIn   string        // where this program has a fault
	promptFor time.Duration // how long each prompt lasts
	promptErr error
	ringFor   time.Duration // how long a transfer takes
	codes     []int         // how transfers end, in order; none left: never
	// transferErr comes with the code of a transfer that ends with the leg.
	transferErr error
	lost        bool // by the PBX, once it is gone

	acked     chan struct{} // closed with the ACK
	cancelled chan struct{}
	keys      chan byte
	bye       chan struct{}

	mu          sync.Mutex
	refused     []int
	answered    bool
	said        []string
	transferred []string
	hungUp      bool
	left        bool         // to another server
	bridged     atomic.Bool  // to whom the caller wanted
	whenChanged func()       // is told
	busy        atomic.Int32 // prompts and transfers under way
	overlapped  atomic.Bool
}

func newCaller(id string) *caller {
	c := unacknowledged(id)
	close(c.acked)
	return c
}

// unacknowledged is a caller whose ACK the test sends, or never does.
func unacknowledged(id string) *caller {
	return &caller{
		acked: make(chan struct{}),
		invite: releve.Invite{
			Call: releve.CallID(id), From: "0612345678", To: "8000", Target: "reception", ReceivedAt: time.Now(),
		},
		promptFor: time.Second, ringFor: 3 * time.Second,
		cancelled: make(chan struct{}), keys: make(chan byte, 64), bye: make(chan struct{}),
	}
}

// overflowing makes the PBX send the call on to the standby.
func (c *caller) overflowing(reason releve.OverflowReason) *caller {
	c.invite.Target = "standby"
	c.invite.Diversion = []releve.Diversion{{User: "8000", Reason: reason}}
	return c
}

func (c *caller) press(keys string) *caller {
	for _, key := range []byte(keys) {
		c.keys <- key
	}
	return c
}

// heard is what was said to the caller so far.
func (c *caller) heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said)
}

// breaks is a fault of the program, if this is where it has one.
func (c *caller) breaks(where string) {
	if c.breakIn == where {
		panic("a fault in " + where)
	}
}

func (c *caller) Invite() releve.Invite { return c.invite }
func (c *caller) Gone() <-chan struct{} { return c.cancelled }

func (c *caller) Answer(ctx context.Context) (Leg, error) {
	c.breaks("answer")
	if err := wait(ctx, c.answerIn, nil); err != nil {
		return nil, err
	}
	if c.answerErr != nil {
		return nil, c.failToAnswer()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	return &leg{c}, nil
}

// failToAnswer is over with the INVITE, as a telephone is, where the error says so.
func (c *caller) failToAnswer() error {
	if _, unfit := errors.AsType[*Unacceptable](c.answerErr); unfit || errors.Is(c.answerErr, errCancelled) {
		close(c.cancelled)
	}
	return c.answerErr
}

func (c *caller) Refuse(code int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, code)
	return nil
}

type leg struct{ *caller }

func (l *leg) Confirmed() <-chan struct{} { return l.acked }
func (l *leg) HearsKeys() bool            { return !l.keyless }
func (l *leg) Withdrawn() bool            { return l.withdrawn }
func (l *leg) Gone() <-chan struct{}      { return l.bye }
func (l *leg) Lost() bool                 { return l.lost }

func (l *leg) Digits() <-chan byte {
	l.breaks("digits")
	return l.keys
}

func (l *leg) Play(ctx context.Context, prompt string) error {
	l.breaks("play")
	defer l.alone()()
	l.mu.Lock()
	l.said = append(l.said, prompt)
	l.mu.Unlock()
	if l.promptErr != nil {
		return l.promptErr
	}
	return wait(ctx, l.promptFor, l.bye)
}

func (l *leg) Transfer(ctx context.Context, user string) (int, error) {
	l.breaks("transfer")
	defer l.alone()()
	l.mu.Lock()
	l.transferred = append(l.transferred, user)
	never := len(l.codes) == 0
	l.mu.Unlock()
	if never {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err := wait(ctx, l.ringFor, nil); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	code := l.codes[0]
	l.codes = l.codes[1:]
	if l.transferErr != nil {
		close(l.bye)
	}
	return code, l.transferErr
}

func (l *leg) Hangup(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hungUp = true
	return nil
}

// Await is a transfer that another telephone asked for.
func (l *leg) Await(ctx context.Context) (int, error) { return l.Transfer(ctx, "awaited") }

func (l *leg) Bridged() bool { return l.bridged.Load() }

func (l *leg) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
}

func (l *leg) Written() json.RawMessage {
	return json.RawMessage(`"the leg of ` + string(l.invite.Call) + `"`)
}

func (l *leg) WhenChanged(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whenChanged = f
}

// alone notes when two things are done on one leg at a time.
func (l *leg) alone() (done func()) {
	if l.busy.Add(1) > 1 {
		l.overlapped.Store(true)
	}
	return func() { l.busy.Add(-1) }
}

// wait takes no timer for no time: many goroutines of one bubble that fire their
// own timers side by side crash the race detector of Go 1.26 (it shares one
// context among them).
func wait(ctx context.Context, d time.Duration, gone <-chan struct{}) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-gone:
		return errors.New("the leg is gone")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stance is how a server stands towards calls, and in which term.
type stance struct {
	kind takeover.StanceKind
	term releve.Term
}

// post is a duty that the test decides.
type post struct {
	mu       sync.Mutex
	stance   stance
	slept    bool          // and does not know whether it is on duty
	verdict  chan struct{} // closed when known
	decision releve.Decision
	asked    []Offer

	whileRead func(reading int) // runs after the stance was read, before it is told
	readings  int
}

func newPost(kind takeover.StanceKind) *post {
	return &post{stance: stance{kind, 7}, verdict: make(chan struct{})}
}

func (p *post) Stance() (takeover.StanceKind, releve.Term) {
	p.mu.Lock()
	stance, reading := p.stance, p.readings
	p.readings++
	p.mu.Unlock()
	if p.whileRead != nil {
		p.whileRead(reading)
	}
	return stance.kind, stance.term
}

func (p *post) Unsure() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slept
}

// wakes is a server that slept, or knows again.
func (p *post) wakes(unsure bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slept = unsure
}

func (p *post) take(s stance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stance = s
}

func (p *post) Verify(ctx context.Context, o Offer) releve.Decision {
	p.mu.Lock()
	p.asked = append(p.asked, o)
	p.mu.Unlock()
	select {
	case <-p.verdict:
		return p.decision
	case <-ctx.Done():
		return releve.Decision{Why: "not waited for"}
	}
}

// disk is a spool in memory that can be slow, and can fail.
type disk struct {
	mu    sync.Mutex
	facts []releve.Fact
	err   error
	held  chan struct{} // Append waits until it is closed; nil: it does not

	finished bool // each call has its end here
}

func (d *disk) Finished() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finished = true
	return nil
}

func (d *disk) Append(ctx context.Context, facts ...releve.Fact) error {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	d.facts = append(d.facts, facts...)
	return nil
}

func (d *disk) hold(until chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = until
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// of writes what was recorded of a call, a line a fact.
func (d *disk) of(t *testing.T, call releve.CallID) []string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, f := range d.facts {
		if f.Call == call {
			lines = append(lines, line(t, f))
		}
	}
	return lines
}

func line(t *testing.T, f releve.Fact) string {
	t.Helper()
	switch f.Kind {
	case releve.CallOffered:
		return "call"
	case releve.CallStepped:
		s := body[releve.StepBody](t, f)
		return fmt.Sprintf("%d %s %s", s.Number, s.Name, s.Detail)
	case releve.CallEnded:
		e := body[releve.EndBody](t, f)
		return fmt.Sprintf("%s (%s) after %d ms", e.Outcome, e.Detail, e.DurationMS)
	}
	t.Fatalf("a fact of kind %q", f.Kind)
	return ""
}

func body[T any](t *testing.T, f releve.Fact) (b T) {
	t.Helper()
	if err := json.Unmarshal(f.Body, &b); err != nil {
		t.Fatalf("body of %s: %v", f.Kind, err)
	}
	return b
}

// offered is the body of a call's first fact.
func (d *disk) offered(t *testing.T, call releve.CallID) releve.CallBody {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.facts, func(f releve.Fact) bool { return f.Call == call && f.Kind == releve.CallOffered })
	if i < 0 {
		t.Fatalf("nothing was recorded of %s", call)
	}
	return body[releve.CallBody](t, d.facts[i])
}

var profile = Profile{
	Evidence: releve.EvidenceDiversion, ReceptionUser: "reception", ReceptionNumber: "8000", StandbyUser: "standby",
	RefusalCode: 486, BusyCode: 600,
}

// server is calls under test with all that they stand on.
type server struct {
	*Calls
	post *post
	disk *disk
	stop func() error // ends Run and returns its error
}

func newServer(t *testing.T, kind takeover.StanceKind, channels int) *server {
	t.Helper()
	s := &server{post: newPost(kind), disk: &disk{}}
	plan, err := attendant.ParsePlan("1000-1999", "9")
	if err != nil {
		t.Fatal(err)
	}
	calls, err := New(Options{
		Seat: releve.Secondary, Channels: channels, Profile: profile,
		Script: attendant.Script{Language: releve.French, ExtensionDigits: 4, Operator: "9", Plan: plan},
		Duty:   s.post, Spool: s.disk, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Calls = calls
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- calls.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-ran
	})
	t.Cleanup(func() { _ = s.stop() })
	return s
}

// offer offers a call and returns when it is over.
func (s *server) offer(t *testing.T, c *caller) {
	s.Offer(t.Context(), c)
}

// flushed ends the recorder, so that every fact is on the disk.
func (s *server) flushed(t *testing.T) *disk {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	return s.disk
}

// Active are the calls in conversation, oldest first.
func (s *server) Active() []releve.Call {
	return slices.DeleteFunc(s.Known(), func(c releve.Call) bool { return c.Outcome != "" })
}

// Recent are up to n calls that have ended, newest first.
func (s *server) Recent(n int) []releve.Call {
	ended := slices.DeleteFunc(s.Known(), func(c releve.Call) bool { return c.Outcome == "" })
	return ended[:min(max(n, 0), len(ended))]
}
