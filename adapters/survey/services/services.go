// Package services looks whether what a site has besides is there: the mail server, the SNMP
// manager, the time server, the witness, and what their names mean.
package services

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/smtp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/beevik/ntp"

	"releve"
	"releve/rules/study"
)

// limit is how long each may take: it is on the establishment's own network.
const limit = 3 * time.Second

// From is the address of this server.
type From netip.Addr

func (f From) dial(ctx context.Context, network, to string) (net.Conn, error) {
	d := net.Dialer{Timeout: limit, LocalAddr: &net.TCPAddr{IP: netip.Addr(f).AsSlice()}}
	if network == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: netip.Addr(f).AsSlice()}
	}
	return d.DialContext(ctx, network, to)
}

// Measure looks at all that the question names.
func (f From) Measure(ctx context.Context, q releve.StudyQuestion, seat releve.Seat) (taken []releve.Measurement) {
	for _, name := range study.Names(q) {
		taken = append(taken, resolve(ctx, name, seat))
	}
	taken = append(taken, backwards(ctx, net.DefaultResolver, study.Backwards(q), seat)...)
	for _, each := range []struct {
		check, at string
		look      func(context.Context, string) releve.Measurement
	}{{"clock-ntp", q.NTP, f.clock}, {"mail", q.Mail, f.mail}, {"snmp", q.SNMP, f.manager}, {"witness", q.Witness, f.witness}} {
		if each.at != "" {
			m := each.look(ctx, each.at)
			m.Check, m.Seat, m.About = each.check, seat, each.at
			taken = append(taken, m)
		}
	}
	return taken
}

// resolve asks the machine's resolver, as the product will.
func resolve(ctx context.Context, name string, seat releve.Seat) releve.Measurement {
	m := releve.Measurement{Check: "name", Seat: seat, About: name, State: releve.Broken}
	ctx, done := context.WithTimeout(ctx, limit)
	defer done()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && !missing.IsNotFound {
		m.Why = releve.Say("study-name-silence", "name", name, "cause", releve.Reason(err))
		return m
	}
	if err != nil || len(found) == 0 {
		m.Why = releve.Say("study-name-unknown", "name", name)
		return m
	}
	var all []string
	for _, a := range found {
		all = append(all, a.Unmap().String())
	}
	slices.Sort(all)
	m.State, m.Text = releve.Measured, strings.Join(slices.Compact(all), " ")
	return m
}

// clock is how far this machine's is from that of a server (RFC 5905).
func (f From) clock(_ context.Context, host string) releve.Measurement {
	told, err := ntp.QueryWithOptions(host, ntp.QueryOptions{Timeout: limit, LocalAddress: netip.Addr(f).String()})
	if err == nil {
		err = told.Validate()
	}
	if err != nil {
		return releve.Measurement{State: releve.Broken, Why: releve.Say("study-ntp-silence", "server", host, "cause", releve.Reason(err))}
	}
	return releve.Measurement{State: releve.Measured, Value: -told.ClockOffset.Seconds()}
}

// mail greets a mail server, and looks whether it offers to be spoken to in private (RFC 3207).
func (f From) mail(ctx context.Context, at string) releve.Measurement {
	host, _, _ := net.SplitHostPort(at)
	conn, err := f.dial(ctx, "tcp", at)
	if err != nil {
		return unreachable(at, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit))
	client, err := smtp.NewClient(conn, host)
	if err == nil {
		err = client.Hello("releve.invalid")
	}
	if err != nil {
		return releve.Measurement{State: releve.Broken, Why: releve.Say("study-mail-strange", "server", at, "cause", releve.Reason(err))}
	}
	m := releve.Measurement{State: releve.Measured}
	if offered, _ := client.Extension("STARTTLS"); offered {
		m.Text = study.StartTLS
	}
	_ = client.Quit()
	return m
}

// discovery asks an SNMPv3 engine who it is (RFC 3414 §4). Who only takes traps need not answer.
var discovery = []byte("\x30\x3e\x02\x01\x03\x30\x11\x02\x04\x00\x00\x2c\x01\x02\x03\x00\xff\xe3\x04\x01\x04\x02\x01\x03" +
	"\x04\x10\x30\x0e\x04\x00\x02\x01\x00\x02\x01\x00\x04\x00\x04\x00\x04\x00" +
	"\x30\x14\x04\x00\x04\x00\xa0\x0e\x02\x04\x00\x00\x2c\x01\x02\x01\x00\x02\x01\x00\x30\x00")

// manager sends a question to a manager. A refusal is certain, an answer too, silence neither.
func (f From) manager(ctx context.Context, at string) releve.Measurement {
	conn, err := f.dial(ctx, "udp", at)
	if err != nil {
		return unreachable(at, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit / 3))
	if _, err = conn.Write(discovery); err == nil {
		_, err = conn.Read(make([]byte, 1500))
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return releve.Measurement{State: releve.Unmeasured, Why: releve.Say("study-snmp-silence", "server", at)}
	}
	if err != nil {
		return unreachable(at, err)
	}
	return releve.Measurement{State: releve.Measured}
}

// witness looks whether anybody listens on the third machine. No end of the study is there: a
// refusal may come from a machine on which nothing runs yet, or from a firewall.
func (f From) witness(ctx context.Context, at string) releve.Measurement {
	conn, err := f.dial(ctx, "tcp", at)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return releve.Measurement{State: releve.Unmeasured, Why: releve.Say("study-witness-refused", "server", at)}
	}
	if err != nil {
		return unreachable(at, err)
	}
	_ = conn.Close()
	return releve.Measurement{State: releve.Measured}
}

func unreachable(at string, err error) releve.Measurement {
	why := releve.Say("study-service-unreachable", "server", at, "cause", releve.Reason(err))
	late, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = releve.Say("study-service-refused", "server", at)
	case ok && late.Timeout():
		why = releve.Say("study-service-silence", "server", at)
	}
	return releve.Measurement{State: releve.Broken, Why: why}
}
