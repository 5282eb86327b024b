package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"releve"
)

// Salvage is where an operator decides about rows that an old owner committed alone
// (SPEC M6). Either server can be asked: the one on duty decides.
type Salvage interface {
	Salvages(context.Context) ([]releve.Salvage, error) // without their rows, newest first
	Salvage(ctx context.Context, id int64, limit int) (releve.Salvage, error)
	ExtractSalvage(context.Context) ([]releve.Salvage, error) // looks now, and returns what was found
	ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (releve.Salvage, error)
	DiscardSalvage(ctx context.Context, id int64) (releve.Salvage, error)
}

// salvageShown is how many rows are shown when nobody says how many, and the most that
// may be asked for.
const (
	salvageShown = 1000
	salvageMost  = 100000
)

func (s *Server) salvageRoutes(mux *http.ServeMux) {
	if s.options.Salvage == nil {
		return
	}
	d := s.options.Salvage
	mux.HandleFunc("GET /api/salvages", answering(func(r *http.Request) (any, error) { return d.Salvages(r.Context()) }))
	mux.HandleFunc("GET /api/salvages/{id}", about(func(r *http.Request, id int64) (any, error) {
		limit, err := number(r, "limit", salvageShown)
		if err != nil {
			return nil, badRequest{err}
		}
		return d.Salvage(r.Context(), id, min(limit, salvageMost))
	}))
	// What was begun goes on when the reader leaves: nobody's terminal is part of it.
	mux.HandleFunc("POST /api/salvages", answering(func(*http.Request) (any, error) { return d.ExtractSalvage(s.life) }))
	mux.HandleFunc("POST /api/salvages/{id}/apply", about(func(r *http.Request, id int64) (any, error) {
		query := r.URL.Query()
		return d.ApplySalvage(s.life, id, query.Get("dry-run") == "true", query.Get("replace") == "true")
	}))
	mux.HandleFunc("POST /api/salvages/{id}/discard", about(func(_ *http.Request, id int64) (any, error) {
		return d.DiscardSalvage(s.life, id)
	}))
}

func about(do func(*http.Request, int64) (any, error)) http.HandlerFunc {
	return answering(func(r *http.Request) (any, error) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return nil, badRequest{errors.New(r.PathValue("id") + " is not the number of a salvage")}
		}
		return do(r, id)
	})
}
