package console

import (
	"encoding/base64"
	"errors"
	"net/http"
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

// callsPaged is how many calls stand on a page, and callsExported how many go into one table.
const (
	callsPaged    = 50
	callsExported = 100_000
)

// asked is which calls a reader looks for, as he typed it.
type asked struct {
	From, To, Caller, Ended, Seat string

	query releve.CallQuery
	after releve.CallMark
	wrong releve.Sentence // which field is wrong, and what is expected; no code: none
	Field string          // its name
}

// ask reads what is looked for in an address. Days are those of this machine's calendar, the last included.
func ask(values url.Values) asked {
	a := asked{From: values.Get("from"), To: values.Get("to"), Caller: values.Get("caller"), Ended: values.Get("ended"), Seat: values.Get("seat")}
	a.query = releve.CallQuery{Caller: a.Caller, Outcome: a.Ended, Seat: releve.Seat(a.Seat)}
	a.query.From = a.day("from", a.From, 0)
	a.query.To = a.day("to", a.To, 1)
	var ok bool
	if a.after, ok = readMark(values.Get("after")); !ok {
		a.complain("after", "ask-after")
	}
	switch q := a.query; {
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		a.complain("to", "ask-span")
	case len([]rune(a.Caller)) > releve.ShownMost:
		a.complain("caller", "ask-caller", "most", strconv.Itoa(releve.ShownMost))
	case a.Ended != "" && !slices.Contains(releve.Outcomes, a.Ended):
		a.complain("ended", "ask-ended")
	case q.Seat != "" && q.Seat != releve.Main && q.Seat != releve.Secondary:
		a.complain("seat", "ask-seat")
	}
	return a
}

func (a *asked) day(field, typed string, later int) time.Time {
	if typed == "" {
		return time.Time{}
	}
	day, err := time.ParseInLocation(time.DateOnly, typed, time.Local)
	if err != nil {
		a.complain(field, "ask-day", "typed", typed)
		return time.Time{}
	}
	return day.AddDate(0, 0, later)
}

// complain keeps the first complaint.
func (a *asked) complain(field, code string, pairs ...string) {
	if a.Field == "" {
		a.Field, a.wrong = field, releve.Say(code, pairs...)
	}
}

// values are the question as an address asks it.
func (a asked) values() url.Values {
	values := url.Values{}
	for name, typed := range map[string]string{"from": a.From, "to": a.To, "caller": a.Caller, "ended": a.Ended, "seat": a.Seat} {
		if typed != "" {
			values.Set(name, typed)
		}
	}
	return values
}

// The mark at which a page of calls begins travels in its address.
func writeMark(m releve.CallMark) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join([]string{m.At.UTC().Format(time.RFC3339Nano), string(m.Seat), string(m.Call)}, " ")))
}

