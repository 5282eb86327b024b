package peer

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"releve/peer/identity"
)

// clientTLS believes a server by its identity, so the standard library's check
// of a host name is replaced, not left out: VerifyConnection runs in every
// handshake.
func (p *Peer) clientTLS() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{p.mine.Certificate},
		InsecureSkipVerify: true,
		VerifyConnection:   p.verifyOther,
	}
}

// serverTLS takes any certificate whose key the client holds; who it is is asked
// in admit, at each request. Refused within the handshake, a misconfigured
// server would read a bare alert, or nothing at all: here it gets the sentence.
func (p *Peer) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{p.mine.Certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}
}

func (p *Peer) verifyOther(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other side shows no certificate")
	}
	return identity.Verify(state.PeerCertificates[0], p.mine.Authorities, p.other, time.Now())
}

// isStranger says whether what answered speaks something else than this link,
// or will have nothing to do with it.
func isStranger(err error) bool {
	var header tls.RecordHeaderError
	var operation *net.OpError
	return errors.As(err, &header) || errors.As(err, &operation) && operation.Op == "remote error"
}
