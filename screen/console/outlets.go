package console

import (
	"context"
	"errors"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Post sends alarms by a server's outlets (SPEC A3).
type Post interface {
	// Test sends a test by the outlet that is named, or by all; with dryRun it says what it would send. What it
	// refuses is a [releve.Fault].
	Test(ctx context.Context, outlet string, dryRun bool) ([]view.OutletTest, error)
}

func (s *Server) outletRoutes(mux *http.ServeMux) {
	post := s.options.Post
	if post == nil {
		return
	}
	mux.HandleFunc("POST /api/outlets/test", answering(func(r *http.Request) (any, error) {
		query := r.URL.Query()
		all, err := post.Test(r.Context(), query.Get("outlet"), query.Get("dry-run") == "true")
		answer := view.OutletTests{Tests: all}
		if fault, refused := errors.AsType[*releve.Fault](err); refused {
			answer.Refused, answer.Unknown = &fault.Why, errors.Is(err, releve.ErrUnknown)
			return answer, nil
		}
		return answer, err
	}))
}
