package peer_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/adapters/peer"
)

// blocking is a handler whose methods last until they are let go, or their
// context ends; entered counts those within.
type blocking struct {
	handler
	entered, release chan struct{}
}

func newBlocking(room int) *blocking {
	b := &blocking{entered: make(chan struct{}, room), release: make(chan struct{})}
	b.exchange = func(ctx context.Context, heard word) word {
		_ = b.hold(ctx) // nobody reads the answer then
		return heard
	}
	b.command = func(ctx context.Context, _ string, _ json.RawMessage, _ func(json.RawMessage) error) error {
		return b.hold(ctx)
	}
	b.check = func(context.Context, releve.CheckQuestion) releve.CheckAnswer {
		return releve.CheckAnswer{Seat: releve.Main, Well: true}
	}
	return b
}

func (b *blocking) hold(ctx context.Context) error {
	b.entered <- struct{}{}
	select {
	case <-b.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestMoreRequestsThanTheBoundAreRefusedAtOnce(t *testing.T) {
	const bound = 32
	p, b := newPair(t), newBlocking(bound)
	p.main.Handler = b
	p.start(p.main)
	secondary := p.start(p.secondary)
	exchange := func() error {
		err := secondary.Exchange(within(t, plenty), word{}, new(word))
		return err
	}
	var asking sync.WaitGroup
	for range bound {
		asking.Go(func() {
			if err := exchange(); err != nil {
				t.Error(err)
			}
		})
	}
	for range bound {
		await(t, b.entered, "a request to begin")
	}
	err := exchange()
	wantKind(t, err, peer.Failed)
	if !strings.Contains(err.Error(), "too many requests") {
		t.Errorf("got %v", err)
	}
	close(b.release)
	asking.Wait()
	if err := exchange(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCommandsThatLastHoldNoCheckUp(t *testing.T) {
	const bound = 4
	p, b := newPair(t), newBlocking(bound)
	p.main.Handler = b
	p.start(p.main)
	secondary := p.start(p.secondary)
	command := func() error {
		return secondary.Command(within(t, plenty), "return", nil, func(json.RawMessage) error { return nil })
	}
	var asking sync.WaitGroup
	for range bound {
		asking.Go(func() {
			if err := command(); err != nil {
				t.Error(err)
			}
		})
	}
	for range bound {
		await(t, b.entered, "a command to begin")
	}
	wantKind(t, command(), peer.Failed)
	if answer, err := secondary.Check(within(t, plenty), releve.CheckQuestion{}); err != nil || !answer.Well {
		t.Errorf("the check got %+v, %v", answer, err)
	}
	close(b.release)
	asking.Wait()
}

func TestABodyOverTheBoundIsRefusedAndTheLinkLivesOn(t *testing.T) {
	p := newPair(t)
	p.start(p.main)
	secondary := p.start(p.secondary)
	err := secondary.Exchange(within(t, plenty), word{Life: strings.Repeat("x", 1<<20)}, new(word))
	wantKind(t, err, peer.Failed)
	if err := secondary.Exchange(within(t, plenty), word{}, new(word)); err != nil {
		t.Error(err)
	}
}

func TestAClientThatStopsInItsHeaderIsLetGo(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.start(p.main)
	pair, err := tls.LoadX509KeyPair(p.secondary.Cert, p.secondary.Key)
	if err != nil {
		t.Fatal(err)
	}
	conn := dialTLS(t, p, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
	if _, err := io.WriteString(conn, "POST /exchange HTTP/1.1\r\nHost: x\r\nX-"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server still waits for the rest after %v", plenty)
	}
}

// TestAThousandStrangersKeepTheOtherServerWaitingForNothing: silent ones, ones that stop in
// their handshake, ones with a certificate of their own, from one address and from many.
func TestAThousandStrangersKeepTheOtherServerWaitingForNothing(t *testing.T) {
	const strangers = 1000
	p := newPair(t)
	p.start(p.main)
	old := p.start(p.secondary)
	exchange := func(who *peer.Peer) {
		t.Helper()
		if err := who.Exchange(within(t, plenty), word{}, new(word)); err != nil {
			t.Errorf("with strangers at the door: %v", err)
		}
	}
	exchange(old)
	other := newPair(t) // of another site
	foreign, err := tls.LoadX509KeyPair(other.secondary.Cert, other.secondary.Key)
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	var conns []net.Conn
	for i := range strangers {
		from := net.IPv4(127, 0, 1, 1)
		if i%2 == 0 {
			from = net.IPv4(127, 0, 1, byte(1+i/2%250))
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: plenty}
		c, err := d.Dial("tcp", p.main.Listen.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		conns = append(conns, c)
		switch {
		case i%5 == 0:
			_, _ = c.Write([]byte{22, 3, 1, 2, 0}) // the head of a ClientHello
		case i%100 == 1:
			secured := tls.Client(c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{foreign}})
			_ = secured.HandshakeContext(within(t, plenty))
		}
		if i%250 == 249 {
			exchange(old)
		}
	}
	exchange(old)
	if held := descriptors(t) - before - len(conns); held > 64+16 {
		t.Errorf("the server holds %d connections of strangers", held)
	}
	_ = old.Close()
	exchange(p.start(p.secondary)) // one that has to shake hands first
	for end := time.Now().Add(plenty); descriptors(t) > before+len(conns)+8; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of strangers who do nothing %d connections stay open", descriptors(t)-before-len(conns))
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestBodiesThatNeverComeEnd: of the other server, and of one that is refused anyway.
func TestBodiesThatNeverComeEnd(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.start(p.main)
	waiting := map[net.Conn]string{}
	for _, files := range []end{p.secondary, newPair(t).secondary} {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range []string{
			"POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
			"POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
			"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		} {
			conn := dialTLS(t, p, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			waiting[conn] = request
		}
	}
	for conn, request := range waiting {
		if text, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %q: the server still waits, %q", request, text)
		}
	}
}

// TestABodyThatComesSlowlyIsRead: all of it takes longer than the limit for no progress.
func TestABodyThatComesSlowlyIsRead(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.start(p.main)
	pair, err := tls.LoadX509KeyPair(p.secondary.Cert, p.secondary.Key)
	if err != nil {
		t.Fatal(err)
	}
	conn := dialTLS(t, p, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
	const body = `{"life":"1"}`
	text := "POST /exchange HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12\r\n\r\n"
	for _, piece := range body {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		text = string(piece)
		time.Sleep(500 * time.Millisecond)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.Contains(string(answer), `"life":"1"`) {
		t.Errorf("got %q, %v", answer, err)
	}
}

// TestAValueOfAnySizeIsCarried: what a command emits, such as a row with a document in it.
func TestAValueOfAnySizeIsCarried(t *testing.T) {
	p := newPair(t)
	sizes := []int{0, 1, 1 << 10, 256<<10 - 2, 256<<10 - 1, 1 << 20, 5 << 20}
	h := echo()
	h.command = func(_ context.Context, _ string, _ json.RawMessage, emit func(json.RawMessage) error) error {
		for _, n := range sizes {
			if err := emit(json.RawMessage(`"` + strings.Repeat("é", n/2) + strings.Repeat("x", n%2) + `"`)); err != nil {
				return err
			}
		}
		return emit(json.RawMessage(`"` + strings.Repeat("x", 64<<20) + `"`))
	}
	p.main.Handler = h
	p.start(p.main)
	got := 0
	err := p.start(p.secondary).Command(within(t, plenty), "salvage", nil, func(value json.RawMessage) error {
		var text string
		if err := json.Unmarshal(value, &text); err != nil || len(text) != sizes[got] {
			t.Errorf("of %d bytes %d came: %v", sizes[got], len(text), err)
		}
		got++
		return nil
	})
	if got != len(sizes) {
		t.Errorf("%d of %d values came", got, len(sizes))
	}
	wantKind(t, err, peer.Failed)
	if !strings.Contains(err.Error(), "more than the link carries") {
		t.Errorf("what is too long is told as %v", err)
	}
}
