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
	"releve/peer"
)

// blocking is a handler whose methods last until they are let go, or their
// context ends; entered counts those within.
type blocking struct {
	handler
	entered, release chan struct{}
}

func newBlocking(room int) *blocking {
	b := &blocking{entered: make(chan struct{}, room), release: make(chan struct{})}
	b.exchange = func(ctx context.Context, in json.RawMessage) (json.RawMessage, error) { return in, b.hold(ctx) }
	b.command = func(ctx context.Context, _ string, _ json.RawMessage, _ func(json.RawMessage) error) error {
		return b.hold(ctx)
	}
	b.check = func(context.Context, peer.CheckQuestion) peer.CheckAnswer {
		return peer.CheckAnswer{Seat: releve.Main, Well: true}
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
		_, err := secondary.Exchange(within(t, plenty), json.RawMessage(`1`))
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
	if answer, err := secondary.Check(within(t, plenty), peer.CheckQuestion{}); err != nil || !answer.Well {
		t.Errorf("the check got %+v, %v", answer, err)
	}
	close(b.release)
	asking.Wait()
}

func TestABodyOverTheBoundIsRefusedAndTheLinkLivesOn(t *testing.T) {
	p := newPair(t)
	p.start(p.main)
	secondary := p.start(p.secondary)
	_, err := secondary.Exchange(within(t, plenty), json.RawMessage(`"`+strings.Repeat("x", 1<<20)+`"`))
	wantKind(t, err, peer.Failed)
	if _, err := secondary.Exchange(within(t, plenty), json.RawMessage(`1`)); err != nil {
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

func TestConnectionsOverTheBoundAreClosed(t *testing.T) {
	t.Parallel()
	const bound = 256
	p := newPair(t)
	p.start(p.main)
	conns := make([]net.Conn, 0, bound+1)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range bound + 1 {
		c, err := net.Dial("tcp", p.main.Listen.String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	last := conns[bound]
	if err := last.SetReadDeadline(time.Now().Add(plenty)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection over the bound stays open: %v", err)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	secondary := p.start(p.secondary)
	ctx := within(t, plenty)
	for ctx.Err() == nil { // until the server has seen them closed
		if _, err := secondary.Exchange(ctx, json.RawMessage(`1`)); err == nil {
			return
		}
	}
	t.Error("the server does not take requests again")
}
