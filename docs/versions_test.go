package docs_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"releve"
	"releve/rules/version"
	"releve/screen/words"
	"releve/server/wire"
)

// The tables of the page are those of the program, and the newest version is what the program is.
func TestTheVersionsAreThoseOfTheCode(t *testing.T) {
	tabled(t, "versions.md", versionTables(), "TheVersions")
	all := version.Table()
	newest := all[len(all)-1]
	migrations, err := filepath.Glob("../adapters/store/migrations/*.sql")
	if err != nil || newest.Wire != wire.Version || newest.Schema != len(migrations) || newest.Number != version.Own(0).Number {
		t.Errorf("%+v, and the program is %+v, with version %d of the link and %d migrations (%v)", newest, version.Own(0), wire.Version, len(migrations), err)
	}
}

// tabled holds the place that a page keeps for a table to what the code says.
func tabled(t *testing.T, page, table, test string) {
	t.Helper()
	head, rest, _ := strings.Cut(read(t, page), "<!-- table -->\n")
	_, tail, marked := strings.Cut(rest, "<!-- end -->")
	if !marked {
		t.Fatalf("%s has no place for its table", page)
	}
	holds(t, page, head+"<!-- table -->\n\n"+table+"\n<!-- end -->"+tail, test)
}

func versionTables() string {
	var b strings.Builder
	b.WriteString("| version | stands beside | link | schema | what it brought |\n|---|---|---|---|---|\n")
	for _, r := range version.Table() {
		fmt.Fprintf(&b, "| %s | %s and later | %d | %d | %s |\n", r.Number, r.Beside, r.Wire, r.Schema, r.Brings)
	}
	b.WriteString("\n| to go to level | both servers run at least |\n|---|---|\n")
	for _, level := range releve.Levels() {
		fmt.Fprintf(&b, "| %s | %s |\n", words.Level(releve.English, level), version.Needs(level))
	}
	return b.String()
}
