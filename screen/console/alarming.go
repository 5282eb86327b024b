package console

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
)

// alarmsSheet is the page on which alarms are taken in hand.
type alarmsSheet struct {
	*sheet
	Done  string // what was ordered just now
	Wrong string // why it was refused
	About string // the alarm that it was about
	Typed string // the remark that was given with it

	story func(alarm string) (view.AlarmStory, error)
}

// alarmsSheet is one of that page, for who reads it.
func (s *Server) alarmsSheet(r *http.Request) alarmsSheet {
	a := alarmsSheet{sheet: s.plainSheet(r)}
	see := s.sees(r)
	a.story = func(alarm string) (view.AlarmStory, error) {
		story, err := s.options.Alarms.Story(alarm)
		return see.story(story), err
	}
	return a
}

// Story is what happened to an alarm; nothing of one that left meanwhile.
func (a alarmsSheet) Story(alarm string) []view.Moment {
	story, err := a.story(alarm)
	if err != nil {
		return nil
	}
	return story.History
}

// Moment says one thing that happened to one.
func (a alarmsSheet) Moment(m view.Moment) string { return text.AlarmMoment(m, a.At, a.Lang) }

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
	a := s.alarmsSheet(r)
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
	err := s.options.Alarms.Handle(r.Context(), caller(r), h)
	if err == nil {
		http.Redirect(w, r, "/alarms?done="+url.QueryEscape(h.Act), http.StatusSeeOther)
		return
	}
	if s.who(r) == nil { // his session ended in between
		l := loginSheet{Next: "/alarms", Wrong: s.plainSheet(r).Say("login-over")}
		s.showLogin(w, r, http.StatusUnauthorized, l)
		return
	}
	a := s.alarmsSheet(r)
	a.About, a.Typed = h.Alarm, h.Remark
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
