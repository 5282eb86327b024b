package text

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"releve"
	"releve/screen/words"
)

// barMost is how long the bar of the most calls is.
const barMost = 24

// Counts is a table of calls by period, with the outcomes that there were.
func Counts(counts []releve.CallCount, by string, lang releve.Language) string {
	say := func(code string) string { return words.Say(lang, releve.Say(code)) }
	outcomes, most := summed(counts)
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	columns := []string{say("ui-at"), say("ui-count-calls"), say("ui-count-callers")}
	for _, o := range outcomes {
		columns = append(columns, OutcomeName(o, lang))
	}
	columns = append(columns, say("ui-count-answer"), "")
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, c := range counts {
		cells := []string{PeriodName(by, c.From), strconv.Itoa(c.Calls), strconv.Itoa(c.Callers)}
		for _, o := range outcomes {
			cells = append(cells, strconv.Itoa(c.Outcomes[o]))
		}
		answer := ""
		if c.Most > 0 {
			answer = words.Duration(lang, c.Median) + " / " + words.Duration(lang, c.Most)
		}
		cells = append(cells, answer, strings.Repeat("█", bar(c.Calls, most)))
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	_ = table.Flush() // into memory
	return b.String()
}

// summed are the outcomes that there were, in the order of [releve.Outcomes], then those that
// nobody saw; and the most calls of a period.
func summed(counts []releve.CallCount) (outcomes []string, most int) {
	sums := map[string]int{}
	for _, c := range counts {
		most = max(most, c.Calls)
		for o, n := range c.Outcomes {
			sums[o] += n
		}
	}
	for _, o := range append(slices.Clone(releve.Outcomes), "") {
		if sums[o] > 0 {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, most
}

// OutcomeName is the head of an outcome's column.
func OutcomeName(outcome string, lang releve.Language) string {
	switch outcome {
	case "":
		return words.Say(lang, releve.Say("ui-count-open"))
	case "crowd":
		return words.Say(lang, releve.Say("ui-count-crowd"))
	}
	return words.Say(lang, releve.Say("outcome-"+outcome))
}

// bar is how long the bar of a period is: one that has calls has one.
func bar(calls, most int) int {
	if calls == 0 {
		return 0
	}
	return max(1, calls*barMost/most)
}

// PeriodName is how a period is written that begins then.
func PeriodName(by string, begins time.Time) string {
	begins = begins.Local()
	switch by {
	case "hour":
		return begins.Format("2006-01-02 15:04")
	case "week":
		year, week := begins.ISOWeek()
		return fmt.Sprintf("%s (%d-W%02d)", begins.Format(time.DateOnly), year, week)
	case "month":
		return begins.Format("2006-01")
	}
	return begins.Format(time.DateOnly)
}

// CallsCSV writes calls as a table for other programs (RFC 4180), with the names that JSON has. A
// cell that a spreadsheet would take for a formula begins with an apostrophe.
func CallsCSV(w io.Writer, calls []releve.Call) error {
	if err := writeCSV(w, []string{"at", "seat", "call", "from", "overflowed", "without_duty", "test", "outcome", "detail", "duration_s", "attempts", "steps"}); err != nil {
		return err
	}
	return MoreCSV(w, calls)
}

// MoreCSV writes more calls under the same heads.
func MoreCSV(w io.Writer, calls []releve.Call) error {
	var lines [][]string
	for _, c := range calls {
		steps := make([]string, len(c.Steps))
		for i, s := range c.Steps {
			steps[i] = strings.TrimSpace(s.Name + " " + s.Detail)
		}
		lines = append(lines, []string{
			c.At.Local().Format(time.RFC3339), string(c.Seat), string(c.Call), c.From, strconv.FormatBool(c.Overflowed),
			strconv.FormatBool(c.WithoutDuty), strconv.FormatBool(c.Test), c.Outcome, c.Detail,
			strconv.FormatFloat(c.Duration.Seconds(), 'f', 3, 64), strconv.Itoa(1 + len(c.Attempts)), strings.Join(steps, "; "),
		})
	}
	return writeCSV(w, lines...)
}

func writeCSV(w io.Writer, lines ...[]string) error {
	table := csv.NewWriter(w)
	table.UseCRLF = true
	for _, line := range lines {
		for i := range line {
			line[i] = harmless(releve.Plain(line[i]))
		}
	}
	return table.WriteAll(lines)
}

// harmless is a cell that no spreadsheet takes for a formula (OWASP, CSV Injection).
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
