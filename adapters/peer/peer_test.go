package peer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
	"releve/proof/practice/freeze"
)

// plenty is a limit that no healthy answer reaches.
const plenty = 20 * time.Second

func TestStatusesGoBothWays(t *testing.T) {
	p := newPair(t)
	answering := func(life string) handler {
		return handler{exchange: func(_ context.Context, heard word) word {
			return word{Life: life + " heard " + heard.Life}
		}}
	}
	p.main.Handler, p.secondary.Handler = answering("main"), answering("secondary")
	main, secondary := p.start(p.main), p.start(p.secondary)
	for _, ask := range []struct {
		from *peer.Peer
		want string
	}{{main, "secondary heard seven"}, {secondary, "main heard seven"}} {
		var got word
		if err := ask.from.Exchange(within(t, plenty), word{Life: "seven"}, &got); err != nil || got.Life != ask.want {
			t.Errorf("got %+v, %v; want %s", got, err, ask.want)
		}
	}
}

func TestACheckIsAnsweredWithItsNonce(t *testing.T) {
	p := newPair(t)
	want := releve.CheckAnswer{
		Seat: releve.Main, Term: 4, Well: true, Busy: true, Registered: true, PBXAnswered: true,
		LastInvite: 3 * time.Second, Why: releve.Say("check.busy", "channels", "30"),
	}
	p.main.Handler = handler{check: func(_ context.Context, question releve.CheckQuestion) releve.CheckAnswer {
		said := want
		said.Term = question.Term
		return said
	}}
	p.start(p.main)
	got, err := p.start(p.secondary).Check(within(t, plenty), releve.CheckQuestion{Nonce: "n1", Term: 4})
	if err != nil {
		t.Fatal(err)
	}
	want.Nonce = "n1"
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAnAnswerThatSpeaksForAnotherSeatIsNone(t *testing.T) {
	p := newPair(t)
	p.main.Handler = handler{check: func(context.Context, releve.CheckQuestion) releve.CheckAnswer {
		return releve.CheckAnswer{Seat: releve.Secondary, Well: true}
	}}
	p.start(p.main)
	answer, err := p.start(p.secondary).Check(within(t, plenty), releve.CheckQuestion{})
	wantKind(t, err, peer.Failed)
	if answer.Well {
		t.Error("the answer was given on with its error")
	}
}

func TestASpoolIsReadAndCut(t *testing.T) {
	p := newPair(t)
	fact, err := releve.NewFact(releve.CallOffered, "call-1", releve.Secondary, 2, time.Now(), releve.CallBody{From: "0155******"})
	if err != nil {
		t.Fatal(err)
	}
	var stored string
	p.secondary.Handler = handler{
		spoolRead: func(_ context.Context, after uint64, max int) (releve.SpoolPage, error) {
			return releve.SpoolPage{Incarnation: "A", Records: []releve.SpoolRecord{{Sequence: after + uint64(max), Fact: fact}}}, nil
		},
		spoolStored: func(_ context.Context, incarnation string, upTo uint64) error {
			stored = fmt.Sprint(incarnation, upTo)
			return nil
		},
	}
	main := p.start(p.main)
	p.start(p.secondary)
	page, err := main.SpoolRead(within(t, plenty), 41, 10)
	if err != nil || page.Incarnation != "A" || len(page.Records) != 1 || page.Records[0].Sequence != 51 {
		t.Fatalf("got %+v, %v", page, err)
	}
	if got := page.Records[0].Fact; got.ID != fact.ID || !got.At.Equal(fact.At) || string(got.Body) != string(fact.Body) {
		t.Errorf("the fact arrived as %+v, sent %+v", got, fact)
	}
	if err := main.SpoolStored(within(t, plenty), "A", 51); err != nil || stored != "A51" {
		t.Errorf("told %q, %v", stored, err)
	}
}

func TestACommandIsReadWhileItRuns(t *testing.T) {
	p := newPair(t)
	seen := make(chan struct{})
	p.main.Handler = handler{command: func(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
		if err := emit(json.RawMessage(`{"name":"` + name + `","args":` + string(args) + `}`)); err != nil {
			return err
		}
		select {
		case <-seen: // the asker has the first line before the second is made
		case <-ctx.Done():
			return ctx.Err()
		}
		return errors.Join(emit(json.RawMessage(`"second"`)), errors.New("the mirror is away"))
	}}
	p.start(p.main)
	var lines []string
	err := p.start(p.secondary).Command(within(t, plenty), "return", json.RawMessage(`{"dry_run":true}`), func(line json.RawMessage) error {
		if lines = append(lines, string(line)); len(lines) == 1 {
			close(seen)
		}
		return nil
	})
	wantKind(t, err, peer.Failed)
	if !strings.Contains(err.Error(), "the mirror is away") {
		t.Errorf("the command's own error is lost in %v", err)
	}
	if want := []string{`{"name":"return","args":{"dry_run":true}}`, `"second"`}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestACommandEndsWhenItsAskerIsGone(t *testing.T) {
	p := newPair(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	p.main.Handler = handler{command: func(ctx context.Context, _ string, _ json.RawMessage, _ func(json.RawMessage) error) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}}
	p.start(p.main)
	secondary := p.start(p.secondary)
	ctx, cancel := context.WithCancel(within(t, plenty))
	go func() { <-begun; cancel() }()
	err := secondary.Command(ctx, "switchover", nil, func(json.RawMessage) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the asker who gave up got %v", err)
	}
	await(t, ended, "the command to end")
}

// What a command ends with because its asker left may still reach him, in one piece with what he
// left upon: he gave up, and that is what he hears.
func TestWhoGaveUpIsToldOfNoFailure(t *testing.T) {
	p := newPair(t)
	shown := identitytest.Shown(t, p.secondary.Cert, p.secondary.Key)[identity.Link]
	defer impostor(t, p, shown, `{"value":"first"}`+"\n"+`{"end":true,"error":"its asker is gone"}`+"\n")()
	main := p.start(p.main)
	ctx, cancel := context.WithCancel(within(t, plenty))
	defer cancel()
	emitted := 0
	err := main.Command(ctx, "switchover", nil, func(json.RawMessage) error { emitted++; cancel(); return nil })
	if emitted != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("told %d values, and then %v", emitted, err)
	}
}

func TestNobodyListensThere(t *testing.T) {
	p := newPair(t)
	err := p.start(p.main).Exchange(within(t, plenty), word{}, new(word))
	wantKind(t, err, peer.Refused)
}

func TestAListenerThatSaysNothingCostsOnlyTheLimit(t *testing.T) {
	p := newPair(t)
	frozen, err := net.Listen("tcp", p.main.Other.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = frozen.Close() }()
	main := p.start(p.main)
	var asking sync.WaitGroup
	begun := time.Now()
	for range 20 { // together: none waits for another
		asking.Go(func() {
			_, err := main.Check(within(t, 200*time.Millisecond), releve.CheckQuestion{})
			wantKind(t, err, peer.Timeout)
		})
	}
	asking.Wait()
	if took := time.Since(begun); took > plenty/5 {
		t.Errorf("twenty questions with a limit of 200 ms took %v: they queue", took)
	}
	caller, err := frozen.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caller.Close() }()
	if from := caller.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); from != p.main.Listen.Addr() {
		t.Errorf("main called from %s, not from its own address %s", from, p.main.Listen.Addr())
	}
}

