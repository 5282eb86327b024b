package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// serversSheet is the page of both servers, whichever serves it.
type serversSheet struct {
	*sheet
	Distance *distanceChart // nil: the level has no mirror
	drills   *view.Drills
}

func (s *Server) serversPage(w http.ResponseWriter, r *http.Request) {
	page := serversSheet{sheet: s.plainSheet(r)}
	if m := page.Mirror.State; m != view.MirrorNone && m != view.MirrorCopy {
		page.Distance = newDistanceChart(page.sheet, s.distance.until(page.At))
	}
	if s.options.Drills != nil {
		drills := s.options.Drills.Drills()
		page.drills = &drills
	}
	s.show(w, r, http.StatusOK, "servers", page.Lang, page)
}

// column is what is known of one server.
type column struct {
	Seat releve.Seat
	Name string
	Own  bool // it serves the page
	Rows []fact
}

// fact is a name with a value; Bad marks one that is not as it should be.
type fact struct {
	Name, Value string
	Bad         bool
}

// Columns are both servers, side by side.
func (s serversSheet) Columns() []column {
	var all []column
	for _, v := range []view.Server{s.Main, s.Secondary} {
		all = append(all, column{v.Seat, s.SeatTitle(v.Seat), v.Seat == s.Seat, s.facts(v)})
	}
	return all
}

// wanted is the duty that the term gives a server.
func (s serversSheet) wanted(seat releve.Seat) releve.Duty {
	if seat == s.Owner {
		return releve.Active
	}
	if s.of(seat).Data.State == releve.TierNone && s.of(seat).Processing.State == releve.TierNone {
		return releve.OutOfService
	}
	return releve.Passive
}

func (s serversSheet) of(seat releve.Seat) view.Server {
	if seat == releve.Main {
		return s.Main
	}
	return s.Secondary
}

func (s serversSheet) facts(v view.Server) []fact {
	wanted := s.wanted(v.Seat)
	heard := s.Say("ui-heard-now")
	if !v.Heard {
		heard = s.Say("ui-silent-since", "at", s.Clock(v.HeardAt))
	}
	rows := []fact{
		{s.Say("ui-heard"), heard, !v.Heard},
		{s.Say("ui-duty-real"), words.Duty(s.Lang, v.Duty), v.Duty != wanted},
		{s.Say("ui-duty-wanted"), words.Duty(s.Lang, wanted), false},
	}
	if v.Vote {
		rows = append(rows, fact{s.Say("ui-vote"), s.Say("ui-vote-long"), false})
	}
	for _, t := range text.Tiers(v) {
		value := words.TierState(s.Lang, t.State)
		if t.Why.Code != "" {
			value += ": " + s.Sentence(t.Why)
		}
		rows = append(rows, fact{s.Say("tier-" + t.Name), value, t.State == releve.TierDown || t.State == releve.TierDegraded})
	}
	rows = append(rows,
		fact{s.Say("ui-channels"), s.Say("ui-calls-line", "busy", strconv.Itoa(v.ChannelsBusy), "channels", strconv.Itoa(v.Channels)), false},
		fact{s.Say("ui-registered"), orNone(strings.Join(v.Registered, ", "), s.Say("ui-registered-none")), false},
		fact{s.Say("ui-calls-since"), s.Say("ui-calls-sums", "offered", fmt.Sprint(v.CallsOffered), "answered", fmt.Sprint(v.CallsAnswered), "refused", fmt.Sprint(v.CallsRefused)), false})
	if v.SpoolWaiting > 0 {
		rows = append(rows, fact{s.Say("ui-spool-row"), s.Say("ui-spool", "records", strconv.Itoa(v.SpoolWaiting)), v.SpoolStands})
	}
	if v.Doing.Code != "" {
		rows = append(rows, fact{s.Say("ui-doing"), s.Sentence(v.Doing), false})
	}
	for _, n := range v.Notices {
		rows = append(rows, fact{s.Say("ui-notice"), s.Sentence(n), true})
	}
	if v.Version.Number != "" {
		rows = append(rows, fact{s.Say("ui-version"), s.Say("ui-version-row", "number", v.Version.Number, "postgresql", fmt.Sprint(v.Version.PostgreSQL)), false})
	}
	return rows
}

func orNone(value, none string) string {
	if value == "" {
		return none
	}
	return value
}

// ReadyText says whether the standby could take over now.
func (s serversSheet) ReadyText() string {
	if s.Readiness == nil {
		return s.Say("ui-ready-level")
	}
	return text.Readiness(s.Readiness, s.Lang)[0]
}

// Reasons are all that this rests on.
func (s serversSheet) Reasons() (all []fact) {
	if s.Readiness == nil {
		return nil
	}
	for _, r := range s.Readiness.Reasons {
		all = append(all, fact{text.ReasonMark(r.State), text.ReasonText(r, s.Lang), r.State == "broken" || r.State == "pending"})
	}
	return all
}

// DrillsAbout says when the last drill was, and when the next is due; nothing where none are made.
func (s serversSheet) DrillsAbout() []string {
	if s.drills == nil {
		return nil
	}
	return text.DrillsAbout(*s.drills, s.Lang)
}

// Papers are the licences, and the study that came before the levels.
func (s serversSheet) Papers() []string {
	if s.Licences == nil {
		return nil
	}
	all := text.Licensing(s.Licences, s.Lang)
	for _, l := range s.Licences.All {
		all = append(all, s.Say("ui-licence-row", "serial", l.Serial, "level", words.Level(s.Lang, l.Level),
			"channels", strconv.Itoa(l.Channels), "until", l.Until, "state", text.LicenceState(l, s.Lang)))
	}
	if study := s.Licences.Study; study != nil {
		all = append(all, s.Say("ui-study-row", "at", study.At.Local().Format("2006-01-02"), "integrator", releve.Plain(study.Integrator)))
	}
	return all
}

// Verified says when the copy was last compared whole.
func (s serversSheet) Verified() string {
	if s.Mirror.VerifiedAt.IsZero() {
		return s.Say("ui-verified-never")
	}
	return s.Say("ui-verified", "at", s.Mirror.VerifiedAt.Local().Format("2006-01-02 15:04"), "differences", strconv.Itoa(s.Mirror.Differences))
}
