package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"releve"
	"releve/rules/alarm"
	"releve/screen/words"
)

// The page of the alarms is made from their table, in both languages.
func TestTheAlarmsAreThoseOfTheCode(t *testing.T) {
	for page, lang := range map[string]releve.Language{"alarms.md": releve.English, "alarms.fr.md": releve.French} {
		holds(t, page, alarmsPage(lang), "TheAlarms")
	}
}

// alarmsWords is what the page says beside the table.
var alarmsWords = map[releve.Language]struct{ head, severity, callers, first, command, test, under, delays, source, patience, colon string }{
	releve.English: {`# Alarms

Made from ` + "`rules/alarm/table.go`" + ` and the catalogue by a test of this directory.

An alarm is a state and no message (RFC 8632): something is not as it should be, on a server or at the site, until it is well
again. The system raises and clears it. A person acknowledges, shelves or closes it, with a name and a remark; one that cleared
and that nobody has acknowledged stays in the list. What follows from another alarm is folded under it; what comes and goes is one
line with a count. One that rises again within ten minutes of its end is the same as before, and keeps who has it in hand.
`, "Severity", "What callers notice", "What to do first", "What helps", "How to test it", "Folded under", "Delay to raise / to clear", "Source",
		"Calls again after", ": "},
	releve.French: {`# Les alarmes

Page tirée de ` + "`rules/alarm/table.go`" + ` et du catalogue par un test de ce répertoire.

Une alarme est un état, pas un message (RFC 8632) : quelque chose n'est pas comme il faut, sur un serveur ou dans l'établissement,
jusqu'à ce que ce soit rétabli. Le système la lève et la termine. Une personne l'acquitte, la met en attente ou la clôt, avec son nom
et une remarque ; une alarme terminée que personne n'a acquittée reste dans la liste. Ce qui découle d'une autre alarme est replié
sous elle ; ce qui va et vient est une seule ligne, avec un compte. Une alarme qui revient moins de dix minutes après sa fin est la
même qu'avant, et reste à qui l'a en main.
`, "Gravité", "Ce que remarquent les appelants", "Que faire d'abord", "Ce qui aide", "Comment l'essayer", "Repliée sous",
		"Délai pour lever / pour terminer", "Source", "Rappelle après", " : "},
}

// alarmSources says where alarms of a kind come from.
var alarmSources = map[releve.Language]map[alarm.Source]string{
	releve.English: {
		alarm.Looked: "a look at the site", alarm.Told: "told when it begins and when it ends",
		alarm.Kept: "told when it begins and when it ends, and kept over a restart", alarm.Happened: "it is over once it has happened, and stays until it is read",
	},
	releve.French: {
		alarm.Looked: "un regard sur l'établissement", alarm.Told: "dite quand elle commence et quand elle finit",
		alarm.Kept:     "dite quand elle commence et quand elle finit, et gardée au redémarrage",
		alarm.Happened: "terminée aussitôt survenue, elle reste jusqu'à ce qu'on l'ait lue",
	},
}

func alarmsPage(lang releve.Language) string {
	w := alarmsWords[lang]
	var b strings.Builder
	b.WriteString(w.head)
	for _, k := range alarm.Kinds() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s**\n\n", k.Code, words.Say(lang, k.What("X")))
		for _, row := range [][2]string{
			{w.severity, words.Say(lang, releve.Say("ui-severity-"+string(k.Severity)))},
			{w.callers, words.Say(lang, k.Callers())},
			{w.first, words.Say(lang, k.First())},
			{w.command, "`" + k.Command + "`"},
			{w.test, words.Say(lang, k.Test())},
			{w.under, codes(k.Under)},
			{w.delays, words.Duration(lang, k.On) + " / " + words.Duration(lang, k.Off)},
			{w.source, alarmSources[lang][k.Source]},
			{w.patience, patience(lang, k.Severity)},
		} {
			fmt.Fprintf(&b, "- %s%s%s\n", row[0], w.colon, row[1])
		}
	}
	return b.String()
}

func codes(all []alarm.Code) string {
	if len(all) == 0 {
		return "–"
	}
	var named []string
	for _, code := range all {
		named = append(named, string(code))
	}
	return strings.Join(named, ", ")
}

func patience(lang releve.Language, s releve.Severity) string {
	if p := alarm.Patience(s); p > 0 {
		return words.Age(lang, p)
	}
	return "–"
}
