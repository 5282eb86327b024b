package witness

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"releve"
	"releve/doors/identity"
	"releve/doors/porter"
	"releve/rules/takeover"
)

// The bounds of the server. Two servers ask, one request at a time each; what
// goes over a bound is refused at once, never queued.
const (
	maxRequests = 16 // at the same time
	maxHeader   = 8 << 10

	headerTimeout = 2 * time.Second // the TLS handshake included
	readTimeout   = 5 * time.Second
	writeTimeout  = saveLimit + 5*time.Second
	idleTimeout   = time.Minute
	stopTimeout   = saveLimit + time.Second // for claims under way, when told to stop
)

// connections: whoever has not yet shown a certificate of this site is one of a few, and the
// servers' old connections give way to their new ones.
var connections = porter.Rules{Most: 64, Each: 32, Kept: 32}

// ServerOptions are what a witness is made of.
type ServerOptions struct {
	Listen        netip.AddrPort
	Site          string
	CA, Cert, Key string // PEM files of the witness
	Record        Record
	Log           *slog.Logger
}

// Server is a witness: it keeps the register and answers for it.
type Server struct {
	o        ServerOptions
	mine     atomic.Pointer[identity.Credentials]
	keeper   *keeper
	listener net.Listener
	http     *http.Server
	unsure   chan error // filled once, when the disk is not known any more
	foreign  quiet
	watch    *identity.Watch
	unfit    quiet

	started time.Time
	mu      sync.Mutex
	heard   map[releve.Seat]time.Time
	shown   map[releve.Seat]string // the generation of the certificate that each was last heard by
}

// NewServer reads the register and listens; Run answers. Errors: what Record.Load
// fails with, a [*releve.Fault] for each file, and those of net.Listen.
func NewServer(o ServerOptions) (*Server, error) {
	files := identity.Files{Authority: o.CA, Certificate: o.Cert, Key: o.Key}
	watch := identity.NewWatch(files)
	mine, err := identity.Load(files)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	k, err := newKeeper(o.Record, o.Site)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	s := &Server{
		o: o, keeper: k, watch: watch, unsure: make(chan error, 1),
		started: time.Now().UTC(), heard: map[releve.Seat]time.Time{}, shown: map[releve.Seat]string{},
	}
	s.mine.Store(mine)
	listener, err := net.Listen("tcp", o.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	s.listener = porter.Listen(listener, porter.Options{Rules: connections, Stuck: writeTimeout})
	s.http = s.newHTTP()
	return s, nil
}

// Run answers until ctx ends, which is no error, or until the register is unsure
// (ErrUnsure). A claim under way is still answered.
func (s *Server) Run(ctx context.Context) error {
	looking, stop := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { s.followFiles(looking) })
	defer looks.Wait()
	defer stop()
	serving := make(chan error, 1)
	go func() { serving <- s.http.ServeTLS(s.listener, "", "") }()
	s.logStart()
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.unsure:
	case err = <-serving:
		return errors.Join(fmt.Errorf("the witness stopped listening: %w", err), s.http.Close())
	}
	return errors.Join(err, s.stop(), ignoreClosed(<-serving))
}

// filesPeriod is how often a witness looks whether its certificate files were changed.
const filesPeriod = 2 * time.Second

