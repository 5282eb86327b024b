package words_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity"
	"releve/screen/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var languages = []releve.Language{releve.English, releve.French}

// TestEverySentenceCanBeSaid fills each with every argument, and with none.
func TestEverySentenceCanBeSaid(t *testing.T) {
	for _, lang := range languages {
		for code, text := range words.Catalogue(lang) {
			full := releve.Sentence{Code: code, Args: map[string]string{}}
			for _, name := range arguments(text) {
				full.Args[name[1:]] = "7"
			}
			for _, s := range []releve.Sentence{full, {Code: code}} {
				said := words.Say(lang, s)
				if strings.HasPrefix(said, code+" ") || said == code && text != code || strings.ContainsAny(said, "{}") {
					t.Errorf("%s in %s is said %q", code, lang, said)
				}
			}
		}
	}
}

func TestWhatIsSaid(t *testing.T) {
	for _, c := range []struct {
		lang releve.Language
		what releve.Sentence
		want string
	}{
		{releve.French, releve.Say("why-alone", "seat", "main"),
			"Le serveur principal répond aux appels et enregistre seul, sans miroir."},
		{releve.English, releve.Say("why-alone", "seat", "secondary"),
			"The secondary server answers the calls and records alone, without a mirror."},
		{"de", releve.Say("why-mirror-away"), "The mirror does not hold everything yet."},
		{releve.French, releve.Say("why-spool", "records", "1"),
			"1 enregistrement attend sur un seul disque, pas encore dans la base."},
		{releve.French, releve.Say("why-spool", "records", "12345"),
			"12\u202f345 enregistrements attendent sur un seul disque, pas encore dans la base."},
		{releve.English, releve.Say("evidence-silent", "path", "peer", "why", ""), "by the link between the servers: silent"},
		{releve.English, releve.Say("evidence-silent", "path", "sip", "why", "no answer"),
			"by telephone (SIP): silent (no answer)"},
		{releve.French, releve.Say("found-test-call", "by", "releve", "answered", "12ms", "sound", "1.25s"),
			"réponse de releve en 12\u00a0ms, voix entendue après 1,2\u00a0s"},
		{releve.French, releve.Say("event-other-refused", "address", "192.0.2.22:7443",
			"fault", "certificate.expired", "seat", "secondary", "date", "2036-01-02"),
			"Ce qui répond à 192.0.2.22:7443 n'est pas accepté comme l'autre serveur : " +
				"le certificat de secondary a expiré le 2036-01-02 ; " +
				"vérifiez l'heure de chaque machine, " +
				"puis lancez `releve certificates renew` là où `releve init` a écrit cet établissement, et faites ce qu'il dit."},
		{releve.English, releve.Say("never-written", "b", "2", "a", "1"), `never-written a="1" b="2"`},
		{releve.English, releve.Sentence{}, ""},
		{releve.French, releve.Say("config.one-of", "value", "{{.allowed}}", "allowed", "fr, en"),
			"la valeur « {{.allowed}} » n'est pas connue\u00a0: écrivez l'une de celles-ci : fr, en"},
		{releve.English, releve.Say("certificate.missing", "file", "main.pem"),
			"the file main.pem is not there: copy it from the directory that `releve init` wrote"},
	} {
		if got := words.Say(c.lang, c.what); got != c.want {
			t.Errorf("%v in %s:\n got %q\nwant %q", c.what, c.lang, got, c.want)
		}
	}
}

func TestWhatIsRecordedWithAStepIsSaid(t *testing.T) {
	for _, c := range []struct {
		name, recorded, french, english string
	}{
		{"transfer-result", "200 taken", "résultat 200 décroché", "result 200 taken"},
		{"transfer-result", "0 not settled", "résultat 0 sans suite", "result 0 not settled"},
		{"transfer", "extension 10**", "transfert poste 10**", "transfer extension 10**"},
		{"transfer", "operator", "transfert standard", "transfer operator"},
		{"closing", "no answer", "averti que personne n'est libre pas de réponse", "told that nobody is free no answer"},
		{"digits", "1***", "composé 1***", "dialled 1***"},
		{"menu", "", "menu", "menu"},
		{"transfer-result", "299 of\x1bothers", "résultat 299 of\\u001bothers", "result 299 of\\u001bothers"},
	} {
		step := releve.Step{Name: c.name, Detail: c.recorded}
		if got := words.Step(releve.French, step); got != c.french {
			t.Errorf("in French %q", got)
		}
		if got := words.Step(releve.English, step); got != c.english {
			t.Errorf("in English %q", got)
		}
	}
}

