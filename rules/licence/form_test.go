package licence_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"releve"
	"releve/rules/licence"
)

// codeOf is what a refusal says.
func codeOf(t *testing.T, err error) string {
	t.Helper()
	fault, ok := errors.AsType[*releve.Fault](err)
	if err != nil && (!ok || !errors.Is(err, licence.ErrRefused) || !errors.Is(err, releve.ErrForbidden)) {
		t.Fatalf("it is told as %v", err)
	}
	if err == nil {
		return ""
	}
	return fault.Why.Code
}

func TestALicenceIsReadAsItWasWritten(t *testing.T) {
	file, l := signed(t, of("2027-1", releve.HighAvailability, replacing("2026-1", "2026-2")))
	for _, line := range []string{"# Licence of Relève", `issued_to = "Hôpital Saint-Luc"`, `level = "high-availability"`, "from = 2027-01-01", "until = 2027-12-31", `replaces = ["2026-1", "2026-2"]`} {
		if !strings.Contains(string(file), line+"\n") {
			t.Errorf("nobody reads %s in\n%s", line, file)
		}
	}
	if l.Issuer != "vendor" || l.Demonstration || l.FirstDay() != "2027-01-01" || l.LastDay() != "2027-12-31" || !l.Until.Equal(day(365)) {
		t.Errorf("read %+v", l)
	}
	if _, l := signed(t, of("2027-1", releve.Base, forEver)); !l.Until.IsZero() || l.LastDay() != "" {
		t.Errorf("without an end: %+v", l)
	}
}

// What mail and editors do to a text, and what they must not do.
func TestOnTheWay(t *testing.T) {
	file, l := signed(t, of("2027-1", releve.Base))
	for story, change := range map[string]func(string) string{
		"Windows' ends of lines":    func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"a byte order mark":         func(s string) string { return "\ufeff" + s },
		"no last end of line":       func(s string) string { return strings.TrimSuffix(s, "\n") },
		"empty lines around it":     func(s string) string { return "\n\n" + s + "\n\n \n" },
		"all of it":                 func(s string) string { return "\ufeff\r\n" + strings.ReplaceAll(s, "\n", "\r\n") + "\r\n" },
		"nothing":                   func(s string) string { return s },
		"what it is kept as, again": func(s string) string { return string(licence.Tidy([]byte("\n" + s))) },
	} {
		if got, err := known.Read([]byte(change(string(file)))); err != nil || got.ID != l.ID {
			t.Errorf("%s: %v", story, err)
		}
	}
}

func TestWhatIsNoLicenceIsRefusedAndSaysWhy(t *testing.T) {
	file, _ := signed(t, of("2027-1", releve.Base))
	text := string(file)
	strangers, _, err := stranger.Sign(of("1", releve.Base))
	if err != nil {
		t.Fatal(err)
	}
	for story, c := range map[string]struct{ text, code string }{
		"nothing":                        {"", "licence.none"},
		"a picture":                      {"\x89PNG\r\n\x1a\n\x00\x00", "licence.none"},
		"a certificate":                  {"-----BEGIN CERTIFICATE-----\n", "licence.none"},
		"a book":                         {strings.Repeat("x", licence.Largest+1), "licence.oversized"},
		"a licence and a book":           {text + strings.Repeat("\n", licence.Largest), "licence.oversized"},
		"its beginning":                  {text[:len(text)/2], "licence.cut"},
		"all but its signature":          {text[:strings.LastIndex(text, "— ")], "licence.cut"},
		"half of its signature":          {text[:len(text)-30], "licence.cut"},
		"a broken line of its signature": {strings.Replace(text, "— vendor ", "— vendor\n", 1), "licence.cut"},
		"a control character":            {strings.Replace(text, "Luc", "L\x1buc", 1), "licence.cut"},
		"more channels":                  {strings.Replace(text, "channels = 30", "channels = 90", 1), "licence.forged"},
		"a letter of a remark":           {strings.Replace(text, "mail", "Mail", 1), "licence.forged"},
		"a space":                        {strings.Replace(text, "channels = 30", "channels =  30", 1), "licence.forged"},
		"signed by the name alone":       {strings.Replace(string(strangers), "— stranger", "— vendor", 1), "licence.forged"},
		"by nobody we know":              {string(strangers), "licence.unknown-issuer"},
		"signed twice":                   {text + "— other AAAAAAAAAAAA\n", "licence.cut"},
	} {
		l, err := known.Read([]byte(c.text))
		if got := codeOf(t, err); got != c.code || !reflect.DeepEqual(l, licence.Licence{}) {
			t.Errorf("%s: %s, not %s; %+v", story, got, c.code, l)
		}
	}
}

