package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Accounts are kept on either server (SPEC K5).
type Accounts interface {
	Accounts() []view.Account
	// Change does what an administrator orders. What it refuses is a [releve.Fault].
	Change(ctx context.Context, o view.AccountOrder) error
}

func (s *Server) accountRoutes(mux *http.ServeMux) {
	keeper := s.options.Accounts
	if keeper == nil {
		return
	}
	mux.HandleFunc("GET /api/accounts", func(w http.ResponseWriter, _ *http.Request) { answer(w, keeper.Accounts()) })
	mux.HandleFunc("POST /api/accounts", answering(func(r *http.Request) (any, error) {
		var o view.AccountOrder
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, handlingMost)).Decode(&o); err != nil {
			return nil, badRequest{err}
		}
		err := keeper.Change(r.Context(), o)
		answer := view.AccountChanged{Accounts: keeper.Accounts()}
		if fault, refused := errors.AsType[*releve.Fault](err); refused {
			answer.Refused, answer.Unknown = &fault.Why, errors.Is(err, releve.ErrUnknown)
			return answer, nil
		}
		return answer, err
	}))
}
