package takeover

import (
	"cmp"
	"time"

	"releve"
)

// Status is what each server tells the other, again and again: it carries the
// messages of the vote, each named by term and number, so that late and repeated
// ones are told apart.
type Status struct {
	Seat      releve.Seat        `json:"seat"`
	Known     bool               `json:"known"` // false: this server has no journal yet
	Term      releve.Term        `json:"term"`
	Owner     releve.Seat        `json:"owner"`
	Number    uint64             `json:"number"`
	Issued    bool               `json:"issued"`
	Candidate Candidate          `json:"terms"`
	Vote      bool               `json:"vote"`
	Abdicated uint64             `json:"abdicated"`
	Released  bool               `json:"released"`
	Promotion Promotion          `json:"promotion"`
	DataID    releve.DataID      `json:"data_id"`
	Upstream  releve.PromotionID `json:"upstream,omitempty"`
	Phase     Phase              `json:"phase"`
	Serving   bool               `json:"serving"` // it takes calls on duty
	Gate      bool               `json:"gate"`    // its database takes writes
	PBXAgo    time.Duration      `json:"pbx_ago"` // since the PBX last answered it
	PBXFor    time.Duration      `json:"pbx_for"` // … and for how long it has done so without a break, by this server's own clock
	Reception bool               `json:"reception"`
	Standby   bool               `json:"standby"` // it wants the standby user
	Spooled   int                `json:"spooled"`

	Arbiter     releve.Arbiter `json:"arbiter,omitempty"`
	Incarnation uint64         `json:"incarnation,omitempty"`
	Level       releve.Level   `json:"level,omitempty"`    // at which it runs
	Chosen      bool           `json:"chosen,omitempty"`   // … since an operator changed it, and not by its configuration
	Recall      bool           `json:"recall,omitempty"`   // the owner asks for the vote: the arbiter or the level is to change
	Mute        bool           `json:"mute,omitempty"`     // it has no telephone, and could not use a vote
	Line        Line           `json:"line,omitzero"`      // what became of its way to the PBX
	Moves       bool           `json:"moves,omitempty"`    // an operator moves the duty of this owner: the copy is to follow
	Lone        bool           `json:"lone,omitempty"`     // the owner's commits wait for no mirror
	Lost        bool           `json:"lost,omitempty"`     // the owner no longer has the log that the mirror needs (M4)
	Bereft      bool           `json:"bereft,omitempty"`   // what the owner restored is lost again: the mirror's copy is needed
	Restored    bool           `json:"restored,omitempty"` // the owner's data came from the mirror, which is to keep its own (M5)
}

// Holds is what [Durable.Holds] says of the server that told this.
func (s Status) Holds() bool {
	return s.Owner != s.Seat && (s.Vote || s.Arbiter == releve.Witness && s.Number > s.Abdicated)
}

// Alone is what [Durable.Alone] says of it: an owner that may go on alone.
func (s Status) Alone() bool { return s.Owns() && s.Vote }

// HasVote says that it holds the vote, or may ask the witness for it.
func (s Status) HasVote() bool { return s.Vote || s.Holds() }

// Owns says that it is on duty by its own journal, though another may have relieved it.
func (s Status) Owns() bool { return s.Known && s.Owner == s.Seat }

// OnDuty says that it owns its term and is not fenced: it serves, or is on its way to.
func (s Status) OnDuty() bool {
	switch s.Phase {
	case Serving, Promoting, Unconfirmed, Restoring:
		return s.Owns()
	}
	return false
}

// InService says that it is on duty with its database, and takes calls.
func (s Status) InService() bool { return s.Owns() && s.Serving && s.Phase == Serving }

// StandsAside says that it has no usable copy, and waits to be made one.
func (s Status) StandsAside() bool { return s.Phase == Deposed || s.Phase == Stuck }

// Halted says that it stands still until an operator acts.
func (s Status) Halted() bool { return s.Phase == Stuck }

// AwaitsCopy says that its copy is being made, or will be.
func (s Status) AwaitsCopy() bool { return s.Phase == Rejoining || s.Phase == Waiting }

// IsCopy says that its data is a copy, whether it streams or not.
func (s Status) IsCopy() bool {
	return s.Phase == Following || s.Phase == Isolated || s.Phase == Copying
}

// Follows says that its copy streams from the owner.
func (s Status) Follows() bool { return s.Phase == Following }

// Whole says that its data could be the database of the site.
func (s Status) Whole() bool { return s.DataID != "" }

// Restores says that its data is being copied back from the mirror.
func (s Status) Restores() bool { return s.Phase == Restoring }

// CopiedBack says that its data came from the mirror, and is being made the database.
func (s Status) CopiedBack() bool { return s.Restored && s.Phase == Promoting }

// pbxAnswers is how old an answer may be for the PBX to count as heard by a procedure.
const pbxAnswers = 2 * time.Second

// HearsPBX says that the PBX answers it.
func (s Status) HearsPBX() bool { return s.PBXAgo >= 0 && s.PBXAgo < pbxAnswers }

// RunsAt says that it runs the site at a level.
func (s Status) RunsAt(l releve.Level) bool { return s.Level == l }

// GoesBy is the arbiter by which it goes.
func (s Status) GoesBy() releve.Arbiter { return cmp.Or(s.Arbiter, releve.Pair) }
