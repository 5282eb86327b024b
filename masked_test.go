package releve_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"releve"
)

func TestANumberIsHiddenFromItsEnd(t *testing.T) {
	for number, want := range map[string]string{
		"": "", "7": "*", "15": "1*", "201": "2**", "1010": "10**", "10234": "10***", "612345": "612***",
		"8000123": "800****", "0612345678": "0612******", "+33612345678": "+336********", "réa": "r**", "0612******": "0612******",
	} {
		if got := releve.Masked(number); got != want {
			t.Errorf("%q is shown as %q, not %q", number, got, want)
		}
	}
}

func FuzzHalfOfANumberIsHidden(f *testing.F) {
	f.Add("1010")
	f.Add("\xff\xfe0612")
	f.Add("é1")
	f.Fuzz(func(t *testing.T, number string) {
		masked := releve.Masked(number)
		stars := len(masked) - len(strings.TrimRight(masked, "*"))
		if n := utf8.RuneCountInString(number); utf8.RuneCountInString(masked) != n || 2*stars < n || n-stars > 4 {
			t.Errorf("%q is shown as %q", number, masked)
		}
		if again := releve.Masked(masked); again != masked {
			t.Errorf("%q masked twice is %q", masked, again)
		}
	})
}
