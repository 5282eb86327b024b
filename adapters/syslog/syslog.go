// Package syslog tells a log server of alarms, for the tools that watch an establishment: RFC 5424, with the
// alarm in the structured data of RFC 5674; over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"releve"
	"releve/doors/identity"
	"releve/rules/alarm"
)

// Transport is how messages travel.
type Transport string

// The transports. Over UDP nobody knows whether a message came.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// farewell is how long a server may take to say that it has read all. One that keeps its end open has, as
// far as can be known.
const farewell = 2 * time.Second

// Options say where the log server is.
type Options struct {
	Server    string // host:port
	Transport Transport
	CA        string // a file with the certificates that sign the server's; "": the machine's
	Facility  string
	Host      string // the name of this machine
}

// Sender tells one log server.
type Sender struct{ Options }

// Name is syslog's.
func (Sender) Name() string { return "syslog" }

// Remark says of UDP that nobody answers.
func (s Sender) Remark() *releve.Sentence {
	if s.Transport != UDP {
		return nil
	}
	said := releve.Say("syslog-udp")
	return &said
}

// Notify tells of each alarm. It fails with a [releve.Fault].
func (s Sender) Notify(ctx context.Context, l alarm.Letter) (again bool, err error) {
	return s.talk(ctx, func(c net.Conn) error {
		for _, m := range s.messages(l) {
			if s.Transport != UDP {
				m = fmt.Sprintf("%d %s", len(m), m) // octet counting: RFC 6587, 3.4.1
			}
			if _, err := io.WriteString(c, m); err != nil {
				return err
			}
		}
		return heard(c)
	})
}

// Probe reaches the server; over UDP, this machine's way to it.
func (s Sender) Probe(ctx context.Context) (again bool, err error) {
	return s.talk(ctx, heard)
}

// talk connects and has something said. Whatever is wrong may be right another time.
func (s Sender) talk(ctx context.Context, say func(net.Conn) error) (again bool, err error) {
	c, err := s.dial(ctx)
	if err == nil {
		defer context.AfterFunc(ctx, func() { _ = c.Close() })()
		err = errors.Join(say(c), c.Close())
	}
	if err != nil {
		return true, &releve.Fault{Cause: err, Why: releve.Say("syslog-unreached", "server", s.Server, "why", releve.Reason(err))}
	}
	return false, nil
}

func (s Sender) dial(ctx context.Context) (net.Conn, error) {
	switch s.Transport {
	case UDP:
		return new(net.Dialer).DialContext(ctx, "udp", s.Server)
	case TCP:
		return new(net.Dialer).DialContext(ctx, "tcp", s.Server)
	}
	trust, err := identity.Trusting(s.CA)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", s.Server)
}

// heard waits until the server has read all that it was told: it closes its end then. A server that was away
// refuses it only after it was written.
func heard(c net.Conn) error {
	half, stream := c.(interface{ CloseWrite() error })
	if !stream {
		return nil
	}
	if err := errors.Join(half.CloseWrite(), c.SetReadDeadline(time.Now().Add(farewell))); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
