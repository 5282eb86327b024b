// Package study draws a feasibility study: in a terminal, and as a page that prints on A4
// (SPEC E4).
package study

import (
	"strconv"
	"strings"
	"time"

	"releve"
	"releve/screen/words"
)

// paper is a study in a language.
type paper struct {
	releve.Study
	lang releve.Language
}

func (p paper) say(code string, pairs ...string) string {
	return words.Say(p.lang, releve.Say(code, pairs...))
}

// value is what was measured, as a person reads it.
func (p paper) value(f releve.Finding) string {
	if f.State != releve.Measured {
		return "–"
	}
	switch f.Unit {
	case "bytes":
		return words.Bytes(p.lang, int64(f.Value))
	case "bytes-per-second":
		return words.Bytes(p.lang, int64(f.Value)) + "/s"
	case "seconds":
		return p.seconds(f.Value)
	case "percent":
		return strings.TrimSpace(p.decimal(f.Value, 1) + "\u00a0% " + f.Text)
	case "octets":
		return words.Number(p.lang, int64(f.Value))
	case "count":
		return words.Number(p.lang, int64(f.Value))
	}
	if f.Text == "" || f.Check == "mail" { // what it says stands in the reason
		return p.say("study-seen")
	}
	if said := words.Text(p.lang, "study-text-"+f.Text); said != "" {
		return said
	}
	return releve.Plain(f.Text)
}

// seconds are written to the microsecond where they are few.
func (p paper) seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d > -100*time.Millisecond && d < 100*time.Millisecond {
		return p.decimal(1000*s, 2) + "\u00a0ms"
	}
	return words.Duration(p.lang, d)
}

func (p paper) decimal(x float64, digits int) string {
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if p.lang == releve.French {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// title is what a finding is about.
func (p paper) title(f releve.Finding) string {
	title := p.say("study-check-" + f.Check)
	if f.About != "" {
		title += " " + releve.Plain(f.About)
	}
	return title
}

// why is what is wrong and what is to be changed, "" where all is well.
func (p paper) why(f releve.Finding) (what, change string) { return words.Told(p.lang, f.Why) }

func (p paper) verdict(v releve.StudyVerdict) string { return p.say("study-verdict-" + string(v)) }

func (p paper) party(who releve.Party) string {
	name := map[releve.Party]string{releve.Establishment: p.Question.Establishment, releve.Integrator: p.Question.Integrator}[who]
	said := p.say("study-party-" + string(who))
	if name != "" {
		said += " (" + releve.Plain(name) + ")"
	}
	return said
}
