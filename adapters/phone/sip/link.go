package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"releve"
)

const (
	// dialLimit is how long the PBX may take to accept a connection. The kernel asks again after one second.
	dialLimit = 1500 * time.Millisecond
	// firstRedial is the first pause before the PBX is called again. It grows to mostRedial: a PBX that was started anew
	// has its users back within 2 s of its first sign of life, which is that it accepts.
	firstRedial = 100 * time.Millisecond
	mostRedial  = time.Second
	// mostDistrust is what the pause grows to where the PBX's certificate is refused: nothing changes by itself there.
	mostDistrust = 30 * time.Second
	// mutePBX is how long the PBX may say nothing at all while it is asked, before the connection is made anew.
	mutePBX = 20 * time.Second
)

// link keeps one connection to the PBX.
type link struct {
	set     *streams
	silent  func(netip.AddrPort)
	back    func()
	explain func(releve.Sentence)

	mu      sync.Mutex
	to      netip.AddrPort // not valid: nobody knows yet
	current *stream        // nil: there is none now
	began   int            // attempts
	failed  int            // the last that did
	err     error          // … why
	far     bool           // the next attempt is not soon
	changed chan struct{}  // closed and made anew with each change
	telling telling        // owned by keep
}

// telling is what the operator was told last.
type telling struct {
	lost      bool
	distrusts string // the reason that the certificate was said to be bad for
}

func newLink(ss *streams, o Options) *link {
	l := &link{set: ss, to: o.PBX, back: o.Back, silent: o.Silent, explain: o.Explain, changed: make(chan struct{})}
	if l.back == nil {
		l.back = func() {}
	}
	if l.silent == nil {
		l.silent = func(netip.AddrPort) {}
	}
	if l.explain == nil {
		l.explain = func(releve.Sentence) {}
	}
	return l
}

// stream is the connection that stands, nil where none does.
func (l *link) stream() *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing()
}

// standing is the connection unless it has ended, which keep is yet to notice. It is called with the lock.
func (l *link) standing() *stream {
	if l.current == nil || l.current.over() {
		return nil
	}
	return l.current
}

// ready waits for the connection, as long as an attempt to make it is under way or about to be. Otherwise it says why there is none.
func (l *link) ready(ctx context.Context) (*stream, error) {
	l.mu.Lock()
	mark := l.began
	l.mu.Unlock()
	for {
		l.mu.Lock()
		current, err, changed := l.standing(), l.err, l.changed
		hopeless := err != nil && (l.failed > mark || l.far)
		l.mu.Unlock()
		switch {
		case current != nil:
			return current, nil
		case hopeless:
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.set.endpoint.done:
			return nil, ErrClosed
		}
	}
}

// set notes a change and wakes who waits for one.
func (l *link) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// at is where the PBX is to be spoken to.
func (l *link) at() netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to
}

// turn has it spoken to elsewhere.
func (l *link) turn(to netip.AddrPort) {
	l.mu.Lock()
	was := l.current
	l.to = to
	l.mu.Unlock()
	if was != nil && was.remote != to {
		was.cut(errTurned)
	}
}

// keep makes the connection, reads it until it ends, and makes it again, until ctx ends.
func (l *link) keep(ctx context.Context) {
	pause := firstRedial
	for ctx.Err() == nil {
		l.note(func() { l.began++ })
		at := l.at()
		s, err := l.connect(ctx, at)
		if err == nil {
			began := time.Now()
			if err = l.serve(s); time.Since(began) > mostRedial {
				pause = firstRedial
			}
		}
		next := pause + rand.N(pause/4)
		l.note(func() { l.current, l.err, l.failed, l.far = nil, err, l.began, next > 2*mostRedial })
		if ctx.Err() == nil {
			l.set.endpoint.log.Warn("no connection to the PBX", "at", at, "why", err, "next", next)
			l.tellFailed(at, err)
			l.silent(at)
		}
		pause = min(2*pause, mostOf(err))
		select {
		case <-ctx.Done():
		case <-time.After(next):
		}
	}
}

