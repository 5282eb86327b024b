package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"

	"releve"
	"releve/screen/view"
)

// Accounts are kept on either server (SPEC K5).
type Accounts interface {
	Accounts() []view.Account
	Roles() []string // that an account may have
	// Change does what an administrator orders. What it refuses is a [releve.Fault].
	Change(ctx context.Context, by view.Caller, o view.AccountOrder) (enrolment string, err error)
	// ChangeOwn gives whoever is logged in another password. What it refuses is a [releve.Fault].
	ChangeOwn(ctx context.Context, by view.Caller, current, fresh string) error
	// Login gives the session of who proves who he is. What it refuses is a [releve.Fault], of [releve.ErrBusy] where
	// he has to wait.
	Login(ctx context.Context, c view.Credentials) (token string, err error)
	// Who says who carries a session, and the session written anew where that is due.
	Who(token string) (p view.Person, renewed string, ok bool)
	Logout(token string)
	// Screen says that a screen on a wall shows its token.
	Screen(token string) bool
	// Denied and Looked have the audit say that somebody asked for what he has no right to, or saw what is personal.
	Denied(token string, from netip.Addr, what releve.Sentence)
	Looked(token string, from netip.Addr, what releve.Sentence)
}

func (s *Server) accountRoutes(mux *http.ServeMux) {
	keeper := s.options.Accounts
	if keeper == nil {
		return
	}
	mux.HandleFunc("GET /api/accounts", func(w http.ResponseWriter, _ *http.Request) { answer(w, keeper.Accounts()) })
	s.takes(mux, "POST /api/accounts", answered(func(r *http.Request) (any, error) {
		var o view.AccountOrder
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, handlingMost)).Decode(&o); err != nil {
			return nil, badRequest{err}
		}
		enrolment, err := keeper.Change(r.Context(), caller(r), o)
		answer := view.AccountChanged{Accounts: keeper.Accounts(), Enrolment: enrolment}
		if fault, refused := errors.AsType[*releve.Fault](err); refused {
			answer.Refused, answer.Unknown = &fault.Why, errors.Is(err, releve.ErrUnknown)
			return answer, nil
		}
		return answer, err
	}))
}
