package text

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// alarmsShown is how many alarms stand under the drawing.
const alarmsShown = 6

// Alarms writes them as a list, those that wait for somebody first.
func Alarms(all []view.Alarm, now time.Time, lang releve.Language, width int) string {
	p := &page{site: view.Site{Alarms: all, At: now}, lang: lang, width: min(max(width, narrowest), widest)}
	if len(all) == 0 {
		return p.say("ui-no-alarms") + "\n"
	}
	for i, a := range all {
		if i > 0 {
			p.add("")
		}
		p.alarm(a)
	}
	return strings.Join(p.lines, "\n") + "\n"
}

// Alarm writes all that is known of one, and what to do about it.
func Alarm(a view.Alarm, now time.Time, lang releve.Language, width int) string {
	p := &page{site: view.Site{At: now}, lang: lang, width: min(max(width, narrowest), widest)}
	p.alarm(a)
	p.add("")
	for _, part := range []struct {
		name string
		what releve.Sentence
	}{{"ui-alarm-callers", a.Callers}, {"ui-alarm-first", a.First}} {
		p.add(indent(p.say(part.name)+" ", Wrap(words.Say(lang, part.what), p.width-utf8.RuneCountInString(p.say(part.name))-1))...)
	}
	p.add(p.say("ui-alarm-helps") + " `" + a.Command + "`")
	return strings.Join(p.lines, "\n") + "\n"
}

// AlarmStory writes all that is known of one, and what happened to it.
func AlarmStory(s view.AlarmStory, now time.Time, lang releve.Language, width int) string {
	p := &page{lang: lang, width: min(max(width, narrowest), widest)}
	p.add("", p.say("ui-alarm-history"))
	for _, m := range s.History {
		p.add(indent("  "+words.Clock(lang, m.At, now)+"  ", Wrap(AlarmMoment(m, now, lang), p.width-16))...)
	}
	if len(s.History) == 0 {
		p.add("  " + p.say("ui-alarm-unremembered"))
	}
	return Alarm(s.Alarm, now, lang, width) + strings.Join(p.lines, "\n") + "\n"
}

// AlarmMoment says what happened to an alarm, without when.
func AlarmMoment(m view.Moment, now time.Time, lang releve.Language) string {
	say := func(code string, pairs ...string) string { return words.Say(lang, releve.Say(code, pairs...)) }
	switch m.What {
	case "raised", "cleared", "came":
		return say("alarm-moment-"+m.What, "seat", string(m.Server))
	case "sent":
		return say("alarm-moment-sent-"+m.Message, "outlet", m.Outlet)
	}
	said := say("alarm-moment-"+m.What, "by", m.By, "until", words.Clock(lang, m.Until, now))
	if m.Remark != "" {
		said += " " + say("alarm-moment-remark", "remark", m.Remark)
	}
	return said
}

// alarms stand before what happened, but those that follow from another.
func (p *page) alarms() {
	if len(p.site.Alarms) == 0 {
		return
	}
	p.add("", p.paint(strong, p.say("ui-alarms")))
	shown := 0
	for _, a := range p.site.Alarms {
		if shown == alarmsShown || a.Under != "" {
			continue
		}
		shown++
		mark, style := severityLook(a.Severity)
		head := mark + " "
		for _, line := range indent(head, Wrap(words.Say(p.lang, a.What)+" "+AlarmState(a, p.site.At, p.lang), p.width-utf8.RuneCountInString(head))) {
			p.add(p.paint(style, line))
		}
	}
	if more := len(p.site.Alarms) - shown; more > 0 {
		p.add(Wrap(p.say("ui-alarms-more", "count", strconv.Itoa(more)), p.width)...)
	}
}

// alarm is one of the list: what it is called, how it stands, what it says.
func (p *page) alarm(a view.Alarm) {
	mark, style := severityLook(a.Severity)
	p.add(p.paint(style, mark+" "+a.Alarm))
	for _, s := range []string{words.Say(p.lang, a.What), AlarmState(a, p.site.At, p.lang), remarkOf(a, p.lang)} {
		if s != "" {
			p.add(indent("  ", Wrap(s, p.width-2))...)
		}
	}
}

// AlarmState says how long it has been so, and who has it in hand.
func AlarmState(a view.Alarm, now time.Time, lang releve.Language) string {
	say := func(code string, pairs ...string) string { return words.Say(lang, releve.Say(code, pairs...)) }
	since := age(a.Since, now)
	var all []string
	switch {
	case a.State == "shelved":
		all = append(all, say("ui-alarm-shelved", "since", since, "by", a.By, "until", words.Clock(lang, a.Until, now)))
	case a.State == "acknowledged" && !a.Ended.IsZero():
		all = append(all, say("ui-alarm-done", "since", since, "ended", age(a.Ended, now), "by", a.By))
	case a.State == "acknowledged":
		all = append(all, say("ui-alarm-acknowledged", "since", since, "by", a.By, "held", age(a.At, now)))
	case a.State == "returned":
		all = append(all, say("ui-alarm-returned", "since", since, "ended", age(a.Ended, now)))
	default:
		all = append(all, say("ui-alarm-raised", "since", since))
	}
	if a.Flaps {
		all = append(all, say("ui-alarm-flaps", "times", strconv.Itoa(a.Rises)))
	}
	if a.Calls > 0 {
		all = append(all, say("ui-alarm-calls", "times", strconv.Itoa(a.Calls)))
	}
	if a.Under != "" {
		all = append(all, say("ui-alarm-under", "alarm", a.Under))
	}
	if !a.Quiet.IsZero() {
		all = append(all, say("ui-alarm-quiet", "until", words.Clock(lang, a.Quiet, now)))
	}
	return strings.Join(all, " ")
}

func remarkOf(a view.Alarm, lang releve.Language) string {
	if a.Remark == "" {
		return ""
	}
	return words.Say(lang, releve.Say("ui-alarm-remark", "by", a.By, "remark", a.Remark))
}

// age is how long ago something was, in steps that can be read: a list that changes with each second is
// read by nobody.
func age(at, now time.Time) string {
	d := max(0, now.Sub(at))
	if d > time.Minute {
		return d.Truncate(time.Minute).String()
	}
	return d.Truncate(10 * time.Second).String()
}
