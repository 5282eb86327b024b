package takeover

import (
	"cmp"

	"releve"
)

// RunsAt is the level of the site: the journal's once an operator changed it, else that of the
// configuration.
func (m *Machine) RunsAt() releve.Level {
	return cmp.Or(m.Level, m.Settings.Level, releve.HighAvailability)
}

// oneVoice says that only the main answers calls: below high availability the secondary has no
// telephone, and the vote never leaves the owner (R5).
func (m *Machine) oneVoice() bool { return m.RunsAt() != releve.HighAvailability }

// mirrorsOnly: the secondary has nothing but the mirror, for which the owner's commits wait.
func (m *Machine) mirrorsOnly() bool { return m.RunsAt() == releve.Mirroring }

// Mute says that this server has no telephone at its level: the secondary's is closed where the
// main alone answers (SPEC §2), and at level backup that of whoever is not on duty (B3).
func (m *Machine) Mute() bool {
	if m.backsUp() {
		return !m.speaks()
	}
	return m.oneVoice() && m.Seat == releve.Secondary
}

// soleVoice: an owner that stands still, and nobody else could answer its callers (M5).
func (m *Machine) soleVoice() bool { return m.oneVoice() && !m.backsUp() && m.Known && m.Owns() }

// leftOut: at level base the site is one server, and this one has no part in it.
func (m *Machine) leftOut() bool {
	return m.RunsAt() == releve.Base && m.isMirror() && m.Job == NoJob && !m.stopping() && !m.grantPending()
}

// callsUnwanted: calls came while the site went down to a level at which this server has none.
// The owner, which took it there, is well: the PBX gives them back to it.
func (m *Machine) callsUnwanted() bool { return m.Mute() && m.Waiters > 0 }

// wantedLevel is the level that an operator wants.
func (m *Machine) wantedLevel() (releve.Level, bool) {
	switch m.Order {
	case UseBase:
		return releve.Base, true
	case UseMirroring:
		return releve.Mirroring, true
	case UseBackup:
		return releve.Backup, true
	case UseHighAvailability:
		return releve.HighAvailability, true
	}
	return "", false
}

// canChangeLevel: an operator wants another level, and this server can run the site at it. One
// that has no telephone there cannot be its owner.
func (m *Machine) canChangeLevel() bool {
	want, asked := m.wantedLevel()
	voice := m.Seat == releve.Main || want == releve.HighAvailability || want == releve.Backup
	return asked && m.Owns() && m.Phase == Serving && want != m.RunsAt() && voice
}

// levelLater: the owner was alone when it chose another level.
func (m *Machine) levelLater() bool {
	return m.arbiterLater() && m.Other.Chosen && m.Other.Level != m.RunsAt()
}

func (m *Machine) mayChangeLevel() bool { return m.canChangeLevel() && m.Alone() }

// changeLevel raises the incarnation: what of the vote is still on its way belongs to the level
// before (R5).
func (m *Machine) changeLevel() []Action {
	want, _ := m.wantedLevel()
	actions := saving(func(d Durable) (Durable, error) { return d.ChooseLevel(want) })(m)
	m.Order, m.Confirmed = "", !m.Witnessed()
	return actions
}
