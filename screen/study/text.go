package study

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"releve"
	"releve/screen/text"
	"releve/screen/words"
)

// Text is a study in a terminal of so many columns: each check, each level, what is to be
// changed and by whom.
func Text(made releve.Study, lang releve.Language, width int) string {
	p := paper{made, lang}
	var b strings.Builder
	p.checks(&b)
	b.WriteString("\n")
	p.levels(&b)
	p.changes(&b, width)
	if len(made.Signed) > 0 {
		b.WriteString("\n" + Signatures(made, lang))
	}
	return b.String()
}

// marks say a verdict without a colour.
var marks = map[releve.StudyVerdict]string{
	releve.StudyOK: "✓", releve.StudyPoor: "~", releve.StudyFailed: "✗", releve.StudyUnmeasured: "?",
}

func (p paper) checks(b *strings.Builder) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, f := range p.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", marks[f.Verdict], p.title(f), words.Seat(p.lang, f.Seat), p.value(f), p.verdict(f.Verdict))
	}
	_ = table.Flush() // into memory
}

func (p paper) levels(b *strings.Builder) {
	table := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	for _, l := range p.Levels {
		fmt.Fprintf(table, "%s\t%s\n", words.Level(p.lang, l.Level), p.feasible(l))
	}
	_ = table.Flush() // into memory
}

// feasible is the verdict for a level, and what it hangs on.
func (p paper) feasible(l releve.StudyLevel) string {
	number := func(all []int) string { return fmt.Sprint(len(all)) }
	return p.say("study-"+string(l.Verdict), "failed", number(l.Failed), "unmeasured", number(l.Unknown), "poor", number(l.Poor))
}

// changes are the findings with a reason, by who has to act. One reason on both servers is said
// for each: they may have different hands.
func (p paper) changes(b *strings.Builder, width int) {
	for _, who := range []releve.Party{releve.Establishment, releve.Integrator, releve.PBXMaintainer} {
		todo := p.of(who)
		if len(todo) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s\n", p.party(who))
		for _, f := range todo {
			what, change := p.why(f)
			line := fmt.Sprintf("%s %s, %s: %s", marks[f.Verdict], p.title(f), words.Seat(p.lang, f.Seat), what)
			if change != "" {
				line += " → " + change
			}
			fmt.Fprintln(b, "  "+strings.Join(text.Wrap(line, max(20, width-4)), "\n    "))
		}
	}
}

// of are the findings that are one party's to change. Of a server that was not asked about there is
// nothing to say: its levels are not decided.
func (p paper) of(who releve.Party) []releve.Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f releve.Finding) bool {
		_, change := p.why(f)
		alone := p.Question.Secondary == "" && f.Why.Code == "study-not-reached"
		return f.Who != who || f.Verdict == releve.StudyOK || change == "" || alone
	})
}

// Changes tells what two studies found differently.
func Changes(lost, gained []releve.StudyChange, lang releve.Language) string {
	p := paper{lang: lang}
	var b strings.Builder
	if len(lost)+len(gained) == 0 {
		return p.say("study-same-as-before") + "\n"
	}
	for _, part := range []struct {
		heading string
		changes []releve.StudyChange
	}{{"study-lost", lost}, {"study-gained", gained}} {
		if len(part.changes) == 0 {
			continue
		}
		fmt.Fprintln(&b, p.say(part.heading))
		for _, c := range part.changes {
			what, change := p.why(c.Now)
			fmt.Fprintf(&b, "  %s %s, %s: %s → %s\n", marks[c.Now.Verdict], p.title(c.Now), words.Seat(lang, c.Now.Seat),
				p.verdict(c.Before.Verdict), p.verdict(c.Now.Verdict))
			if what != "" {
				fmt.Fprintln(&b, "    "+strings.TrimSpace(what+" → "+change))
			}
		}
	}
	return b.String()
}

// Signatures are who signed a study, and what: the digest stands on the page, too.
func Signatures(made releve.Study, lang releve.Language) string {
	p := paper{made, lang}
	var b strings.Builder
	for _, party := range []releve.Party{releve.Establishment, releve.Integrator} {
		fmt.Fprintf(&b, "%s: %s\n", p.party(party), p.signature(party))
	}
	fmt.Fprintln(&b, p.say("study-digest", "digest", made.Digest()))
	return b.String()
}

// signature is who signed for a party, or that nobody did.
func (p paper) signature(party releve.Party) string {
	i := slices.IndexFunc(p.Signed, func(by releve.StudySignature) bool { return by.Party == party })
	switch {
	case i < 0:
		return p.say("study-unsigned")
	case p.Signed[i].Digest != p.Digest():
		return p.say("study-signed-other", "name", p.Signed[i].Name)
	}
	return p.say("study-signed", "name", p.Signed[i].Name, "date", p.Signed[i].At.Local().Format(time.DateOnly))
}
