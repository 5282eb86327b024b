package text

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"releve"
	"releve/screen/words"
)

// Salvages is a table of what old owners committed alone.
func Salvages(all []releve.Salvage, lang releve.Language) string {
	say := func(code string) string { return words.Say(lang, releve.Say(code)) }
	if len(all) == 0 {
		return say("ui-salvage-none") + "\n"
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	columns := []string{
		"ui-number", "ui-server", "ui-at", "salvage-new", "salvage-conflict",
		"salvage-already", "salvage-same", "ui-applied", "ui-state",
	}
	for i, c := range columns {
		columns[i] = strings.ToUpper(say(c))
	}
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	now := time.Now()
	for _, s := range all {
		n := s.Counts
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", s.ID, words.Seat(lang, s.Seat), words.Clock(lang, s.At, now),
			n.New, n.Conflict, n.Already, n.Same, n.Applied, say("salvage-"+string(s.State)))
	}
	_ = table.Flush() // into memory
	return b.String()
}

// Salvage is one with its rows: for each how it was, what it became, and what the site
// has, in the columns that differ.
func Salvage(s releve.Salvage, lang releve.Language) string {
	var b strings.Builder
	say := func(code string, pairs ...string) { fmt.Fprintln(&b, words.Say(lang, releve.Say(code, pairs...))) }
	say("ui-salvage-about", "id", fmt.Sprint(s.ID), "seat", string(s.Seat), "term", fmt.Sprint(s.Term),
		"state", words.Say(lang, releve.Say("salvage-"+string(s.State))))
	say("ui-salvage-where", "directory", s.Directory, "seat", string(s.Seat), "fork", s.Fork.String())
	pairs := []string{"transactions", fmt.Sprint(s.Transactions), "commits", fmt.Sprint(s.Commits), "why", s.Why}
	switch {
	case s.Method == releve.SalvageCompared:
		say("ui-salvage-compared", pairs...)
	case s.Agree():
		say("ui-salvage-agrees", pairs...)
	default:
		say("ui-salvage-differs", pairs...)
	}
	for _, c := range s.Changes {
		b.WriteString("\n" + salvaged(c, lang))
	}
	if more := s.Counts.All() - len(s.Changes); more > 0 {
		say("ui-salvage-more", "rows", fmt.Sprint(more))
	}
	return b.String()
}

func salvaged(c releve.SalvageChange, lang releve.Language) string {
	say := func(code string) string { return words.Say(lang, releve.Say(code)) }
	var b strings.Builder
	class := say("salvage-" + string(c.Class))
	if !c.AppliedAt.IsZero() {
		class += ", " + say("ui-applied")
	}
	fmt.Fprintf(&b, "%d  %s · %s %s %s\n",
		c.Number, class, say("salvage-"+string(c.Op)), c.Table, fields(c.Key, slices.Sorted(maps.Keys(c.Key))))
	columns := telling(c)
	for _, version := range []struct {
		code string
		row  releve.Row
	}{{"ui-salvage-was", c.Before}, {"ui-salvage-became", c.After}, {"ui-salvage-theirs", c.Theirs}} {
		if version.row != nil {
			fmt.Fprintf(&b, "     %s: %s\n", say(version.code), fields(version.row, columns))
		}
	}
	return b.String()
}

// telling are the columns in which the versions of a row differ, without its key; all of
// them where there is one version only.
func telling(c releve.SalvageChange) []string {
	versions := slices.DeleteFunc([]releve.Row{c.Before, c.After, c.Theirs}, func(r releve.Row) bool { return r == nil })
	all := map[string]bool{}
	for _, v := range versions {
		for column := range v {
			if _, keyed := c.Key[column]; !keyed && (len(versions) == 1 || differs(versions, column)) {
				all[column] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func differs(versions []releve.Row, column string) bool {
	for _, v := range versions[1:] {
		if shown(v[column]) != shown(versions[0][column]) {
			return true
		}
	}
	return false
}

func fields(row releve.Row, columns []string) string {
	var all []string
	for _, column := range columns {
		all = append(all, column+"="+shown(row[column]))
	}
	return strings.Join(all, " ")
}

// shown quotes a text, so that an empty one, a NULL and a line break can be told apart.
func shown(v *string) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", *v)
}
