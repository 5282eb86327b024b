package console

import (
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// How much a screen shows.
const (
	callsOnScreen  = 8
	callsBeside    = 3 // a procedure that runs or failed
	alarmsOnScreen = 5
	alarmsBeside   = 2 // a procedure that runs or ended just now
	eventsOnScreen = 12
	eventsBeside   = 4 // what a procedure may cost
)

// sheet is a scene in a language, as the templates read it.
type sheet struct {
	view.Site
	Lang    releve.Language
	Style   template.CSS // of a drawing that stands alone
	Other   string       // the other server's stream
	Version string
	Person  *view.Person // who looks, where he is logged in
	Logins  bool         // one can log in here
	Here    url.URL      // the page's own address
	Live    bool         // it keeps itself up to date

	calls  []releve.Call
	unread bool
	hidden bool
}

func newSheet(m scene, lang releve.Language) *sheet {
	return &sheet{Site: m.site, Lang: lang, Version: version, calls: m.calls, unread: m.unread, hidden: m.hidden}
}

func (s *sheet) render(name string) (string, error) {
	var b strings.Builder
	err := pages.ExecuteTemplate(&b, name, s)
	return b.String(), err
}

// Say says a sentence by its code.
func (s *sheet) Say(code string, pairs ...string) string {
	return words.Say(s.Lang, releve.Say(code, pairs...))
}

// Sentence says a sentence.
func (s *sheet) Sentence(what releve.Sentence) string { return words.Say(s.Lang, what) }

// TheWord is the one word.
func (s *sheet) TheWord() string { return words.Word(s.Lang, s.Word) }

// Title is that of the window, by which a screen among many is told.
func (s *sheet) Title() string { return s.TheWord() + " · " + s.Name }

// LevelName is how much of the site is protected.
func (s *sheet) LevelName() string { return words.Level(s.Lang, s.Level) }

// TermText is the term as text.
func (s *sheet) TermText() string { return strconv.FormatUint(uint64(s.Term), 10) }

// Clock is a time of day.
func (s *sheet) Clock(t time.Time) string { return words.Clock(s.Lang, t, s.At) }

// ISO is a time for programs.
func (s *sheet) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// OtherLanguage is the one to switch to.
func (s *sheet) OtherLanguage() releve.Language {
	if s.Lang == releve.French {
		return releve.English
	}
	return releve.French
}

// SeatTitle is a server's name as a title.
func (s *sheet) SeatTitle(seat releve.Seat) string { return s.Say("ui-" + string(seat)) }

// Cost is what a failure now would lose.
func (s *sheet) Cost() string { return text.Cost(s.Site, s.Lang) }

// Promise is what the site's arbiter promises.
func (s *sheet) Promise() string { return text.Promise(s.Site, s.Lang) }

// Notes are what the drawing cannot say of the servers, in a paragraph each.
func (s *sheet) Notes() []text.Remark {
	var notes []text.Remark
	for _, r := range text.Remarks(s.Site, s.Lang) {
		if last := len(notes) - 1; last >= 0 && notes[last].Seat == r.Seat {
			notes[last].Text += " " + r.Text
			continue
		}
		notes = append(notes, r)
	}
	return notes
}

// Licensed is what is licensed, for a place beside the level that runs.
func (s *sheet) Licensed() string { return text.Licensed(s.Licences, s.Lang) }

// Licensing is what people have to know of the licences.
func (s *sheet) Licensing() string {
	if s.Licences == nil {
		return ""
	}
	var all []string
	for _, n := range s.Licences.Notices {
		all = append(all, s.Sentence(n))
	}
	return strings.Join(all, " ")
}

// Ready is whether the standby could take over now, and what it lacks, in few words: why, and what to
// do, stands among the events.
func (s *sheet) Ready() string { return text.Ready(s.Readiness, s.Lang) }

// Sending is by what alarms are sent, in few words.
func (s *sheet) Sending() string {
	if len(s.Maintenance) == 0 {
		return text.Sending(s.Site, s.Lang)
	}
	var all []string // alarms of there are not sent; who works there and why, the page of alarms says
	for _, m := range s.Maintenance {
		all = append(all, s.Say("ui-maintenance-short-"+m.Place, "until", s.Clock(m.Until)))
	}
	return strings.Join(all, ", ")
}

// Maintenances says it in whole sentences.
func (s *sheet) Maintenances() []string { return text.Maintenance(s.Maintenance, s.At, s.Lang) }

// Alarming are the alarms that fit, those that wait for somebody first; what follows from another is
// counted.
func (s *sheet) Alarming() []view.Alarm {
	var first []view.Alarm
	for _, a := range s.Alarms {
		if a.Under == "" {
			first = append(first, a)
		}
	}
	most := alarmsOnScreen
	if s.Guide() != nil {
		most = alarmsBeside
	}
	return first[:min(most, len(first))]
}

// AlarmState says how long it has been so, and who has it in hand.
func (s *sheet) AlarmState(a view.Alarm) string { return text.AlarmState(a, s.At, s.Lang) }

// AlarmsMore says how many do not stand there.
func (s *sheet) AlarmsMore() string {
	if more := len(s.Alarms) - len(s.Alarming()); more > 0 {
		return s.Say("ui-alarms-more", "count", strconv.Itoa(more))
	}
	return ""
}

// Latest are the events that fit.
func (s *sheet) Latest() []view.Event {
	most := eventsOnScreen
	if len(s.Costs()) > 0 {
		most = eventsBeside
	}
	return s.Events[:min(most, len(s.Events))]
}

// Costs are what the procedure may cost, until it went well.
func (s *sheet) Costs() []releve.Sentence {
	if p := s.Guide(); p != nil && s.GuideEnd() == "" {
		return p.Costs
	}
	return nil
}

// Shape names the mark of an event's severity.
func (s *sheet) Shape(severity releve.Severity) string {
	switch {
	case severity.Clears():
		return "cleared"
	case severity.AtLeast(releve.Critical):
		return "down"
	case severity.AtLeast(releve.Warning):
		return "degraded"
	}
	return "plain"
}

// callRow is a call on the screen.
type callRow struct {
	releve.Call
	Now     bool
	Outcome string
	Marks   []string
	Lasted  string
}

// Rows are the calls, those in progress first.
func (s *sheet) Rows() []callRow {
	var rows []callRow
	for _, c := range s.calls {
		row := callRow{Call: c, Now: c.Outcome == "", Outcome: text.Outcome(c, s.Lang), Marks: text.Remarkable(c, s.Lang)}
		if row.Now && len(c.Steps) > 0 {
			last := c.Steps[len(c.Steps)-1]
			row.Outcome = words.Step(s.Lang, last)
		}
		row.Lasted = text.Lasted(c, s.Lang)
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b callRow) int { return rank(a) - rank(b) })
	most := callsOnScreen
	if s.Guide() != nil && s.GuideEnd() == "" {
		most = callsBeside
	}
	return rows[:min(most, len(rows))]
}

