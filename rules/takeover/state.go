package takeover

import (
	"time"

	"releve"
)

// What a machine knows, grouped by what it is about. A time is that of the last event of
// its kind, 0 where there was none.

// journalState is how far the journal can be relied on.
type journalState struct {
	// JournalLost: a save failed, so that nobody knows what the disk holds. Until one
	// succeeds, nothing is decided that would have to be remembered.
	JournalLost bool `json:"JournalLost"`
	// Halts is how often in a row a save failed. While it is not 0, the server stands
	// still, and tries again ever more seldom.
	Halts    int           `json:"Halts"`
	HaltedAt time.Duration `json:"HaltedAt"` // the last failure, or the last new try
}

// startState is what the process found when it began.
type startState struct {
	Boot   Boot          `json:"Boot"`
	Booted time.Duration `json:"Booted"`
}

// hearing is what the other server says.
type hearing struct {
	Other      Status        `json:"Other"`
	OtherAt    time.Duration `json:"OtherAt"`
	OtherHears time.Duration `json:"OtherHears"` // since when it has heard the PBX without a break, 0: it does not
}

// databaseState is the local PostgreSQL, and what this server lets it do.
type databaseState struct {
	DB         Database      `json:"DB"`
	StreamLost time.Duration `json:"StreamLost"` // when this copy stopped to stream
	Need       releve.LSN    `json:"Need"`       // what the mirror must have flushed before the gate opens (R6)
	Gate       bool          `json:"Gate"`       // the store is open
	Lone       bool          `json:"Lone"`       // the store may commit alone
}

// session is the one in which the owner sees its mirror.
type session struct {
	Mirror   Mirror        `json:"Seen"`
	MirrorAt time.Duration `json:"SeenAt"`  // when it was last streaming
	MovedAt  time.Duration `json:"MovedAt"` // when the mirror last had everything, or more than before
}

// handOver is the vote on its way to the mirror, and back.
type handOver struct {
	PreparedAt time.Duration `json:"PreparedAt"`
	Looked     bool          `json:"Looked"` // the mirror's session was looked at since then
	// Target is what the mirror must have flushed before the vote is issued: all that was
	// written before the barrier.
	Target  releve.LSN `json:"Target"`
	Carried Return     `json:"Told"` // an abdication that an operator brought
}

// witnessing is what the witness says, and what it is asked.
type witnessing struct {
	Register   Register      `json:"Reg"` // as the witness last told it
	RegisterAt time.Duration `json:"RegAt"`
	ClaimTurn  int           `json:"Asking"`    // of the claim that is out; 0: none
	Claims     int           `json:"Asks"`      // that were made
	Confirmed  bool          `json:"Confirmed"` // the witness has confirmed since our start that we are alone (R6)
	Regained   uint64        `json:"Regained"`  // the hand-over that the witness gave back to us
}

// work is the job at hand, and those before it that came to nothing.
type work struct {
	Job      Job           `json:"Job"`
	Turn     int           `json:"Turn"`   // how many jobs were begun
	Failed   Job           `json:"Failed"` // the last job, if it failed
	FailedAt time.Duration `json:"FailedAt"`
	Vain     int           `json:"Vain"`   // how often in a row it failed
	Copies   int           `json:"Copies"` // how often in a row data was copied here
	CopiedAt time.Duration `json:"CopiedAt"`
	Unsafe   bool          `json:"Unsafe,omitempty"` // the last promotion may lack acknowledged rows (R4)
}

// verification is what this server knows of the other by asking it.
type verification struct {
	Count      Count         `json:"Count"`
	RoundsOut  int           `json:"Checking"`
	RoundBegan time.Duration `json:"Began"` // the latest that is out
	LastRound  Round         `json:"Last"`
	Own        OwnCall       `json:"Own"`
	Probed     time.Duration `json:"Probed"` // when this server last called the reception itself
	Probes     int           `json:"Probes"` // how often, since the other was last well
}

// waiting are the calls that wait for a verdict.
type waiting struct {
	Waiters     int           `json:"Waiters"`
	FirstWaited time.Duration `json:"Earliest"` // when the first of them arrived
	Arrived     Overflow      `json:"Arrived"`  // the call of the event at hand
	NoAnswer    bool          `json:"Silent"`   // one of them is said to have overflowed for no answer
}

// telephone is the way to the callers.
type telephone struct {
	PBX         PBX           `json:"PBX"`
	PBXAt       time.Duration `json:"PBXAt"`
	Hears       time.Duration `json:"Hears"`     // since when this server has heard the PBX without a break, 0: it does not
	Reception   bool          `json:"Reception"` // our binding of the reception user is in place
	ReceptionAt time.Duration `json:"ReceptionAt"`
	VoiceDown   bool          `json:"VoiceDown"` // the voice side cannot take a call
	VoiceAt     time.Duration `json:"VoiceAt"`   // when that changed
}

// dutyState is how this server answers, where its phase does not say it alone.
type dutyState struct {
	WithoutDuty bool `json:"WithoutDuty"` // answering overflowed calls without the duty (R13)
	KeepStandby bool `json:"KeepStandby"` // the standby user stays ours although we are on duty
	// FormerStandby: so does what an earlier life of ours on duty may have bound.
	FormerStandby bool          `json:"FormerStandby"`
	Suspended     bool          `json:"Suspended"` // woke up and does not yet know whether it is still on duty (H10)
	WokeAt        time.Duration `json:"WokeAt"`
	Leaving       bool          `json:"Leaving"` // the operator moved the duty: come back as a mirror by itself
}

// backupState is what level backup adds.
type backupState struct {
	Line    Line          `json:"Line,omitzero"`     // what became of this server's way to the PBX
	Moves   bool          `json:"Moves,omitempty"`   // an operator moves our duty: the copy is to follow
	MoveAt  time.Duration `json:"MoveAt,omitempty"`  // when he last said so
	LeftAt  time.Duration `json:"LeftAt,omitempty"`  // when the telephone began to be closed
	LetGo   bool          `json:"LetGo,omitempty"`   // … and the calls that held it open were ended
	Cleared bool          `json:"Cleared,omitempty"` // … and an operator saw that our binding is gone
	// Displaces: we got the duty on an operator's word that the other is off, and were not bound since.
	Displaces bool               `json:"Displaces,omitempty"`
	Look      Look               `json:"Look,omitzero"`    // what the PBX shows of the other's binding
	Showed    bool               `json:"Showed,omitempty"` // … and whether it showed ours, when it last granted it
	CopyOf    releve.PromotionID `json:"CopyOf,omitempty"` // what the copy that is being made descends from
}
