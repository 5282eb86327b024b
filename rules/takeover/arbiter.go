package takeover

import (
	"time"

	"releve"
)

// arbiterSilence is how old the witness's last word may be to decide by. A claim names
// the version that it goes by, so that an old word costs a refusal and no row.
const arbiterSilence = 1500 * time.Millisecond

// observeWitness takes in the witness's word. The register may have moved on since; what
// matters is asked for, not read.
func (m *Machine) observeWitness(w Word) {
	if w.Turn != 0 && w.Turn == m.ClaimTurn {
		m.ClaimTurn = 0
	}
	if !w.Heard {
		m.RegisterAt = 0
		return
	}
	m.Register, m.RegisterAt = w.Register, m.Now
	if !w.Granted || !m.Owns() || !m.registerOurs() {
		return
	}
	// Our own change of the register: what we had asked for before can no longer arrive.
	if m.Register.Owner == m.Seat && m.Register.Term == m.Term && m.Register.Alone {
		m.Confirmed = true
		if m.Issued && m.Register.Number == m.Number {
			m.Regained = m.Number
		}
	}
}

// WitnessHeard says that the witness spoke lately.
func (m *Machine) WitnessHeard() bool { return m.RegisterAt > 0 && m.Now-m.RegisterAt < arbiterSilence }

// registerOurs: the witness was heard lately, and speaks of the arbiter that we know.
func (m *Machine) registerOurs() bool {
	return m.Witnessed() && m.WitnessHeard() && m.Register.Incarnation == m.Incarnation
}

// registerMine: the witness was heard lately, and names us as the owner of our term.
func (m *Machine) registerMine() bool {
	return m.registerOurs() && m.Register.Owner == m.Seat && m.Register.Term == m.Term
}

// lodged: our hand-over of the vote lies with the witness.
func (m *Machine) lodged() bool {
	return m.registerMine() && !m.Register.Alone && m.Register.Number == m.Number
}

// claimable: the witness would give this copy the duty of the next term.
func (m *Machine) claimable() bool {
	r := m.Register
	return m.isMirror() && m.Holds() && m.registerOurs() && r.Owner == m.Seat.Other() && r.Term == m.Term && !r.Alone &&
		r.Number == m.Number && r.Candidate.DataID == m.DataID && m.DataID != ""
}

// registerLater: the register knows of a term of the other's that we have not heard of.
func (m *Machine) registerLater() bool {
	r := m.Register
	return m.Witnessed() && m.WitnessHeard() && r.Incarnation >= m.Incarnation && r.Term > m.Term && r.Owner == m.Seat.Other()
}

// Relieved is the witness's word that the other took the duty in a later term.
func (m *Machine) Relieved() (Register, bool) { return m.Register, m.registerLater() }

// registerLacks: the register knows more of this server than its own journal (R6).
func (m *Machine) registerLacks() bool {
	return m.Witnessed() && m.WitnessHeard() && m.Register.Owner == m.Seat &&
		(m.Register.Incarnation > m.Incarnation || m.Register.Incarnation == m.Incarnation && m.Register.Term > m.Term)
}

// canPutClaim: one claim is out at a time, and none leaves a server that does not know what its
// disk holds.
func (m *Machine) canPutClaim() bool { return m.ClaimTurn == 0 && !m.JournalLost }

// putClaim puts one claim to the witness. It names the version that we know, so that it
// changes nothing if another came first.
func (m *Machine) putClaim(want Register) Action {
	want.Site, want.Incarnation, want.Owner = m.Settings.Site, m.Incarnation, m.Seat
	return Action{Kind: PutClaim, Claim: Claim{Was: m.Register.Version, Inc: m.Register.Incarnation, Want: want}}
}

// canLodge: the hand-over was issued, and the witness does not have it yet.
func (m *Machine) canLodge() bool {
	behind := m.Register.Alone || m.Register.Number < m.Number
	return m.canPutClaim() && m.Owns() && m.Issued && !m.Released && m.registerMine() && behind && !m.mirrorAway()
}

func (m *Machine) lodge() []Action {
	return []Action{m.putClaim(Register{Term: m.Term, Number: m.Number, Candidate: m.Candidate})}
}

