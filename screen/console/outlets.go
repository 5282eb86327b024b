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
	s.takes(mux, "POST /api/outlets/test", carriedOut(releve.Say("order-notify-test"), func(e errand) (any, error) {
		query := e.URL.Query()
		all, err := post.Test(e.Context(), query.Get("outlet"), query.Get("dry-run") == "true")
		answer := view.OutletTests{Tests: all}
		if fault, refused := errors.AsType[*releve.Fault](err); refused {
			answer.Refused, answer.Unknown = &fault.Why, errors.Is(err, releve.ErrUnknown)
			return answer, nil
		}
		return answer, err
	}))
}
