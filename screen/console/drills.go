package console

import (
	"context"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Drills are what the site has tried of its takeover, and another on demand (SPEC H13). Either
// server can be asked.
type Drills interface {
	Drills() view.Drills
	// Drill makes one, or with dryRun says what it would do. by is who orders it.
	Drill(ctx context.Context, by string, dryRun bool, emit func(view.Procedure)) error
}

func (s *Server) drillRoutes(mux *http.ServeMux) {
	drills := s.options.Drills
	if drills == nil {
		return
	}
	mux.HandleFunc("GET /api/drills", func(w http.ResponseWriter, _ *http.Request) { answer(w, drills.Drills()) })
	s.takes(mux, "POST /api/drills", func(w http.ResponseWriter, e errand) {
		query := e.URL.Query()
		dryRun := query.Get("dry-run") == "true"
		what := releve.Say("order-drill", "rehearsed", query.Get("dry-run"))
		s.streamed(w, e.rehearsal(dryRun), what, func(ctx context.Context, emit func(view.Procedure)) error {
			return drills.Drill(ctx, query.Get("by"), dryRun, emit)
		})
	})
}
