package takeover

import (
	"time"

	"releve"
)

// Level backup (SPEC B1 to B7): two databases and nothing automatic. The vote never leaves the owner,
// the other server keeps a copy at rest, and has no telephone. An operator moves the duty: the copy
// then follows as a mirror does and is given the vote, so that nothing is lost; the owner's telephone
// is closed, and its binding is gone at the PBX, before the other opens its own.

const (
	// moveLasts is how long an operator's order to have the copy follow holds: it is given again
	// while he waits.
	moveLasts = time.Minute

	// callsLinger is how long calls in progress may hold up a server that gives its duty away:
	// nobody answers meanwhile.
	callsLinger = 20 * time.Second

	// bindsWithin is how soon a server that takes a duty is bound at the PBX.
	bindsWithin = 10 * time.Second

	// silentMost is how long nobody may answer while the PBX does not let the binding go, or no
	// operator says that it has: then the owner takes its telephone up again.
	silentMost = 10 * time.Minute
)

// Line is what became of this server's way to the PBX.
type Line struct {
	Closed bool `json:"closed"` // no socket is bound
	// Gone: the PBX showed our binding of the reception while it stood, and shows it no more.
	Gone bool `json:"gone"`
	// Granted is for how long the PBX last granted our binding of the reception, and Shown that it shows
	// it to who asks; nothing while there is none.
	Granted time.Duration `json:"granted,omitempty"`
	Shown   bool          `json:"shown,omitempty"`
}

func (m *Machine) backsUp() bool { return m.RunsAt() == releve.Backup }

// keepsVote says that the vote stays with its owner: below high availability it never leaves it, but
// while an operator moves the duty at level backup (R5).
func (m *Machine) keepsVote() bool { return m.oneVoice() && !m.moving() }

// moving: an operator moves the duty, and the copy follows meanwhile. A copy that hears nothing of
// its owner keeps what it was given.
func (m *Machine) moving() bool {
	switch {
	case !m.backsUp():
		return false
	case m.Owns():
		return m.Moves
	case m.otherHeard():
		return (m.Other.Moves || m.Other.Released) && m.Other.Term == m.Term
	}
	return m.Holds()
}

// speaks says that this server has the telephone of level backup: the one on duty has it, and a
// server has the duty by what was decided in this life of it, by its peer's word, or an operator's.
func (m *Machine) speaks() bool {
	switch m.Phase {
	case Serving, Promoting, Restoring:
		return m.Owns() && m.Confirmed
	}
	return false
}

// unconfirmed: at level backup it went on with a duty that it remembers, and nobody has confirmed it yet.
func (m *Machine) unconfirmed() bool { return m.backsUp() && m.Owns() && !m.Confirmed }

// confirmedByPeer: at level backup a server goes on with the duty that it remembers once the other
// says that it has none and its telephone is closed, or an operator says that it is off (B3). One that
// was relieved remembers a duty too, of a term before.
func (m *Machine) confirmedByPeer() bool {
	o := m.Other
	return m.backsUp() && m.Owns() && m.Vote && m.otherHeard() && o.Level == releve.Backup && !o.OnDuty() && o.Line.Closed
}

// moveOrdered: an operator wants the copy to follow, for the duty is to move.
func (m *Machine) moveOrdered() bool {
	return m.Order == Move && m.backsUp() && m.Owns() && m.Phase == Serving
}

func (m *Machine) beginMove() []Action {
	m.Order, m.Moves, m.MoveAt = "", true, m.Now
	return []Action{{Kind: Tell}}
}

// moveOver: the operator waits no more.
func (m *Machine) moveOver() bool {
	return m.Moves && m.Phase == Serving && m.Order != Move && m.Order != HandOver && m.Now-m.MoveAt > moveLasts
}

func (m *Machine) endMove() []Action {
	m.Moves = false
	return []Action{{Kind: Tell}}
}

// needsRest: a copy receives although nobody moves the duty: it was just made, or the operator
// waits no more. One with the vote gives it back first.
func (m *Machine) needsRest() bool {
	receives := m.Phase == Following || m.DB.Streaming
	return m.backsUp() && !m.moving() && !m.Owns() && !m.Holds() && m.DB.Up && receives && m.retryable(JobRest)
}

func (m *Machine) restCopy() []Action {
	m.DB = Database{}
	return begin(JobRest)(m)
}

// copyOrdered: an operator, or the schedule, wants a newer copy, made beside the one that is there.
func (m *Machine) copyOrdered() bool {
	source := m.otherOwns() && m.Other.Serving && m.Other.Gate && m.Other.Promotion.Done && m.Other.Term == m.Term
	return m.Order == Renew && m.backsUp() && m.Job == NoJob && !m.Holds() && !m.moving() && source
}

