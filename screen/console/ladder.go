package console

import (
	"net/http"
	"strings"
	"time"

	"releve"
	"releve/screen/text"
	"releve/screen/words"
)

// rung is a step of a call: who did something to whom, and when.
type rung struct {
	At    time.Time
	After string // the call came
	Way   string // its class: which two of caller, server and extension, in which direction
	Text  string
}

// ways are the steps that do not go from the server to the caller, as most do.
var ways = map[string]string{
	"digits": "from-caller", "silence": "from-caller", "disowned": "at-server", releve.StepTakenUp: "at-server",
	"transfer": "to-extension", "transfer-result": "from-extension",
}

// recordSheet is the page of a call: the records of its Call-ID.
type recordSheet struct {
	searchSheet
	Call    string
	Missing string // why there is none
}

// Ladder are the steps of a record, from its beginning to its end.
func (s recordSheet) Ladder(c releve.Call) []rung {
	all := []rung{{c.At, "", "from-caller", s.Say("ui-ladder-came", "from", releve.Plain(c.From))}}
	for _, step := range c.Steps {
		way := ways[step.Name]
		if way == "" {
			way = "to-caller"
		}
		all = append(all, rung{step.At, after(step.At.Sub(c.At)), way, words.Step(s.Lang, step)})
	}
	if c.Outcome != "" {
		way := "to-caller"
		switch c.Outcome {
		case "abandoned":
			way = "from-caller"
		case releve.Cut, releve.Unknown, "lost":
			way = "at-server"
		case "transferred":
			way = "to-extension"
		}
		all = append(all, rung{c.At.Add(c.Duration), after(c.Duration), way, text.Outcome(c, s.Lang)})
	}
	return all
}

// after is how long after a call came something happened, to the millisecond.
func after(d time.Duration) string {
	if d < 0 { // its server's clock was put right in between
		return ""
	}
	return "+" + strings.TrimSuffix(d.Round(time.Millisecond).String(), "0s")
}

func (s *Server) recordPage(w http.ResponseWriter, r *http.Request) {
	page := recordSheet{searchSheet: searchSheet{sheet: s.plainSheet(r)}, Call: r.URL.Query().Get("call")}
	s.looked(r, "event-call-looked", r.URL.Query())
	all, err := s.options.Records.Record(r.Context(), releve.CallID(page.Call))
	status := http.StatusOK
	switch page.calls = all; {
	case err != nil:
		page.Missing, status = page.Say("ui-calls-unread"), http.StatusServiceUnavailable
	case len(all) == 0:
		page.Missing, status = page.Say("ui-call-missing"), http.StatusNotFound
	}
	page.Call = releve.Plain(page.Call)
	s.show(w, r, status, "record", page.Lang, page)
}