func rank(r callRow) int {
	if r.Now {
		return 0
	}
	return 1
}

// CallsUnread says that the calls shown are old, or that there are none to show.
func (s *sheet) CallsUnread() string {
	switch {
	case s.hidden:
		return s.Say("ui-calls-hidden")
	case s.unread && len(s.calls) > 0:
		return s.Say("ui-calls-stale")
	case s.unread:
		return s.Say("ui-calls-unread")
	case len(s.calls) == 0:
		return s.Say("ui-no-calls")
	}
	return ""
}

// stepRow is a step of a procedure on the screen.
type stepRow struct {
	view.ProcedureStep
	Text, StateName, Mark, Lasted, Found string
	Percent                              int64 // of its progress, negative where there is none
	Left                                 string
	Wrong                                []string // what it found
}

// Guide is the procedure while it runs and for a while after; then a verification
// while that runs.
func (s *sheet) Guide() *view.Procedure {
	p := s.Procedure
	switch {
	case p != nil && p.Finished.IsZero():
		return p
	case s.Proof != nil:
		return s.Proof
	case p != nil && s.At.Sub(p.Finished) <= guideKept:
		return p
	}
	return nil
}

// guideKept is how long the end of a procedure stays on the screen.
const guideKept = 10 * time.Minute

// GuideEnd says that the procedure went well, and how long it took.
func (s *sheet) GuideEnd() string {
	p := s.Guide()
	if p.Finished.IsZero() || p.Failed != nil {
		return ""
	}
	return s.Say("ui-procedure-done", "lasted", p.Finished.Sub(p.Started).String())
}

// GuideLeft is how much longer the procedure is to take.
func (s *sheet) GuideLeft() string { return text.Left(s.Guide(), s.At, s.Lang) }

// StepRows are the procedure's steps; of one that went well only its proof.
func (s *sheet) StepRows() []stepRow {
	p := *s.Guide()
	if s.GuideEnd() != "" {
		p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(step view.ProcedureStep) bool { return step.Found == nil })
	}
	return s.rowsOf(&p)
}

// RowsNow are the steps of the procedure that runs.
func (s *sheet) RowsNow() []stepRow { return s.rowsOf(s.Procedure) }

func (s *sheet) rowsOf(p *view.Procedure) []stepRow {
	var rows []stepRow
	for _, step := range p.Steps {
		row := stepRow{
			ProcedureStep: step, Text: s.Sentence(step.What), StateName: s.Say("state-" + step.State),
			Mark: text.StepMark(step.State), Percent: -1,
		}
		if !step.Started.IsZero() && !step.Finished.IsZero() {
			row.Lasted = words.Duration(s.Lang, step.Finished.Sub(step.Started))
		}
		if step.Found != nil {
			row.Found = s.Sentence(*step.Found)
		}
		for _, f := range step.Findings {
			row.Wrong = append(row.Wrong, s.Sentence(f))
		}
		if p := step.Progress; p != nil && p.Total > 0 {
			row.Percent = min(100, 100*p.Done/p.Total)
			row.Left = s.left(p)
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *sheet) left(p *releve.Progress) string {
	if p.TimeLeft <= 0 {
		return ""
	}
	return s.Say("ui-time-left", "left", p.TimeLeft.Round(time.Second).String())
}
