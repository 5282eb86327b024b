package postgres

import (
	"errors"

	"releve"
)

// Study looks for PostgreSQL's programs as a server that is installed will (SPEC E1).
func Study(seat releve.Seat) releve.Measurement {
	m := releve.Measurement{Check: "postgresql", Seat: seat}
	found, err := Find("")
	if err != nil && !errors.Is(err, ErrOldMinor) {
		m.State, m.Why = releve.Broken, releve.Say("study-postgresql-missing", "cause", releve.Reason(err))
		return m
	}
	m.State, m.Value, m.Text = releve.Measured, float64(found.Version.Major), found.Version.String()
	return m
}
