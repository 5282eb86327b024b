package text

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Licensing are what is licensed beside what runs, in a sentence, and what people have to know
// of it. Of a server that has not looked yet nothing is known.
func Licensing(l *view.Licences, lang releve.Language) (said []string) {
	if l == nil {
		return nil
	}
	said = append(said, words.Say(lang, licensed(*l, lang)))
	if l.Demonstration {
		said = append(said, words.Say(lang, releve.Say("ui-demonstration")))
	}
	for _, n := range l.Notices {
		said = append(said, words.Say(lang, n))
	}
	return said
}

// Licensed says in few words, beside the level that runs, whether that is what is licensed.
func Licensed(l *view.Licences, lang releve.Language) string {
	switch {
	case l == nil:
		return ""
	case l.ForChannels == 0:
		return words.Say(lang, releve.Say("ui-licensed-short", "licensed", levels(l.Licensed, lang)))
	case l.Demonstration:
		return words.Say(lang, releve.Say("ui-licensed-demonstration"))
	}
	return words.Say(lang, releve.Say("ui-licensed-same"))
}

// licensed sets the level that runs, where it is licensed, beside itself; else what is.
func licensed(l view.Licences, lang releve.Language) releve.Sentence {
	running, configured := words.Level(lang, l.Running), strconv.Itoa(l.Channels)
	switch {
	case l.ForChannels == 0:
		return releve.Say("ui-licensed-other", "licensed", levels(l.Licensed, lang), "running", running, "configured", configured)
	case l.Until.IsZero():
		return releve.Say("ui-licensed", "licensed", running, "channels", strconv.Itoa(l.ForChannels), "running", running, "configured", configured)
	}
	return releve.Say("ui-licensed-until", "licensed", running, "channels", strconv.Itoa(l.ForChannels), "running", running, "configured", configured,
		"until", l.Until.Add(-1).UTC().Format("2006-01-02"))
}

func levels(all []releve.Level, lang releve.Language) string {
	names := make([]string, 0, len(all))
	for _, level := range all {
		names = append(names, words.Level(lang, level))
	}
	if len(names) == 0 {
		return words.Say(lang, releve.Say("ui-licensed-nothing"))
	}
	return strings.Join(names, ", ")
}

// Licences are all of a site, for a terminal of that width.
func Licences(l view.Licences, lang releve.Language, width int) string {
	var b strings.Builder
	say := func(text string) {
		for _, line := range Wrap(text, min(max(width, narrowest), widest)) {
			fmt.Fprintln(&b, line)
		}
	}
	for _, text := range Licensing(&l, lang) {
		say(text)
	}
	if len(l.All) == 0 {
		return b.String()
	}
	b.WriteString("\n" + LicenceTable(l.All, lang) + "\n")
	shared := "ui-licence-unshared"
	if l.Shared {
		shared = "ui-licence-shared"
	}
	say(words.Say(lang, releve.Say(shared)))
	return b.String()
}

// LicenceTable is a line for each licence.
func LicenceTable(all []view.Licence, lang releve.Language) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	columns := []string{"serial", "level", "channels", "from", "until", "state", "issued-to", "issuer"}
	for i, name := range columns {
		columns[i] = strings.ToUpper(words.Say(lang, releve.Say("ui-licence-"+name)))
	}
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, l := range all {
		until := l.Until
		if until == "" {
			until = nothing
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", l.Serial, words.Level(lang, l.Level), l.Channels, l.From, until,
			LicenceState(l, lang), releve.Plain(l.IssuedTo), l.Issuer)
	}
	_ = table.Flush() // into memory
	return b.String()
}

// LicenceState says how a licence stands.
func LicenceState(l view.Licence, lang releve.Language) string {
	if l.Why.Code == "" {
		return words.Say(lang, releve.Say("licence-holds"))
	}
	return strings.TrimSuffix(words.Say(lang, l.Why), ".")
}
