package phone_test

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"releve"
	"releve/adapters/phone/locate"
	"releve/adapters/phone/sip"
)

// names is a name server whose records a test changes.
type names struct {
	t      *testing.T
	addr   string
	server *dns.Server
	over   chan struct{}
	mu     sync.Mutex
	known  []dns.RR
}

func newNames(t *testing.T) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{t: t, addr: conn.LocalAddr().String(), over: make(chan struct{})}
	up := make(chan struct{})
	n.server = &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(n.answer), NotifyStartedFunc: func() { close(up) }}
	go func() { defer close(n.over); _ = n.server.ActivateAndServe() }()
	<-up
	t.Cleanup(n.stop)
	return n
}

func (n *names) stop() {
	_ = n.server.Shutdown()
	<-n.over
}

// pbx has pbx.test stand for these, the first before the second.
func (n *names) pbx(over sip.Transport, at ...netip.AddrPort) {
	var known []dns.RR
	for i, a := range at {
		host := "host" + strconv.Itoa(i) + ".pbx.test."
		known = append(known,
			&dns.SRV{Hdr: header("_sip._"+string(over)+".pbx.test.", dns.TypeSRV), Priority: uint16(i), Port: a.Port(), Target: host},
			&dns.A{Hdr: header(host, dns.TypeA), A: a.Addr().AsSlice()})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = known
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 1}
}

func (n *names) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	n.mu.Lock()
	for _, rr := range n.known {
		if rr.Header().Name == q.Question[0].Name && rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	n.mu.Unlock()
	_ = w.WriteMsg(m)
}

// boundAt says whether a PBX shows the reception.
func boundAt(t *testing.T, pbx *kamailio) func() bool {
	watch, _ := newPhone(t, pbx.addr)
	return func() bool {
		ctx, done := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer done()
		all, err := watch.Bindings(ctx, reception())
		return err == nil && len(all) == 1
	}
}

// The PBX is a name that stands for two: the user is bound at the first, at the second when the first dies, though no name
// server answers then; and where the name stands for when that changes.
func TestAPBXThatIsAName(t *testing.T) {
	for _, over := range []sip.Transport{sip.UDP, sip.TCP} {
		t.Run(string(over), func(t *testing.T) {
			first, second := startKamailio(t), startKamailio(t)
			n := newNames(t)
			n.pbx(over, first.addr, second.addr)
			told := make(chan releve.Sentence, 64)
			lines, calls := linesOf(t, netip.AddrPort{}, func(s *setup) {
				s.PBXName, s.Transport, s.Domain = "pbx.test", over, "pbx.test"
				s.Networks = []netip.Prefix{netip.PrefixFrom(ownIP(), 32)}
				s.Resolver = locate.Resolver{Servers: []string{n.addr}, Patience: 300 * time.Millisecond}
				s.Explain = func(what releve.Sentence) { told <- what }
			})
			asked := func(at func() bool) func() bool { // as an agent asks, all the time
				return func() bool {
					ctx, done := context.WithTimeout(t.Context(), 300*time.Millisecond)
					defer done()
					_ = lines.Options(ctx)
					return at()
				}
			}
			until(t, "bound at the first", 10*time.Second, asked(boundAt(t, first)))
			n.stop()
			first.kill()
			until(t, "bound at the second", 10*time.Second, asked(boundAt(t, second)))
			caller := sipp(t, second, "9", "486 Busy Here")
			l := answer(t, next(t, calls))
			if got := keys(t, l, 3); got != "12#" {
				t.Errorf("keys %q", got)
			}
			_ = l.Hangup(limit(t, 10*time.Second))
			caller.stop()
			if lines.Gone() || !lines.Held().Reception {
				t.Error("the first, which nobody asks any more, may have the binding still")
			}
		})
	}
}

// A name that stands for somebody else is followed when its answer is good no more.
func TestThePBXMovesUnderItsName(t *testing.T) {
	first, second := startKamailio(t), startKamailio(t)
	n := newNames(t)
	n.pbx(sip.TCP, first.addr)
	lines, _ := linesOf(t, netip.AddrPort{}, func(s *setup) {
		s.PBXName, s.Transport, s.Domain = "pbx.test", sip.TCP, "pbx.test"
		s.Resolver = locate.Resolver{Servers: []string{n.addr}}
	})
	until(t, "bound at the first", 10*time.Second, boundAt(t, first))
	n.pbx(sip.TCP, second.addr)
	until(t, "bound at the second", 15*time.Second, boundAt(t, second))
	until(t, "bound", 5*time.Second, func() bool { return lines.Bound().Reception })
}
