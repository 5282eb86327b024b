package text

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Calls is a table of calls with the steps of each.
func Calls(calls []releve.Call, lang releve.Language) string {
	say := func(code string) string { return words.Say(lang, releve.Say(code)) }
	if len(calls) == 0 {
		return say("ui-no-calls") + "\n"
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	columns := []string{"ui-at", "ui-server", "ui-from", "ui-outcome", "ui-lasted", "ui-steps"}
	for i, c := range columns {
		columns[i] = strings.ToUpper(say(c))
	}
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	now := time.Now()
	for _, c := range calls {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			words.Clock(lang, c.At, now), words.Seat(lang, c.Seat), releve.Plain(c.From),
			strings.Join(append([]string{Outcome(c, lang)}, Remarkable(c, lang)...), ", "), Lasted(c, lang), steps(c, lang))
	}
	_ = table.Flush() // into memory
	return b.String()
}

// Outcome says how a call ended, or that it has not.
func Outcome(c releve.Call, lang releve.Language) string {
	if c.Outcome == "" {
		return words.Say(lang, releve.Say("outcome-none"))
	}
	said := words.Say(lang, releve.Say("outcome-"+c.Outcome, "calls", c.Detail)) // a crowd is told by its number
	if c.Outcome == failed && c.Detail != "" {
		said += " (" + releve.Quote(lang, cut(strings.TrimSpace(releve.Plain(c.Detail)), reasonShown)) + ")"
	}
	return said
}

const (
	// failed is the one outcome that says nothing without its reason, which begins with the
	// code that the caller was refused with.
	failed = "failed"
	// reasonShown is how much of a reason a row has room for.
	reasonShown = 41
)

// Remarkable is what sets a call apart from most.
func Remarkable(c releve.Call, lang releve.Language) []string {
	var all []string
	for _, mark := range []struct {
		holds bool
		code  string
	}{
		{c.Overflowed, "call-overflowed"},
		{c.WithoutDuty, "call-without-duty"},
		{c.Test, "call-test"},
		{!c.Stored, "call-spooled"},
	} {
		if mark.holds {
			all = append(all, words.Say(lang, releve.Say(mark.code)))
		}
	}
	if n := len(c.Attempts); n > 0 {
		first := c.At
		if oldest := c.Attempts[n-1].At; oldest.Before(first) {
			first = oldest
		}
		all = append(all, words.Say(lang,
			releve.Say("call-attempts", "count", strconv.Itoa(n+1), "at", words.Clock(lang, first, time.Now()))))
	}
	return all
}

// Lasted says how long a call lasted, at least that long where nobody saw its end.
func Lasted(c releve.Call, lang releve.Language) string {
	switch {
	case c.Outcome == "", !c.Seen() && c.Duration == 0:
		return ""
	case !c.Seen():
		return words.Say(lang, releve.Say("call-at-least", "lasted", c.Duration.String()))
	}
	return words.Duration(lang, c.Duration)
}

func steps(c releve.Call, lang releve.Language) string {
	var all []string
	for _, s := range c.Steps {
		all = append(all, words.Step(lang, s))
	}
	return strings.Join(all, " › ")
}

// Entries are the decisions of a server, each with the evidence it rests on.
func Entries(entries []releve.Entry, lang releve.Language) string {
	say := func(code string, pairs ...string) string { return words.Say(lang, releve.Say(code, pairs...)) }
	if len(entries) == 0 {
		return say("ui-no-entries") + "\n"
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s  %s, %s, %s\n", e.At.Local().Format("2006-01-02 15:04:05.000"),
			words.Seat(lang, e.Seat), say("ui-term", "term", fmt.Sprint(e.Term)), say("ui-"+e.Kind))
		fmt.Fprintf(&b, "    %s\n", words.Say(lang, e.What))
		if e.Call != "" {
			fmt.Fprintf(&b, "    %s\n", say("ui-call", "call", string(e.Call)))
		}
		for _, why := range e.Evidence {
			fmt.Fprintf(&b, "      - %s\n", words.Say(lang, why))
		}
	}
	return b.String()
}