func readMark(text string) (m releve.CallMark, ok bool) {
	if text == "" {
		return m, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.SplitN(string(raw), " ", 3)
	if err != nil || len(parts) != 3 {
		return m, false
	}
	at, err := time.Parse(time.RFC3339Nano, parts[0])
	return releve.CallMark{At: at, Seat: releve.Seat(parts[1]), Call: releve.CallID(parts[2])}, err == nil
}

// searchSheet is the page on which calls are looked for.
type searchSheet struct {
	*sheet
	Asked  asked
	Wrong  string // what is wrong with the question
	Unread string // why there are not the calls of the database
	Next   string // the address of the next page, "" where there is none
	Export string // of the table
	Chart  *chart
}

// Outcomes are those by which calls are looked for.
func (searchSheet) Outcomes() []string { return releve.Outcomes }

// OutcomeName names one.
func (s searchSheet) OutcomeName(outcome string) string { return text.OutcomeName(outcome, s.Lang) }

// Day is the day of a time, and its time of the day.
func (s searchSheet) Day(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// Record is the address of a call's own page.
func (s searchSheet) Record(c releve.Call) string {
	return "/calls/record?" + url.Values{"call": {string(c.Call)}}.Encode()
}

// Found are the calls, as rows: without what would move a terminal or hide letters.
func (s searchSheet) Found() (rows []callRow) {
	for _, c := range s.calls {
		c.From, c.Detail = releve.Plain(c.From), releve.Plain(c.Detail)
		rows = append(rows, callRow{
			Call: c, Now: c.Outcome == "", Outcome: text.Outcome(c, s.Lang), Marks: text.Remarkable(c, s.Lang), Lasted: text.Lasted(c, s.Lang),
		})
	}
	return rows
}

// Server names the server of a call.
func (s *sheet) Server(seat releve.Seat) string { return words.Seat(s.Lang, seat) }

func (s *Server) callsPage(w http.ResponseWriter, r *http.Request) {
	page := searchSheet{sheet: s.plainSheet(r), Asked: ask(r.URL.Query())}
	status := http.StatusOK
	if page.Asked.Field != "" {
		page.Wrong, status = page.Sentence(page.Asked.wrong), http.StatusUnprocessableEntity
		s.show(w, r, status, "search", page.Lang, page)
		return
	}
	s.looked(r, "event-calls-looked", page.Asked.values())
	found, err := s.options.Records.Page(r.Context(), page.Asked.query, page.Asked.after, callsPaged)
	page.calls = found.Calls
	if err != nil {
		page.Unread = page.Say("ui-calls-unread")
	}
	values := page.Asked.values()
	page.Export = "/calls/export?" + values.Encode()
	if found.More {
		values.Set("after", writeMark(found.Last))
		page.Next = "/calls?" + values.Encode()
	}
	if page.Asked.after.At.IsZero() {
		from, to := page.Asked.span(page.At)
		page.Chart = s.chart(r.Context(), page.sheet, from, to)
	}
	s.show(w, r, status, "search", page.Lang, page)
}

// looked has the audit say who looked at calls, and for which (SPEC K5).
func (s *Server) looked(r *http.Request, code string, values url.Values) {
	if p := s.who(r); p != nil { // on the socket nobody has a session
		s.options.Accounts.Looked(session(r), address(r), releve.Say(code, "by", p.Name, "which", values.Encode()))
	}
}

// exportCalls gives the calls looked for as a table for other programs, a page at a time.
func (s *Server) exportCalls(w http.ResponseWriter, r *http.Request) {
	question := ask(r.URL.Query())
	if question.Field != "" {
		refuse(w, http.StatusBadRequest, "bad-question", errors.New(words.Say(releve.English, question.wrong)))
		return
	}
	s.looked(r, "event-calls-exported", question.values())
	write, rows := text.CallsCSV, 0
	for after, more := question.after, true; more && rows < callsExported; {
		page, err := s.options.Records.Page(r.Context(), question.query, after, callsExported-rows)
		switch {
		case err != nil && rows == 0:
			refuse(w, http.StatusServiceUnavailable, "database-away", err)
			return
		case err != nil: // the reader must see that it is not all
			panic(http.ErrAbortHandler)
		case rows == 0:
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", `attachment; filename="calls.csv"`)
			w.Header().Set("Cache-Control", "no-store")
		}
		if write(w, page.Calls) != nil {
			return // nobody reads any more
		}
		write, rows, after, more = text.MoreCSV, rows+len(page.Calls), page.Last, page.More
	}
}

// Periods are the links to what is looked at most: today, this week, this month, each with its first and last day.
func (s searchSheet) Periods() (links []roomLink) {
	now := s.At.Local()
	for _, by := range view.Periods[1:] {
		if times, ok := view.Calendar(by, now, now.Add(time.Second)); ok {
			from, to := times[0].Format(time.DateOnly), times[1].AddDate(0, 0, -1).Format(time.DateOnly)
			links = append(links, roomLink{"/calls?" + url.Values{"from": {from}, "to": {to}}.Encode(), s.Say("ui-this-" + by), s.Asked.From == from && s.Asked.To == to})
		}
	}
	return links
}

// Seats are both servers.
func (searchSheet) Seats() []releve.Seat { return []releve.Seat{releve.Main, releve.Secondary} }

// Time is the time of the day.
func (s searchSheet) Time(t time.Time) string { return t.Local().Format(time.TimeOnly) }
