package text

import (
	"maps"
	"slices"

	"releve"
	"releve/screen/words"
)

// SalvageRow is a row that only an old owner had, side by side with what the site has, in the columns that differ.
type SalvageRow struct {
	Number              int
	Class               releve.SalvageClass
	What                string // what was done to which row
	State               string // its class in words, and whether it was applied
	Was, Became, Theirs string // "–" where there was none
}

// SalvageRows are those of a salvage, in their order.
func SalvageRows(s releve.Salvage, lang releve.Language) (all []SalvageRow) {
	say := func(code string) string { return words.Say(lang, releve.Say(code)) }
	for _, c := range s.Changes {
		columns := telling(c)
		shown := func(r releve.Row) string {
			if r == nil {
				return "–"
			}
			return fields(r, columns)
		}
		row := SalvageRow{
			Number: c.Number, Class: c.Class, What: say("salvage-"+string(c.Op)) + " " + c.Table + " " + fields(c.Key, slices.Sorted(maps.Keys(c.Key))),
			State: say("salvage-" + string(c.Class)), Was: shown(c.Before), Became: shown(c.After), Theirs: shown(c.Theirs),
		}
		if !c.AppliedAt.IsZero() {
			row.State += ", " + say("ui-applied")
		}
		all = append(all, row)
	}
	return all
}
