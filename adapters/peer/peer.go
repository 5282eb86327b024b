// Package peer is the link between the two servers of a site: HTTP/1.1 over
// mutual TLS 1.3, both ways, each server a client of the other.
//
// Why not one connection kept open with messages on it: a frozen server would
// hold everything that was sent behind. Here each request has a limit of its own
// and a connection of its own while it lasts, so a stuck one costs itself only.
//
// What a failed request says of the other server is in its [Error]. The link
// decides nothing and remembers nothing.
package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"releve"
	"releve/doors/identity"
)

// Options are what a link is made of.
type Options struct {
	Listen, Other netip.AddrPort
	CA, Cert, Key string // PEM files of this server
	OtherCert     string // PEM file: the other server's certificates, the only ones that are believed
	Seat          releve.Seat
	SiteID        string
	Log           *slog.Logger
}

// Peer is this server's end of the link.
type Peer struct {
	o      Options
	mine   atomic.Pointer[identity.Credentials]
	agreed atomic.Pointer[agreement]
	asking chan struct{} // held by the question past the link that is being answered
	other  identity.Identity

	life      context.Context
	end       context.CancelCauseFunc
	transport atomic.Pointer[http.Transport]
	listener  net.Listener
	server    *http.Server
	serving   sync.WaitGroup
}

// New listens, and is ready to ask; the other server's questions wait until [Peer.Serve].
// A port in use is an error that wraps syscall.EADDRINUSE.
func New(o Options) (*Peer, error) {
	p := &Peer{o: o, asking: make(chan struct{}, 1), other: identity.Identity{Site: o.SiteID, Seat: o.Seat.Other(), Purpose: identity.Link}}
	mine, err := identity.Load(identity.Files{Authority: o.CA, Certificate: o.Cert, Key: o.Key, Other: o.OtherCert})
	if err != nil {
		return nil, fmt.Errorf("peer link: %w", err)
	}
	p.mine.Store(mine)
	p.listener, err = net.Listen("tcp", o.Listen.String())
	if err != nil {
		return nil, listenError(o.Listen, o.Seat, err)
	}
	p.life, p.end = context.WithCancelCause(context.Background())
	p.transport.Store(p.newTransport())
	p.server = p.newServer()
	return p, nil
}

// Serve begins to answer. It is called once, with whoever answers.
func (p *Peer) Serve(h Handler) {
	p.server.Handler = p.admit(p.routes(h))
	p.serving.Go(func() {
		if err := p.server.ServeTLS(p.door(p.listener), "", ""); !errors.Is(err, http.ErrServerClosed) {
			p.o.Log.Error("the peer link stopped listening", "listen", p.o.Listen, "error", err)
		}
	})
}

// Use goes on with other credentials: from now on they are shown and believed. Requests
// under way end as they began.
func (p *Peer) Use(mine *identity.Credentials) {
	p.mine.Store(mine)
	p.transport.Swap(p.newTransport()).CloseIdleConnections()
}

// agreement is what the other server believes of ours.
type agreement struct {
	generation string
	stands     bool // no attempt has failed since
}

// Agreed is the latest generation of our certificates that the other server believed when it
// was last connected to; stands says whether the latest attempt showed it.
func (p *Peer) Agreed() (generation string, stands bool) {
	if a := p.agreed.Load(); a != nil {
		return a.generation, a.stands
	}
	return "", false
}

// Close ends the link at once, requests in both directions with it. It does not
// wait for the handler: a fence waits for nothing (RULES R9).
func (p *Peer) Close() error {
	// The connections first: a handler whose context ends has nobody to tell.
	err := p.server.Close()
	_ = p.listener.Close() // the server knows only one that it serves
	p.end(ErrClosed)
	p.transport.Load().CloseIdleConnections()
	p.serving.Wait()
	return err
}
