package console

import (
	"context"
	"net/http"

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
	mux.HandleFunc("POST /api/drills", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		s.stream(w, func(ctx context.Context, emit func(view.Procedure)) error {
			return drills.Drill(ctx, query.Get("by"), query.Get("dry-run") == "true", emit)
		})
	})
}
