package text

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Readiness says in a sentence whether the standby could take over now, and then what is wrong,
// each with what to do. Of a site where nobody takes over it says nothing.
func Readiness(r *view.Readiness, lang releve.Language) (said []string) {
	if r == nil {
		return nil
	}
	code := "ui-ready-no"
	if r.Ready {
		code = "ui-ready-yes"
	}
	said = append(said, words.Say(lang, releve.Say(code, "seat", string(r.Standby))))
	for _, why := range r.Wrong() {
		said = append(said, words.Say(lang, why))
	}
	return said
}

// Ready is the same in few words, with what is wrong by its name alone.
func Ready(r *view.Readiness, lang releve.Language) string {
	switch {
	case r == nil:
		return ""
	case r.Ready:
		return words.Say(lang, releve.Say("ui-ready-short"))
	}
	var names []string
	for _, reason := range r.Reasons {
		if wrong(reason) {
			names = append(names, words.Say(lang, releve.Say("ready-about-"+reason.About)))
		}
	}
	return words.Say(lang, releve.Say("ui-ready-not-short", "names", strings.Join(names, ", ")))
}

func wrong(r view.Reason) bool { return r.State == "broken" || r.State == "pending" }

// Drills are all reasons of the readiness, and the drills of a site, for a terminal of that width.
func Drills(r *view.Readiness, d view.Drills, lang releve.Language, width int) string {
	var b strings.Builder
	put := func(head, text string) {
		for _, line := range indent(head, Wrap(text, min(max(width, narrowest), widest)-len(head))) {
			fmt.Fprintln(&b, line)
		}
	}
	if r == nil {
		put("", words.Say(lang, releve.Say("ui-ready-level")))
	} else {
		put("", Readiness(r, lang)[0])
		for _, reason := range r.Reasons {
			put("  "+ReasonMark(reason.State)+" ", ReasonText(reason, lang))
		}
	}
	b.WriteString("\n")
	for _, about := range DrillsAbout(d, lang) {
		put("", about)
	}
	if len(d.Last) > 0 {
		b.WriteString("\n" + drillTable(d.Last, lang))
	}
	return b.String()
}

// ReasonMark is how a reason stands, in one letter.
func ReasonMark(state string) string {
	marks := map[string]string{"holds": "✔", "broken": "✖", "pending": "◐"}
	if mark, ok := marks[state]; ok {
		return mark
	}
	return "?"
}

// ReasonText is a reason of the readiness, as it stands.
func ReasonText(r view.Reason, lang releve.Language) string {
	if r.What.Code == "" {
		return words.Say(lang, releve.Say("ready-about-"+r.About)) + words.Say(lang, releve.Say("ui-ready-unknown"))
	}
	return words.Say(lang, r.What)
}

// DrillsAbout says what is to be known before the list: what is open, and when the next is due.
func DrillsAbout(d view.Drills, lang releve.Language) (said []string) {
	day := func(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
	add := func(s releve.Sentence) { said = append(said, words.Say(lang, s)) }
	if d.Open != nil {
		add(releve.Say("ui-drill-open", "at", day(d.Open.Started), "step", words.Say(lang, d.Open.Step)))
	}
	if d.Good.IsZero() {
		add(releve.Say("ui-drill-never"))
	} else {
		add(releve.Say("ui-drill-good", "at", day(d.Good)))
	}
	if !d.OverdueAt.IsZero() {
		add(releve.Say("ui-drill-overdue", "at", day(d.OverdueAt)))
	}
	if d.NextAt.IsZero() {
		add(releve.Say("ui-drill-by-hand"))
	} else {
		add(releve.Say("ui-drill-next", "at", day(d.NextAt)))
	}
	return said
}

// drillTable is a line for each drill, with what was not as expected under it.
func drillTable(all []view.Drill, lang releve.Language) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	columns := []string{"at", "by", "outcome", "takeover", "recording", "return", "lasted"}
	for i, name := range columns {
		columns[i] = strings.ToUpper(words.Say(lang, releve.Say("ui-drill-column-"+name)))
	}
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, d := range all {
		outcome := "ui-drill-failed"
		if d.Good() {
			outcome = "ui-drill-passed"
		}
		by := releve.Plain(d.By)
		if by == "" {
			by = words.Say(lang, releve.Say("ui-drill-schedule"))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Started.Local().Format("2006-01-02 15:04"), by, words.Say(lang, releve.Say(outcome)),
			lasted(d.Takeover.Answered, lang), lasted(d.Takeover.Recording, lang), lasted(d.Return.Answered, lang), lasted(d.Finished.Sub(d.Started), lang))
	}
	_ = table.Flush() // into memory
	for _, d := range all {
		if d.Failed != nil {
			fmt.Fprintf(&b, "✖ %s: %s\n", d.Started.Local().Format("2006-01-02 15:04"), words.Say(lang, *d.Failed))
		}
	}
	return b.String()
}

func lasted(d time.Duration, lang releve.Language) string {
	if d <= 0 {
		return nothing
	}
	return words.Duration(lang, d)
}
