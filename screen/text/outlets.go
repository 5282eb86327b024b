package text

import (
	"strings"
	"time"

	"releve"
	"releve/screen/view"
	"releve/screen/words"
)

// Outlet says how a way is by which alarms are sent: why it takes nothing, or when it last did; and what has to be known of it.
func Outlet(o releve.Outlet, now time.Time, lang releve.Language) string {
	said := state(o, now, lang)
	if o.Note != nil {
		said += " " + words.Say(lang, *o.Note)
	}
	return said
}

func state(o releve.Outlet, now time.Time, lang releve.Language) string {
	clock := func(t time.Time) string { return words.Clock(lang, t, now) }
	say := func(code string, pairs ...string) string {
		return words.Say(lang, releve.Say(code, append(pairs, "outlet", o.Name)...))
	}
	switch {
	case o.Failed != nil:
		return say("ui-outlet-fails", "at", clock(o.Since)) + " " + words.Say(lang, *o.Failed)
	case o.WellAt.IsZero():
		return say("ui-outlet-untried")
	case o.SentAt.IsZero():
		return say("ui-outlet-idle", "well", clock(o.WellAt))
	}
	return say("ui-outlet-well", "at", clock(o.SentAt), "well", clock(o.WellAt))
}

// Sending says in few words by what the server on duty sends alarms, and when each last answered; "" where it
// sends none. Of a server that is not heard it is old, and said of the one that says this.
func Sending(site view.Site, lang releve.Language) string {
	server := site.Own()
	if site.Owner != site.Seat && site.Other().Heard {
		server = site.Other()
	}
	var all []string
	for _, o := range server.Outlets {
		name := words.Say(lang, releve.Say("outlet-"+o.Name))
		switch {
		case o.Failed != nil:
			name += " ✖"
		case !o.WellAt.IsZero():
			name += " " + words.Clock(lang, o.WellAt, site.At)
		}
		all = append(all, name)
	}
	if len(all) == 0 {
		return ""
	}
	return words.Say(lang, releve.Say("ui-outlets-short", "outlets", strings.Join(all, ", ")))
}

// Outlets are those of both servers, for a terminal of that width.
func Outlets(site view.Site, lang releve.Language, width int) string {
	p := &page{site: site, lang: lang, width: min(max(width, narrowest), widest)}
	for _, s := range []view.Server{site.Main, site.Secondary} {
		if site.Level == releve.Base && s.Seat == releve.Secondary {
			continue
		}
		var all []string
		for _, o := range s.Outlets {
			all = append(all, Outlet(o, site.At, lang))
		}
		switch {
		case !s.Heard:
			all = []string{p.say("ui-silent-since", "at", words.Clock(lang, s.HeardAt, site.At))}
		case len(all) == 0:
			all = []string{p.say("ui-outlets-none")}
		}
		for _, line := range all {
			p.add(indent("· ", Wrap(p.say("ui-"+string(s.Seat))+". "+line, p.width-2))...)
		}
	}
	return strings.Join(p.lines, "\n") + "\n"
}

// OutletTests is what became of each test; with rehearsed, what would be sent.
func OutletTests(all []view.OutletTest, rehearsed bool, lang releve.Language) string {
	var b strings.Builder
	for _, t := range all {
		switch {
		case rehearsed:
			b.WriteString(words.Say(lang, releve.Say("outlet-would", "outlet", t.Outlet)) + "\n  " + t.Subject + "\n  " + t.Text)
		case t.Sent:
			b.WriteString("● " + words.Say(lang, releve.Say("outlet-sent", "outlet", t.Outlet)) + "\n")
		default:
			b.WriteString("✖ " + words.Say(lang, *t.Failed) + "\n")
		}
	}
	return b.String()
}
