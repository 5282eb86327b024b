package takeover

import (
	"time"

	"releve"
)

// Event is something that happened, stamped by the agent with CLOCK_BOOTTIME.
// Exactly one of the pointers is set, or none: time passed.
type Event struct {
	Now       time.Duration `json:"now"`
	Boot      *Boot         `json:"boot,omitempty"`
	Peer      *Status       `json:"peer,omitempty"`
	Unasked   bool          `json:"unasked,omitempty"` // of Peer: it is no answer to a question of ours, and may be old
	Database  *Database     `json:"database,omitempty"`
	Mirror    *Mirror       `json:"mirror,omitempty"`
	Overflow  *Overflow     `json:"overflow,omitempty"`
	Gone      releve.CallID `json:"gone,omitempty"` // a waiting caller hung up; the verification goes on (H3)
	Round     *Round        `json:"round,omitempty"`
	OwnEnd    *OwnEnd       `json:"own_end,omitempty"`
	PBX       *PBX          `json:"pbx,omitempty"`
	Done      *Done         `json:"done,omitempty"`
	Command   Command       `json:"command,omitempty"`
	Arbiter   *Word         `json:"arbiter,omitempty"`
	Returned  *Return       `json:"returned,omitempty"`  // the other's abdication, carried by an operator (R3)
	Unsaved   *Unsaved      `json:"unsaved,omitempty"`   // a save failed
	Woke      time.Duration `json:"woke,omitempty"`      // how long this process did not run
	Reception *bool         `json:"reception,omitempty"` // is our binding of the reception user in place
	Calls     *bool         `json:"calls,omitempty"`     // can the voice side of this server take a call
	Line      *Line         `json:"line,omitempty"`      // what became of this server's way to the PBX
	Shown     *Shown        `json:"shown,omitempty"`     // who has the reception, by the PBX
}

// Boot is what a server finds when it starts.
type Boot struct {
	Known   bool          `json:"known"` // the journal held a Durable
	Durable Durable       `json:"durable"`
	Disk    DiskKind      `json:"disk"`
	DataID  releve.DataID `json:"data_id,omitempty"` // written beside the data
	Found   bool          `json:"found,omitempty"`   // the operator asked to found the site without hearing the other
}

// Unsaved is a save that failed: whether it reached the disk nobody knows.
type Unsaved struct {
	Cause   string  `json:"cause"`             // a sentence
	Written Durable `json:"written"`           // what the journal last took for sure
	Unasked int     `json:"unasked,omitempty"` // turn of the claim that was to follow, and was not put
}

// Word is what came of asking the witness.
type Word struct {
	Heard    bool     `json:"heard"`
	Register Register `json:"register"`       // as it is now
	Turn     int      `json:"turn,omitempty"` // of the claim that this answers; 0: the register was only read
	Granted  bool     `json:"granted,omitempty"`
}

// Return is a mirror's word that it gave hand-over Number of Term back (R3).
type Return struct {
	Seat   releve.Seat `json:"seat"` // who says so
	Term   releve.Term `json:"term"`
	Number uint64      `json:"number"`
}

// DiskKind is what lies where this server's data belongs.
type DiskKind string

// What a server can find on its disk.
const (
	DiskEmpty    DiskKind = "empty"
	DiskOurs     DiskKind = "ours"
	DiskForeign  DiskKind = "foreign"
	DiskUnusable DiskKind = "unusable" // a rewind or clone stopped half way
)

// Database is the state of the local PostgreSQL, sent at each change and as its
// positions move.
type Database struct {
	Up         bool            `json:"up"`
	InRecovery bool            `json:"in_recovery"`
	Streaming  bool            `json:"streaming"`
	Flush      releve.LSN      `json:"flush"`
	Replay     releve.LSN      `json:"replay,omitempty"` // of a copy: how far it has come, 0: not known
	Timeline   releve.Timeline `json:"timeline"`
	Why        string          `json:"why,omitempty"` // it went down
}

// Mirror is what the owner sees of the session that bears the mirror's name.
type Mirror struct {
	Streaming bool       `json:"streaming"`
	Foreign   bool       `json:"foreign,omitempty"`
	Lost      bool       `json:"lost,omitempty"` // the log that it needs next is no longer kept (M4)
	Flush     releve.LSN `json:"flush"`
	Own       releve.LSN `json:"own"` // the owner's own flushed position, read before
}

// Overflow is a call that waits for a verdict.
type Overflow struct {
	Call   releve.CallID         `json:"call"`
	Reason releve.OverflowReason `json:"reason,omitempty"`
	Own    bool                  `json:"own,omitempty"` // this server's own call, given back by the PBX
}

