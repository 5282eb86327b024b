package console

import (
	"context"
	"strconv"
	"time"

	"releve"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

// chartLimit is how long a page waits for calls to be counted: the list does not need them.
const chartLimit = 2 * time.Second

// chart are the calls of some time by its periods, drawn and as a table.
type chart struct {
	sheet  *sheet
	Unread string // why there is none
	By     string
	Counts []releve.CallCount
	most   int
}

// The measures of a chart, in units of its own: it is stretched to the width that there is.
const (
	chartWidth  = 1000
	chartHeight = 200
	chartGap    = 6 // between two bars, at most
)

// kind is what became of calls.
type kind struct {
	name     string
	outcomes []string
}

// of is how many calls of a period were of the kind.
func (k kind) of(count releve.CallCount) (n int) {
	for _, o := range k.outcomes {
		n += count.Outcomes[o]
	}
	return n
}

// kinds are what a bar is made of, from the bottom.
var kinds = []kind{
	{"answered", []string{"transferred"}},
	{"abandoned", []string{"abandoned"}},
	{"refused", []string{"refused", "busy", "crowd"}},
	{"other", []string{"unanswered", "failed", "dropped", "lost", ""}},
}

// span is the time that a chart shows: what is asked for, and where that has no beginning the last day of it.
func (a asked) span(now time.Time) (from, to time.Time) {
	from, to = a.query.From, a.query.To
	if to.IsZero() {
		to = now.Local()
	}
	if from.IsZero() {
		last := to.Add(-1)
		from = time.Date(last.Year(), last.Month(), last.Day(), 0, 0, 0, 0, last.Location())
	}
	return from, to
}

// byFor is by which periods so much time is shown.
func byFor(lasts time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case lasts <= 2*day+time.Hour:
		return "hour"
	case lasts <= 92*day:
		return "day"
	case lasts <= 2*365*day:
		return "week"
	}
	return "month"
}

// chart counts the calls of the time that is asked for.
func (s *Server) chart(ctx context.Context, sheet *sheet, from, to time.Time) *chart {
	ctx, cancel := context.WithTimeout(ctx, chartLimit)
	defer cancel()
	c := &chart{sheet: sheet, By: byFor(to.Sub(from))}
	times, ok := view.Calendar(c.By, from, to)
	if !ok {
		c.Unread = sheet.Say("ui-chart-too-long")
		return c
	}
	counts, err := s.options.Records.Count(ctx, times)
	switch {
	case err != nil && ctx.Err() != nil:
		c.Unread = sheet.Say("ui-chart-slow")
	case err != nil:
		c.Unread = sheet.Say("ui-chart-unread")
	}
	c.Counts = counts
	for _, count := range counts {
		c.most = max(c.most, count.Calls)
	}
	return c
}

// Most is the height of the chart, in calls.
func (c *chart) Most() string { return strconv.Itoa(c.most) }

// ViewBox is the chart's extent.
func (c *chart) ViewBox() string {
	return "0 0 " + strconv.Itoa(chartWidth) + " " + strconv.Itoa(chartHeight)
}

// piece is what became of some calls of a period, drawn.
type piece struct {
	Kind                string
	X, Y, Width, Height float64
}

// Pieces are the bars, piece by piece.
func (c *chart) Pieces() (all []piece) {
	if c.most == 0 {
		return nil
	}
	step := chartWidth / float64(len(c.Counts))
	gap := min(chartGap, step/5)
	for i, count := range c.Counts {
		y := float64(chartHeight)
		for _, kind := range kinds {
			n := kind.of(count)
			height := chartHeight * float64(n) / float64(c.most)
			if y -= height; n > 0 {
				all = append(all, piece{kind.name, float64(i)*step + gap/2, y, step - gap, height})
			}
		}
	}
	return all
}

// Kinds are what the colours of the chart mean.
func (c *chart) Kinds() (all []namedSum) {
	for _, kind := range kinds {
		n := 0
		for _, count := range c.Counts {
			n += kind.of(count)
		}
		all = append(all, namedSum{kind.name, c.sheet.Say("ui-chart-" + kind.name), n})
	}
	return all
}

// namedSum is a number with its name.
type namedSum struct {
	Kind, Name string
	Sum        int
}

// Label names a period.
func (c *chart) Label(count releve.CallCount) string { return text.PeriodName(c.By, count.From) }

// Marks are the first, the middle and the last period's names, for the axis.
func (c *chart) Marks() []string {
	n := len(c.Counts)
	if n < 3 {
		return nil
	}
	return []string{c.Label(c.Counts[0]), c.Label(c.Counts[n/2]), c.Label(c.Counts[n-1])}
}

// Sums are how many calls of a period were of each kind.
func (c *chart) Sums(count releve.CallCount) (sums []int) {
	for _, k := range kinds {
		sums = append(sums, k.of(count))
	}
	return sums
}

// Answer is how long calls rang before they were answered: half of them no longer, and 95 in a hundred.
func (c *chart) Answer(count releve.CallCount) string {
	if count.Most == 0 {
		return ""
	}
	return words.Duration(c.sheet.Lang, count.Median) + " / " + words.Duration(c.sheet.Lang, count.Most)
}

// Name says what is drawn.
func (c *chart) Name() string {
	last := len(c.Counts) - 1
	if last < 0 {
		return c.Say("ui-chart-none")
	}
	calls := 0
	for _, count := range c.Counts {
		calls += count.Calls
	}
	return c.Say("ui-chart", "from", c.Label(c.Counts[0]), "to", c.Label(c.Counts[last]), "calls", strconv.Itoa(calls))
}

// Say says a sentence by its code.
func (c *chart) Say(code string, pairs ...string) string { return c.sheet.Say(code, pairs...) }
