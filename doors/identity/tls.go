package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"

	"releve"
)

// ServerTLS shows the certificate of a purpose, and takes any whose key the client holds;
// who it is must be asked at each request. Refused within the handshake, a misconfigured
// server would read a bare alert, or nothing at all: asked later it gets the sentence.
//
// The client is told which authorities are believed (RFC 8446 §4.2.4), and shown what it
// said that it believes.
func (c *Credentials) ServerTLS(p Purpose) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			shown := c.of(asked(hello.ServerName)).shown(p)
			return &shown, nil
		},
		ClientAuth:             tls.RequireAnyClientCert,
		ClientCAs:              c.authorities.pool(),
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}
}

// ServingTLS is ServerTLS with what is current at each handshake.
func ServingTLS(current func() *Credentials, p Purpose) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return current().ServerTLS(p), nil },
	}
}

// ClientTLS believes a server by its identity, so the standard library's check
// of a host name is replaced, not left out: VerifyConnection runs in every
// handshake. With the certificate of a purpose it shows the latest that the server
// believes; agreed, unless nil, is told of which generation that was.
func (c *Credentials) ClientTLS(p Purpose, want Identity, agreed func(generation string)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: ask(c.sets[0].generation),
		GetClientCertificate: func(server *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s := c.latestOf(server.AcceptableCAs)
			if agreed != nil { // the server has proved by now who it is (RFC 8446 §4.4)
				agreed(s.generation)
			}
			shown := s.shown(p)
			return &shown, nil
		},
		InsecureSkipVerify: true,
		VerifyConnection:   func(state tls.ConnectionState) error { return c.VerifyConnection(state, want) },
	}
}

// VerifyConnection says whether want is at the other end of a connection. The
// error is a [*releve.Fault] when a certificate was shown.
func (c *Credentials) VerifyConnection(state tls.ConnectionState, want Identity) error {
	if len(state.PeerCertificates) == 0 {
		return releve.Known("the other side shows no certificate", "cause-no-certificate")
	}
	return c.Verify(state.PeerCertificates[0], want)
}

// latestOf is the latest set whose authority is among those that a server believes: the
// oldest when it names none of them, as one from before they were named.
func (c *Credentials) latestOf(believed [][]byte) set {
	for i, s := range c.sets {
		for _, name := range believed {
			if bytes.Equal(name, c.authorities[i].RawSubject) {
				return s
			}
		}
	}
	return c.sets[len(c.sets)-1]
}

// A client says which authority it believes, the latest, in place of a host's name
// (RFC 6066 §3), which nobody here has. One for everything says nothing.
const askSuffix = ".authority"

func ask(generation string) string {
	if generation == "" {
		return ""
	}
	return generation + askSuffix
}

func asked(name string) (generation string) {
	generation, _ = strings.CutSuffix(name, askSuffix)
	return generation
}

// cameBy finds the credentials that were current when a connection came.
type cameBy struct{}

// Attach lets the handlers of a server know by which credentials each connection came
// (Outdated), beside what its ConnContext does already.
func Attach(s *http.Server, current func() *Credentials) {
	before := s.ConnContext
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, conn)
		}
		return context.WithValue(ctx, cameBy{}, current())
	}
}

// Outdated says whether others are current than when the connection of a request came: its
// answer is to be the last, so that with the next the client learns what is believed now.
func Outdated(r *http.Request, current *Credentials) bool {
	return r.Context().Value(cameBy{}) != current
}
