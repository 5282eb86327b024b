package releve

import "slices"

// Severity is how grave something is that an operator is told.
type Severity string

// The severities, the least grave first.
const (
	Cleared  Severity = "cleared" // what was told before is over
	Info     Severity = "info"
	Warning  Severity = "warning"
	Major    Severity = "major"
	Critical Severity = "critical"
)

// graver are all of them in their order.
var graver = []Severity{Cleared, Info, Warning, Major, Critical}

// AtLeast says that s is as grave as least, or graver.
func (s Severity) AtLeast(least Severity) bool {
	return slices.Index(graver, s) >= slices.Index(graver, least)
}

// Clears says that what was told before is over.
func (s Severity) Clears() bool { return s == Cleared }