func TestMeasures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{words.Duration(releve.French, 340*time.Millisecond), "340\u00a0ms"},
		{words.Duration(releve.French, 3200*time.Millisecond), "3,2\u00a0s"},
		{words.Duration(releve.English, 59960*time.Millisecond), "1\u00a0min 00\u00a0s"},
		{words.Duration(releve.English, 3*time.Minute+5*time.Second), "3\u00a0min 05\u00a0s"},
		{words.Duration(releve.French, 26*time.Hour), "1\u00a0j 2\u00a0h"},
		{words.Duration(releve.English, -2*time.Second), "-2\u00a0s"},
		{words.Age(releve.French, 20*time.Second), "20\u00a0s"},
		{words.Age(releve.French, 47*time.Minute+59*time.Second), "47\u00a0min"},
		{words.Age(releve.English, 26*time.Hour), "1\u00a0d 2\u00a0h"},
		{words.Bytes(releve.French, 0), "0\u00a0o"},
		{words.Bytes(releve.English, 999_999), "1\u00a0MB"},
		{words.Bytes(releve.French, 1_250_000_000), "1,2\u00a0Go"},
		{words.Number(releve.English, -1234567), "-1,234,567"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	night := time.Date(2026, 11, 24, 3, 0, 5, 0, time.Local)
	if got := words.Clock(releve.French, night, night.Add(time.Minute)); got != "03:00:05" {
		t.Errorf("this morning is %q", got)
	}
	if got := words.Clock(releve.French, night, night.AddDate(0, 0, 1)); got != "24/11 03:00:05" {
		t.Errorf("yesterday is %q", got)
	}
}

// english are words of English that are none of French: in a French sentence they come from
// an error that nobody said.
var english = regexp.MustCompile(`(?i)\b(the|is|are|was|were|not|of|cannot|could|its|this|that|with|from|has|have|which|nobody|` +
	`failed|refused|closed|running|ended|took|does|be|been|while|again)\b`)

// apart are what stands in French as it is: the text of others in its quotation marks, and
// what is typed or a header of SIP.
var apart = regexp.MustCompile("«[^»]*»|`[^`]*`|\\[[a-z]+\\] [a-z_]+|--[a-z-]+|\\bFrom\\b")

func speaksEnglish(french string) string {
	return english.FindString(apart.ReplaceAllString(french, ""))
}

func TestNoFrenchSentenceSpeaksEnglish(t *testing.T) {
	for code, text := range words.Catalogue(releve.French) {
		if code == "ui-other-language" {
			continue
		}
		if word := speaksEnglish(regexp.MustCompile(`\{\{.*?\}\}`).ReplaceAllString(text, "7")); word != "" {
			t.Errorf("%s says %q: %s", code, word, text)
		}
	}
}

