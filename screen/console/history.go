package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// History is what the diaries of both servers say.
type History interface {
	// History are the last so many entries between two times, newest first. A zero time is no bound.
	History(ctx context.Context, from, to time.Time, limit int) (view.History, error)
}

const (
	entriesPaged = 100
	// entriesRead is how many are read for a page at once, and readingsMost how often: what is rare is not looked for
	// in the whole of both diaries, but from there on when the page is turned.
	entriesRead  = 1000
	readingsMost = 10
	// momentAround is how much of both diaries is shown on each side of a moment.
	momentAround = 15 * time.Second
)

// entryKinds are what a history is looked through for; "": all but routine.
var entryKinds = []string{"people", "decision", "non-decision", "fact", "routine"}

// isKind says whether an entry is of a kind.
func isKind(e releve.Entry, kind string) bool {
	switch kind {
	case "":
		return !e.Routine
	case "routine":
		return e.Routine
	case "people":
		return len(e.Evidence) > 0 && e.Evidence[0].Code == "audit-who"
	}
	return e.Kind == kind && !e.Routine
}

// historySheet is the page of what happened, and who did what.
type historySheet struct {
	*sheet
	Asked   asked
	Kind    string
	Wrong   string
	Silent  bool // the other server's diary could not be read
	Entries []releve.Entry
	Next    string // the address of what came before, "" where there is nothing
}

// Kinds are those that can be chosen.
func (historySheet) Kinds() []string { return entryKinds }

func (s *Server) historyPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	page := historySheet{sheet: s.plainSheet(r), Asked: ask(url.Values{"from": query["from"], "to": query["to"]}), Kind: query.Get("kind")}
	before, errBefore := moment(r, "before", page.Asked.query.To)
	if page.Asked.Field == "" && (errBefore != nil || page.Kind != "" && !slices.Contains(entryKinds, page.Kind)) {
		page.Asked.complain("kind", "ask-kind")
	}
	if page.Asked.Field != "" {
		page.Wrong = page.Sentence(page.Asked.wrong)
		s.show(w, r, http.StatusUnprocessableEntity, "history", page.Lang, page)
		return
	}
	status := http.StatusOK
	rest, err := s.read(r.Context(), &page, before)
	if err != nil {
		page.Wrong, status = page.Say("ui-history-unread", "why", releve.Reason(err)), http.StatusServiceUnavailable
	}
	if !rest.IsZero() {
		values := page.Asked.values()
		values.Set("kind", page.Kind)
		values.Set("before", rest.Format(time.RFC3339Nano))
		page.Next = "/history?" + values.Encode()
	}
	s.show(w, r, status, "history", page.Lang, page)
}

// read fills a page with what came before a moment. rest is from where the next page goes on, zero: there is nothing.
func (s *Server) read(ctx context.Context, page *historySheet, before time.Time) (rest time.Time, err error) {
	for range readingsMost {
		until := before
		if !until.IsZero() {
			until = until.Add(-1) // what was read ends there
		}
		found, err := s.options.History.History(ctx, page.Asked.query.From, until, entriesRead)
		if err != nil {
			return time.Time{}, err
		}
		page.Silent = page.Silent || found.OtherSilent
		for i, e := range found.Entries {
			if len(page.Entries) >= entriesPaged && !e.At.Equal(found.Entries[max(0, i-1)].At) {
				return found.Entries[i-1].At, nil
			}
			if isKind(e, page.Kind) {
				page.Entries = append(page.Entries, e)
			}
		}
		if len(found.Entries) < entriesRead {
			return time.Time{}, nil
		}
		before = found.Entries[len(found.Entries)-1].At
	}
	return before, nil
}

// momentSheet is a decision with all that was noted around it, on a time line.
type momentSheet struct {
	historySheet
	At releve.Entry // that it is about
}

func (s *Server) momentPage(w http.ResponseWriter, r *http.Request) {
	page := momentSheet{historySheet: historySheet{sheet: s.plainSheet(r)}}
	at, err := moment(r, "at", time.Time{})
	if err != nil || at.IsZero() {
		page.Wrong = page.Say("ask-moment")
		s.show(w, r, http.StatusUnprocessableEntity, "moment", page.Lang, page)
		return
	}
	status := http.StatusOK
	found, err := s.options.History.History(r.Context(), at.Add(-momentAround), at.Add(momentAround), entriesRead)
	if err != nil {
		page.Wrong, status = page.Say("ui-history-unread", "why", releve.Reason(err)), http.StatusServiceUnavailable
	}
	slices.Reverse(found.Entries)
	page.Silent = found.OtherSilent
	for _, e := range found.Entries {
		if isKind(e, "") || e.At.Equal(at) {
			page.Entries = append(page.Entries, e)
		}
		if e.At.Equal(at) {
			page.At = e
		}
	}
	s.show(w, r, status, "moment", page.Lang, page)
}

// Moment is the address of what was noted around an entry.
func (s historySheet) Moment(e releve.Entry) string {
	return "/history/moment?" + url.Values{"at": {e.At.UTC().Format(time.RFC3339Nano)}}.Encode()
}

// Instant is a time to the millisecond.
func (s historySheet) Instant(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

// CallOf is the address of the call that an entry is about, where the reader may see it.
func (s historySheet) CallOf(e releve.Entry) string {
	if e.Call == "" || !s.Person.SeesCalls {
		return ""
	}
	return "/calls/record?" + url.Values{"call": {string(e.Call)}}.Encode()
}

// Server names a server.
func (s historySheet) Server(seat releve.Seat) string { return words.Seat(s.Lang, seat) }

// dot is an entry on the time line.
type dot struct {
	Number  int
	Percent string // of the line's length
	Row     int    // of its number, so that those that are close together stay apart
	Kind    string
	This    bool
}

// Y is where the number of a dot stands.
func (d dot) Y() int { return 20 + 16*d.Row }

// Dots are the entries along the time between the first and the last.
func (s momentSheet) Dots() (all []dot) {
	if len(s.Entries) == 0 {
		return nil
	}
	first, span := s.Entries[0].At, s.Span()
	for i, e := range s.Entries {
		percent := 50.0
		if span > 0 {
			percent = 3 + 94*float64(e.At.Sub(first))/float64(span)
		}
		all = append(all, dot{i + 1, strconv.FormatFloat(percent, 'f', 2, 64) + "%", i % 4, e.Kind, e.At.Equal(s.At.At)})
	}
	return all
}

// Span is the time between the first entry and the last.
func (s momentSheet) Span() time.Duration {
	if len(s.Entries) == 0 {
		return 0
	}
	return s.Entries[len(s.Entries)-1].At.Sub(s.Entries[0].At)
}

// SpanText is the same in words.
func (s momentSheet) SpanText() string { return words.Duration(s.Lang, s.Span()) }

// After is how long after the first entry one was noted.
func (s momentSheet) After(e releve.Entry) string {
	return "+" + strconv.FormatInt(e.At.Sub(s.Entries[0].At).Milliseconds(), 10) + " ms"
}

// noted is what stands beside an entry of the list.
type noted struct {
	historySheet
	Call     string
	Evidence []releve.Sentence
}

// Noted is that.
func (s historySheet) Noted(e releve.Entry) noted { return noted{s, s.CallOf(e), e.Evidence} }

// Few says that there is room for all of it.
func (n noted) Few() bool { return len(n.Evidence) <= 2 }
