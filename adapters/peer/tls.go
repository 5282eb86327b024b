package peer

import (
	"crypto/tls"
	"errors"
	"net"
)

func (p *Peer) verifyOther(state tls.ConnectionState) error {
	return p.mine.Load().VerifyConnection(state, p.other)
}

// isStranger says whether what answered speaks something else than this link,
// or will have nothing to do with it.
func isStranger(err error) bool {
	var header tls.RecordHeaderError
	var operation *net.OpError
	return errors.As(err, &header) || errors.As(err, &operation) && operation.Op == "remote error"
}
