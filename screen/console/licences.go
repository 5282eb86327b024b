package console

import (
	"context"
	"errors"
	"io"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Licences are this server's, and through it the other's (SPEC L1).
type Licences interface {
	Licences() view.Licences
	// InstallLicence keeps a licence, or says in its answer why it is refused.
	InstallLicence(ctx context.Context, file []byte, how view.Installing) (view.Installed, error)
	// AdoptStudy keeps a study, or says in its answer why it is refused.
	AdoptStudy(ctx context.Context, file []byte, dryRun bool) (view.Adoption, error)
}

// errPaperLong is a body that no licence and no study has. One that is only a little too long says so
// itself.
var errPaperLong = errors.New("that is no licence and no study: it is far too long")

func (s *Server) licenceRoutes(mux *http.ServeMux) {
	keeper := s.options.Licences
	if keeper == nil {
		return
	}
	mux.HandleFunc("GET /api/licences", func(w http.ResponseWriter, _ *http.Request) { answer(w, keeper.Licences()) })
	s.takes(mux, "POST /api/licences", carriedOut(releve.Say("order-licence"), func(e errand) (any, error) {
		file, err := io.ReadAll(e.Body)
		if err != nil {
			return nil, badRequest{errPaperLong}
		}
		query := e.URL.Query()
		how := view.Installing{DryRun: query.Get("dry-run") == "true", WithoutStudy: query.Get("without-study")}
		return keeper.InstallLicence(e.Context(), file, how)
	}))
	s.takes(mux, "POST /api/study", carriedOut(releve.Say("order-study"), func(e errand) (any, error) {
		file, err := io.ReadAll(e.Body)
		if err != nil {
			return nil, badRequest{errPaperLong}
		}
		return keeper.AdoptStudy(e.Context(), file, e.URL.Query().Get("dry-run") == "true")
	}))
}