// followFiles goes on with certificate files that somebody put in the place of others: from
// then on they are shown and believed.
func (s *Server) followFiles(ctx context.Context) {
	ticker := time.NewTicker(filesPeriod)
	defer ticker.Stop()
	own := func(held *identity.Credentials) error {
		return held.Are(identity.Identity{Site: s.o.Site, Seat: identity.Witness})
	}
	for {
		held, err := s.watch.Look(own)
		switch {
		case held != nil:
			s.mine.Store(held)
			s.o.Log.Info("new certificate files are in use")
		case err != nil && s.unfit.news(err.Error()):
			s.o.Log.Warn("the certificate files were changed and are not used yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	return s.http.Close()
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) logStart() {
	e, _ := s.keeper.read()
	if e.Register.Incarnation == 0 {
		s.o.Log.Warn("the witness remembers nothing and grants nothing until the server that decides alone seeds it",
			"listen", s.listener.Addr(), "site", s.o.Site)
		return
	}
	s.o.Log.Info("the witness answers", append([]any{"listen", s.listener.Addr(), "site", s.o.Site}, told(e.Register)...)...)
}

func (s *Server) newHTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           s.routes(),
		TLSConfig:         identity.ServingTLS(s.mine.Load, identity.Register), // who it is is asked in from, at each request
		Protocols:         protocols,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
	}
	porter.Attach(server, s.o.Log)
	identity.Attach(server, s.mine.Load)
	return server
}

// answerer gives the answer to one who was believed, or an error.
type answerer func(r *http.Request, by releve.Seat) (any, error)

func (s *Server) routes() http.Handler {
	busy := make(chan struct{}, maxRequests)
	serve := func(answer answerer) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			select {
			case busy <- struct{}{}:
				defer func() { <-busy }()
				s.serve(w, r, answer)
			default:
				reply(w, http.StatusServiceUnavailable, problem{Error: "it has too many requests in progress"})
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+pathRegister, serve(s.register))
	mux.Handle("POST "+pathClaim, serve(s.claim))
	mux.Handle("GET "+pathStatus, serve(s.status))
	return mux
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, answer answerer) {
	if identity.Outdated(r, s.mine.Load()) {
		w.Header().Set("Connection", "close")
	}
	by, err := s.from(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	porter.Vouch(r.Context())
	value, err := answer(r, by)
	if err != nil {
		reply(w, statusOf(err), said(err, value))
		return
	}
	reply(w, http.StatusOK, value)
}

// from is who asks: the seat in a certificate that this site's authority made for asking
// here, or the witness's own. Never what the request says of itself.
func (s *Server) from(r *http.Request) (releve.Seat, error) {
	want := identity.Identity{Site: s.o.Site, Seat: seatOf(*r.TLS), Purpose: identity.Claim}
	if want.Seat == identity.Witness {
		want.Purpose = identity.Register
	}
	if err := s.mine.Load().VerifyConnection(*r.TLS, want); err != nil {
		return "", err
	}
	if want.Seat == identity.Witness && r.URL.Path != pathStatus {
		return "", errors.New("a witness has no register of its own and claims nothing: ask with a server's certificate")
	}
	return want.Seat, nil
}

func seatOf(state tls.ConnectionState) releve.Seat {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	shown, _ := identity.Of(state.PeerCertificates[0]) // of nobody, it is refused with the reason
	return shown.Seat
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problem{Error: err.Error()}
	if fault, ok := errors.AsType[*releve.Fault](err); ok {
		p.Why = fault.Why
	}
	if s.foreign.news(err.Error()) {
		s.o.Log.Warn("refused one that is not a server of this site", "from", r.RemoteAddr, "error", err)
	}
	w.Header().Set("Connection", "close") // its place is for whoever may be one
	reply(w, http.StatusForbidden, p)
}

func (s *Server) register(r *http.Request, by releve.Seat) (any, error) {
	s.hear(r, by)
	e, err := s.keeper.read()
	return e.Register, err
}

func (s *Server) claim(r *http.Request, by releve.Seat) (any, error) {
	s.hear(r, by)
	var c takeover.Claim
	if err := decode(http.MaxBytesReader(nil, r.Body, maxMessage), &c); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	register, err := s.keeper.claim(r.Context(), c, by)
	switch {
	case err == nil:
		s.o.Log.Info("granted", append([]any{"to", by}, told(register)...)...)
	case errors.Is(err, takeover.ErrClaim):
		s.o.Log.Info("refused", "to", by, "error", err)
	default:
		s.o.Log.Error("a claim was not carried out", "of", by, "error", err)
	}
	if errors.Is(err, ErrUnsure) {
		select {
		case s.unsure <- err:
		default: // Run knows already
		}
	}
	return register, err
}

func (s *Server) status(*http.Request, releve.Seat) (any, error) {
	e, err := s.keeper.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{
		Register: e.Register, By: e.By, At: e.At,
		Now: time.Now().UTC(), Started: s.started, Heard: maps.Clone(s.heard), Generations: maps.Clone(s.shown),
	}, err
}

func (s *Server) hear(r *http.Request, by releve.Seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[by] = time.Now().UTC()
	s.shown[by] = identity.Generation(r.TLS.PeerCertificates[0])
}

// told is a register for the log.
func told(r takeover.Register) []any {
	return []any{"incarnation", r.Incarnation, "version", r.Version, "term", r.Term, "owner", r.Owner, "alone", r.Alone, "number", r.Number}
}

var errUnreadable = errors.New("it cannot read the claim")

func statusOf(err error) int {
	switch {
	case errors.Is(err, takeover.ErrClaim):
		return http.StatusConflict
	case errors.Is(err, errUnreadable):
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}

// said is an error as it is sent; with a refusal goes the register as it stays.
func said(err error, value any) problem {
	p := problem{Error: strings.TrimPrefix(err.Error(), takeover.ErrClaim.Error()+": ")}
	if register, ok := value.(takeover.Register); ok && errors.Is(err, takeover.ErrClaim) {
		p.Register = &register
	}
	return p
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
	w.WriteHeader(status)
	_, _ = w.Write(text) // who asked may be gone
}

// quiet keeps a log from filling with one line: a misconfigured server asks twice
// a second.
type quiet struct {
	mu   sync.Mutex
	line string
	at   time.Time
}

// news says whether a line is another than the last, or a minute later.
func (q *quiet) news(line string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if line == q.line && time.Since(q.at) < time.Minute {
		return false
	}
	q.line, q.at = line, time.Now()
	return true
}
