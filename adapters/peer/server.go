package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"releve"

	"releve/doors/identity"
	"releve/doors/porter"
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
	maxRequest  = 1 << 20 // bytes of a body; a status has a few thousand
	maxHeader   = 16 << 10
	maxRequests = 32 // at the same time, commands apart
	maxCommands = 4  // at the same time; they last, and must not hold a check up
	maxRecords  = 1000

	headerTimeout = 2 * time.Second // the TLS handshake included
	stuckTimeout  = 5 * time.Second // without any progress of a body, or of an answer
	idleTimeout   = time.Minute
)

// connections: one server asks, up to all its requests at once. Its own address has room
// that is kept, and so has whoever has shown its certificate; its old connections, from when
// we were frozen, give way to its new ones. Anybody else is one of a few.
var connections = porter.Rules{Most: 64, Each: maxRequests + maxCommands, Kept: 192}

func (p *Peer) door(l net.Listener) net.Listener {
	other := p.o.Other.Addr().Unmap()
	return porter.Listen(l, porter.Options{Rules: connections, Stuck: stuckTimeout, Known: func(a netip.Addr) bool { return a == other }})
}

func (p *Peer) newServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		TLSConfig:         identity.ServingTLS(p.mine.Load, identity.Link), // who it is is asked in admit, at each request
		Protocols:         protocols,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		BaseContext:       func(net.Listener) context.Context { return p.life },
	}
	porter.Attach(server, p.o.Log)
	identity.Attach(server, p.mine.Load)
	return server
}

// admit lets the other server of this site in and tells anyone else why not.
func (p *Peer) admit(next http.Handler) http.Handler {
	said := &once{every: sayAgain}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Also of a body that nobody reads, because the request is refused.
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(stuckTimeout)); err != nil {
			return
		}
		if identity.Outdated(r, p.mine.Load()) {
			w.Header().Set("Connection", "close")
		}
		err := p.verifyOther(*r.TLS)
		if err == nil {
			porter.Vouch(r.Context())
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close") // its place is for whoever may be the other server
		if said.due(err.Error(), time.Now()) {
			p.o.Log.Warn("peer link: refused a server that is not the other of this site", "from", r.RemoteAddr, "error", err)
		}
		refused := problem{Error: fmt.Sprintf("it does not accept this server: %v", err)}
		if fault, ok := identity.FaultOf(err); ok {
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

func (p *Peer) routes(h Handler) http.Handler {
	requests := make(slots, maxRequests)
	mux := http.NewServeMux()
	mux.Handle("POST "+pathExchange, requests.limit(answer(
		func(ctx context.Context, heard json.RawMessage) (any, error) { return h.Exchange(ctx, heard) })))
	mux.Handle("POST "+pathCheck, requests.limit(answer(
		func(ctx context.Context, asked checkRequest) (said checkResponse, err error) {
			if asked.Word != nil {
				said.Word = exchanged(ctx, h, *asked.Word)
			}
			said.CheckAnswer = h.Check(ctx, asked.CheckQuestion)
			said.Nonce = asked.Nonce
			return said, nil
		})))
	mux.Handle("POST "+pathSpoolRead, requests.limit(answer(
		func(ctx context.Context, in spoolReadRequest) (releve.SpoolPage, error) {
			return h.SpoolRead(ctx, in.After, min(max(in.Max, 1), maxRecords))
		})))
	mux.Handle("POST "+pathSpoolStored, requests.limit(answer(
		func(ctx context.Context, in spoolStoredRequest) (struct{}, error) {
			return struct{}{}, h.SpoolStored(ctx, in.Incarnation, in.UpTo)
		})))
	mux.Handle("POST "+pathCommand+"{name}", make(slots, maxCommands).limit(p.command(h)))
	return mux
}

// exchanged is this server's word for one that came with a question, nil where that cannot be
// read: the question stands by itself, and what is wrong is said when the other exchanges
// words alone.
func exchanged(ctx context.Context, h Handler, heard json.RawMessage) *json.RawMessage {
	own, err := h.Exchange(ctx, heard)
	if err != nil {
		return nil
	}
	word, err := written(own)
	if err != nil {
		return nil
	}
	return word
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
func (p *Peer) command(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { p.stream(h, w, r) }
}

func (p *Peer) stream(h Handler, w http.ResponseWriter, r *http.Request) {
	var args json.RawMessage
	if err := readBody(w, r, &args); err != nil {
		reply(w, http.StatusBadRequest, problem{Error: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	last := commandLine{End: true}
	err := h.Command(r.Context(), r.PathValue("name"), args, func(value json.RawMessage) error {
		return writeValue(w, value)
	})
	if err != nil {
		last.Error = err.Error()
	}
	if err := writeLine(w, last); err != nil {
		p.o.Log.Info("peer link: nobody waits for the end of a command any more", "command", r.PathValue("name"), "error", err)
	}
}

// The bounds of what a command emits: of a line, and of one value, which may take several.
const (
	linePart = 256 << 10
	maxValue = 64 << 20
)

// writeValue sends a value in as many lines as it takes, so that a long one, such as a row
// with a document in it, needs no long line.
func writeValue(w http.ResponseWriter, value json.RawMessage) error {
	if len(value) > maxValue {
		return fmt.Errorf("a value of %d bytes is more than the link carries in one, %d", len(value), maxValue)
	}
	if len(value) <= linePart {
		return writeLine(w, commandLine{Value: value})
	}
	for len(value) > 0 {
		part := value[:min(linePart, len(value))]
		value = value[len(part):]
		if err := writeLine(w, commandLine{Part: part, More: len(value) > 0}); err != nil {
			return err
		}
	}
	return nil
}

// writeLine sends one line. Who reads it may be slow; one who reads nothing is cut off by
// the door (package porter).
func writeLine(w http.ResponseWriter, line commandLine) error {
	if err := json.NewEncoder(w).Encode(line); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// readBody reads the whole body before the handler begins. Its time limit, which is one for
// no progress, is lifted afterwards: it would end the context of a handler that lasts.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	conn := http.NewResponseController(w)
	if err := decode(arriving{http.MaxBytesReader(w, r.Body, maxRequest), conn}, into); err != nil {
		return fmt.Errorf("it cannot read the question: %w", err)
	}
	return conn.SetReadDeadline(time.Time{})
}

// arriving is a body that has to go on coming.
type arriving struct {
	io.Reader
	conn *http.ResponseController
}

func (a arriving) Read(into []byte) (int, error) {
	if err := a.conn.SetReadDeadline(time.Now().Add(stuckTimeout)); err != nil {
		return 0, err
	}
	return a.Reader.Read(into)
}

// decode reads one JSON value that fills the whole body.
func decode(body io.Reader, into any) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("are both servers of one version? %w", err)
	}
	return nil
}

func reply(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"its answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the asker may be gone
}
