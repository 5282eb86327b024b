package pbx_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"releve"
	"releve/rules/attendant"
	"releve/rules/pbx"
)

// Whoever reads a page must be able to see who says what: nothing stands in a profile without its source, and
// "measured" stands in none of a type that nobody has tried.
func TestNothingIsSaidWithoutASource(t *testing.T) {
	for _, p := range pbx.All() {
		var from []pbx.Source
		for _, n := range p.Notes {
			from = append(from, n.Source)
			if !slices.Contains(pbx.Topics(), n.Topic) || n.Code == "" {
				t.Errorf("%s: %+v is of no topic, or says nothing", p.Type, n)
			}
		}
		for _, s := range p.Settings {
			from = append(from, s.Source)
			if s.Key == "" || s.Value == "" || s.Why == "" {
				t.Errorf("%s: %+v is not whole", p.Type, s)
			}
		}
		for _, s := range from {
			if !slices.Contains(pbx.Kinds(), s.Kind) || s.Where == "" {
				t.Errorf("%s: %+v is no source", p.Type, s)
			}
			if s.Kind == pbx.Measured && p.Tried == "" {
				t.Errorf("%s was not tried, and something of it was measured", p.Type)
			}
		}
		if len(p.Files) > 0 && p.Tried == "" {
			t.Errorf("%s has files that nobody tried", p.Type)
		}
	}
}

func TestATypeIsFoundByItsName(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range pbx.Types() {
		if p, err := pbx.Find(pbx.Type(name)); err != nil || string(p.Type) != name || p.Name == "" || seen[name] || strings.ContainsAny(name, ".: ") {
			t.Errorf("%s is %+v, %v", name, p.Type, err)
		}
		seen[name] = true
	}
	for _, name := range []string{"asterisk", "kamailio", "freeswitch", "3cx", "mitel", "oxe", "cucm", "ip-office", "wazo", "generic"} {
		if !seen[name] {
			t.Errorf("%s has no profile", name)
		}
	}
	_, err := pbx.Find("asterix")
	fault, ok := errors.AsType[*releve.Fault](err)
	if !ok || !errors.Is(err, pbx.ErrUnknown) || fault.Why.Args["type"] != "asterix" || !strings.Contains(fault.Why.Args["known"], "asterisk") {
		t.Errorf("one that is not known: %v", err)
	}
}

// What is copied to a PBX has no gaps, and a site's own values wherever it has some.
func TestAFileIsFilledWithTheValuesOfTheSite(t *testing.T) {
	site := pbx.Example()
	site.Number, site.Reception, site.Standby, site.PBX = "8000", "accueil", "secours", "198.51.100.1:5070"
	site.ReceptionSecret, site.Extensions = "one;two", []string{"100-199", "5"}
	for _, p := range pbx.All() {
		for _, f := range p.Files {
			text := f.Fill(site)
			for _, left := range []string{"{{", "}}", "192.0.2.10", "[reception]", "PJSIP/standby", "PASSWORD-OF-ACCUEIL"} {
				if strings.Contains(text, left) {
					t.Errorf("%s of %s holds %q:\n%s", f.Name, p.Type, left, text)
				}
			}
		}
	}
	asterisk, err := pbx.Find("asterisk")
	if err != nil {
		t.Fatal(err)
	}
	all := asterisk.Files[0].Fill(site) + asterisk.Files[1].Fill(site)
	for _, line := range []string{
		"\nbind = 198.51.100.1:5070\n", `password = one\;two`, "password = PASSWORD-OF-SECOURS\n", "exten => 8000,1,Goto(releve-reception,s,1)\n",
		"exten => _1XX,1,Dial(PJSIP/${EXTEN},20)\n", "exten => 5,1,Dial(PJSIP/${EXTEN},20)\n", "Dial(PJSIP/accueil,2)", "from-num,i)=8000)",
	} {
		if !strings.Contains(all, line) {
			t.Errorf("%q is not there:\n%s", line, all)
		}
	}
}

func TestThePBXWaitsForTheVerdict(t *testing.T) {
	site := pbx.Example()
	for range 60 {
		if patience := site.Patience(); patience < 10 || float64(patience) < site.Verdict.Seconds() {
			t.Errorf("a verdict in %v is waited for %d s", site.Verdict, patience)
		}
		site.Verdict += 1700e6
	}
}

func TestRangesBecomePatterns(t *testing.T) {
	for entry, want := range map[string]string{
		"1000-1999": "_1XXX", "2345": "2345", "*9": "*9", "0-9": "_X", "1000-1249": "_1[0-1]XX _12[0-4]X", "7-7": "7",
		"1998-2001": "_199[8-9] _200[0-1]", "1000-8999": "_[1-8]XXX", "105-399": "_10[5-9] _1[1-9]X _[2-3]XX",
	} {
		if got := strings.Join(pbx.Patterns([]string{entry}), " "); got != want {
			t.Errorf("%s is %s, not %s", entry, got, want)
		}
	}
}

// No number of the plan is missing in the dial plan, and no other is in it (SPEC K7).
func TestPatternsHoldWhatThePlanHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.IntRange(1, 4).Draw(t, "digits")
		most := 1
		for range digits {
			most *= 10
		}
		first := rapid.IntRange(0, most-1).Draw(t, "first")
		last := rapid.IntRange(first, most-1).Draw(t, "last")
		entry := fmt.Sprintf("%0*d-%0*d", digits, first, digits, last)
		plan, err := attendant.ParsePlan(entry)
		if err != nil {
			t.Fatal(err)
		}
		var alternatives []string
		for _, p := range pbx.Patterns([]string{entry}) {
			alternatives = append(alternatives, strings.ReplaceAll(strings.TrimPrefix(p, "_"), "X", "[0-9]"))
		}
		dialled := regexp.MustCompile("^(" + strings.Join(alternatives, "|") + ")$")
		for n := range most {
			if number := fmt.Sprintf("%0*d", digits, n); dialled.MatchString(number) != plan.Holds(number) {
				t.Fatalf("%s: %s is dialled: %t, by %v", entry, number, dialled.MatchString(number), alternatives)
			}
		}
	})
}
