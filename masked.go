package releve

import "strings"

// shownMost is how much of a caller's number is shown: of one from outside, its region.
const shownMost = 4

// Masked is a caller's number as listings of calls may show it (SPEC C8). It is hidden from
// its end, which tells whom: half of it at least, so that a number of the house, which is
// short, is not shown whole. What is masked already stays as it is.
func Masked(number string) string {
	letters := []rune(number)
	shown := min(shownMost, len(letters)/2)
	return string(letters[:shown]) + strings.Repeat("*", len(letters)-shown)
}
