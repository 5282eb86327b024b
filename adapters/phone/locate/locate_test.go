package locate

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// records of an establishment with two PBXs, one before the other, and one that is only a name.
var records = []string{
	`pbx.test. 600 IN NAPTR 20 50 "s" "SIP+D2U" "" _sip._udp.pbx.test.`,
	`pbx.test. 600 IN NAPTR 10 50 "s" "SIP+D2T" "" _strange._tcp.pbx.test.`,
	`pbx.test. 600 IN NAPTR 10 40 "u" "E2U+sip" "!^.*$!sip:info@pbx.test!" .`,
	`_sip._udp.pbx.test. 300 IN SRV 20 1 5070 second.pbx.test.`,
	`_sip._udp.pbx.test. 300 IN SRV 10 1 5060 first.pbx.test.`,
	`_strange._tcp.pbx.test. 120 IN SRV 1 1 5099 second.pbx.test.`,
	`_sips._tcp.pbx.test. 60 IN SRV 1 1 5061 alias.pbx.test.`,
	`first.pbx.test. 900 IN A 192.0.2.1`,
	`second.pbx.test. 900 IN A 192.0.2.2`,
	`second.pbx.test. 900 IN AAAA 2001:db8::2`,
	`alias.pbx.test. 30 IN CNAME first.pbx.test.`,
	`plain.pbx.test. 2 IN A 192.0.2.3`,
	`_sip._udp.none.pbx.test. 300 IN SRV 0 0 0 .`,
	`_sip._udp.half.pbx.test. 300 IN SRV 1 1 5060 nowhere.pbx.test.`,
	`_sip._udp.half.pbx.test. 300 IN SRV 2 1 5062 first.pbx.test.`,
}

// RFC 3263 on a real name server.
func TestAPBXIsFoundByItsName(t *testing.T) {
	dns := []string{startUnbound(t, false, records...).addr}
	for _, c := range []struct {
		name, want string
		where      Where
		ttl        time.Duration
		err        error
	}{
		{"by priority", "192.0.2.1:5060 192.0.2.2:5070", Where{Name: "pbx.test", Transport: "udp"}, 300 * time.Second, nil},
		{"NAPTR sends elsewhere", "192.0.2.2:5099", Where{Name: "pbx.test", Transport: "tcp"}, 120 * time.Second, nil},
		{"without a NAPTR, by an alias", "192.0.2.1:5061", Where{Name: "pbx.test", Transport: "tls"}, 30 * time.Second, nil},
		{"a port asks for no SRV", "192.0.2.3:5080", Where{Name: "plain.pbx.test", Port: 5080, Transport: "udp"}, shortest, nil},
		{"neither NAPTR nor SRV", "192.0.2.3:5061", Where{Name: "plain.pbx.test", Transport: "tls"}, shortest, nil},
		{"the other family", "[2001:db8::2]:5070", Where{Name: "pbx.test", Transport: "udp", IPv6: true}, 300 * time.Second, nil},
		{"a host without an address", "192.0.2.1:5062", Where{Name: "half.pbx.test", Transport: "udp"}, 300 * time.Second, nil},
		{"decidedly nobody", "", Where{Name: "none.pbx.test", Transport: "udp"}, 0, ErrNone},
		{"nobody of that name", "", Where{Name: "who.pbx.test", Transport: "udp"}, 0, ErrNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ttl, err := where(t, dns, c.where)
			if got != c.want || ttl != c.ttl || !errors.Is(err, c.err) {
				t.Errorf("found %q for %s, %v", got, ttl, err)
			}
		})
	}
}

// One name server that refuses, or is not there, is passed over; where all do, that says nothing of the name.
func TestANameServerThatDoesNotHelpIsPassedOver(t *testing.T) {
	refuses, well := startUnbound(t, true, records...).addr, startUnbound(t, false, records...).addr
	nobody := free(t)
	plain := Where{Name: "plain.pbx.test", Port: 5060, Transport: "udp"}
	if got, _, err := where(t, []string{refuses, nobody, well}, plain); got != "192.0.2.3:5060" || err != nil {
		t.Errorf("found %q, %v", got, err)
	}
	for _, bad := range []string{refuses, nobody} {
		if got, _, err := where(t, []string{bad}, plain); got != "" || err == nil || errors.Is(err, ErrNone) {
			t.Errorf("found %q, %v", got, err)
		}
	}
}

