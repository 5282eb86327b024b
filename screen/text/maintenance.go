package text

import (
	"strings"
	"time"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Maintenance says of each place where somebody works who, why and until when, a sentence each.
func Maintenance(all []view.Maintenance, now time.Time, lang releve.Language) (sentences []string) {
	for _, m := range all {
		said := words.Say(lang, releve.Say("ui-maintenance-"+m.Place, "by", m.By, "until", words.Clock(lang, m.Until, now)))
		if m.Reason != "" {
			said += " " + words.Say(lang, releve.Say("ui-maintenance-reason", "reason", m.Reason))
		}
		sentences = append(sentences, said)
	}
	return sentences
}

// Maintained lists them for a terminal of that width.
func Maintained(all []view.Maintenance, now time.Time, lang releve.Language, width int) string {
	p := &page{lang: lang, width: min(max(width, narrowest), widest)}
	for _, said := range Maintenance(all, now, lang) {
		p.add(indent("· ", Wrap(said, p.width-2))...)
	}
	if len(all) == 0 {
		p.add(p.say("ui-maintenance-none"))
	}
	return strings.Join(p.lines, "\n") + "\n"
}
