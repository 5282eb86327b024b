package text_test

import (
	"testing"

	"releve"
	"releve/screen/text"
)

func TestASalvageShowsWhatAnOperatorDecidesOn(t *testing.T) {
	row := func(number, name string) releve.Row { return releve.Row{"number": &number, "name": &name, "note": nil} }
	number := "202"
	v := releve.Salvage{
		ID: 3, Seat: releve.Main, Directory: "data.aside-20261124T030000.000Z",
		Term: 4, Fork: 0x3000148, Method: releve.SalvageDecoded,
		Commits: 1, Transactions: 1, State: releve.SalvageOpen, Counts: releve.SalvageCounts{Conflict: 1, New: 1},
		Changes: []releve.SalvageChange{{
			Number: 1, Table: "extension", Key: releve.Row{"number": &number},
			Op: releve.RowUpdated, Known: true, Class: releve.SalvageConflict,
			Before: row(number, "Ward 2"), After: row(number, "Ward 2, night"), Theirs: row(number, ""),
		}},
	}
	want := `Salvage 3: what the main server committed alone, up to term 4. It is to be decided.
Found in data.aside-20261124T030000.000Z on the main server, from position 0/3000148 on; that data is kept.
1 transaction was read, and the log counts as many.

1  conflict · changed in extension number="202"
     was: name="Ward 2"
     became: name="Ward 2, night"
     the site has: name=""
… and 1 row more: --limit shows them.
`
	if got := text.Salvage(v, releve.English); got != want {
		t.Errorf("shown:\n%s\nexpected:\n%s", got, want)
	}
}
