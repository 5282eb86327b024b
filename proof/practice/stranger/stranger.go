// Package stranger is somebody on the network of a site who wishes it no good. He sends all that
// he can think of, at once, to every port of both servers and of the witness: from addresses
// of his own, and by UDP, which proves no sender, from those of the PBX and of the servers.
//
// What he sends is drawn from a seed, grows longer and more mangled as he goes on, and
// comes at a rate that is given: what is proven with him is that nothing he says is
// believed and that nothing he holds is missed, not that a line or a processor has no end.
//
// Left out, because it is known to work (ARCHITECTURE.md, non-guarantees): calls by the
// hundred from the PBX's own address, and sound with keys in an orderly sequence from an
// address of the PBX's networks while the caller is silent.
package stranger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Site is what a stranger knows of his victim. An address that is not valid is left alone.
type Site struct {
	PBX     netip.AddrPort
	Users   []string // SIP users and numbers, the published number first
	Servers []Server
	Witness netip.AddrPort
}

// Server is one of the two.
type Server struct {
	SIP, Peer, Database, Console netip.AddrPort
	RTPFirst, RTPLast            int // ports of sound on SIP's address
}

// Options say how hard he tries. Zero rates leave that part out.
type Options struct {
	Seed uint64
	From []netip.Addr // his own, none of them the PBX's or a server's

	Datagrams int // a second, to each server, half of them sound
	Forged    int // a second, to each server, in the name of the PBX or of the other server
	Calls     int // a second, to each server, in the name of the PBX, never acknowledged
	Visits    int // connections opened a second, to each TCP port, and twice as many to PostgreSQL
	Silent    int // beside them without a word, but to PostgreSQL, which begins a process for each
	Held      int // connections of either kind kept open at one time, to each TCP port
	Hold      time.Duration
}

// Report is what he did, and what came of it.
type Report struct {
	Sent        map[string]int // by what it was
	Refused     int            // connections that were not to be had
	Cut         int            // connections that the other side closed while he held them
	Heard       int            // datagrams that came to his own addresses
	Credentials []string       // messages with a password's digest among them, a few
}

// Stranger is one at work.
type Stranger struct {
	site    Site
	options Options
	cancel  context.CancelFunc
	work    sync.WaitGroup
	mouths  []*net.UDPConn // one an address of his own
	forger  *forger
	dressed dress

	mu     sync.Mutex
	report Report
}

// fewDigests is how many messages with credentials are kept for the report.
const fewDigests = 5

// Start sets a stranger on a site until [Stranger.Close]. Forging takes root (CAP_NET_RAW).
func Start(site Site, o Options) (*Stranger, error) {
	if len(o.From) == 0 {
		return nil, errors.New("a stranger needs an address of his own to send from")
	}
	s := &Stranger{site: site, options: o, report: Report{Sent: map[string]int{}}}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	for _, m := range s.mouths {
		s.work.Go(func() { s.listen(m) })
	}
	for i, server := range site.Servers {
		s.beset(ctx, uint64(i), server)
	}
	s.besiege(ctx, 100, site.Witness, witnessDoor)
	return s, nil
}

func (s *Stranger) prepare() (err error) {
	for _, from := range s.options.From {
		mouth, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from.AsSlice()})
		if err != nil {
			return fmt.Errorf("the stranger has no socket: %w", err)
		}
		s.mouths = append(s.mouths, mouth)
	}
	if s.options.Forged+s.options.Calls > 0 {
		if s.forger, err = newForger(); err != nil {
			return err
		}
	}
	s.dressed, err = newDress()
	return err
}

// beset starts all that goes to one server.
func (s *Stranger) beset(ctx context.Context, n uint64, to Server) {
	half := s.options.Datagrams / 2
	s.pace(ctx, 8*n, half, s.saySIP(to))
	s.pace(ctx, 8*n+1, half, s.sayRTP(to))
	if to.SIP.IsValid() {
		s.pace(ctx, 8*n+2, s.options.Forged, s.forge(to))
		s.pace(ctx, 8*n+3, s.options.Calls, s.forgeCall(to))
	}
	s.besiege(ctx, 8*n+4, to.Peer, linkDoor)
	s.besiege(ctx, 8*n+5, to.Console, pageDoor)
	s.visits(ctx, 8*n+6, 2*s.options.Visits, to.Database, databaseDoor)
}

// besiege visits a port, and has others stand in front of it.
func (s *Stranger) besiege(ctx context.Context, stream uint64, to netip.AddrPort, at door) {
	s.visits(ctx, stream, s.options.Visits, to, at)
	s.visits(ctx, 1000+stream, s.options.Silent, to, door{silence})
}

// Close ends him, and returns when he has let go of everything.
func (s *Stranger) Close() Report {
	s.cancel()
	_ = s.release()
	s.work.Wait()
	return s.Report()
}

func (s *Stranger) release() error {
	var err error
	for _, m := range s.mouths {
		err = errors.Join(err, m.Close())
	}
	if s.forger != nil {
		err = errors.Join(err, s.forger.close())
	}
	return err
}

// Report is what he has done so far.
func (s *Stranger) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := s.report
	copied.Sent = maps.Clone(s.report.Sent)
	return copied
}

func (s *Stranger) note(change func(*Report)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.report)
}

// tick is how often a flood goes on: a few datagrams at once, as floods come.
const tick = 20 * time.Millisecond

// pace does something so many times a second until he is told to stop.
func (s *Stranger) pace(ctx context.Context, stream uint64, rate int, do func(*draw) error) {
	if rate <= 0 {
		return
	}
	d := newDraw(s.options.Seed, stream)
	s.work.Go(func() {
		again := time.NewTicker(tick)
		defer again.Stop()
		began, done := time.Now(), 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-again.C:
			}
			due := int(time.Since(began).Seconds() * float64(rate))
			done = max(done, due-rate) // after a stall of the machine: no more than a second's worth
			for ; done < due && ctx.Err() == nil; done++ {
				_ = do(d) // a port that is closed or a queue that is full is the victim's affair
			}
		}
	})
}
