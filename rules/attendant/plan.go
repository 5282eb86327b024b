package attendant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Plan is a site's number plan: what the attendant may dial, and nothing else (SPEC K7).
type Plan []span

// span is one number, or the numbers of digits of one length from first to last. Of
// equal length, they sort as texts do.
type span struct{ first, last string }

// holds says whether a number is one of the span's. A star or a square sorts among
// digits too, and is in no range.
func (s span) holds(number string) bool {
	if s.first == s.last {
		return number == s.first
	}
	return len(number) == len(s.first) && strings.Trim(number, digits) == "" && s.first <= number && number <= s.last
}

// ParsePlan reads single numbers ("2345", "*9") and ranges ("1000-1999").
func ParsePlan(entries ...string) (Plan, error) {
	plan := make(Plan, 0, len(entries))
	var wrong []error
	for _, entry := range entries {
		s, err := parseSpan(entry)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		plan = append(plan, s)
	}
	return plan, errors.Join(wrong...)
}

const (
	digits = "0123456789"
	keys   = digits + "*#"
)

func parseSpan(entry string) (span, error) {
	first, last, isRange := strings.Cut(entry, "-")
	if !isRange {
		last = first
	}
	allowed := keys
	if isRange {
		allowed = digits
	}
	switch {
	case first == "", len(first) > maxExtensionDigits, strings.Trim(first+last, allowed) != "":
		return span{}, fmt.Errorf("%q is no number and no range of numbers: write \"2345\" or \"1000-1999\"", entry)
	case len(first) != len(last):
		return span{}, fmt.Errorf("%q is a range of numbers of two lengths: write one for each", entry)
	case first > last:
		return span{}, fmt.Errorf("%q is a range that ends before it begins", entry)
	}
	return span{first, last}, nil
}

// Holds says whether a number is in the plan, every digit of it.
func (p Plan) Holds(number string) bool {
	return slices.ContainsFunc(p, func(s span) bool { return s.holds(number) })
}

// GoesOn says whether the plan holds a longer number that begins so.
func (p Plan) GoesOn(number string) bool {
	for _, s := range p {
		n := len(number)
		if n < len(s.first) && s.first[:n] <= number && number <= s.last[:n] {
			return true
		}
	}
	return false
}

// Longest is the length of the longest number.
func (p Plan) Longest() (n int) {
	for _, s := range p {
		n = max(n, len(s.first))
	}
	return n
}

// Derived is a plan for a site that gave none: the numbers of that many digits but for
// those by which a PBX commonly reaches the outside (0 and 9 in front), the short public
// numbers (1 in front of two or three digits: 15, 112) and the operator.
func Derived(extensionDigits int, operator string) []string {
	n := min(max(extensionDigits, 1), maxExtensionDigits)
	first := "1"
	if n == 2 || n == 3 {
		first = "2"
	}
	entries := []string{first + strings.Repeat("0", n-1) + "-8" + strings.Repeat("9", n-1)}
	plan, err := ParsePlan(entries...)
	if err == nil && operator != "" && !plan.Holds(operator) {
		entries = append(entries, operator)
	}
	return entries
}
