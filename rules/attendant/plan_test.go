package attendant

import (
	"strconv"
	"strings"
	"testing"
)

func TestAPlanHoldsItsNumbersAndNoOthers(t *testing.T) {
	plan, err := ParsePlan("1000-1999", "2345", "0100-0110", "*9")
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[string]bool{
		"1000": true, "1999": true, "1500": true, "2345": true, "0105": true, "*9": true,
		"": false, "1": false, "100": false, "10000": false, "2000": false,
		"0999": false, "15": false, "112": false, "0111": false,
		"1*00": false, "15#0": false, "1٢٣": false, "*8": false, "1000 ": false, "+1000": false, "100;": false,
	} {
		if got := plan.Holds(number); got != want {
			t.Errorf("%q is in the plan: %v", number, got)
		}
	}
	for number, want := range map[string]bool{"": true, "1": true, "199": true, "2": true,
		"234": true, "235": false, "01": true, "02": false, "2345": false, "*": true, "3": false} {
		if got := plan.GoesOn(number); got != want {
			t.Errorf("a longer number begins with %q: %v", number, got)
		}
	}
}

func TestWhatIsNoPlanIsRefused(t *testing.T) {
	for _, entry := range []string{"", "-", "1000-", "-1999", "1000-199", "1999-1000", "1000-1999-2000",
		"abc", "+3312", "1*-19", "*1-*9", "1 000", "1234567890123456"} {
		if plan, err := ParsePlan(entry); err == nil {
			t.Errorf("%q is read as %v", entry, plan)
		}
	}
}

// Of any range, what it holds is what counting from one end to the other gives.
func FuzzPlan(f *testing.F) {
	f.Add("1000-1999", "15")
	f.Add("000-112", "112")
	f.Add("2345", "2345#")
	f.Add("*1#", "*1#")
	f.Fuzz(func(t *testing.T, entry, number string) {
		plan, err := ParsePlan(entry)
		if err != nil {
			return
		}
		first, last, isRange := strings.Cut(entry, "-")
		if !isRange {
			if plan.Holds(number) != (number == entry) {
				t.Errorf("%q holds %q: %v", entry, number, plan.Holds(number))
			}
			return
		}
		from, _ := strconv.ParseUint(first, 10, 64)
		until, _ := strconv.ParseUint(last, 10, 64)
		n, err := strconv.ParseUint(number, 10, 64)
		want := err == nil && strings.Trim(number, digits) == "" && len(number) == len(first) && from <= n && n <= until
		if plan.Holds(number) != want {
			t.Errorf("%q holds %q: %v", entry, number, !want)
		}
	})
}
