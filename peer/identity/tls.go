package identity

import (
	"crypto/tls"
	"errors"
	"time"
)

// ServerTLS takes any certificate whose key the client holds; who it is must be
// asked at each request. Refused within the handshake, a misconfigured server
// would read a bare alert, or nothing at all: asked later it gets the sentence.
func (c Credentials) ServerTLS() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{c.Certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}
}

// ClientTLS believes a server by its identity, so the standard library's check
// of a host name is replaced, not left out: VerifyConnection runs in every
// handshake.
func (c Credentials) ClientTLS(want Identity) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{c.Certificate},
		InsecureSkipVerify: true,
		VerifyConnection:   func(state tls.ConnectionState) error { return c.VerifyConnection(state, want) },
	}
}

// VerifyConnection says whether want is at the other end of a connection. The
// error is a [*Fault] when a certificate was shown.
func (c Credentials) VerifyConnection(state tls.ConnectionState, want Identity) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other side shows no certificate")
	}
	return Verify(state.PeerCertificates[0], c.Authorities, want, time.Now())
}
