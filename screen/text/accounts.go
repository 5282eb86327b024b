package text

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Accounts is a table of those who may log in.
func Accounts(all []view.Account, lang releve.Language) string {
	say := func(code string) string { return words.Say(lang, releve.Say(code)) }
	if len(all) == 0 {
		return say("ui-no-users") + "\n"
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\t%s\t\n", strings.ToUpper(say("ui-user")), strings.ToUpper(say("ui-role")))
	for _, a := range all {
		codes := ""
		if a.Codes {
			codes = say("ui-codes")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", releve.Plain(a.Name), say("role-"+a.Role), codes)
	}
	_ = table.Flush() // into memory
	return b.String()
}