// awaySince: since when the mirror's session is gone, after it had time to come back; or
// its server is silent, and what was written waits for it. PostgreSQL notices that later.
func (m *Machine) awaySince() (since time.Duration, away bool) {
	settled := m.Now-m.Booted > mirrorGone && m.Now-m.PreparedAt > mirrorGone
	if m.Now-m.MirrorAt > mirrorGone {
		return m.MirrorAt, settled
	}
	silent := !m.otherHeard() && m.Now-m.MovedAt > mirrorGone
	return max(m.OtherAt, m.MovedAt), settled && silent
}

func (m *Machine) mirrorAway() bool {
	_, away := m.awaySince()
	return away
}

// pbxAfter is how long after the mirror was last seen an answer of the PBX proves that it
// is not this server that was cut off: by then the mirror would have been seen again.
const pbxAfter = 500 * time.Millisecond

// leftAlone: the mirror is gone without a word, and the PBX answered this server since.
func (m *Machine) leftAlone() bool {
	since, away := m.awaySince()
	answered := m.PBXAt == 0 || m.PBX.Heard && m.PBXAt-m.PBX.Ago >= since+pbxAfter
	return away && answered && !m.pbxSilent()
}

// canReclaim: the mirror is gone without a word, and this server hears the PBX: it
// asks the witness to go on alone (M4). One that hears no PBX leaves it to the other,
// unless the other has no copy to serve from.
func (m *Machine) canReclaim() bool {
	serving := m.Phase != Handed && !m.Released && (m.leftAlone() || m.copyGone())
	handed := m.Phase == Handed && (m.reclaimed() || m.copyGone())
	return m.canPutClaim() && m.Owns() && m.Issued && m.registerMine() && (serving || handed)
}

// copyGone: the copy that the hand-over names is no longer there, and its server cannot
// give it back by word.
func (m *Machine) copyGone() bool {
	o := m.Other
	return m.otherHeard() && o.Term == m.Term && o.Owner == m.Seat && o.DataID != m.Candidate.DataID
}

// reclaimed: the witness had granted what this server asked for before it released its
// term.
func (m *Machine) reclaimed() bool { return m.Register.Alone && m.Register.Number == m.Number }

func (m *Machine) reclaim() []Action {
	return []Action{m.putClaim(Register{Term: m.Term, Number: m.Number, Alone: true})}
}

// voteRegained: the witness has written that we are alone, on our own claim of this number.
func (m *Machine) voteRegained() bool {
	return m.Owns() && m.Issued && !m.JournalLost && m.Witnessed() && m.Regained == m.Number && m.Number > 0
}

func (m *Machine) takeRegained() []Action {
	m.Regained = 0
	return saving(func(d Durable) (Durable, error) {
		d, ok := d.Regain(d.Term, d.Number)
		if !ok {
			return d, errNot
		}
		return d, nil
	})(m)
}

// registerBehind: we hold the vote, and the register does not say so, or has not said
// so since we started (R5).
func (m *Machine) registerBehind() bool {
	if !m.canPutClaim() || !m.Known || !m.Alone() || !m.Witnessed() ||
		!m.WitnessHeard() || m.Register.Incarnation > m.Incarnation {
		return false
	}
	return !m.Confirmed || m.Register.Incarnation < m.Incarnation || !(m.registerMine() && m.Register.Alone)
}

// updateRegister brings it up to date. One that was wiped begins a new incarnation: what was
// asked of it before its loss must not arrive (R5).
func (m *Machine) updateRegister() []Action {
	want := Register{Term: m.Term, Number: m.Number, Alone: true}
	if m.Register.Incarnation == m.Incarnation {
		return []Action{m.putClaim(want)}
	}
	actions := saving(func(d Durable) (Durable, error) { return d.Choose(d.Arbiter) })(m)
	return append(actions, m.putClaim(want))
}

// canClaimDuty: what makes a mirror take over, with a witness that would grant it.
func (m *Machine) canClaimDuty() bool {
	reason := m.verdictReached() || m.otherReleased()
	return m.canPutClaim() && m.canTakeOver() && m.Witnessed() && reason
}

