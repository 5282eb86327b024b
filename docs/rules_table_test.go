package docs_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/rules/takeover"
	"releve/screen/words"
)

var write = flag.Bool("write", false, "write the pages that are made from the code")

// The page of the rules is made from the table, so that its drawing cannot lie.
func TestTheRulesTableIsThatOfTheCode(t *testing.T) {
	holds(t, "rules-table.md", rulesPage(takeover.Table()), "TheRulesTable")
}

func rulesPage(rows []takeover.Row) string {
	var b strings.Builder
	fmt.Fprint(&b, `# The table of the takeover

Made from `+"`rules/takeover/table.go`"+` by a test of this directory; `+"`releve explain --rules`"+` shows the same in
a terminal, in French too.

`, words.Text(releve.English, "cli.rules-read"), "\n\n## Where it leads\n\n```mermaid\nstateDiagram-v2\n", picture(rows), "```\n")
	fmt.Fprint(&b, "\n## Phases\n\n| phase | what a server does in it |\n|---|---|\n")
	for _, p := range takeover.Phases() {
		fmt.Fprintf(&b, "| %s | %s |\n", p, words.Say(releve.English, releve.Say("phase-"+string(p))))
	}
	fmt.Fprint(&b, "\n## Rows\n\n| | rule | from | to | what it says |\n|---|---|---|---|---|\n")
	for i, r := range rows {
		said := releve.Say("rule-" + r.Rule)
		said.Args = map[string]string{"seat": "X", "other": "Y"}
		for _, name := range []string{"term", "number", "cause", "why", "calls"} {
			said.Args[name] = "…"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", i+1, r.Rule, among(r.From), strings.Join(named(r.To), ", "), words.Say(releve.English, said))
	}
	return b.String()
}

// most is how many phases a row is drawn from one by one.
const most = 7

// among names the phases of a column.
func among(from []takeover.Phase) string {
	switch {
	case len(from) == 0:
		return "any"
	case len(from) <= most:
		return strings.Join(named(from), ", ")
	}
	rest := slices.DeleteFunc(takeover.Phases(), func(p takeover.Phase) bool { return slices.Contains(from, p) })
	return "any but " + strings.Join(named(rest), ", ")
}

func named(phases []takeover.Phase) (names []string) {
	for _, p := range phases {
		names = append(names, string(p))
	}
	return names
}

// picture is the rows that change the phase, as arrows: one for each pair of phases.
func picture(rows []takeover.Row) string {
	var states, arrows []string
	on := map[string][]string{}
	for i, r := range rows {
		from := named(r.From)
		if len(from) == 0 || len(from) > most {
			many := fmt.Sprintf("many%d", i+1)
			if len(r.To) > 0 {
				states = append(states, fmt.Sprintf("    state %q as %s\n", among(r.From), many))
			}
			from = []string{many}
		}
		for _, a := range from {
			for _, to := range named(r.To) {
				if a == to {
					continue
				}
				arrow := a + " --> " + to
				if on[arrow] == nil {
					arrows = append(arrows, arrow)
				}
				on[arrow] = append(on[arrow], r.Rule)
			}
		}
	}
	var b strings.Builder
	b.WriteString(strings.Join(states, ""))
	for _, arrow := range arrows {
		fmt.Fprintf(&b, "    %s: %s\n", arrow, strings.Join(on[arrow], "<br/>"))
	}
	return b.String()
}