// sign signs any text as the vendor.
func sign(t testing.TB, text string) []byte {
	t.Helper()
	file, err := note.Sign(&note.Note{Text: text}, vendor.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

const whole = `# Licence of Relève
format = 1
serial = "1"
site = "ABCDEF"
issued_to = "Hôpital"
level = "base"
channels = 30
from = 2027-01-01
until = 2027-12-31
issued = 2026-12-01T10:00:00Z
`

// A text that an issuer signed may be wrong all the same, or of a later form.
func TestWhatIsSignedAndSaysNothingSensible(t *testing.T) {
	if _, err := known.Read(sign(t, whole)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, code, field string }{
		{"format = 1", "format = 2", "licence.later", ""},
		{"format = 1", "format = 2\nhours = [8, 18]", "licence.later", ""},
		{"format = 1", "format = 0", "licence.contents", "format"},
		{"format = 1\n", "", "licence.contents", "format"},
		{"format = 1", "format = 1\nhours = 8", "licence.contents", "hours"},
		{`serial = "1"`, `serial = "../1"`, "licence.contents", "serial"},
		{`serial = "1"`, `serial = ""`, "licence.contents", "serial"},
		{`serial = "1"`, `serial = 1`, "licence.contents", "serial"},
		{`site = "ABCDEF"`, `site = "A B"`, "licence.contents", "site"},
		{`"Hôpital"`, `"Hô\npital"`, "licence.contents", "issued_to"},
		{`"Hôpital"`, `" "`, "licence.contents", "issued_to"},
		{`"base"`, `"everything"`, "licence.contents", "level"},
		{"channels = 30", "channels = 0", "licence.contents", "channels"},
		{"channels = 30", "channels = -1", "licence.contents", "channels"},
		{"channels = 30", "channels = 99999999999999999999", "licence.contents", "channels"},
		{"from = 2027-01-01", "from = 0001-01-01", "licence.contents", "from"},
		{"from = 2027-01-01", "from = 2027-02-30", "licence.contents", "from"},
		{"from = 2027-01-01", "from = 2028-01-01", "licence.contents", "until"},
		{"until = 2027-12-31", "until = 9999-12-31", "licence.contents", "until"},
		{"issued = 2026-12-01T10:00:00Z", `issued = "yesterday"`, "licence.contents", "issued"},
		{"issued = 2026-12-01T10:00:00Z", "", "licence.contents", "issued"},
		{"format = 1", "format = 1\nreplaces = [\"1 2\"]", "licence.contents", "replaces"},
		{"format = 1", "= 1", "licence.contents", "toml"},
		{"format = 1", "format = 1\nformat = 1", "licence.contents", ""},
		{"format = 1", "format = 1\n[more]", "licence.contents", "more"},
		{"# Licence of Relève\n", "# Licence of another\n", "licence.none", ""},
	} {
		_, err := known.Read(sign(t, strings.Replace(whole, c.old, c.new, 1)))
		if got := codeOf(t, err); got != c.code {
			t.Errorf("%s: %q, not %s", c.new, got, c.code)
			continue
		}
		if fault, _ := errors.AsType[*releve.Fault](err); c.field != "" && fault.Why.Args["field"] != c.field {
			t.Errorf("%s: said of %q", c.new, fault.Why.Args["field"])
		}
	}
}

func TestALicenceIsForOneSite(t *testing.T) {
	_, l := signed(t, of("1", releve.Base))
	if err := l.For(ours); err != nil {
		t.Error(err)
	}
	if got := codeOf(t, l.For("GHIJKL")); got != "licence.other-site" {
		t.Errorf("for another: %s", got)
	}
}

// Everybody has the demonstrator's key: it opens nothing but a demonstration.
func TestTheDemonstratorSignsForDemonstrationsAlone(t *testing.T) {
	demo := func(l *licence.Licence) { l.Site, l.Until = licence.DemonstrationSite+"1", day(31) }
	for story, c := range map[string]struct {
		l    licence.Licence
		code string
	}{
		"a demonstration":          {of("1", releve.HighAvailability, demo), ""},
		"a hospital":               {of("1", releve.HighAvailability, demo, func(l *licence.Licence) { l.Site = ours }), "licence.demonstration"},
		"a hospital called so":     {of("1", releve.HighAvailability, demo, func(l *licence.Licence) { l.Site = "x" + l.Site }), "licence.demonstration"},
		"longer than a month":      {of("1", releve.HighAvailability, demo, func(l *licence.Licence) { l.Until = day(32) }), "licence.demonstration"},
		"a demonstration for ever": {of("1", releve.HighAvailability, demo, forEver), "licence.demonstration"},
	} {
		_, l, err := licence.Demonstrator().Sign(c.l)
		if got := codeOf(t, err); got != c.code {
			t.Errorf("%s: %q, not %q", story, got, c.code)
		}
		if err == nil && !l.Demonstration {
			t.Errorf("%s: nobody sees that it is one", story)
		}
	}
	if _, err := licence.Built().Read(sign(t, whole)); codeOf(t, err) != "licence.unknown-issuer" {
		t.Errorf("the program believes an issuer of its tests: %v", err)
	}
}

func TestAPrivateKeyIsOne(t *testing.T) {
	for _, text := range []string{"", "PRIVATE+KEY+x+00000000+AQ==", vendor.Public(), "PRIVATE+KEY+vendor", "-----BEGIN PRIVATE KEY-----"} {
		if _, err := licence.NewSigner(text); codeOf(t, err) != "licence.key" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := licence.Believing("vendor+1+AQ=="); err == nil {
		t.Error("what is no public key is believed")
	}
}

// Whatever may be said is read as it was written, and what may not is not signed.
func TestAnyLicenceIsReadAsItWasWrittenOrNotSigned(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9A-Za-z][0-9A-Za-z._-]{0,63}`))
		begin := rapid.IntRange(-800000, 400000)
		l := licence.Licence{
			Serial: word.Draw(r, "serial"), Site: word.Draw(r, "site"), IssuedTo: rapid.String().Draw(r, "to"),
			Level:    rapid.SampledFrom(append(licence.Levels, "none")).Draw(r, "level"),
			Channels: rapid.IntRange(-1, 200_000).Draw(r, "channels"), From: day(begin.Draw(r, "from")),
			Issued: day(begin.Draw(r, "issued")), Replaces: rapid.SliceOfN(word, 0, 3).Draw(r, "replaces"),
		}
		if rapid.Bool().Draw(r, "ends") {
			l.Until = day(begin.Draw(r, "until"))
		}
		_, read, err := vendor.Sign(l)
		if err != nil {
			return
		}
		l.ID, l.Issuer = read.ID, "vendor"
		if len(l.Replaces) == 0 {
			l.Replaces = read.Replaces
		}
		if !reflect.DeepEqual(l, read) {
			r.Fatalf("written %+v\nread %+v", l, read)
		}
	})
}

// FuzzRead: whatever comes is refused whole or taken whole, as it stands and as an issuer would
// have signed it; and what is taken is within the bounds of what a licence may say.
func FuzzRead(f *testing.F) {
	file, _ := signed(f, of("1", releve.Base, replacing("2")))
	for _, text := range [][]byte{
		nil, file, file[:len(file)/2], []byte(whole), []byte(strings.Replace(whole, "1\n", "2\n", 1)), {0xff, 0},
		lines("# Licence of Relève", "a.b.c = {d = [1, '''", "''']}", "[[x]]"), bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		judge(t, text)
		own := append(bytes.ToValidUTF8(text, nil), '\n')
		if file, err := note.Sign(&note.Note{Text: "# Licence of Relève\n" + string(own)}, vendor.Signer); err == nil {
			judge(t, file)
		}
	})
}

func judge(t *testing.T, text []byte) {
	l, err := known.Read(text)
	if err != nil {
		if codeOf(t, err) == "" || !reflect.DeepEqual(l, licence.Licence{}) {
			t.Fatalf("refused in part: %v, %+v", err, l)
		}
		return
	}
	if l.Channels < 1 || l.Serial == "" || strings.ContainsAny(l.Serial+l.Site, "/\n\x00 ") || releve.Plain(l.IssuedTo) != l.IssuedTo ||
		l.Until.Before(l.From) && !l.Until.IsZero() || l.From.Before(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("taken: %+v", l)
	}
	again, err := known.Read(licence.Tidy(text))
	if err != nil || !reflect.DeepEqual(again, l) {
		t.Fatalf("as it is kept: %v, %+v", err, again)
	}
}