func TestAFrozenServerThenAWokenThenADeadOne(t *testing.T) {
	p := newPair(t)
	other := p.startProcess(p.secondary.Options)
	main := p.start(p.main)
	exchange := func(limit time.Duration) error {
		err := main.Exchange(within(t, limit), word{}, new(word))
		return err
	}
	if err := exchange(plenty); err != nil {
		t.Fatal(err)
	}
	freeze.Stop(t, other.Process.Pid)
	for range 3 { // the first on the connection that was kept, the others on new ones
		wantKind(t, exchange(200*time.Millisecond), peer.Timeout)
	}
	signal(t, other, syscall.SIGCONT)
	if err := exchange(plenty); err != nil {
		t.Errorf("after it woke up: %v", err)
	}
	signal(t, other, syscall.SIGKILL)
	_ = other.Wait()
	wantKind(t, exchange(plenty), peer.Refused)
}

// startProcess runs one server as a process of its own.
func (p *pair) startProcess(o peer.Options) *exec.Cmd {
	p.t.Helper()
	o.Log = nil
	given, err := json.Marshal(o)
	if err != nil {
		p.t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), otherProcess+"="+string(given))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		p.t.Fatalf("the other server said %q, %v", line, err)
	}
	return c
}

func TestAServerThatClosesCutsItsRequests(t *testing.T) {
	p := newPair(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	p.secondary.Handler = handler{exchange: func(ctx context.Context, heard word) word {
		close(begun)
		<-ctx.Done()
		close(ended)
		return heard
	}}
	main, secondary := p.start(p.main), p.start(p.secondary)
	failed := make(chan error, 1)
	go func() {
		err := main.Exchange(within(t, plenty), word{}, new(word))
		failed <- err
	}()
	await(t, begun, "the request")
	if err := secondary.Close(); err != nil {
		t.Error(err)
	}
	await(t, ended, "the handler to end")
	// Cut, or Refused where the question was repeated on a new connection.
	var e *peer.Error
	if err := <-failed; !errors.As(err, &e) || e.Kind != peer.Cut && e.Kind != peer.Refused {
		t.Errorf("the asker got %v", err)
	}
	p.start(p.secondary) // the port is free again at once
}

func TestAnAskerThatClosesEndsItsOwnRequests(t *testing.T) {
	p := newPair(t)
	begun, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	p.secondary.Handler = handler{exchange: func(_ context.Context, heard word) word {
		close(begun)
		<-over // an answer could overtake the end of the request
		return heard
	}}
	main := p.start(p.main)
	p.start(p.secondary)
	go func() { <-begun; _ = main.Close() }()
	if err := main.Exchange(within(t, plenty), word{}, new(word)); !errors.Is(err, peer.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAPortInUseIsSaidAndWhatToDo(t *testing.T) {
	p := newPair(t)
	p.start(p.main)
	_, err := peer.New(p.main.Options)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "[peer] listen") {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheHandlerFailsWithIsTold(t *testing.T) {
	p := newPair(t)
	p.secondary.Handler = handler{spoolRead: func(context.Context, uint64, int) (releve.SpoolPage, error) {
		return releve.SpoolPage{}, errors.New("the journal is of another site")
	}}
	p.start(p.secondary)
	_, err := p.start(p.main).SpoolRead(within(t, plenty), 0, 1)
	wantKind(t, err, peer.Failed)
	if !strings.Contains(err.Error(), "the journal is of another site") {
		t.Errorf("got %v", err)
	}
}

func wantKind(t *testing.T, err error, want peer.Kind) {
	t.Helper()
	var e *peer.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Errorf("got %v, want an error of kind %s", err, want)
		return
	}
	if e.Why.Code == "" {
		t.Errorf("%v has no sentence", err)
	}
}

func await(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(plenty):
		t.Fatalf("waited %v for %s", plenty, what)
	}
}

func signal(t *testing.T, c *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// A standby asks so often that the words of both travel with its questions.
func TestAWordTravelsWithACheck(t *testing.T) {
	p := newPair(t)
	p.main.Handler = handler{
		exchange: func(_ context.Context, heard word) word { return word{Life: "main heard " + heard.Life} },
		check: func(_ context.Context, question releve.CheckQuestion) releve.CheckAnswer {
			return releve.CheckAnswer{Seat: releve.Main, Term: question.Term, Well: true}
		},
	}
	p.start(p.main)
	secondary := p.start(p.secondary)
	var heard word
	answer, told, err := secondary.CheckAndTell(within(t, plenty), releve.CheckQuestion{Term: 4}, word{Life: "seven"}, &heard)
	if err != nil || !answer.Well || answer.Term != 4 || !told || heard.Life != "main heard seven" {
		t.Errorf("got %+v, %+v, %v", answer, heard, err)
	}
	for story, unreadable := range map[string]struct{ own, heard any }{
		"our word cannot be read":       {7, new(word)},
		"the other's word, in its turn": {word{}, new(int)},
	} {
		answer, told, err := secondary.CheckAndTell(within(t, plenty), releve.CheckQuestion{Term: 4}, unreadable.own, unreadable.heard)
		if err != nil || !answer.Well || answer.Term != 4 || told {
			t.Errorf("%s: the question stands by itself, and is answered %+v, with a word: %v, %v", story, answer, told, err)
		}
	}
}