// mostOf is what the pause grows to after a failure.
func mostOf(err error) time.Duration {
	if distrusted(err) {
		return mostDistrust
	}
	return mostRedial
}

// connect makes a connection, and hands it to the library.
func (l *link) connect(ctx context.Context, to netip.AddrPort) (*stream, error) {
	if !to.IsValid() {
		return nil, errNowhere
	}
	conn, err := l.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	if trust := l.set.tls; trust != nil {
		if conn, err = l.prove(ctx, conn, to, trust); err != nil {
			return nil, err
		}
	}
	s := newStream(l.set, conn, to, true)
	if !l.set.handed.give(s) {
		s.cut(ErrClosed)
		return nil, ErrClosed
	}
	return s, nil
}

// dial calls the PBX from the port of our Contact, or from any where the kernel will not give that one yet.
func (l *link) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	from := net.TCPAddrFromAddrPort(l.set.endpoint.listen)
	dialer := net.Dialer{LocalAddr: from, Timeout: dialLimit, Control: sharePort, KeepAliveConfig: alive}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		dialer.LocalAddr = &net.TCPAddr{IP: from.IP}
		conn, err = dialer.DialContext(ctx, "tcp", to.String())
	}
	return conn, err
}

// prove has the PBX prove who it is, and goes on over a certificate that does not where the site chose that.
func (l *link) prove(ctx context.Context, conn net.Conn, to netip.AddrPort, trust *Certificates) (net.Conn, error) {
	settings, err := trust.client()
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	over := tls.Client(conn, settings)
	if err := handshake(ctx, over); err != nil {
		hangUp(conn)
		return nil, err
	}
	if err := trust.judge(over.ConnectionState(), settings.RootCAs); err != nil {
		l.tellDistrust(to, err, trust.Anyway)
		if !trust.Anyway {
			hangUp(conn)
			return nil, err
		}
		return over, nil
	}
	l.tellTrust(to)
	return over, nil
}

// serve has the connection used while it stands.
func (l *link) serve(s *stream) error {
	l.note(func() { l.current, l.err, l.far = s, nil, false })
	l.tellBack(s.remote)
	s.cut(endOf(s.read()))
	return s.why
}

// tellFailed says once that the connection is lost, or cannot be made. A certificate that is refused has been said.
func (l *link) tellFailed(at netip.AddrPort, err error) {
	if !l.telling.lost && !distrusted(err) && !errors.Is(err, errNowhere) {
		l.telling.lost = true
		l.explain(releve.Say("event-pbx-connection-lost", "address", at.String(), "cause", releve.Reason(err)))
	}
}

// tellBack says that the connection stands again, to whoever thinks that the PBX holds what it was told before.
func (l *link) tellBack(at netip.AddrPort) {
	if l.began > 1 {
		l.back()
	}
	if l.telling.lost {
		l.telling.lost = false
		l.explain(releve.Say("event-pbx-connected", "address", at.String()))
	}
}

func (l *link) tellDistrust(at netip.AddrPort, err error, anyway bool) {
	why := releve.Reason(err)
	if why == l.telling.distrusts {
		return
	}
	l.telling.distrusts = why
	code := "event-pbx-certificate-refused"
	if anyway {
		code = "event-pbx-certificate-accepted"
	}
	l.explain(releve.Say(code, "address", at.String(), "cause", why))
}

func (l *link) tellTrust(at netip.AddrPort) {
	if l.telling.distrusts != "" {
		l.telling.distrusts = ""
		l.explain(releve.Say("event-pbx-certificate-well", "address", at.String()))
	}
}

// suspect has a question without an answer taken in: a PBX from which nothing has come for long is called anew.
func (l *link) suspect() {
	if s := l.stream(); s != nil && s.quiet() > mutePBX {
		s.cut(errMute)
	}
}