// TestAnErrorInASentenceIsInItsLanguage: known ones are sentences, in others' deep inside too,
// and the text of others is set apart where it is not of the sentence's language.
func TestAnErrorInASentenceIsInItsLanguage(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "/srv/journal", Err: syscall.ENOSPC}
	journal := releve.Known("the journal could not be written",
		"cause-journal", "why", releve.Reason(fmt.Errorf("saving: %w", full)))
	fault := &releve.Fault{Cause: errors.New("an old one"), Why: releve.Say("cause-no-answer")}
	for _, c := range []struct {
		err             error
		french, english string
	}{
		{nil, "La base est arrêtée.", "The database is stopped."},
		{full, "La base est arrêtée (« write /srv/journal: no space left on device »).",
			"The database is stopped (write /srv/journal: no space left on device)."},
		{journal, "La base est arrêtée (le journal n'a pas pu être écrit : « write /srv/journal: no space left on device »).",
			"The database is stopped (the journal could not be written: write /srv/journal: no space left on device)."},
		{releve.Because(context.DeadlineExceeded, "no sound", "cause-no-sound"),
			"La base est arrêtée (il y a eu réponse à l'appel et aucun son n'est venu : pas de réponse à temps).",
			"The database is stopped (the call was answered and no sound came: no answer in time)."},
		{releve.Known("undone", "cause-undone", "why", releve.Reason(releve.Known("a step", "step-protected"))),
			"La base est arrêtée (ce qu'avait atteint « Constater que l'établissement est protégé » ne tient plus).",
			"The database is stopped (what “See that the site is protected” had reached holds no longer)."},
		{fmt.Errorf("asking: %w", context.DeadlineExceeded),
			"La base est arrêtée (pas de réponse à temps).", "The database is stopped (no answer in time)."},
		{fmt.Errorf("looking: %w", fault), "La base est arrêtée (PostgreSQL ne répond pas).",
			"The database is stopped (PostgreSQL does not answer)."},
		{errors.Join(errors.New("odd"), journal),
			"La base est arrêtée (le journal n'a pas pu être écrit : « write /srv/journal: no space left on device »).",
			"The database is stopped (the journal could not be written: write /srv/journal: no space left on device)."},
		{&peer.Error{Kind: peer.Refused, Why: releve.Say("peer.refused", "other", "192.0.2.22:7443")},
			"La base est arrêtée (personne n'écoute à 192.0.2.22:7443).",
			"The database is stopped (nobody listens at 192.0.2.22:7443)."},
		{identity.Fault(releve.Say(identity.Expired, "seat", "main", "date", "2036-01-02")),
			"La base est arrêtée (le certificat de main a expiré le 2036-01-02).",
			"The database is stopped (the certificate of main expired on 2036-01-02)."},
	} {
		said := releve.Say("tier-data-down", "why", releve.Reason(c.err))
		french := strings.ReplaceAll(words.Say(releve.French, said), "\u00a0", " ")
		if french != c.french || speaksEnglish(french) != "" {
			t.Errorf("%v in French:\n got %q\nwant %q", c.err, french, c.french)
		}
		if got := words.Say(releve.English, said); got != c.english {
			t.Errorf("%v in English:\n got %q\nwant %q", c.err, got, c.english)
		}
	}
}

// TestSentencesInOneAnotherEnd: what others wrote may look like a sentence in a sentence in
// a sentence.
func TestSentencesInOneAnotherEnd(t *testing.T) {
	why := "at last"
	for range 6 {
		why = releve.Reason(releve.Known("", "cause-journal", "why", why))
	}
	if said := words.Say(releve.French, releve.Say("tier-data-down", "why", why)); strings.Count(said, "le journal") > 3 {
		t.Errorf("%d deep", strings.Count(said, "le journal"))
	}
}

// TestEveryErrorGoesIntoASentenceByItsReason looks at what the product puts into sentences:
// an error's own text is English, and has no place there.
func TestEveryErrorGoesIntoASentenceByItsReason(t *testing.T) {
	found := 0
	for _, floor := range []string{"adapters", "app", "config", "doors", "rules", "server"} {
		eachFile(t, filepath.Join("..", "..", floor), func(file string, n ast.Node) {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return
			}
			for i := 1; i < len(call.Args); i++ {
				name, ok := call.Args[i-1].(*ast.BasicLit)
				if !ok || name.Value != `"why"` && name.Value != `"cause"` {
					continue
				}
				found++
				inner, ok := call.Args[i].(*ast.CallExpr)
				if f, isMethod := calledMethod(inner); ok && isMethod && f == "Error" && saysIt(call) {
					t.Errorf("%s: an error's text in a sentence: let releve.Reason write it", file)
				}
			}
		})
	}
	if found < 30 {
		t.Errorf("only %d reasons were found: the search is broken", found)
	}
}

func calledMethod(call *ast.CallExpr) (string, bool) {
	if call == nil {
		return "", false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	return f.Sel.Name, true
}

// saysIt leaves out logs, and the rooms that say their causes in quotation marks themselves.
func saysIt(call *ast.CallExpr) bool {
	if name, ok := call.Fun.(*ast.Ident); ok {
		return name.Name != "fault"
	}
	name, ok := calledMethod(call)
	return ok && !slices.Contains([]string{"Error", "Warn", "Info", "Debug", "sayAt", "complaint"}, name) &&
		!(name == "Say" && isNamed(call, "unreadable", "syntax"))
}

func isNamed(call *ast.CallExpr, codes ...string) bool {
	code, ok := said(call)
	return ok && slices.Contains(codes, code)
}