// scripted is a name server that answers as a test says.
func scripted(t *testing.T, answer func(w dns.ResponseWriter, q *dns.Msg)) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: conn}, {Listener: listener}} {
		s.Handler = dns.HandlerFunc(answer)
		up, over := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { defer close(over); _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown(); <-over })
	}
	return conn.LocalAddr().String()
}

// say answers with records.
func say(t *testing.T, w dns.ResponseWriter, q *dns.Msg, records ...string) {
	m := new(dns.Msg).SetReply(q)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Error(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	_ = w.WriteMsg(m)
}

// Answers that real name servers give when something is wrong.
func TestStrangeAnswers(t *testing.T) {
	many := make([]string, 200)
	for i := range many {
		many[i] = "x.test. 60 IN A 192.0.2." + strings.TrimSpace(string(rune('1'+i%9)))
	}
	for _, c := range []struct {
		name    string
		answers func(w dns.ResponseWriter, q *dns.Msg)
		want    string
		err     error
	}{
		{"slow", func(dns.ResponseWriter, *dns.Msg) {}, "", nil},
		{"empty", func(w dns.ResponseWriter, q *dns.Msg) { say(t, w, q) }, "", ErrNone},
		{"in a circle in one answer", func(w dns.ResponseWriter, q *dns.Msg) {
			say(t, w, q, "x.test. 60 IN CNAME y.test.", "y.test. 60 IN CNAME x.test.")
		}, "", ErrNone},
		{"in a circle by several", func(w dns.ResponseWriter, q *dns.Msg) {
			say(t, w, q, q.Question[0].Name+" 60 IN CNAME a"+q.Question[0].Name)
		}, "", errLooped},
		{"of another name", func(w dns.ResponseWriter, q *dns.Msg) { say(t, w, q, "z.test. 60 IN A 192.0.2.9") }, "", ErrNone},
		{"an alias whose end is to be asked for", func(w dns.ResponseWriter, q *dns.Msg) {
			if q.Question[0].Name == "x.test." {
				say(t, w, q, "x.test. 60 IN CNAME y.test.")
				return
			}
			say(t, w, q, "y.test. 60 IN A 192.0.2.4")
		}, "192.0.2.4:5060", nil},
		{"cut, and whole over TCP", func(w dns.ResponseWriter, q *dns.Msg) {
			if w.RemoteAddr().Network() == "udp" {
				m := new(dns.Msg).SetReply(q)
				m.Truncated = true
				_ = w.WriteMsg(m)
				return
			}
			say(t, w, q, many...)
		}, "192.0.2.1:5060 192.0.2.2:5060 192.0.2.3:5060 192.0.2.4:5060", nil},
		{"everybody", func(w dns.ResponseWriter, q *dns.Msg) {
			say(t, w, q, "x.test. 60 IN A 0.0.0.0", "x.test. 60 IN A 224.0.0.1")
		}, "", ErrNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := where(t, []string{scripted(t, c.answers)}, Where{Name: "x.test", Port: 5060, Transport: "udp"})
			if got != c.want || (err == nil) != (c.want != "") || c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("found %q, %v", got, err)
			}
		})
	}
}

// Among equals each comes first as often as its weight says (RFC 2782).
func TestTheWeightsOfSRV(t *testing.T) {
	one, three := &dns.SRV{Priority: 1, Weight: 1, Target: "one"}, &dns.SRV{Priority: 1, Weight: 3, Target: "three"}
	last := &dns.SRV{Priority: 9, Weight: 99, Target: "last"}
	first := map[string]int{}
	for range 4000 {
		all := ordered([]*dns.SRV{last, one, three})
		if len(all) != 3 || all[2] != last {
			t.Fatalf("ordered as %v", all)
		}
		first[all[0].Target]++
	}
	if first["three"] < 2800 || first["three"] > 3200 {
		t.Errorf("first of all: %v", first)
	}
}
