package media

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"releve"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	// ErrNoPort says that a call cannot have a port of its own: all are taken, or the
	// process may open no more files.
	ErrNoPort = releve.Known("no RTP port for another call", "cause-no-port-more")
	// ErrClosed says that the engine or the stream was closed.
	ErrClosed = errors.New("media closed")
)

// Options are what an engine needs to know.
type Options struct {
	Address netip.Addr // of this server, towards the PBX; never a wildcard
	First   int        // the range of UDP ports: even ones for sound, the next for RTCP (RFC 3550 §11)
	Last    int
	// Networks are the PBX's: sound goes to no other address, and none other is heard.
	Networks []netip.Prefix
	Log      *slog.Logger
}

func (o Options) check() error {
	if !o.Address.IsValid() || o.Address.IsUnspecified() {
		return fmt.Errorf("RTP needs an address of this server, not %v: "+
			"with several addresses a PBX would see calls come from the wrong one", o.Address)
	}
	if o.First < 1 || o.Last > 65535 || o.even() == 0 {
		return fmt.Errorf("RTP ports %d to %d hold no even port between 1 and 65535: give each channel two", o.First, o.Last)
	}
	return nil
}

// even is how many even ports the range has.
func (o Options) even() int { return max(0, o.Last/2-(o.First+1)/2+1) }

// port is the i-th even port of the range, counted in a circle.
func (o Options) port(i int) int { return ((o.First+1)/2 + i%o.even()) * 2 }

// An Engine carries the sound of all calls of a server: a port and a receiving goroutine
// for each, one sending loop for all. While no call plays, it sleeps.
type Engine struct {
	options  Options
	pacer    *pacer
	networks atomic.Pointer[[]netip.Prefix]

	mu      sync.Mutex
	streams map[*Stream]bool // nil: closed
}

// NewEngine starts an engine. It opens no port before [Engine.Open].
func NewEngine(o Options) (*Engine, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := startPacer(o.Log)
	if err != nil {
		return nil, fmt.Errorf("start the media clock: %w", err)
	}
	e := &Engine{options: o, pacer: p, streams: map[*Stream]bool{}}
	e.SetNetworks(o.Networks)
	return e, nil
}

// Late is how late the sound of all calls left in the last 100 ms, or is now; 0 where there is none.
func (e *Engine) Late() time.Duration { return e.pacer.lately() }

// Networks are where sound may go.
func (e *Engine) Networks() []netip.Prefix { return *e.networks.Load() }

// SetNetworks replaces them, for what is agreed on from now on.
func (e *Engine) SetNetworks(n []netip.Prefix) { e.networks.Store(&n) }

// Open binds a port for a call. It fails with [ErrNoPort], or [ErrClosed].
func (e *Engine) Open() (*Stream, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.streams == nil {
		return nil, ErrClosed
	}
	conn, err := e.bind()
	if err != nil {
		return nil, err
	}
	control := e.bindControl(conn.LocalAddr().(*net.UDPAddr).Port)
	s, err := newStream(e, conn, control)
	if err != nil {
		conn.Close()
		if control != nil {
			control.Close()
		}
		return nil, err
	}
	e.streams[s] = true
	return s, nil
}

// bind takes a free port, looking from a random one on: a port that a call has just
// left may still get that call's last packets.
func (e *Engine) bind() (*net.UDPConn, error) {
	start := rand.IntN(e.options.even())
	var last error
	for i := range e.options.even() {
		port := e.options.port(start + i)
		address := netip.AddrPortFrom(e.options.Address, uint16(port))
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		if err == nil {
			return conn, nil
		}
		last = err
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, fmt.Errorf("%w on %v, ports %d to %d (widen the range, or raise the limit of open files): %w",
		ErrNoPort, e.options.Address, e.options.First, e.options.Last, last)
}

// Close closes every socket at once, so that nothing is heard or said from here on, then
// waits for the goroutines behind them. It may be called more than once.
func (e *Engine) Close() {
	e.mu.Lock()
	streams := e.streams
	e.streams = nil
	e.mu.Unlock()
	if streams == nil {
		return
	}
	for s := range streams {
		s.shut()
	}
	for s := range streams {
		s.Close()
	}
	e.pacer.stop()
}

// forget lets go of a closed stream.
func (e *Engine) forget(s *Stream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.streams, s)
}
