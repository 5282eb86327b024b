package console

import (
	"context"
	_ "embed" // of the description
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"releve"
	"releve/screen/metrics"
	"releve/screen/view"
)

// callsShown is how many calls are shown when nobody says how many, and the most
// that may be asked for.
const (
	callsShown = 50
	callsMost  = 10000
)

// openAPI describes what programs may ask over the network (OpenAPI 3.1). A test writes it, of the types of the answers.
//
//go:embed openapi.json
var openAPI []byte

// apiRoutes are those of both faces. see says what a reader may see.
func (s *Server) apiRoutes(mux *http.ServeMux, see func(*http.Request) sight) {
	mux.HandleFunc("GET /api/site", func(w http.ResponseWriter, r *http.Request) { answer(w, see(r).site(s.options.Site.View())) })
	mux.HandleFunc("GET /api/calls", func(w http.ResponseWriter, r *http.Request) {
		if !see(r).calls {
			refuse(w, http.StatusUnauthorized, "login-needed", errors.New("calls are seen after a login, on /login"))
			return
		}
		s.looked(r, "event-calls-looked", r.URL.Query())
		s.calls(w, r)
	})
	mux.HandleFunc("GET /api/alarms/history", func(w http.ResponseWriter, r *http.Request) { s.history(w, r, see(r)) })
	mux.HandleFunc("GET /api/stored", s.stored)
	mux.HandleFunc("GET /api/arbiter", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.options.Site.Arbiter()) })
	mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		forProgram(w)
		_, _ = w.Write(openAPI) // a reader that left is no error of ours
	})
	mux.Handle("GET /metrics", metrics.Handler(s.options.Site.View))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /-/ready", s.ready)
	mux.HandleFunc("GET /-/active", s.is(releve.Active))
	mux.HandleFunc("GET /-/standby", s.is(releve.Passive))
}

func (s *Server) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	s.apiRoutes(mux, func(*http.Request) sight { return everything }) // whoever may open the socket
	mux.HandleFunc("GET /api/diary", s.diary)
	s.takes(mux, "POST /api/procedures/{name}", s.procedure)
	s.takes(mux, "POST /api/abdication",
		carriedOut(releve.Say("order-abdicate"), func(e errand) (any, error) { return s.options.Guide.Abdicate(e.Context()) }))
	s.salvageRoutes(mux)
	s.mirrorRoutes(mux)
	s.telephoneRoutes(mux)
	s.licenceRoutes(mux)
	s.drillRoutes(mux)
	s.alarmRoutes(mux)
	s.maintenanceRoutes(mux)
	s.accountRoutes(mux)
	s.outletRoutes(mux)
	s.recordRoutes(mux)
	return mux
}

// ready says whether each layer that the level gives this server serves, be it with less than all.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	own := s.options.Site.View().Own()
	for _, tier := range []releve.Tier{own.Data, own.Interfaces, own.Processing} {
		switch tier.State {
		case releve.TierWell, releve.TierDegraded, releve.TierNone:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, tier.State)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

func (s *Server) is(duty releve.Duty) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		own := s.options.Site.View().Own()
		if own.Duty != duty {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, own.Duty)
	}
}

// calls streams the list of calls: it is as long as the reader asks, and a page of it is
// all that is held here.
func (s *Server) calls(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r, "limit", callsShown)
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad-number", err)
		return
	}
	s.list(w, r, releve.CallQuery{}, limit)
}

// list streams the calls looked for.
func (s *Server) list(w http.ResponseWriter, r *http.Request, q releve.CallQuery, limit int) {
	out := array{w: w}
	for page, err := range s.options.Site.Calls(r.Context(), q, min(limit, callsMost)) {
		switch {
		case err != nil && out.n == 0:
			refuse(w, http.StatusServiceUnavailable, "database-away", err)
			return
		case err != nil: // the reader must see that it is not all
			panic(http.ErrAbortHandler)
		case out.n == 0:
			forProgram(w)
		}
		if add(&out, page) != nil {
			return
		}
	}
	forProgram(w)
	out.end()
}

