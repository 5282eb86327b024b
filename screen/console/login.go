package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"releve"
	"releve/doors/seal"
	"releve/screen/view"
)

// loginRoutes are what one needs an account for (SPEC K5), all of it sealed.
func (s *Server) loginRoutes(mux *http.ServeMux) {
	if s.options.Accounts == nil {
		return
	}
	mux.HandleFunc("GET /login", sealed(s.loginPage))
	mux.HandleFunc("POST /login", sealed(s.login))
	mux.HandleFunc("POST /logout", sealed(s.logout))
	mux.HandleFunc("GET /alarms", sealed(s.alarmsPage))
	mux.HandleFunc("POST /alarms", sealed(s.handleAlarm))
}

// sealed leads whoever came without TLS to where it is. What he sent already he has to send again: somebody on
// the way may have read it.
func sealed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case seal.Sealed(r.Context()):
			next(w, r)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, (&url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}).String(), http.StatusSeeOther)
		default:
			refuse(w, http.StatusForbidden, "not-sealed", errors.New("this is done over https alone"))
		}
	}
}

// loginSheet is the page on which one logs in.
type loginSheet struct {
	*sheet
	Next  string // where to go then
	Typed string // the name, of an attempt that was refused
	Wrong string
}

// nexts are where a login may lead to. Another page could have put anything there.
var nexts = []string{"/", "/alarms"}

func next(asked string) string {
	if slices.Contains(nexts, asked) {
		return asked
	}
	return "/"
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, r, http.StatusOK, loginSheet{Next: next(r.URL.Query().Get("next"))})
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, status int, l loginSheet) {
	l.sheet = s.plainSheet(r)
	s.show(w, r, status, "login", l.Lang, l)
}

// plainSheet is a sheet of a page that does not change by itself.
func (s *Server) plainSheet(r *http.Request) *sheet {
	sheet := newSheet(scene{site: s.sees(r).site(s.options.Site.View())}, readerLanguage(r))
	sheet.Person, sheet.Logins = s.who(r), true
	return sheet
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	form := func(name string) string { return r.PostFormValue(name) }
	token, err := s.options.Accounts.Login(r.Context(), view.Credentials{
		Name: form("name"), Password: form("password"), Code: form("code"), From: address(r),
	})
	if err != nil {
		status, why := http.StatusUnauthorized, releve.Say("login-refused")
		if fault, is := errors.AsType[*releve.Fault](err); is {
			why = fault.Why
		}
		if errors.Is(err, releve.ErrBusy) {
			status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", why.Args["seconds"])
		}
		l := loginSheet{Next: next(form("next")), Typed: form("name")}
		l.Wrong = s.plainSheet(r).Sentence(why)
		s.showLogin(w, r, status, l)
		return
	}
	http.SetCookie(w, carried(token))
	http.Redirect(w, r, next(form("next")), http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.options.Accounts.Logout(session(r))
	http.SetCookie(w, carried(""))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// alarmsSheet is the page on which alarms are taken in hand.
type alarmsSheet struct {
	*sheet
	Done  string // what was ordered just now
	Wrong string // why it was refused
	About string // the alarm that it was about
	Typed string // the remark that was given with it
}

// Acts are what can be done about an alarm as it stands.
func (alarmsSheet) Acts(a view.Alarm) []string {
	switch {
	case a.State == "shelved":
		return []string{"unshelve"}
	case !a.Ended.IsZero():
		return []string{"ack", "close"}
	}
	return []string{"ack", "shelve"}
}

// Hours are for how long an alarm may be shelved.
func (alarmsSheet) Hours() []string { return []string{"1", "2", "4", "8"} }

func (s *Server) alarmsPage(w http.ResponseWriter, r *http.Request) {
	if s.who(r) == nil {
		http.Redirect(w, r, "/login?next=/alarms", http.StatusSeeOther)
		return
	}
	a := alarmsSheet{sheet: s.plainSheet(r)}
	if done := r.URL.Query().Get("done"); (view.Handling{Act: done}).Known() {
		a.Done = a.Say("alarm-done-" + done)
	}
	s.show(w, r, http.StatusOK, "alarming", a.Lang, a)
}

func (s *Server) handleAlarm(w http.ResponseWriter, r *http.Request) {
	h := view.Handling{Act: r.PostFormValue("act"), Alarm: r.PostFormValue("alarm"), Remark: r.PostFormValue("remark")}
	if hours, err := time.ParseDuration(r.PostFormValue("hours") + "h"); err == nil && h.Act == "shelve" {
		h.For = hours
	}
	err := s.options.Accounts.HandleAs(r.Context(), session(r), address(r), h)
	if err == nil {
		http.Redirect(w, r, "/alarms?done="+url.QueryEscape(h.Act), http.StatusSeeOther)
		return
	}
	if s.who(r) == nil {
		l := loginSheet{Next: "/alarms", Wrong: s.plainSheet(r).Say("login-over")}
		s.showLogin(w, r, http.StatusUnauthorized, l)
		return
	}
	a := alarmsSheet{sheet: s.plainSheet(r), About: h.Alarm, Typed: h.Remark}
	status, why := http.StatusServiceUnavailable, releve.Say("alarm-unkept", "why", releve.Reason(err))
	if fault, is := errors.AsType[*releve.Fault](err); is {
		status, why = http.StatusUnprocessableEntity, fault.Why
		if !a.Person.HandlesAlarms {
			status = http.StatusForbidden
		}
	}
	a.Wrong = a.Sentence(why)
	s.show(w, r, status, "alarming", a.Lang, a)
}
