package witness

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"releve"
	"sync/atomic"
	"time"

	"releve/doors/identity"
	"releve/rules/takeover"
)

const (
	// requestCeiling bounds a request whose caller set no limit.
	requestCeiling = 5 * time.Second

	// connectCeiling bounds the making of a connection. The transport goes on
	// with it when its request was given up, in the hope of a later one.
	connectCeiling = 2 * time.Second
)

// Options are a server's way to its witness.
type Options struct {
	Address       netip.AddrPort
	From          netip.Addr // of this server; zero: the system chooses
	Site          string
	CA, Cert, Key string // PEM files of this server: they say which seat claims
}

// Client asks the witness. Its methods may be called from any goroutine; each
// ends with its context. Connections are kept, and one that a frozen witness
// holds costs its own request only: the next has another.
type Client struct {
	o         Options
	mine      atomic.Pointer[identity.Credentials]
	life      context.Context
	end       context.CancelCauseFunc
	transport atomic.Pointer[http.Transport]
}

// NewClient reads the files. It does not connect. The error joins a
// [*releve.Fault] for each file.
func NewClient(o Options) (*Client, error) {
	mine, err := identity.Load(identity.Files{Authority: o.CA, Certificate: o.Cert, Key: o.Key})
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	c := &Client{o: o}
	c.mine.Store(mine)
	c.life, c.end = context.WithCancelCause(context.Background())
	c.transport.Store(c.newTransport())
	return c, nil
}

func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		DialTLSContext: c.dial,
		// No limit of connections: with one, a request would queue behind those
		// that a frozen witness holds. Each ends by its own limit.
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     idleTimeout / 2, // before the witness closes it under a request
		DisableCompression:  true,
	}
}

// Use goes on with other credentials. Requests under way end as they began.
func (c *Client) Use(mine *identity.Credentials) {
	c.mine.Store(mine)
	c.transport.Swap(c.newTransport()).CloseIdleConnections()
}

// Close ends what is under way and lets the connections go.
func (c *Client) Close() {
	c.end(errClosed)
	c.transport.Load().CloseIdleConnections()
}

var errClosed = releve.Known("this server's way to its witness was closed", "cause-witness-closed")

// Read is the register now. Of a witness without memory it has incarnation 0 and
// the site alone. The error is ErrNotHeard or ErrForeign, or the context's own
// cause when the caller gave up.
func (c *Client) Read(ctx context.Context) (takeover.Register, error) {
	return ask[takeover.Register](ctx, c, http.MethodGet, pathRegister, nil)
}

// Claim asks for one compare-and-set and gives the register after it. Refused,
// the error is takeover.ErrClaim and the register is that which the witness
// has. With any other error but ErrForeign the claim may have been granted.
func (c *Client) Claim(ctx context.Context, claim takeover.Claim) (takeover.Register, error) {
	body, err := json.Marshal(claim)
	if err != nil {
		return takeover.Register{}, fmt.Errorf("claim: %w", err)
	}
	// It has no idempotency key: sent twice, one that was granted would be refused
	// the second time. The transport repeats it only when not a byte of it had left.
	register, err := ask[takeover.Register](ctx, c, http.MethodPost, pathClaim, body)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return refused.register, refused
	}
	return register, err
}

// Status is the register and what the witness knows around it. A server that
// asks for it does not count as heard.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, pathStatus, nil)
}

// refusedError is takeover.ErrClaim as the witness said it.
type refusedError struct {
	register takeover.Register
	detail   string
}

func (e *refusedError) Error() string { return takeover.ErrClaim.Error() + ": " + e.detail }
func (e *refusedError) Unwrap() error { return takeover.ErrClaim }

func ask[Out any](ctx context.Context, c *Client, method, path string, body []byte) (out Out, err error) {
	ctx, cancel := c.bound(ctx, requestCeiling)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+c.o.Address.String()+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.transport.Load().RoundTrip(request)
	if err != nil {
		return out, c.failure(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return out, c.refusal(answer)
	}
	if err := decode(http.MaxBytesReader(nil, answer.Body, maxMessage), &out); err != nil {
		return out, c.failure(ctx, err)
	}
	return out, nil
}

// refusal is what the witness said instead of an answer.
func (c *Client) refusal(answer *http.Response) error {
	var said problem
	if err := decode(http.MaxBytesReader(nil, answer.Body, maxMessage), &said); err != nil {
		return fmt.Errorf("%w at %s: it answers %s, which is not Relève's witness: check [witness] address", ErrForeign, c.o.Address, answer.Status)
	}
	switch {
	case answer.StatusCode == http.StatusConflict && said.Register != nil:
		return &refusedError{*said.Register, said.Error}
	case answer.StatusCode == http.StatusForbidden && said.Why.Code != "":
		return fmt.Errorf("%w at %s, which does not accept this server: %w", ErrForeign, c.o.Address, identity.Fault(said.Why))
	case answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w at %s: %s", ErrForeign, c.o.Address, said.Error)
	}
	return fmt.Errorf("%w at %s: %s", ErrNotHeard, c.o.Address, said.Error)
}

// failure gives the error of a request its kind. A request that the caller gave
// up or Close ended tells nothing of the witness and keeps its own cause.
func (c *Client) failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	var header tls.RecordHeaderError
	if errors.Is(err, identity.ErrNotAccepted) || errors.As(err, &header) {
		return fmt.Errorf("%w at %s: %w", ErrForeign, c.o.Address, err)
	}
	return fmt.Errorf("%w at %s: %w", ErrNotHeard, c.o.Address, err)
}

// bound ends a context with the client itself, and after a time at most.
func (c *Client) bound(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { end(context.Cause(c.life)) })
	ctx, cancel := context.WithTimeout(ctx, most)
	return ctx, func() { cancel(); stop(); end(nil) }
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := c.bound(ctx, connectCeiling)
	defer cancel()
	var from net.Dialer
	if c.o.From.IsValid() {
		from.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.o.From, 0))
	}
	raw, err := from.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	witness := identity.Identity{Site: c.o.Site, Seat: identity.Witness, Purpose: identity.Register}
	conn := tls.Client(raw, c.mine.Load().ClientTLS(identity.Claim, witness, nil))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}
