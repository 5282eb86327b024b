package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"releve"
	"releve/doors/local"
	"releve/screen/view"
)

// Door is the one that all orders come through: it says who may, and has both diaries say who did (SPEC P1, K5).
type Door interface {
	// Order has run carry the order out. It fails with [view.ErrNobody], with a [releve.Fault] of [view.ErrNoRight] or
	// [releve.ErrBusy], and else as run does.
	Order(ctx context.Context, o view.Order, run func(context.Context) error) error
}

// ordered are the addresses at which something is ordered, and what that is. Nothing else that changes anything is
// served, but for logging in and out, and for how one's own page looks.
var ordered = map[string]view.Deed{
	"POST /api/procedures/{name}":      view.RunProcedure,
	"POST /api/abdication":             view.Abdicate,
	"POST /api/salvages":               view.LookForSalvage,
	"POST /api/salvages/{id}/apply":    view.ApplySalvage,
	"POST /api/salvages/{id}/discard":  view.DiscardSalvage,
	"POST /api/mirror/verify":          view.VerifyMirror,
	"POST /api/calls/check":            view.CheckCalls,
	"POST /api/licences":               view.InstallLicence,
	"POST /api/study":                  view.AdoptStudy,
	"POST /api/drills":                 view.MakeDrill,
	"POST /api/outlets/test":           view.TestOutlets,
	"POST /api/alarms":                 view.HandleAlarm,
	"POST /api/accounts":               view.ChangeAccount,
	"POST /alarms":                     view.HandleAlarm,
	"POST /api/maintenance":            view.Maintain,
	"POST /users":                      view.ChangeAccount,
	"POST /own":                        view.ChangeOwnPassword,
	"POST /salvage/{id}":               view.ApplySalvage, // or to discard it
	"POST /procedures/{name}":          view.RunProcedure,
	"POST /procedures/runs/{id}/abort": view.AbortProcedure,
}

// Ordered are those addresses, for whoever proves that each goes through the door.
func Ordered() map[string]view.Deed { return maps.Clone(ordered) }

// OperatorHeader is how the command line says who is at the keyboard. The kernel says whose process that is.
const OperatorHeader = "Releve-Operator"

// operatorMost bounds what somebody calls himself.
const operatorMost = 60

// caller is who asks, and from where.
func caller(r *http.Request) view.Caller {
	if user := local.User(r.Context()); user != "" {
		name := cmp.Or(r.URL.Query().Get("by"), r.Header.Get(OperatorHeader))
		return view.Caller{Unix: user, Name: strings.ToValidUTF8(name[:min(len(name), operatorMost)], "")}
	}
	return view.Caller{Session: session(r), From: address(r)}
}

// errand is a request that orders something.
type errand struct {
	*http.Request
	deed view.Deed
	door Door
}

// takes serves an address at which something is ordered.
func (s *Server) takes(mux *http.ServeMux, address string, do func(http.ResponseWriter, errand)) {
	deed, known := ordered[address]
	if !known {
		panic(address + " is not among the addresses at which something is ordered")
	}
	mux.HandleFunc(address, func(w http.ResponseWriter, r *http.Request) { do(w, errand{r, deed, s.options.Door}) })
}

// carry has an order carried out by who may; a rehearsal of it is another deed.
func (e errand) carry(what releve.Sentence, run func() error) error {
	return e.door.Order(e.Context(), view.Order{By: caller(e.Request), Deed: e.deed, What: what}, func(context.Context) error { return run() })
}

// rehearsal is an errand that is only rehearsed, where dryRun says so.
func (e errand) rehearsal(dryRun bool) errand {
	if dryRun {
		e.deed = view.Rehearse
	}
	return e
}

// carriedOut answers with what do gives when the door lets it, or with the problem that it met.
func carriedOut(what releve.Sentence, do func(errand) (any, error)) func(http.ResponseWriter, errand) {
	return func(w http.ResponseWriter, e errand) {
		answering(func(*http.Request) (v any, err error) {
			var answered bool
			err = e.rehearsal(e.URL.Query().Get("dry-run") == "true").carry(what, func() error {
				v, err = do(e)
				answered = err == nil
				return errors.Join(err, refusalIn(v))
			})
			if answered {
				return v, nil
			}
			return nil, err
		})(w, e.Request)
	}
}

// refusalIn is the refusal that an answer tells by itself, for the diaries; nil: none.
func refusalIn(answer any) error {
	if a, may := answer.(interface{ Refusal() *releve.Sentence }); may {
		if why := a.Refusal(); why != nil {
			return &releve.Fault{Cause: releve.ErrForbidden, Why: *why}
		}
	}
	return nil
}

// streamed has something that lasts carried out, and streams how far it is.
func (s *Server) streamed(w http.ResponseWriter, e errand, what releve.Sentence, run func(context.Context, func(view.Procedure)) error) {
	begun := false
	err := e.carry(what, func() error {
		begun = true
		return s.stream(w, run)
	})
	if err != nil && !begun {
		refuseOrder(w, err)
	}
}

// refuseOrder says why the door did not open.
func refuseOrder(w http.ResponseWriter, err error) {
	answering(func(*http.Request) (any, error) { return nil, err })(w, nil)
}

// closed is the door of a server that nobody gave one: nothing is ordered there.
type closed struct{}

func (closed) Order(context.Context, view.Order, func(context.Context) error) error {
	return errors.New("this server takes no orders")
}

// named is who asks, as he is called.
func (s *Server) named(r *http.Request) string {
	if c := caller(r); c.Unix != "" {
		return cmp.Or(c.Name, c.Unix)
	}
	if p := s.who(r); p != nil {
		return p.Name
	}
	return ""
}
