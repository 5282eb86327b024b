package console

import (
	"context"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Mirror is proven on demand (SPEC M7). Either server can be asked.
type Mirror interface {
	// VerifyMirror emits how far it is; what it finds wrong is in that, and is no error.
	VerifyMirror(ctx context.Context, emit func(view.Procedure)) error
}

func (s *Server) mirrorRoutes(mux *http.ServeMux) {
	if s.options.Mirror != nil {
		s.takes(mux, "POST /api/mirror/verify", func(w http.ResponseWriter, e errand) {
			s.streamed(w, e, releve.Say("order-verify"), s.options.Mirror.VerifyMirror)
		})
	}
}
