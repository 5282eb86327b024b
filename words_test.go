package releve

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSeveritiesHaveAnOrder(t *testing.T) {
	all := []Severity{Cleared, Info, Warning, Major, Critical}
	for i, s := range all {
		for j, least := range all {
			if s.AtLeast(least) != (i >= j) {
				t.Errorf("%s is at least %s: %t", s, least, s.AtLeast(least))
			}
		}
		if s.Clears() != (i == 0) {
			t.Errorf("%s says that something is over: %t", s, s.Clears())
		}
	}
	if Severity("of a later version").AtLeast(Cleared) {
		t.Error("what is not known has a place in the order")
	}
}

// A program's last words are long, in quotation marks and in sentences in one another: what
// people read is a sentence all the same, and how it begins.
func TestAReasonStaysASentenceHoweverLongItIs(t *testing.T) {
	for _, words := range []string{strings.Repeat("x", 5000), strings.Repeat("\"é\n", 2000), strings.Repeat("\x00<", 2000)} {
		err := Known("ended", "cause-program", "program", "pg_rewind", "why", "exit status 1", "cause", words)
		for range 3 {
			argument := Say("outer", "why", Reason(err)).Args["why"]
			inner, ok := Inner(argument)
			if !ok {
				t.Fatalf("of %d bytes: %q", len(argument), argument)
			}
			for deeper := ok; deeper; inner, deeper = Inner(inner.Args["why"]) {
				if inner.Code == "cause-program" && (len(inner.Args["cause"]) < 20 || inner.Args["program"] != "pg_rewind") {
					t.Errorf("too little is named: %q", inner)
				}
			}
			err = Because(err, "in vain", "cause-no-session")
		}
	}
}

func TestASentenceNamesTheBeginningOfALongValue(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"short":                        "short",
		strings.Repeat("x", 1000):      strings.Repeat("x", 1000),
		strings.Repeat("x", 1001):      strings.Repeat("x", 1000) + "…",
		"x" + strings.Repeat("é", 700): "x" + strings.Repeat("é", 499) + "…",
		strings.Repeat("\x80", 5000):   "…", // no letter begins anywhere
	} {
		got := Say("code", "value", text).Args["value"]
		if got != want {
			t.Errorf("of %d bytes %d are named: %.20q", len(text), len(got), got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("a letter was cut in half: %q", got)
		}
	}
}

func TestNothingThatOthersWroteMovesTheScreen(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"Hôpital Sud · 04 92 03 · € 😀": "Hôpital Sud · 04 92 03 · € 😀",
		"a\u00a0: b":                   "a\u00a0: b", // as French is set
		"a\x1b[2Jb\x1b]0;title\ab":     `a\u001b[2Jb\u001b]0;title\u0007b`,
		"a\r\n07:00 taken over":        "a  07:00 taken over",
		"a\u009b31mb":                  `a\u009b31mb`, // CSI in one character
		"a\u202eb\u2066c\u200ed\u061c": `a\u202eb\u2066c\u200ed\u061c`,
		"a\u2028b\u2029c\u0085d":       "a b c d",
		"\ufeffa\x00b\x7f":             `\ufeffa\u0000b\u007f`,
		"a\xffb\x9b":                   `a\xffb\x9b`,
		"a\ufffdb":                     "a\ufffdb",
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q is shown as %q, not %q", text, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x1b[2J\r\n\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := Plain(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hidden) || Plain(got) != got {
			t.Errorf("%q is shown as %q", text, got)
		}
	})
}

func TestANumberIsHiddenFromItsEnd(t *testing.T) {
	for number, want := range map[string]string{
		"": "", "7": "*", "15": "1*", "201": "2**", "1010": "10**", "10234": "10***", "612345": "612***",
		"8000123": "800****", "0612345678": "0612******", "+33612345678": "+336********", "réa": "r**", "0612******": "0612******",
	} {
		if got := Masked(number); got != want {
			t.Errorf("%q is shown as %q, not %q", number, got, want)
		}
	}
}

func FuzzHalfOfANumberIsHidden(f *testing.F) {
	f.Add("1010")
	f.Add("\xff\xfe0612")
	f.Add("é1")
	f.Fuzz(func(t *testing.T, number string) {
		masked := Masked(number)
		stars := len(masked) - len(strings.TrimRight(masked, "*"))
		if n := utf8.RuneCountInString(number); utf8.RuneCountInString(masked) != n || 2*stars < n || n-stars > 4 {
			t.Errorf("%q is shown as %q", number, masked)
		}
		if again := Masked(masked); again != masked {
			t.Errorf("%q masked twice is %q", masked, again)
		}
	})
}

// Whatever the clock tells, the next look is on a multiple of the period and half a period from
// one period away at most; and who looks twice as often is there too.
func TestLooksFallTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "now"))
		period := time.Duration(rapid.Int64Range(2, int64(time.Hour)).Draw(t, "period")) * 2
		wait := UntilBeat(now, period)
		if wait < period/2 || wait > period+period/2 {
			t.Fatalf("%s, for a period of %s", wait, period)
		}
		if next := UntilNextBeat(now, period); next <= 0 || next > period || !now.Add(next).Truncate(period).Equal(now.Add(next)) {
			t.Fatalf("the next beat is in %s, for a period of %s", next, period)
		}
		if due := now.Add(wait); !due.Truncate(period/2).Equal(due) || !due.Truncate(period).Equal(due) {
			t.Fatalf("looked at %s, for a period of %s", due, period)
		}
	})
}

func TestWhatIsNoCallsIsNobodysRecord(t *testing.T) {
	over := Fact{ID: "over", Kind: RunOver}
	begins, ends := Fact{ID: "begins", Call: "1"}, Fact{ID: "ends", Call: "1"}
	var ids []FactID
	for _, f := range OfCalls([]Fact{over, begins, over, ends}) {
		ids = append(ids, f.ID)
	}
	if want := []FactID{"begins", "ends"}; !slices.Equal(ids, want) {
		t.Errorf("of calls are %v, want %v", ids, want)
	}
}
