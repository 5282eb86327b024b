package cli

import (
	"fmt"
	"slices"
	"strings"

	"releve"
	"releve/rules/takeover"
	"releve/screen/text"
	"releve/screen/words"
)

// rulesPage draws the table of the takeover for a terminal: what the phases are, the rows in
// their order with their sentences, and where they lead.
func (s *settings) rulesPage(rows []takeover.Row) string {
	var page strings.Builder
	heading := func(code string) { fmt.Fprintf(&page, "\n%s\n\n", strings.ToUpper(s.say(code))) }
	fmt.Fprintln(&page, s.say("rules-read"))
	heading("rules-phases")
	for _, p := range takeover.Phases() {
		fmt.Fprintf(&page, "  %-12s %s\n", p, words.Say(s.lang(), releve.Say("phase-"+string(p))))
	}
	heading("rules-rows")
	for i, r := range rows {
		fmt.Fprintf(&page, "%3d  %s%s%s\n", i+1, r.Rule, words.Text(s.lang(), "heading.colon"), s.way(r))
		for _, line := range text.Wrap(s.ruleSaid(r.Rule), 74) {
			fmt.Fprintf(&page, "     %s\n", line)
		}
	}
	heading("rules-picture")
	for _, from := range s.origins(rows) {
		fmt.Fprintf(&page, "  %s\n", from.name)
		for _, to := range from.leads {
			fmt.Fprintf(&page, "    → %-12s %s\n", to.phase, strings.Join(to.rules, ", "))
		}
	}
	return page.String()
}

// ruleSaid is the sentence of a row, as server X says it of itself and of server Y, with an
// ellipsis for what a decision fills in.
func (s *settings) ruleSaid(rule string) string {
	what := releve.Say("rule-" + rule)
	what.Args = map[string]string{"seat": "X", "other": "Y"}
	for _, name := range []string{"term", "number", "cause", "why", "calls"} {
		what.Args[name] = "…"
	}
	return words.Say(s.lang(), what)
}

// way says from where to where a row leads.
func (s *settings) way(r takeover.Row) string {
	if len(r.To) == 0 {
		return s.phases(r.From)
	}
	return s.phases(r.From) + " → " + joined(r.To)
}

// mostPhases is how many are named one by one: of more, those that are missing tell more.
const mostPhases = 7

func (s *settings) phases(from []takeover.Phase) string {
	switch {
	case len(from) == 0:
		return s.say("rules-any")
	case len(from) <= mostPhases:
		return joined(from)
	}
	var missing []takeover.Phase
	for _, p := range takeover.Phases() {
		if !slices.Contains(from, p) {
			missing = append(missing, p)
		}
	}
	return s.say("rules-any-but", "phases", joined(missing))
}

func joined(phases []takeover.Phase) string {
	names := make([]string, len(phases))
	for i, p := range phases {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// origin is a phase, or many at once, and where rows lead from there.
type origin struct {
	name  string
	leads []destination
}

type destination struct {
	phase takeover.Phase
	rules []string
}

// origins are the ways of the rows that change the phase.
func (s *settings) origins(rows []takeover.Row) (all []origin) {
	add := func(name string, to takeover.Phase, rule string) {
		i := slices.IndexFunc(all, func(o origin) bool { return o.name == name })
		if i < 0 {
			i, all = len(all), append(all, origin{name: name})
		}
		o := &all[i]
		j := slices.IndexFunc(o.leads, func(d destination) bool { return d.phase == to })
		if j < 0 {
			j, o.leads = len(o.leads), append(o.leads, destination{phase: to})
		}
		o.leads[j].rules = append(o.leads[j].rules, rule)
	}
	for _, r := range rows {
		names := []string{s.phases(r.From)}
		if n := len(r.From); n > 0 && n <= mostPhases {
			names = strings.Split(names[0], ", ")
		}
		for _, name := range names {
			for _, to := range r.To {
				if string(to) != name {
					add(name, to, r.Rule)
				}
			}
		}
	}
	order := func(o origin) int { return slices.Index(takeover.Phases(), takeover.Phase(o.name)) }
	slices.SortStableFunc(all, func(a, b origin) int { return order(a) - order(b) })
	return all
}
