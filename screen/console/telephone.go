package console

import (
	"context"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Telephone is checked on demand (SPEC H7, H8). Either server can be asked.
type Telephone interface {
	// CheckCalls emits how far it is; what it finds wrong is in that, and is no error.
	CheckCalls(ctx context.Context, emit func(view.Procedure)) error
}

func (s *Server) telephoneRoutes(mux *http.ServeMux) {
	if s.options.Telephone != nil {
		s.takes(mux, "POST /api/calls/check", func(w http.ResponseWriter, e errand) {
			s.streamed(w, e, releve.Say("order-check-calls"), s.options.Telephone.CheckCalls)
		})
	}
}
