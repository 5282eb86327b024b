package text

import (
	"fmt"
	"strings"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Arbiter says by what a site decides, what its witness last said, and what that promises
// and does not (SPEC H15), for a terminal of that width.
func Arbiter(a view.Arbiter, lang releve.Language, width int) string {
	var b strings.Builder
	say := func(s releve.Sentence) {
		for _, line := range Wrap(words.Say(lang, s), min(max(width, narrowest), widest)) {
			fmt.Fprintln(&b, line)
		}
	}
	say(releve.Say("arbiter-is-" + string(a.Arbiter)))
	say(witness(a.Witness))
	b.WriteString("\n")
	say(releve.Say("promise-" + string(a.Arbiter)))
	say(releve.Say("promise-more-" + string(a.Arbiter)))
	return b.String()
}

// witness is what the witness last said.
func witness(w *view.Witness) releve.Sentence {
	switch {
	case w == nil:
		return releve.Say("arbiter-no-witness")
	case !w.Heard:
		return releve.Say("arbiter-witness-silent", "why", w.Why)
	case w.Incarnation == 0:
		return releve.Say("arbiter-witness-empty")
	case w.Alone:
		return releve.Say("arbiter-witness-alone", "seat", string(w.Owner), "term", fmt.Sprint(w.Term))
	}
	return releve.Say("arbiter-witness-lodged",
		"seat", string(w.Owner), "term", fmt.Sprint(w.Term), "number", fmt.Sprint(w.Number))
}
