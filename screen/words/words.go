// Package words is the catalogue: what the product says to people, in French and in English.
// The rooms below hand out codes with their values; here is what they mean in each language.
//
// What is a whole file in one language stands where the file is made: the configurations and
// units of config/site, whose words are comments on what they write, and the prompts of
// rules/attendant, whose words are spoken when the recordings are made.
package words

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"releve"
	"releve/screen/view"
)

// helpers are what a sentence may write its arguments with.
func helpers(lang releve.Language) template.FuncMap {
	return template.FuncMap{
		"duration": func(s string) string { return duration(lang, s) },
		"age":      func(s string) string { return age(lang, s) },
		"bytes":    func(s string) string { return size(lang, s) },
		"moment":   func(s string) string { return moment(lang, s) },
		"count":    func(n, one, many string) string { return count(lang, n, one, many) },
	}
}

// Say says a sentence, and of a fault what to do about it. One that no file knows is said by
// its code and arguments: an operator who reads something strange can still tell it to somebody.
func Say(lang releve.Language, s releve.Sentence) string {
	what, todo := Told(lang, s)
	if todo == "" {
		return what
	}
	return what + colon(lang) + todo
}

// Told is a sentence in its two parts: what it says and, of a fault, what to do about it.
func Told(lang releve.Language, s releve.Sentence) (what, todo string) {
	what, todo = in(lang).tell(s, innermost)
	return releve.Plain(what), releve.Plain(todo) // the arguments may be a stranger's (SPEC K9)
}

// Text is what a code says with its values, in pairs, as they are: they may be long and have
// lines. It is for what this program says of itself to whoever runs it, and "" where no file
// has the code.
func Text(lang releve.Language, code string, pairs ...string) string {
	args := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[pairs[i]] = pairs[i+1]
	}
	said, _ := in(lang).fill(code, args)
	return said
}

// innermost is how many sentences may stand in one another: an operator reads no more, and
// what others wrote cannot make the saying endless.
const innermost = 3

func (c *catalogue) tell(s releve.Sentence, depth int) (what, todo string) {
	if s.Code == "" {
		return "", ""
	}
	if what, ok := c.fill(s.Code+".what", c.withLevel(c.withReasons(s.Args, depth))); ok {
		todo, _ := c.fill(s.Code+".todo", c.withLevel(c.withReasons(s.Args, depth)))
		return what, todo
	}
	if said, ok := c.fill(s.Code, c.withNames(c.withReasons(c.withFault(s.Args, depth), depth))); ok {
		return said, ""
	}
	return bare(s), ""
}

// withFault says the argument "fault", which is the code of what is wrong with a
// certificate; the values that it names stand beside it. What to do about it is added
// as "todo".
func (c *catalogue) withFault(given map[string]string, depth int) map[string]string {
	values := maps.Clone(given)
	delete(values, "fault")
	what, todo := c.tell(releve.Sentence{Code: given["fault"], Args: values}, depth-1)
	if todo == "" {
		return given
	}
	said := maps.Clone(given)
	said["fault"], said["todo"] = what, todo
	return said
}

// reasons are the arguments that hold what releve.Reason made of an error.
var reasons = []string{"why", "cause"}

// withReasons says the errors among the arguments: what this program knows as a sentence in
// the same language, without its last point, for it stands in another; the text of others
// in quotation marks.
func (c *catalogue) withReasons(given map[string]string, depth int) map[string]string {
	said := given
	for _, name := range reasons {
		text := given[name]
		if text == "" {
			continue
		}
		if inner, ok := releve.Inner(text); ok && depth > 0 {
			what, _ := c.tell(inner, depth-1)
			text = strings.TrimSuffix(what, ".")
		} else {
			text = releve.Quote(c.lang, text)
		}
		said = maps.Clone(said)
		said[name] = text
	}
	return said
}

// named are the arguments that are themselves codes, each with the prefix of its
// sentences: a server's seat, the way a check went, a level.
var named = map[string]string{
	"seat": "seat-", "other": "seat-", "path": "path-", "procedure": "procedure-", "job": "job-", "level": "level-", "was": "level-", "lower": "level-", "check": "study-check-",
	"outlet": "outlet-",
}

// withNames says those arguments that are codes. What has no sentence stays as it is.
func (c *catalogue) withNames(given map[string]string) map[string]string {
	said := maps.Clone(given)
	for name, prefix := range named {
		if code := said[name]; code != "" {
			if text, ok := c.fill(prefix+code, nil); ok {
				said[name] = text
			}
		}
	}
	return said
}

// withLevel says the level that a fault is about. A seat stands in faults as in the certificates
// that they are about.
func (c *catalogue) withLevel(given map[string]string) map[string]string {
	level := given["level"]
	if level == "" {
		return given
	}
	said := maps.Clone(given)
	said["level"] = c.withNames(map[string]string{"level": level})["level"]
	return said
}

// colon is how a language sets a colon: French puts a no-break space before it.
func colon(lang releve.Language) string {
	if lang == releve.French {
		return nbsp + ": "
	}
	return ": "
}

func bare(s releve.Sentence) string {
	var b strings.Builder
	b.WriteString(s.Code)
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		fmt.Fprintf(&b, " %s=%q", name, s.Args[name])
	}
	return b.String()
}

// Seat names a server: main or secondary.
func Seat(lang releve.Language, s releve.Seat) string {
	return Say(lang, releve.Say("seat-"+string(s)))
}

// Duty names what a server does now.
func Duty(lang releve.Language, d releve.Duty) string {
	return Say(lang, releve.Say("duty-"+string(d)))
}

// Word is the one word on the screen, in capitals.
func Word(lang releve.Language, w view.Word) string { return Say(lang, releve.Say("word-"+string(w))) }

// Level names how much of the site is protected.
func Level(lang releve.Language, l releve.Level) string {
	return Say(lang, releve.Say("level-"+string(l)))
}

// TierState names how a tier is.
func TierState(lang releve.Language, t releve.TierState) string {
	return Say(lang, releve.Say("tier-"+string(t)))
}

// MirrorState names how the mirror is.
func MirrorState(lang releve.Language, m view.MirrorState) string {
	return Say(lang, releve.Say("mirror-"+string(m)))
}

// Step says one step of a call. What was recorded with it are words of the attendant, which
// stand in the database as they were written: a code of SIP may come before them, and what
// was dialled after them.
func Step(lang releve.Language, s releve.Step) string {
	if by, _, said := strings.Cut(s.Detail, " "); s.Name == releve.StepTakenUp && said {
		return Say(lang, releve.Say("callstep-taken-up", "seat", by))
	}
	about := detail(lang, releve.Plain(s.Detail))
	return strings.TrimSpace(Say(lang, releve.Say("callstep-"+s.Name)) + " " + about)
}

func detail(lang releve.Language, recorded string) string {
	word := func(english string) (string, bool) {
		return in(lang).fill("calldetail-"+strings.ReplaceAll(english, " ", "-"), nil)
	}
	if said, ok := word(recorded); ok {
		return said
	}
	first, rest, _ := strings.Cut(recorded, " ")
	if said, ok := word(first); ok {
		if more, ok := word(rest); ok {
			rest = more
		}
		return said + " " + rest
	}
	if said, ok := word(rest); ok {
		return first + " " + said
	}
	return recorded
}

// count writes a number with its noun. French counts 0 and 1 in the singular,
// English only 1 (Unicode CLDR, plural rules).
func count(lang releve.Language, n, one, many string) string {
	noun := many
	if n == "1" || n == "0" && lang == releve.French {
		noun = one
	}
	value, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return n + " " + noun
	}
	return Number(lang, value) + " " + noun
}
