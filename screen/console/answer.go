package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"releve"
	"releve/screen/view"
)

// How programs are answered, and what they ask with.

func answer(w http.ResponseWriter, v any) {
	forProgram(w)
	_ = json.NewEncoder(w).Encode(v) // a reader that left is no error of ours
}

func forProgram(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
}

// answered is answering for what asks the door itself.
func answered(do func(*http.Request) (any, error)) func(http.ResponseWriter, errand) {
	return func(w http.ResponseWriter, e errand) { answering(do)(w, e.Request) }
}

// answering answers with what do gives, or with the problem that it met.
func answering(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := do(r)
		if err == nil {
			answer(w, v)
			return
		}
		for _, p := range problems {
			if errors.Is(err, p.err) {
				refuse(w, p.status, p.kind, err)
				return
			}
		}
		if _, bad := errors.AsType[badRequest](err); bad {
			refuse(w, http.StatusBadRequest, "bad-number", err)
			return
		}
		refuse(w, http.StatusServiceUnavailable, "failed", err)
	}
}

// problem is RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

const problemPrefix = "urn:releve:"

func refuse(w http.ResponseWriter, status int, kind string, detail error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{
		Type: problemPrefix + kind, Title: http.StatusText(status), Status: status, Detail: detail.Error(),
	})
}

// problems are the errors that a reader can tell apart by the type of their problem.
var problems = []struct {
	err    error
	status int
	kind   string
}{
	{releve.ErrNoSalvage, http.StatusNotFound, "no-salvage"},
	{releve.ErrSalvageDecided, http.StatusConflict, "salvage-decided"},
	{releve.ErrNotOnDuty, http.StatusServiceUnavailable, "not-on-duty"},
	{releve.ErrNoVote, http.StatusConflict, "no-vote"},
	{releve.ErrVoteAsked, http.StatusConflict, "vote-asked"},
	{view.ErrNobody, http.StatusUnauthorized, "login-needed"},
	{view.ErrNoRight, http.StatusForbidden, "no-right"},
	{releve.ErrUnknown, http.StatusNotFound, "unknown"},
}

// Problem is the error behind a problem's type (RFC 9457), nil when it has none of its own.
func Problem(kind string) error {
	for _, p := range problems {
		if kind == problemPrefix+p.kind {
			return p.err
		}
	}
	return nil
}

// badRequest is a question that cannot be understood.
type badRequest struct{ error }

func number(r *http.Request, name string, absent int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%q is not a number from 1 on", name, text)
	}
	return n, nil
}

func moment(r *http.Request, name string, absent time.Time) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%s=%q is not a time such as 2026-11-24T03:00:00Z", name, text)
	}
	return t, nil
}