// Stored is one acknowledged fact as an outside ledger reads it.
type Stored struct {
	ID   releve.FactID   `json:"id"`
	Kind releve.FactKind `json:"kind"`
	Call releve.CallID   `json:"call"`
	Term releve.Term     `json:"term"`
	Seat releve.Seat     `json:"seat"`
}

// stored streams each fact after its commit was acknowledged, a JSON line each. An empty
// line now and then shows whether anybody still reads.
func (s *Server) stored(w http.ResponseWriter, r *http.Request) {
	ctx, leave, ok := lasting(r, s.ledgers)
	if !ok {
		refuse(w, http.StatusServiceUnavailable, "too-many-ledgers",
			fmt.Errorf("%d ledgers are written already, or %d from your address: end one", ledgers.Most, ledgers.Each))
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	_ = out.Flush() // the reader knows that it misses nothing from here on
	beat := time.NewTicker(ledgerBeat)
	defer beat.Stop()
	facts := s.options.Site.Stored(ctx)
	for lines := json.NewEncoder(w); ; {
		var err error
		select {
		case some, more := <-facts:
			if !more {
				return
			}
			for _, f := range some {
				err = errors.Join(err, lines.Encode(Stored{f.ID, f.Kind, f.Call, f.Term, f.Seat}))
			}
		case <-beat.C:
			_, err = io.WriteString(w, "\n")
		}
		if errors.Join(err, out.Flush()) != nil {
			return
		}
	}
}

// ledgerBeat is how often a ledger is written to when nothing is stored.
const ledgerBeat = 10 * time.Second

// entriesMost bounds one reading of the diary.
const entriesMost = 10000

func (s *Server) diary(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r, "limit", 200)
	from, errFrom := moment(r, "from", time.Time{})
	to, errTo := moment(r, "to", time.Now().Add(time.Hour))
	if err := errors.Join(err, errFrom, errTo); err != nil {
		refuse(w, http.StatusBadRequest, "bad-range", err)
		return
	}
	entries, err := s.options.Site.Diary(r.Context(), from, to, min(limit, entriesMost))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "diary", err)
		return
	}
	if entries == nil {
		entries = []releve.Entry{}
	}
	answer(w, entries)
}

// Progress is one line of a running procedure; the last one has Error, or not.
type Progress struct {
	Procedure *view.Procedure `json:"procedure,omitempty"`
	End       bool            `json:"end,omitempty"`
	Error     string          `json:"error,omitempty"`
	Cause     string          `json:"cause,omitempty"` // running, unknown, not-allowed
}

func (s *Server) procedure(w http.ResponseWriter, e errand) {
	query := e.URL.Query()
	wish := view.Wish{
		Name:   e.PathValue("name"),
		DryRun: query.Get("dry-run") == "true", OtherIsOff: query.Get("other-is-off") == "true",
		WithoutStudy: query.Get("without-study"), By: query.Get("by"),
	}
	wish.Ordered = s.named(e.Request)
	if e.ContentLength != 0 {
		if err := json.NewDecoder(e.Body).Decode(&wish.Abdication); err != nil {
			refuse(w, http.StatusBadRequest, "bad-word", fmt.Errorf("the word that was brought cannot be read: %w", err))
			return
		}
	}
	s.streamed(w, e.rehearsal(wish.DryRun), wish.Sentence(), func(ctx context.Context, emit func(view.Procedure)) error {
		return s.options.Guide.Procedure(ctx, wish, emit)
	})
}

// stream runs a procedure and streams its steps. It goes on when the reader leaves:
// nobody's terminal is part of it.
func (s *Server) stream(w http.ResponseWriter, run func(context.Context, func(view.Procedure)) error) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	send := func(p Progress) {
		if lines.Encode(p) == nil {
			_ = out.Flush()
		}
	}
	err := run(s.life, func(p view.Procedure) { send(Progress{Procedure: &p}) })
	end := Progress{End: true}
	if err != nil {
		end.Error, end.Cause = err.Error(), cause(err)
	}
	send(end)
	return err
}

func cause(err error) string {
	switch {
	case errors.Is(err, releve.ErrBusy):
		return "running"
	case errors.Is(err, releve.ErrUnknown):
		return "unknown"
	case errors.Is(err, releve.ErrForbidden):
		return "not-allowed"
	}
	return ""
}
