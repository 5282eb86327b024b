package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"

	"releve"
	"releve/doors/identity"
)

// Try says whether the other server at an address shows what these credentials believe, and
// lets in who shows theirs. It asks for nothing, and nothing changes. The error is a
// [*releve.Fault] where one of the two does not believe the other.
func Try(ctx context.Context, mine *identity.Credentials, site string, seat releve.Seat, from netip.Addr, other netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, requestCeiling)
	defer cancel()
	want := identity.Identity{Site: site, Seat: seat.Other(), Purpose: identity.Link}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialer := tls.Dialer{
				NetDialer: &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))},
				Config:    mine.ClientTLS(identity.Link, want, nil),
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+other.String()+"/", nil)
	if err != nil {
		return err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusForbidden {
		return nil // whatever it says, it said it to somebody whom it knows
	}
	var said problem
	if err := decode(io.LimitReader(answer.Body, maxRequest), &said); err != nil {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	if said.Why.Code != "" {
		return identity.Fault(said.Why)
	}
	return errors.New(said.Error)
}
