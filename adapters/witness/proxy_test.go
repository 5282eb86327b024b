package witness_test

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"releve"
	"releve/adapters/witness"
)

// proxy is the network between a server and its witness.
type proxy struct {
	t        testing.TB
	listener net.Listener
	to       netip.AddrPort
	opened   atomic.Int32
	delay    atomic.Int64 // of each piece, in nanoseconds
	swallow  atomic.Bool  // the next answer, and the connection with it

	mu     sync.Mutex
	conns  map[net.Conn]bool
	copies sync.WaitGroup
}

func newProxy(t testing.TB, to netip.AddrPort) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", freeAddress(t).String())
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: l, to: to, conns: map[net.Conn]bool{}}
	p.copies.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.copies.Wait()
	})
	return p
}

func (p *proxy) at() netip.AddrPort { return p.listener.Addr().(*net.TCPAddr).AddrPort() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.opened.Add(1)
		far, err := net.Dial("tcp", p.to.String())
		if err != nil { // the witness is away
			_ = near.Close()
			continue
		}
		p.keep(near, far)
		p.copies.Go(func() { p.pass(near, far, nil) })
		p.copies.Go(func() { p.pass(far, near, &p.swallow) })
	}
}

// pass carries one direction until either end is closed.
func (p *proxy) pass(from, to net.Conn, swallow *atomic.Bool) {
	defer func() { _, _ = from.Close(), to.Close() }()
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		if err != nil || swallow != nil && swallow.CompareAndSwap(true, false) {
			return
		}
		time.Sleep(time.Duration(p.delay.Load()))
		if _, err := to.Write(piece[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
}

// cut breaks every connection that is open.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func TestAConnectionIsKept(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	p := newProxy(t, s.at)
	main := s.client(releve.Main, p.at())
	must(t, main, seed())
	for range 50 {
		read(t, main)
	}
	if n := p.opened.Load(); n != 1 {
		t.Errorf("51 requests took %d connections", n)
	}
}

// Sent a second time, a claim that was granted would be told as refused.
func TestAClaimWhoseAnswerIsLostIsNotSentAgain(t *testing.T) {
	s, d := newSite(t), &disk{}
	s.start(s.options(d))
	p := newProxy(t, s.at)
	main := s.client(releve.Main, p.at())
	now := must(t, main, seed())
	for range 20 {
		p.swallow.Store(true)
		_, err := main.Claim(within(t, plenty), after(now, handOver))
		if !errors.Is(err, witness.ErrNotHeard) {
			t.Fatalf("the answer was lost, and the claim got %v", err)
		}
		next := read(t, main)
		if next.Version != now.Version+1 {
			t.Fatalf("after %+v there is %+v", now, next)
		}
		now = next
	}
	if uint64(d.saves) != now.Version {
		t.Errorf("%d writes made version %d", d.saves, now.Version)
	}
}

func TestASlowNetworkCostsTheLimitAndNoMore(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	p := newProxy(t, s.at)
	main := s.client(releve.Main, p.at())
	must(t, main, seed())
	p.delay.Store(int64(time.Second))
	if _, err := main.Read(within(t, 50*time.Millisecond)); !errors.Is(err, witness.ErrNotHeard) {
		t.Errorf("got %v", err)
	}
	p.delay.Store(0)
	if now := read(t, main); now.Version != 1 {
		t.Errorf("afterwards %+v", now)
	}
}
