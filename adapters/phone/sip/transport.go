package sip

import (
	"net"
	"net/netip"
)

// Transport is how messages travel between this server and the PBX (RFC 3261 §18).
type Transport string

// The transports. What the other server asks by SIP comes as a datagram under each of them.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// streams says whether messages travel by connections. No transaction repeats itself there (RFC 3261 §17.1.1.2).
func (t Transport) streams() bool { return t == TCP || t == TLS }

// via is the transport's name in Via (RFC 3261 §18.1.1).
func (t Transport) via() string {
	switch t {
	case TCP:
		return "TCP"
	case TLS:
		return "TLS"
	}
	return "UDP"
}

// Param is the parameter by which a URI says that it is reached so (RFC 3261 §19.1.1, and §26.2.2 for what PBXs still
// write for TLS); "" for UDP, which is meant where nothing is said.
func (t Transport) Param() string {
	if !t.streams() {
		return ""
	}
	return ";transport=" + string(t)
}

// way is what a message leaves by: the socket of datagrams, or one connection.
type way interface {
	// send writes a whole message, which a connection brings to its other end, whatever the address.
	send(text []byte, to netip.AddrPort) error
	reliable() bool
}

// origin is where a message came from, and the way that its answer takes (RFC 3261 §18.2.2).
type origin struct {
	netip.AddrPort
	way way
}

// datagrams are the way of a UDP socket.
type datagrams struct{ *net.UDPConn }

func (d datagrams) send(text []byte, to netip.AddrPort) error {
	_, err := d.WriteToUDPAddrPort(text, to)
	return err
}

func (datagrams) reliable() bool { return false }

// sendBy writes a message, unless the endpoint is closed.
func (e *Endpoint) sendBy(by way, text []byte, to netip.AddrPort) error {
	return e.open(func() error { return by.send(text, to) })
}
