package console

import (
	"errors"
	"net/http"
	"net/url"

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
	s.roomRoutes(mux)
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

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, r, http.StatusOK, loginSheet{Next: next(r.URL.Query().Get("next"))})
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, status int, l loginSheet) {
	l.sheet = s.plainSheet(r)
	l.Here = url.URL{Path: "/login", RawQuery: url.Values{"next": {l.Next}}.Encode()}
	s.show(w, r, status, "login", l.Lang, l)
}

// plainSheet is a sheet of a page that does not change by itself.
func (s *Server) plainSheet(r *http.Request) *sheet {
	sheet := newSheet(scene{site: s.sees(r).site(s.options.Site.View())}, readerLanguage(r))
	sheet.Person, sheet.Logins, sheet.Here = s.who(r), true, *r.URL
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
