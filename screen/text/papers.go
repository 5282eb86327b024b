package text

import (
	"fmt"
	"strings"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Papers are what each level asks for, with what there is of it.
func Papers(all []view.Cleared, lang releve.Language) string {
	var b strings.Builder
	for _, of := range all {
		fmt.Fprintln(&b, words.Level(lang, of.Level))
		for _, n := range []view.Need{
			{What: releve.Say("need-licence"), Met: of.Licence.There, Is: of.Licence.What},
			{What: releve.Say("need-study"), Met: of.Study.There, Is: of.Study.What},
		} {
			fmt.Fprintln(&b, "  "+needLine(n, lang))
		}
	}
	return b.String()
}
