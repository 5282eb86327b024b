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

// nothingSalvaged is the salvage of a server that has none.
type nothingSalvaged struct{}

func (nothingSalvaged) Salvages(context.Context) ([]releve.Salvage, error) { return nil, nil }
func (nothingSalvaged) Salvage(context.Context, int64, int) (releve.Salvage, error) {
	return releve.Salvage{}, releve.ErrNoSalvage
}
func (nothingSalvaged) ExtractSalvage(context.Context) ([]releve.Salvage, error) { return nil, nil }
func (nothingSalvaged) ApplySalvage(context.Context, int64, bool, bool) (releve.Salvage, error) {
	return releve.Salvage{}, releve.ErrNoSalvage
}
func (nothingSalvaged) DiscardSalvage(context.Context, int64) (releve.Salvage, error) {
	return releve.Salvage{}, releve.ErrNoSalvage
}

// salvageShown is how many rows are shown when nobody says how many, and the most that
// may be asked for.
const (
	salvageShown = 1000
	salvageMost  = 100000
)

func (s *Server) salvageRoutes(mux *http.ServeMux) {
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
	s.takes(mux, "POST /api/salvages", carriedOut(releve.Say("order-salvage-extract"), func(errand) (any, error) { return d.ExtractSalvage(s.life) }))
	s.takes(mux, "POST /api/salvages/{id}/apply", aboutOne("order-salvage-apply", func(e errand, id int64) (any, error) {
		query := e.URL.Query()
		return d.ApplySalvage(s.life, id, query.Get("dry-run") == "true", query.Get("replace") == "true")
	}))
	s.takes(mux, "POST /api/salvages/{id}/discard", aboutOne("order-salvage-discard", func(_ errand, id int64) (any, error) {
		return d.DiscardSalvage(s.life, id)
	}))
}

func about(do func(*http.Request, int64) (any, error)) http.HandlerFunc {
	return answering(func(r *http.Request) (any, error) {
		id, err := salvageNumber(r)
		if err != nil {
			return nil, err
		}
		return do(r, id)
	})
}

// aboutOne is an order about one salvage, and the code of what it orders.
func aboutOne(code string, do func(errand, int64) (any, error)) func(http.ResponseWriter, errand) {
	return func(w http.ResponseWriter, e errand) {
		id, err := salvageNumber(e.Request)
		if err != nil {
			refuseOrder(w, err)
			return
		}
		what := releve.Say(code, "number", strconv.FormatInt(id, 10), "replace", e.URL.Query().Get("replace"), "rehearsed", e.URL.Query().Get("dry-run"))
		carriedOut(what, func(e errand) (any, error) { return do(e, id) })(w, e)
	}
}

func salvageNumber(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, badRequest{errors.New(r.PathValue("id") + " is not the number of a salvage")}
	}
	return id, nil
}