// PBX says whether the establishment's switch answers this server.
type PBX struct {
	Heard bool          `json:"heard"`
	Ago   time.Duration `json:"ago"` // since its last answer
}

// Command is what an operator or the service manager asks for.
type Command string

// The commands that the machine takes.
const (
	HandOver Command = "hand-over" // give the duty to the mirror
	Rejoin   Command = "rejoin"    // come back as the mirror
	Rebuild  Command = "rebuild"   // throw this mirror's copy away and make another
	Stop     Command = "stop"      // this server is being stopped
	Abdicate Command = "abdicate"  // give the vote back, though the other may not hear it (R3)
	Solo     Command = "solo"      // the other is off, says the operator: go on alone
	Take     Command = "take"      // the other is off, says the operator: take the duty
	Restore  Command = "restore"   // the database is lost: copy it back from the mirror (M5)

	Forget Command = "forget" // what was asked last is asked no more

	UsePair    Command = "use-pair"    // the arbiter is to be the pair
	UseWitness Command = "use-witness" // the arbiter is to be the witness

	UseBase             Command = "use-base"              // the level of the site is to be base
	UseMirroring        Command = "use-mirroring"         // … mirroring
	UseBackup           Command = "use-backup"            // … backup
	UseHighAvailability Command = "use-high-availability" // … high availability

	Renew Command = "renew" // have a newer copy take the place of this one (B1)
	Move  Command = "move"  // the copy is to follow, for the duty is to move (B2)
	Clear Command = "clear" // an operator has seen at the PBX that our binding is gone (B3)
	Stay  Command = "stay"  // the duty is to stay after all

	Relieve Command = "relieve" // take the duty of a silent server whose binding the PBX shows gone (B3)
)

// Job is slow work that the agent carries out; its end comes back as Done.
type Job string

// The jobs. At most one runs at a time.
const (
	NoJob      Job = ""
	JobCreate  Job = "create"  // make the database of a new site
	JobStart   Job = "start"   // start PostgreSQL
	JobOpen    Job = "open"    // hand the pool to the store, first commit of the term
	JobBarrier Job = "barrier" // no lone commit from here on
	JobLone    Job = "lone"    // commits may be alone; those that wait are released
	JobPromote Job = "promote" // make the copy writable
	JobRetire  Job = "retire"  // close the store and stop PostgreSQL, in order
	JobRejoin  Job = "rejoin"  // rewind or clone, then start as a copy
	JobFollow  Job = "follow"  // stream from the owner
	JobRestore Job = "restore" // set the data aside and copy the mirror's
	JobRest    Job = "rest"    // stop receiving, and remember as of when the copy is
	JobCopy    Job = "copy"    // clone beside the copy that is there, and start the new one in its place
)

// Done is the end of a job.
type Done struct {
	Job       Job           `json:"job"`
	Turn      int           `json:"turn,omitempty"`   // of the action that began it
	Failed    string        `json:"failed,omitempty"` // the sentence, "" when it went well
	Promotion Promotion     `json:"promotion,omitempty"`
	DataID    releve.DataID `json:"data_id,omitempty"`
	Database  *Database     `json:"database,omitempty"` // of JobStart: what came up
	Unsafe    bool          `json:"unsafe,omitempty"`   // a promotion whose tail may have lost rows (R4)
}

// ActionKind says what is to be done.
type ActionKind string

// The actions, in the words of those who carry them out.
const (
	Save     ActionKind = "save"   // write Durable to the journal; nothing after it before it is on disk
	Tell     ActionKind = "tell"   // send the status to the other now
	Fence    ActionKind = "fence"  // PostgreSQL stopped at once, store lost (R9)
	Drop     ActionKind = "drop"   // end every call of this server
	Begin    ActionKind = "begin"  // begin Job
	Check    ActionKind = "check"  // begin a round
	Answer   ActionKind = "answer" // the calls that wait are answered
	Refuse   ActionKind = "refuse" // the calls that wait go back to the other
	Probe    ActionKind = "probe"  // call the reception: the PBX's own overflow is the proof (H8)
	Say      ActionKind = "say"    // nothing but the sentence
	PutClaim ActionKind = "claim"  // put Claim to the witness
)

// Action is one thing to do. Rule names the row of the table that asked for it, carried out
// in phase From and led to To: the sentence of that name is what the operator reads.
type Action struct {
	Kind        ActionKind
	Rule        string
	From, To    Phase
	Durable     Durable       // of Save
	Job         Job           // of Begin
	Turn        int           // of Begin and PutClaim: tells one from another of the same kind
	Claim       Claim         // of PutClaim
	Writable    bool          // of JobStart: as a primary
	WithoutDuty bool          // of Answer
	Call        releve.CallID // of Refuse: this call only
	Took        bool          // of Answer: this verification led to the takeover
}
