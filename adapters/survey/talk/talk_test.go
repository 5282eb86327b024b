package talk_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"releve/adapters/survey/talk"
)

var home = netip.MustParseAddr("127.0.0.1")

// listen is an end that answers, and what became of its waiting.
func listen(t *testing.T, code string) (*talk.Listener, <-chan *talk.Conn) {
	t.Helper()
	l, err := talk.Listen(netip.AddrPortFrom(home, 0), code)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan *talk.Conn, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, _ := l.Accept(ctx)
		accepted <- conn
	}()
	t.Cleanup(func() { stop(); <-ended })
	return l, accepted
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(done)
	return ctx
}

func TestTwoEndsWithOneCodeTalk(t *testing.T) {
	code, ok := talk.Bare(talk.NewCode())
	if !ok {
		t.Fatal("a drawn code is none")
	}
	l, accepted := listen(t, code)
	lead, err := talk.Dial(soon(t), home, l.Addr(), code)
	if err != nil {
		t.Fatal(err)
	}
	defer lead.Close()
	answer := <-accepted
	if answer == nil {
		t.Fatal("the end that answers heard nobody")
	}
	defer answer.Close()
	if err := lead.Send(map[string]string{"do": "clock"}); err != nil {
		t.Fatal(err)
	}
	var heard map[string]string
	if err := answer.Receive(&heard, false); err != nil || heard["do"] != "clock" {
		t.Fatalf("heard %v, %v", heard, err)
	}
	again, done := context.WithTimeout(t.Context(), time.Millisecond)
	defer done()
	if conn, err := talk.Dial(again, home, l.Addr(), code); err == nil {
		_ = conn.Close()
		t.Error("the code is good twice")
	}
}

func TestWhoHasNotTheCodeIsNotHeardAndKeepsNobodyOut(t *testing.T) {
	l, accepted := listen(t, "AAAABBBBCCCCDDDD")
	if _, err := talk.Dial(soon(t), home, l.Addr(), "AAAABBBBCCCCDDDE"); !errors.Is(err, talk.ErrCode) {
		t.Errorf("with another code: %v", err)
	}
	for range 3 { // strangers that say nothing, or what is no TLS
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	}
	lead, err := talk.Dial(soon(t), home, l.Addr(), "AAAABBBBCCCCDDDD")
	if err != nil {
		t.Fatal(err)
	}
	_ = lead.Close()
	_ = (<-accepted).Close()
}

// Who sits between has two connections: a proof made for one is not good on the other.
func TestWhoPassesTheProofsOnIsNotBelieved(t *testing.T) {
	const code = "AAAABBBBCCCCDDDD"
	l, accepted := listen(t, code)
	between, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer between.Close()
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		near, err := between.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer far.Close()
		proof := make([]byte, 32)
		if _, err := io.ReadFull(near, proof); err == nil {
			_, _ = far.Write(proof)
			_, _ = io.Copy(near, far)
		}
	}()
	_, err = talk.Dial(soon(t), home, between.Addr().(*net.TCPAddr).AddrPort(), code)
	if !errors.Is(err, talk.ErrCode) {
		t.Errorf("through another: %v", err)
	}
	<-passed
	select {
	case conn := <-accepted:
		t.Errorf("the end that answers took it for the other: %v", conn)
	default:
	}
}

func TestACodeIsReadAsPeopleTypeIt(t *testing.T) {
	for typed, want := range map[string]string{
		"ABCD-EFGH-IJKL-MNOP": "ABCDEFGHIJKLMNOP", " abcd efgh ijkl mnop": "ABCDEFGHIJKLMNOP", "ABCD": "", "": "", strings.Repeat("A", 17): "",
	} {
		if code, ok := talk.Bare(typed); ok != (want != "") || ok && code != want {
			t.Errorf("%q is %q, %t", typed, code, ok)
		}
	}
}
