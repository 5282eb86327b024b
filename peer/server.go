package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"releve/peer/identity"
)

const (
	pathExchange    = "/exchange"
	pathCheck       = "/check"
	pathCommand     = "/command/"
	pathSpoolRead   = "/spool/read"
	pathSpoolStored = "/spool/stored"
)

// The bounds of the server. What goes over one is refused at once, never queued:
// the other server asks again, and a queue would only make its answers older.
const (
	maxRequest     = 1 << 20 // bytes of a body; a status has a few thousand
	maxHeader      = 16 << 10
	maxConnections = 256 // one server asks; more are left over from when we were frozen, or foreign
	maxRequests    = 32  // at the same time, commands apart
	maxCommands    = 4   // at the same time; they last, and must not hold a check up
	maxRecords     = 1000

	headerTimeout = 2 * time.Second // the TLS handshake included
	bodyTimeout   = 5 * time.Second
	writeTimeout  = 5 * time.Second // of an answer, or of one line of a command's
	idleTimeout   = time.Minute
)

func (p *Peer) newServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           p.admit(p.routes()),
		TLSConfig:         p.mine.ServerTLS(identity.Link), // who it is is asked in admit, at each request
		Protocols:         protocols,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return p.life },
		ConnState:         limitConnections(),
		// Failed handshakes of whoever knocks at the port: of no use at 3 a.m.
		ErrorLog: slog.NewLogLogger(p.o.Log.Handler(), slog.LevelDebug),
	}
}

// limitConnections closes a connection that comes over the bound.
func limitConnections() func(net.Conn, http.ConnState) {
	var open atomic.Int32
	return func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > maxConnections {
				_ = conn.Close() // the server sees it closed, and says so by StateClosed
			}
		case http.StateClosed:
			open.Add(-1)
		}
	}
}

// admit lets the other server of this site in and tells anyone else why not.
func (p *Peer) admit(next http.Handler) http.Handler {
	said := &once{every: sayAgain}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := p.verifyOther(*r.TLS)
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		if said.due(err.Error(), time.Now()) {
			p.o.Log.Warn("peer link: refused a server that is not the other of this site", "from", r.RemoteAddr, "error", err)
		}
		refused := problem{Error: fmt.Sprintf("it does not accept this server: %v", err)}
		if fault := (*identity.Fault)(nil); errors.As(err, &fault) {
			refused.Why = fault.Why
		}
		reply(w, http.StatusForbidden, refused)
	})
}

// sayAgain is how often the same refusal is logged: a stranger asks several times a second.
const sayAgain = time.Minute

// once keeps a log from saying the same over and over.
type once struct {
	every time.Duration
	mu    sync.Mutex
	last  string
	at    time.Time
}

// due says whether a text is news at a moment.
func (o *once) due(text string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if text == o.last && now.Sub(o.at) < o.every {
		return false
	}
	o.last, o.at = text, now
	return true
}

func (p *Peer) routes() http.Handler {
	h, requests := p.o.Handler, make(slots, maxRequests)
	mux := http.NewServeMux()
	mux.Handle("POST "+pathExchange, requests.limit(answer(h.Exchange)))
	mux.Handle("POST "+pathCheck, requests.limit(answer(
		func(ctx context.Context, question CheckQuestion) (CheckAnswer, error) {
			said := h.Check(ctx, question)
			said.Nonce = question.Nonce
			return said, nil
		})))
	mux.Handle("POST "+pathSpoolRead, requests.limit(answer(
		func(ctx context.Context, in spoolReadRequest) (SpoolPage, error) {
			return h.SpoolRead(ctx, in.After, min(max(in.Max, 1), maxRecords))
		})))
	mux.Handle("POST "+pathSpoolStored, requests.limit(answer(
		func(ctx context.Context, in spoolStoredRequest) (struct{}, error) {
			return struct{}{}, h.SpoolStored(ctx, in.Incarnation, in.UpTo)
		})))
	mux.Handle("POST "+pathCommand+"{name}", make(slots, maxCommands).limit(p.command))
	return mux
}

// slots is how many requests may be in progress.
type slots chan struct{}

func (s slots) limit(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s <- struct{}{}:
			defer func() { <-s }()
			next(w, r)
		default:
			reply(w, http.StatusServiceUnavailable, problem{Error: "it has too many requests in progress"})
		}
	})
}

// answer serves one question of the link: a value in, a value out.
func answer[In, Out any](do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readBody(w, r, &in); err != nil {
			reply(w, http.StatusBadRequest, problem{Error: err.Error()})
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			reply(w, http.StatusInternalServerError, problem{Error: err.Error()})
			return
		}
		reply(w, http.StatusOK, out)
	}
}

// command streams what an operator's command emits, one JSON value a line.
func (p *Peer) command(w http.ResponseWriter, r *http.Request) {
	var args json.RawMessage
	if err := readBody(w, r, &args); err != nil {
		reply(w, http.StatusBadRequest, problem{Error: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	send := func(line commandLine) error { return writeLine(w, line) }
	last := commandLine{End: true}
	err := p.o.Handler.Command(r.Context(), r.PathValue("name"), args, func(value json.RawMessage) error {
		return send(commandLine{Value: value})
	})
	if err != nil {
		last.Error = err.Error()
	}
	if err := send(last); err != nil {
		p.o.Log.Info("peer link: nobody waits for the end of a command any more", "command", r.PathValue("name"), "error", err)
	}
}

func writeLine(w http.ResponseWriter, line commandLine) error {
	conn := http.NewResponseController(w)
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(line); err != nil {
		return err
	}
	return conn.Flush()
}

// readBody reads the whole body before the handler begins. Its time limit is
// lifted afterwards: it would end the context of a handler that lasts.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	conn := http.NewResponseController(w)
	if err := conn.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return err
	}
	if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), into); err != nil {
		return fmt.Errorf("it cannot read the question: %w", err)
	}
	return conn.SetReadDeadline(time.Time{})
}

// decode reads one JSON value that fills the whole body.
func decode(body io.Reader, into any) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func reply(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"its answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	conn := http.NewResponseController(w)
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return // the connection is gone, and the asker with it
	}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
