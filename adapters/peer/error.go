package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"

	"releve"
	"releve/doors/identity"
)

// ErrClosed is the cause of a request that this server's own Close ended.
var ErrClosed = releve.Known("the peer link of this server was closed", "cause-link-closed")

// Kind is what a failed request tells of the other server.
type Kind string

// The kinds of failures.
const (
	Refused     Kind = "refused"     // the machine lives and nobody listens there; known at once
	Unreachable Kind = "unreachable" // the network has no road to it; known at once
	Timeout     Kind = "timeout"     // no answer within the limit: frozen, off, or cut
	Cut         Kind = "cut"         // the connection broke while the answer was awaited
	Foreign     Kind = "foreign"     // it is not the other server of this site
	Failed      Kind = "failed"      // it answered with an error
)

// Error is a request that the other server did not carry out.
type Error struct {
	Kind  Kind
	Other netip.AddrPort
	Why   releve.Sentence // with code peer.KIND, or certificate.* of package identity
	Err   error
}

func (e *Error) Error() string {
	return fmt.Sprintf("other server at %s: %s: %v", e.Other, e.Kind, e.Err)
}

// Sentence is the error as the reason of another sentence.
func (e *Error) Sentence() releve.Sentence { return e.Why }

func (e *Error) Unwrap() error { return e.Err }

// failure gives the error of a request its kind. A request that the caller gave
// up or Close ended tells nothing of the other server and keeps its own cause.
func (p *Peer) failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if answered := (*Error)(nil); errors.As(err, &answered) {
		return answered
	}
	e := &Error{Kind: kindOf(err), Other: p.o.Other, Err: err}
	e.Why = releve.Say("peer."+string(e.Kind), "other", e.Other.String(), "cause", releve.Reason(err))
	if fault, ok := identity.FaultOf(err); ok {
		e.Why, e.Err = fault.Why, fault
	}
	return e
}

// refusal is what the other server said instead of an answer.
func (p *Peer) refusal(said problem) *Error {
	e := &Error{Kind: Failed, Other: p.o.Other, Err: errors.New(said.Error)}
	if said.Why.Code == "" {
		e.Why = releve.Say("peer.failed", "other", e.Other.String(), "cause", said.Error)
	} else {
		e.Why, e.Err = said.Why, &releve.Fault{Cause: e.Err, Why: said.Why}
	}
	return e
}

func kindOf(err error) Kind {
	var network net.Error
	switch {
	case errors.Is(err, identity.ErrNotAccepted), isStranger(err):
		return Foreign
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Cut
	}
	return Failed
}

// listenError says what to do about a port that cannot be had. It wraps the
// system's error, EADDRINUSE among them.
func listenError(at netip.AddrPort, seat releve.Seat, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the peer link of %s cannot listen on %s, another program does: stop it, "+
			"or change [peer] listen here and [peer] other on the other server: %w", seat, at, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("the peer link of %s cannot listen on %s, this machine has no such address: change [peer] listen: %w", seat, at, err)
	}
	return fmt.Errorf("the peer link of %s cannot listen on %s: %w", seat, at, err)
}
