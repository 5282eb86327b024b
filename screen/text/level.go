package text

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Levels says at which level a site runs, what each level secures, and whether both servers have
// what it needs.
func Levels(l view.Levels, lang releve.Language) string {
	say := func(s releve.Sentence) string { return words.Say(lang, s) }
	var b strings.Builder
	fmt.Fprintln(&b, say(releve.Say("level-is", "level", string(l.Level))))
	b.WriteString("\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", strings.ToUpper(say(releve.Say("ui-level"))), strings.ToUpper(say(releve.Say("ui-secures"))),
		strings.ToUpper(words.Seat(lang, releve.Main)), strings.ToUpper(words.Seat(lang, releve.Secondary)))
	for _, c := range l.Could {
		mark := " "
		if c.Level == l.Level {
			mark = "▶"
		}
		fmt.Fprintf(table, "%s %s\t%s\t%s\t%s\n", mark, words.Level(lang, c.Level),
			say(releve.Say("level-secures-"+string(c.Level))), say(fitness(c.Main)), say(fitness(c.Secondary)))
	}
	_ = table.Flush() // into memory
	if len(l.Papers) > 0 {
		b.WriteString("\n" + Papers(l.Papers, lang))
	}
	return b.String()
}

// fitness is whether a server's configuration has what a level needs.
func fitness(lacks []string) releve.Sentence {
	switch {
	case lacks == nil:
		return releve.Say("level-not-known")
	case len(lacks) > 0:
		return releve.Say("level-lacks", "keys", strings.Join(lacks, ", "))
	}
	return releve.Say("level-ready")
}