// claimDuty remembers that it asks before it does: what was asked may be granted at
// any time, and then nothing may be given back by word.
func (m *Machine) claimDuty() []Action {
	actions := saving(Durable.Claim)(m)
	return append(actions, m.putClaim(Register{Term: m.Term + 1, Number: m.Number, Alone: true, Candidate: m.Register.Candidate}))
}

// grantPending: this copy may be given the duty at any moment, for it has asked. It must not
// be wiped before the owner has ended the hand-over through the register (R2).
func (m *Machine) grantPending() bool { return m.Holds() && m.hasClaimed() && m.Other.Term == m.Term }

// dutyGranted: the witness's register names this copy as the next owner's.
func (m *Machine) dutyGranted() bool {
	return m.isMirror() && m.Job == NoJob && !m.JournalLost && m.Holds() && m.hasClaimed() &&
		m.registerOurs() && m.Register.grantedTo(m.Durable)
}

// registerVoid: the witness lost its memory while our hand-over lay in it. Both servers
// have a part in giving it a new one: the mirror gives the number back (R5), also one
// for which it had asked: no claim on what the witness remembered can be granted now.
func (m *Machine) registerVoid() bool {
	return m.Holds() && m.Witnessed() && !m.JournalLost && m.WitnessHeard() && m.Register.Incarnation < m.Incarnation &&
		m.otherHeard() && m.Other.Term == m.Term && m.Other.Owner != m.Seat
}

// voteVoid: the owner has, or had, the vote of the number that we took for ours: a witness,
// or an operator, gave it to it.
func (m *Machine) voteVoid() bool {
	o := m.Other
	ended := o.Vote && o.Number == m.Number || o.Number > m.Number
	return m.Holds() && !m.JournalLost && m.otherHeard() && o.Owner == o.Seat && o.Term == m.Term && ended
}

// Changing the arbiter while running.

func (m *Machine) wanted() (releve.Arbiter, bool) {
	switch m.Order {
	case UsePair:
		return releve.Pair, true
	case UseWitness:
		return releve.Witness, true
	}
	return "", false
}

// canChangeArbiter: an operator wants another arbiter, and it can be had.
func (m *Machine) canChangeArbiter() bool {
	want, asked := m.wanted()
	return asked && m.Owns() && m.Phase == Serving && !m.oneVoice() &&
		m.Witnessed() != (want == releve.Witness) && (want != releve.Witness || m.WitnessHeard())
}

// needsVote: the vote has to be here while the arbiter or the level changes.
func (m *Machine) needsVote() bool { return m.changing() && !m.Vote }

func (m *Machine) changing() bool { return m.canChangeArbiter() || m.canChangeLevel() }

func (m *Machine) mayChangeArbiter() bool { return m.canChangeArbiter() && m.Alone() }

func (m *Machine) changeArbiter() []Action {
	want, _ := m.wanted()
	m.Order, m.Confirmed = "", want != releve.Witness
	return saving(func(d Durable) (Durable, error) { return d.Choose(want) })(m)
}

// witnessFirstHeard: a new site whose configuration names a witness begins as a pair and moves
// as soon as the witness is heard.
func (m *Machine) witnessFirstHeard() bool {
	return m.Order == "" && m.Settings.Arbiter == releve.Witness && m.Term == 1 && m.Incarnation == 0 && m.WitnessHeard()
}

func (m *Machine) orderWitness() []Action {
	m.Order = UseWitness
	return say(m)
}

// arbiterLater: the owner was alone when it chose another arbiter, or level.
func (m *Machine) arbiterLater() bool {
	o := m.Other
	return m.Known && !m.Owns() && !m.JournalLost && m.otherHeard() &&
		o.Owner == o.Seat && o.Term == m.Term && o.Incarnation > m.Incarnation
}

func (m *Machine) adoptArbiter() []Action {
	level := m.Level
	if m.Other.Chosen {
		level = m.Other.Level
	}
	return saving(func(d Durable) (Durable, error) { return d.Adopt(m.Other.Arbiter, level, m.Other.Incarnation) })(m)
}
