package text

import (
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Notice writes to people who do not look at a screen: a subject that says it all on a telephone's lock
// screen, then for each alarm what it is, since when, what callers notice and what to do first. page is
// where the site's page is, "" where nobody said.
func Notice(all []view.Notice, site view.Site, page string, lang releve.Language) (subject, body string) {
	w := writer{lang: lang, site: site}
	first := all[0]
	subject = w.say("notice-"+first.Message, "site", site.Name, "severity", capital(w.say("ui-severity-"+string(first.Severity))), "what", w.sentence(first.What))
	if more := len(all) - 1; more > 0 {
		subject += " " + w.say("notice-more", "count", strconv.Itoa(more))
	}
	for _, n := range all {
		w.notice(n)
	}
	if page != "" {
		w.add(w.say("notice-page", "page", page))
	}
	w.add(w.say("notice-from", "seat", string(site.Seat), "site", site.Name))
	if site.Level != releve.Base && !site.Other().Heard {
		w.add(w.say("notice-cut"))
	}
	return subject, strings.Join(w.lines, "\n") + "\n"
}

// Test is a message that says that it is a test.
func Test(site view.Site, lang releve.Language) (subject, body string) {
	w := writer{lang: lang, site: site}
	return w.say("notice-test", "site", site.Name), w.say("notice-test-text", "site", site.Name, "seat", string(site.Seat)) + "\n"
}

type writer struct {
	lang  releve.Language
	site  view.Site
	lines []string
}

func (w *writer) say(code string, pairs ...string) string {
	return words.Say(w.lang, releve.Say(code, pairs...))
}

func (w *writer) sentence(what releve.Sentence) string { return words.Say(w.lang, what) }

func (w *writer) add(lines ...string) { w.lines = append(w.lines, lines...) }

func (w *writer) notice(n view.Notice) {
	w.add(w.sentence(n.What))
	at := func(t time.Time) string { return words.Clock(w.lang, t, w.site.At) }
	if n.Message == "ended" {
		w.add(w.say("notice-has-ended")+" "+w.say("notice-over", "at", at(n.Since), "ended", at(n.Ended)), "")
		return
	}
	w.add(w.say("notice-since", "at", at(n.Since)),
		w.say("ui-alarm-callers")+" "+w.sentence(n.Callers),
		w.say("ui-alarm-first")+" "+w.sentence(n.First),
		w.say("ui-alarm-helps")+" `"+n.Command+"`",
		w.say("notice-acknowledge", "alarm", n.Alarm.Alarm), "")
}

func capital(text string) string {
	for _, first := range text {
		return strings.ToUpper(string(first)) + text[len(string(first)):]
	}
	return text
}
