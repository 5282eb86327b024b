package text

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Lines are the analogue lines of both servers, a table for each.
func Lines(site view.Site, lang releve.Language) string {
	say := func(code string, pairs ...string) string { return words.Say(lang, releve.Say(code, pairs...)) }
	var b strings.Builder
	for _, s := range []view.Server{site.Main, site.Secondary} {
		if site.Level == releve.Base && s.Seat == releve.Secondary {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		title := strings.ToUpper(words.Seat(lang, s.Seat))
		switch {
		case !s.Heard:
			fmt.Fprintf(&b, "%s  %s\n", title, say("ui-silent-since", "at", words.Clock(lang, s.HeardAt, site.At)))
			continue
		case len(s.Lines) == 0:
			fmt.Fprintf(&b, "%s  %s\n", title, say("lines-none"))
			continue
		}
		fmt.Fprintf(&b, "%s  %s\n", title, words.Say(lang, *LinesSum(s)))
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		heads := []string{say("ui-line"), say("ui-line-number"), say("ui-line-place"), say("ui-line-state")}
		fmt.Fprintf(table, "  %s\n", strings.ToUpper(strings.Join(heads, "\t")))
		for _, l := range s.Lines {
			fmt.Fprintf(table, "%s %d\t%s\t%s\t%s\n", lineMark(l.Verdict), l.Channel, l.Number, l.Place(), say("line-"+string(l.Verdict)))
		}
		_ = table.Flush() // into memory
	}
	return b.String()
}

func lineMark(v releve.LineVerdict) string {
	switch {
	case v.Wrong():
		return "✖"
	case v == releve.LineWell:
		return "●"
	case v == releve.LineUnseen:
		return "?"
	}
	return "–"
}

// LinesSum says in few words how the analogue lines of a server are; nil where it has none.
func LinesSum(s view.Server) *releve.Sentence {
	if len(s.Lines) == 0 {
		return nil
	}
	n := map[releve.LineVerdict]int{}
	wrong := 0
	for _, l := range s.Lines {
		n[l.Verdict]++
		if l.Verdict.Wrong() {
			wrong++
		}
	}
	said := releve.Say("lines-sum", "lines", strconv.Itoa(len(s.Lines)), "well", strconv.Itoa(n[releve.LineWell]+n[releve.LineAway]),
		"wrong", strconv.Itoa(wrong), "unseen", strconv.Itoa(n[releve.LineUnseen]))
	if n[releve.LineAway] == len(s.Lines) {
		said = releve.Say("lines-sum-away", "lines", strconv.Itoa(len(s.Lines)))
	}
	return &said
}
