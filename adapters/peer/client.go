package peer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"releve"

	"releve/doors/identity"
)

const (
	// requestCeiling bounds a request whose caller set no limit.
	requestCeiling = 10 * time.Second

	// commandCeiling is that of a command: a clone over a slow line.
	commandCeiling = 7 * 24 * time.Hour

	// connectCeiling bounds the making of a connection. The transport goes on
	// with it when its request was given up, in the hope of a later one.
	connectCeiling = 2 * time.Second

	// maxAnswer bounds what is read of an answer: a page of a spool.
	maxAnswer = 8 << 20
)

func (p *Peer) newTransport() *http.Transport {
	return &http.Transport{
		DialTLSContext: p.dial,
		// No limit of connections: with one, a request would queue behind those
		// that a frozen server holds. Each ends by its own limit.
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     idleTimeout / 2, // before the server closes it under a request
		DisableCompression:  true,
	}
}

// dial connects from this server's own address, so that a firewall can tell
// which server calls.
func (p *Peer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := p.bound(ctx, connectCeiling)
	defer cancel()
	from := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.o.Listen.Addr(), 0)),
		// A command may be silent for long: a server without power is noticed so.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	raw, err := from.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, p.mine.Load().ClientTLS(identity.Link, p.other, func(generation string) { p.agreed.Store(&agreement{generation, true}) }))
	if err := conn.HandshakeContext(ctx); err != nil {
		generation, _ := p.Agreed()
		p.agreed.Store(&agreement{generation, false})
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// bound ends a context with the link itself, and after a time at most.
func (p *Peer) bound(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { end(context.Cause(p.life)) })
	ctx, cancel := context.WithTimeout(ctx, most)
	return ctx, func() { cancel(); stop(); end(nil) }
}

// Exchange gives this server's word and takes the other's into heard, which is a pointer. What
// a word says is nothing to the link.
func (p *Peer) Exchange(ctx context.Context, own, heard any) error {
	return p.ask(ctx, pathExchange, own, heard)
}

// Check asks the other server whether it can take a call (SPEC H4). Without a
// nonce in the question one is drawn.
func (p *Peer) Check(ctx context.Context, question releve.CheckQuestion) (releve.CheckAnswer, error) {
	answer, _, err := p.check(ctx, checkRequest{CheckQuestion: question})
	return answer, err
}

// CheckAndTell is Check and Exchange in one. told is false where the question alone is answered:
// the other server is of an earlier version, or one of both words cannot be read.
func (p *Peer) CheckAndTell(ctx context.Context, question releve.CheckQuestion, own, heard any) (answer releve.CheckAnswer, told bool, err error) {
	word, err := written(own)
	if err != nil {
		return answer, false, err
	}
	answer, said, err := p.check(ctx, checkRequest{question, word})
	told = said != nil && decode(bytes.NewReader(*said), heard) == nil
	return answer, told, err
}

// written is a word on its way beside something else.
func written(word any) (*json.RawMessage, error) {
	raw, err := json.Marshal(word)
	return (*json.RawMessage)(&raw), err
}

func (p *Peer) check(ctx context.Context, request checkRequest) (answer releve.CheckAnswer, heard *json.RawMessage, err error) {
	if request.Nonce == "" {
		request.Nonce = rand.Text()
	}
	said, err := ask[checkResponse](ctx, p, pathCheck, request)
	if err != nil {
		return releve.CheckAnswer{}, nil, err
	}
	answer, err = p.believed(request.Nonce, said.CheckAnswer)
	return answer, said.Word, err
}

// SpoolRead reads the other server's spool (RULES R14).
func (p *Peer) SpoolRead(ctx context.Context, after uint64, max int) (releve.SpoolPage, error) {
	return ask[releve.SpoolPage](ctx, p, pathSpoolRead, spoolReadRequest{after, max})
}

// SpoolStored tells the other server how far its spool is in the database.
func (p *Peer) SpoolStored(ctx context.Context, incarnation string, upTo uint64) error {
	_, err := ask[struct{}](ctx, p, pathSpoolStored, spoolStoredRequest{incarnation, upTo})
	return err
}

// Command has the other server carry out an operator's command and hands on each
// line that it emits. It may last: its limit is the caller's context alone. What
// the command itself failed with is an [Error] of kind Failed.
func (p *Peer) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	ctx, cancel := p.bound(ctx, commandCeiling)
	defer cancel()
	body, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("arguments of %s: %w", name, err)
	}
	answer, err := p.post(ctx, pathCommand+url.PathEscape(name), body)
	if err != nil {
		return p.failure(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxRequest)
	var parts []byte
	for lines.Scan() {
		var line commandLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return p.failure(ctx, err)
		}
		if line.End {
			_ = lines.Scan() // there is no more: a connection that was read to its end is used again
			return p.commandResult(ctx, line.Error)
		}
		if line.Part != nil {
			if parts = append(parts, line.Part...); len(parts) > maxValue {
				return p.failure(ctx, errLongValue)
			}
			if line.More {
				continue
			}
			line.Value, parts = parts, nil
		}
		if err := emit(line.Value); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return p.failure(ctx, err)
	}
	return p.failure(ctx, io.ErrUnexpectedEOF)
}

var errLongValue = fmt.Errorf("it emits a value of more than %d bytes", maxValue)

func (p *Peer) commandResult(ctx context.Context, failed string) error {
	if failed == "" {
		return nil
	}
	return p.failure(ctx, p.refusal(problem{Error: failed}))
}

// ask has an answer of a type.
func ask[Out any](ctx context.Context, p *Peer, path string, in any) (out Out, err error) {
	err = p.ask(ctx, path, in, &out)
	return out, err
}

// ask sends one value and reads one back.
func (p *Peer) ask(ctx context.Context, path string, in, out any) error {
	ctx, cancel := p.bound(ctx, requestCeiling)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("question to the other server: %w", err)
	}
	answer, err := p.post(ctx, path, body)
	if err != nil {
		return p.failure(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := decode(http.MaxBytesReader(nil, answer.Body, maxAnswer), out); err != nil {
		return p.failure(ctx, err)
	}
	return nil
}

// post sends a body and gives the answer when the other server accepted it.
func (p *Peer) post(ctx context.Context, path string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+p.o.Other.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if !strings.HasPrefix(path, pathCommand) {
		// Saying the same twice is harmless here, so the transport may repeat it
		// on a new connection when an idle one proves to be dead. An empty value
		// marks the request for the transport and is not sent.
		request.Header["Idempotency-Key"] = nil
	}
	return p.send(request)
}

func (p *Peer) send(request *http.Request) (*http.Response, error) {
	answer, err := p.transport.Load().RoundTrip(request)
	if err != nil || answer.StatusCode == http.StatusOK {
		return answer, err
	}
	defer func() { _ = answer.Body.Close() }()
	var said problem
	if err := decode(http.MaxBytesReader(nil, answer.Body, maxRequest), &said); err != nil {
		said.Error = "answers " + answer.Status + ", which is not Relève's peer link"
	}
	refused := p.refusal(said)
	if answer.StatusCode == http.StatusForbidden {
		refused.Kind = Foreign
	}
	return nil, refused
}
