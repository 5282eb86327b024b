package services

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"releve"
	"releve/rules/study"
)

// zone is what a name server knows: addresses by name, and names by address as it is asked for them.
type zone struct {
	forward  map[string]netip.Addr
	backward map[string]string
}

func (z zone) answer(q dnsmessage.Question) dnsmessage.ResourceBody {
	name := q.Name.String()
	switch a, known := z.forward[name]; {
	case q.Type == dnsmessage.TypeA && known:
		return &dnsmessage.AResource{A: a.As4()}
	case q.Type == dnsmessage.TypePTR && z.backward[name] != "":
		return &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(z.backward[name])}
	}
	return nil
}

// reply answers a question, NXDOMAIN where the zone knows nothing of it.
func (z zone) reply(packet []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	q := m.Questions[0]
	if body := z.answer(q); body != nil {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: body}}
	} else if _, named := z.forward[q.Name.String()]; !named {
		m.RCode = dnsmessage.RCodeNameError
	}
	raw, _ := m.Pack()
	return raw
}

// Answers is a server on this machine that answers each datagram, or says nothing to one.
func Answers(t *testing.T, reply func([]byte) []byte) (at string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		datagram := make([]byte, 1500)
		for {
			n, who, err := conn.ReadFrom(datagram)
			if err != nil {
				return
			}
			if answer := reply(datagram[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, who)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	return conn.LocalAddr().String()
}

// serve is a resolver that asks this zone and nobody else.
func (z zone) serve(t *testing.T) *net.Resolver {
	t.Helper()
	at := Answers(t, z.reply)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", at)
	}}
}

// An address is told by the name that leads back to it, and a name that leads elsewhere is said.
func TestNamesAreLookedUpBackwards(t *testing.T) {
	r := zone{
		forward: map[string]netip.Addr{
			"pbx.example.": netip.MustParseAddr("192.0.2.10"), "main.example.": netip.MustParseAddr("192.0.2.21"),
			"old.example.": netip.MustParseAddr("192.0.2.99"),
		},
		backward: map[string]string{
			"10.2.0.192.in-addr.arpa.": "pbx.example.", "21.2.0.192.in-addr.arpa.": "main.example.", "22.2.0.192.in-addr.arpa.": "old.example.",
		},
	}.serve(t)
	hosts := []string{"192.0.2.21", "192.0.2.22", "192.0.2.23", "pbx.example", "nobody.example"}
	for i, want := range []releve.Measurement{
		{State: releve.Measured, Text: "main.example"},
		{State: releve.Broken, Why: releve.Say("study-name-back-other", "address", "192.0.2.22", "name", "old.example")},
		{State: releve.Measured, Text: study.Nameless},
		{State: releve.Measured, Text: "pbx.example"},
		{State: releve.Measured, Text: study.Nameless},
	} {
		m := backwards(t.Context(), r, hosts, releve.Main)[i]
		if m.Check != study.NameBack || m.About != hosts[i] || m.State != want.State || m.Text != want.Text || m.Why.Code != want.Why.Code ||
			m.Why.Args["name"] != want.Why.Args["name"] {
			t.Errorf("%s: %+v", hosts[i], m)
		}
	}
}
