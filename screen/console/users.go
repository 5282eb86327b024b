package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"releve"
	"releve/screen/view"
)

// usersSheet is the page on which administrators say who may log in.
type usersSheet struct {
	*sheet
	Accounts  []view.Account
	Roles     []string
	Asked     view.AccountOrder // what was ordered and refused, without its password
	Field     string            // which field of it is wrong
	Wrong     string
	Done      string // what was ordered just now
	Enrolment string // what a program that shows one-time codes needs, once
}

// For says that a refused order was about this account and act: its form shows it.
func (u usersSheet) For(act, name string) bool {
	return u.Wrong != "" && u.Asked.Act == act && (act == "add" || u.Asked.Name == name)
}

// userDeeds are what can be ordered there.
var userDeeds = []string{"add", "role", "password", "codes", "no-codes", "remove"}

func (s *Server) usersPage(w http.ResponseWriter, r *http.Request) {
	u := usersSheet{sheet: s.plainSheet(r)}
	if done, user := r.URL.Query().Get("done"), r.URL.Query().Get("user"); slices.Contains(userDeeds, done) {
		u.Done = u.Say("user-done-"+done, "user", user)
	}
	s.showUsers(w, r, http.StatusOK, u)
}

func (s *Server) showUsers(w http.ResponseWriter, r *http.Request, status int, u usersSheet) {
	u.Accounts, u.Roles = s.options.Accounts.Accounts(), s.options.Accounts.Roles()
	s.show(w, r, status, "users", u.Lang, u)
}

func (s *Server) handleUser(w http.ResponseWriter, r *http.Request) {
	o := view.AccountOrder{
		Act: r.PostFormValue("act"), Name: r.PostFormValue("name"), Role: r.PostFormValue("role"), Password: r.PostFormValue("password"),
	}
	enrolment, err := s.options.Accounts.Change(r.Context(), caller(r), o)
	o.Password = "" // nothing shows it again
	switch {
	case err != nil:
		s.refuseUser(w, r, o, err)
	case enrolment != "": // it is shown once, and stands in no address
		s.showUsers(w, r, http.StatusOK, usersSheet{sheet: s.plainSheet(r), Enrolment: enrolment, Asked: o})
	default:
		http.Redirect(w, r, "/users?"+url.Values{"done": {o.Act}, "user": {o.Name}}.Encode(), http.StatusSeeOther)
	}
}

func (s *Server) refuseUser(w http.ResponseWriter, r *http.Request, o view.AccountOrder, err error) {
	u := usersSheet{sheet: s.plainSheet(r), Asked: o}
	status, why := refusal(err)
	if u.Wrong = u.Sentence(why); u.Person == nil { // his account was changed in between
		s.showLogin(w, r, http.StatusUnauthorized, loginSheet{Next: "/users", Wrong: u.Say("login-over")})
		return
	}
	u.Field = fieldOf(why.Code)
	s.showUsers(w, r, status, u)
}

// refusal is why an order about an account was refused, and the status to answer with.
func refusal(err error) (status int, why releve.Sentence) {
	status, why = http.StatusServiceUnavailable, releve.Say("user-unkept", "why", releve.Reason(err))
	if fault, is := errors.AsType[*releve.Fault](err); is {
		status, why = http.StatusUnprocessableEntity, fault.Why
	}
	switch {
	case errors.Is(err, view.ErrNoRight):
		status = http.StatusForbidden
	case errors.Is(err, releve.ErrBusy):
		status = http.StatusTooManyRequests
	}
	return status, why
}

// fieldOf is the field of a form that a complaint is about, by its code.
func fieldOf(code string) string {
	switch {
	case strings.HasPrefix(code, "user-password"):
		return "password"
	case strings.HasPrefix(code, "user-role"):
		return "role"
	case code == "user-own-unproven":
		return "current"
	case code == "user-name", code == "user-there":
		return "name"
	}
	return ""
}

// ownSheet is the page on which somebody gives himself another password.
type ownSheet struct {
	*sheet
	Wrong, Field, Done string
}

func (s *Server) ownPage(w http.ResponseWriter, r *http.Request) {
	o := ownSheet{sheet: s.plainSheet(r)}
	if r.URL.Query().Has("done") {
		o.Done = o.Say("user-done-own")
	}
	s.show(w, r, http.StatusOK, "own", o.Lang, o)
}

func (s *Server) handleOwn(w http.ResponseWriter, r *http.Request) {
	fresh := r.PostFormValue("password")
	err := error(&releve.Fault{Cause: releve.ErrForbidden, Why: releve.Say("user-password-differs")})
	if fresh == r.PostFormValue("again") {
		err = s.options.Accounts.ChangeOwn(r.Context(), caller(r), r.PostFormValue("current"), fresh)
	}
	if err == nil {
		http.Redirect(w, r, "/own?done=password", http.StatusSeeOther)
		return
	}
	o := ownSheet{sheet: s.plainSheet(r)}
	status, why := refusal(err)
	if o.Wrong, o.Field = o.Sentence(why), fieldOf(why.Code); o.Person == nil {
		s.showLogin(w, r, http.StatusUnauthorized, loginSheet{Next: "/own", Wrong: o.Say("login-over")})
		return
	}
	s.show(w, r, status, "own", o.Lang, o)
}