// Steps are the lines of a procedure: its name, what it may cost, each step with its
// state and what it found, what ended it, and what is left to do. A line changes only when there is news, so that a
// reader can print the new ones as they come.
func Steps(p view.Procedure, lang releve.Language) []string {
	say := func(code string, pairs ...string) string { return words.Say(lang, releve.Say(code, pairs...)) }
	title := say("ui-procedure", "name", say("procedure-"+p.Name))
	if p.DryRun {
		title += " (" + say("procedure-dry-run") + ")"
	}
	lines := []string{title}
	for _, n := range p.Needs {
		lines = append(lines, needLine(n, lang))
	}
	for _, c := range p.Costs {
		lines = append(lines, "· "+words.Say(lang, c))
	}
	if lasts := p.Expected(); lasts > 0 {
		lines = append(lines, "· "+say("ui-procedure-expected", "lasts", lasts.String()))
	}
	for i, s := range p.Steps {
		if s.State == "waiting" && !p.DryRun {
			continue
		}
		lines = append(lines, stepLine(i+1, len(p.Steps), s, lang))
		for _, f := range s.Findings {
			lines = append(lines, "    ✖ "+words.Say(lang, f))
		}
	}
	found := Findings(p)
	switch {
	case p.Failed != nil:
		lines = append(lines, "✖ "+words.Say(lang, *p.Failed))
	case !p.Finished.IsZero() && found > 0:
		lines = append(lines, "✖ "+say("procedure-found-"+p.Name, "findings", strconv.Itoa(found)))
	case !p.Finished.IsZero() && !p.DryRun:
		lines = append(lines, say("procedure-done"))
	}
	if p.Next != nil {
		lines = append(lines, words.Say(lang, *p.Next))
	}
	return lines
}

// Left is how much longer a procedure that runs is to take, "" where nobody knows.
func Left(p *view.Procedure, now time.Time, lang releve.Language) string {
	if left := p.Left(now); p.Runs() && left > 0 {
		return words.Say(lang, releve.Say("ui-procedure-left", "left", left.String()))
	}
	return ""
}

// needLine is something that a procedure asks for, with what there is of it.
func needLine(n view.Need, lang releve.Language) string {
	mark := "✖"
	if n.Met {
		mark = "✔"
	}
	return mark + " " + words.Say(lang, releve.Say("ui-need", "what", words.Say(lang, n.What), "is", words.Say(lang, n.Is)))
}

// Findings is how much a procedure found wrong, at least.
func Findings(p view.Procedure) (n int) {
	for _, s := range p.Steps {
		n += len(s.Findings)
	}
	return n
}

// StepMark is the shape of a step's state.
func StepMark(state string) string {
	marks := map[string]string{"running": "▶", "done": "✔", "skipped": "✔", "failed": "✖"}
	if mark, ok := marks[state]; ok {
		return mark
	}
	return "○"
}

func stepLine(n, of int, s view.ProcedureStep, lang releve.Language) string {
	line := fmt.Sprintf("%s %d/%d  %s · %s",
		StepMark(s.State), n, of, words.Say(lang, s.What), words.Say(lang, releve.Say("state-"+s.State)))
	switch {
	case !s.Started.IsZero() && !s.Finished.IsZero():
		line += " (" + words.Duration(lang, s.Finished.Sub(s.Started)) + ")"
	case s.Expected > 0:
		line += " (" + words.Say(lang, releve.Say("ui-step-expected", "lasts", s.Expected.String())) + ")"
	}
	if s.Progress != nil && s.Progress.Total > 0 {
		tenths := min(10, 10*s.Progress.Done/s.Progress.Total)
		line += " " + strconv.FormatInt(10*tenths, 10) + "\u00a0%"
	}
	if s.Found != nil {
		line += ", " + words.Say(lang, *s.Found)
	}
	return line
}
