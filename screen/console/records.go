package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"releve"
	"releve/screen/view"
)

// Records are those of calls.
type Records interface {
	// Count counts the calls between each two times that follow each other.
	Count(ctx context.Context, times []time.Time) ([]releve.CallCount, error)
	// Page are the records looked for that come after a mark, newest first, and where the next page begins. With an
	// error it has what can be told all the same.
	Page(ctx context.Context, q releve.CallQuery, after releve.CallMark, limit int) (releve.CallPage, error)
	// Record are the records of one Call-ID, oldest first.
	Record(ctx context.Context, call releve.CallID) ([]releve.Call, error)
}

func (s *Server) recordRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/calls/search", s.search)
	mux.HandleFunc("GET /api/calls/count", answering(s.count))
}

// search lists the calls that the address asks for: from, to, caller, outcome and seat.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	limit, errLimit := number(r, "limit", callsShown)
	from, errFrom := moment(r, "from", time.Time{})
	to, errTo := moment(r, "to", time.Time{})
	if err := errors.Join(errLimit, errFrom, errTo); err != nil {
		refuse(w, http.StatusBadRequest, "bad-number", err)
		return
	}
	query := r.URL.Query()
	s.list(w, r, releve.CallQuery{
		From: from, To: to, Caller: query.Get("caller"), Outcome: query.Get("outcome"), Seat: releve.Seat(query.Get("seat")),
	}, limit)
}

// count counts calls by the periods of the calendar of this machine.
func (s *Server) count(r *http.Request) (any, error) {
	from, errFrom := moment(r, "from", time.Time{})
	to, errTo := moment(r, "to", time.Now())
	if err := errors.Join(errFrom, errTo); err != nil {
		return nil, badRequest{err}
	}
	times, ok := view.Calendar(r.URL.Query().Get("by"), from.Local(), to.Local())
	if !ok {
		return nil, badRequest{fmt.Errorf("by=%q: choose one of %v, and no more than %d of them", r.URL.Query().Get("by"), view.Periods, view.PeriodsMost)}
	}
	return s.options.Records.Count(r.Context(), times)
}