func (m *Machine) renewCopy() []Action {
	m.Order, m.DB, m.CopyOf = "", Database{}, m.Other.Promotion.ID
	return append([]Action{{Kind: Fence}}, begin(JobCopy)(m)...)
}

func (m *Machine) copyRenewed() []Action {
	m.Upstream = m.CopyOf
	return m.save()
}

// copyAbandoned: the owner is gone for good, says the operator, and the copy that is there is needed.
func (m *Machine) copyAbandoned() bool {
	return (m.Order == Take || m.Order == Relieve) && m.Job == JobCopy && !m.otherHeard()
}

func (m *Machine) abandonCopy() []Action {
	m.Job = NoJob
	return []Action{{Kind: Fence}}
}

// copyReplaced: a newer copy has taken the old one's place in the moment before a crash.
func (m *Machine) copyReplaced() bool {
	return m.Known && m.backsUp() && !m.Owns() && m.DataID != "" &&
		m.Boot.Disk == DiskOurs && m.Boot.DataID != "" && m.Boot.DataID != m.DataID
}

func (m *Machine) takeReplaced() []Action {
	m.DataID = m.Boot.DataID
	return m.save()
}

// leaveOrdered: the duty is to move to the copy that has everything; first the telephone is closed.
func (m *Machine) leaveOrdered() bool {
	return m.Order == HandOver && m.Job == NoJob && m.backsUp() && m.canHandOver()
}

func (m *Machine) closeLine() []Action {
	m.Order, m.LeftAt, m.LetGo, m.Cleared, m.Line = "", m.Now, false, false, Line{}
	return []Action{{Kind: Tell}}
}

// lingering: calls in progress hold the telephone open, and nobody answers those that come.
func (m *Machine) lingering() bool {
	return !m.LetGo && !m.Line.Closed && m.Now-m.LeftAt > callsLinger
}

func (m *Machine) letCallsGo() []Action {
	m.LetGo = true
	return []Action{{Kind: Drop}}
}

// bindingCleared: the PBX shows no bindings, and an operator has seen there that ours is gone.
func (m *Machine) bindingCleared() bool {
	return m.Order == Clear && m.Phase == Silencing && m.Line.Closed
}

func (m *Machine) noteCleared() []Action {
	m.Order, m.Cleared = "", true
	return say(m)
}

// silenced: nothing of this server is left at the PBX, and the copy is still there to take the duty.
func (m *Machine) silenced() bool {
	return m.Line.Closed && (m.Line.Gone || m.Cleared) && m.Job == NoJob && m.mirrorHolds()
}

// silentInVain: there is nobody left to give the duty to, or the PBX does not let go.
func (m *Machine) silentInVain() bool {
	return !m.mirrorHolds() || !m.DB.Up || m.Now-m.LeftAt > silentMost || m.Order == Stay
}

func (m *Machine) speakAgain() []Action {
	m.Order, m.Moves = "", false
	return []Action{{Kind: Tell}}
}

// dutyKnown: the peer confirms what this server went on with after a start.
func (m *Machine) dutyKnown() bool { return !m.Confirmed && m.confirmedByPeer() }

// knowDuty: it may have answered without the duty until it knew.
func (m *Machine) knowDuty() []Action {
	m.Confirmed, m.WithoutDuty = m.Confirmed || m.backsUp(), false
	return say(m)
}

// dutyConfirmed: the other server is off, and an operator wants this one to go on, which remembers a duty
// or slept.
func (m *Machine) dutyConfirmed() bool {
	return m.mayForce() && m.backsUp() && m.Owns() && m.Vote && (!m.Confirmed || m.Suspended)
}

func (m *Machine) confirmDuty() []Action {
	m.Displaces = m.Order == Take
	m.Order, m.Confirmed, m.Suspended = "", true, false
	return say(m)
}

// mayBeRelieved: at level backup an operator may have relieved this server while it slept, by what the PBX
// showed or by his word. Not one that has the duty by his word that the other is off, and was not bound since.
func (m *Machine) mayBeRelieved() bool { return m.backsUp() && !m.Displaces }

func (m *Machine) observeLine(l Line) {
	m.Line = l
	if l.Granted > 0 {
		m.Showed = l.Shown
	}
}

// nobodyBound: it slept and hears nobody, and the PBX, which shows bindings, has none of the reception. Whoever
// took the duty meanwhile would have bound it by now, and who is bound later finds ours.
func (m *Machine) nobodyBound() bool {
	shows := m.Showed || m.Look.Shows || m.OtherAt > 0 && m.Other.Line.Shown
	seen := m.Look.At > m.WokeAt+bindsWithin && m.Now-m.Look.At < lookFresh && !m.Look.Silent && !m.Look.Any
	return m.backsUp() && !m.otherHeard() && shows && seen
}
