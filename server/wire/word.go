package wire

import (
	"cmp"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/rules/version"
)

// Version is that of what a [Word] says. A server meets one of the version before: the pair
// is brought to a new version one server after the other, and goes on protecting meanwhile.
//
// So a field's name on the wire stays what it is, and its meaning too. A new version may add
// fields, which the one before passes over; it goes on sending whatever that one reads. Who
// receives sees the sender's version, and reads what it did not say, or said otherwise, as
// what it is worth: see read.
//
// 1 told no number. 2 tells it, and whether the page is served, which 1 always affirmed; it
// answers a word that came with a check by its own, and says upon which word of the other it tells one.
// 3 tells the level of the site, and for which levels a server's configuration has what they need.
// 4 leaves out what the other keeps (see [Editions]), and tells which version a server runs, and by what it
// sends alarms.
const Version = 4

// Word is what a server tells the other of itself, again and again: how it stands to the duty
// and the vote, and what the other's screen shows of it. These are the wire's own types, and
// their tags its format: those who mean something by it have values of their own.
type Word struct {
	Version int           `json:"version,omitempty"`
	Life    string        `json:"life,omitempty"`    // of the process that tells it, drawn at its start
	Told    time.Duration `json:"told_ns,omitempty"` // when that process came to be so, by its own clock

	Said time.Duration `json:"said_ns,omitempty"` // when this was written, by that clock
	Upon Upon          `json:"upon,omitzero"`     // what it had heard of the other by then

	Edition uint64 `json:"edition,omitempty"` // of what seldom changes: the events, the levels, a procedure, a proof
	Kept    bool   `json:"kept,omitempty"`    // they are left out: the other keeps this edition of them

	Status Status  `json:"status"`
	Server Server  `json:"server"`
	Mirror Mirror  `json:"mirror"`
	PBX    PBX     `json:"pbx"`
	Events []Event `json:"events"`

	Procedure *Procedure `json:"procedure,omitempty"`
	Proof     *Procedure `json:"proof,omitempty"`
}

// read is what a word that came is worth.
func (w Word) read() Word {
	w.Version = cmp.Or(w.Version, 1)
	if w.Version < 2 {
		w.Server.Interfaces = releve.Tier{State: releve.TierUnknown}
	}
	if w.Server.Version.Number == "" && !w.Kept {
		w.Server.Version = version.OfWire(w.Version)
	}
	return w
}

// Upon names the last word that a server had heard when it told its own.
type Upon struct {
	Life    string        `json:"life"`
	Said    time.Duration `json:"said_ns"`
	Edition uint64        `json:"edition,omitempty"` // that it keeps of that process's words
}

// Status is a [takeover.Status].
type Status struct {
	Seat      releve.Seat        `json:"seat"`
	Known     bool               `json:"known"`
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
	Phase     string             `json:"phase"`
	Serving   bool               `json:"serving"`
	Gate      bool               `json:"gate"`
	PBXAgo    time.Duration      `json:"pbx_ago"`
	PBXFor    time.Duration      `json:"pbx_for"`
	Reception bool               `json:"reception"`
	Standby   bool               `json:"standby"`
	Spooled   int                `json:"spooled"`

	Arbiter     releve.Arbiter `json:"arbiter,omitempty"`
	Incarnation uint64         `json:"incarnation,omitempty"`
	Level       releve.Level   `json:"level,omitempty"`
	Chosen      bool           `json:"chosen,omitempty"`
	Recall      bool           `json:"recall,omitempty"`
	Mute        bool           `json:"mute,omitempty"`
	Lone        bool           `json:"lone,omitempty"`
	Lost        bool           `json:"lost,omitempty"`
	Bereft      bool           `json:"bereft,omitempty"`
	Restored    bool           `json:"restored,omitempty"`
	Moves       bool           `json:"moves,omitempty"`
	Line        Line           `json:"line,omitzero"`
}

// Line is a [takeover.Line].
type Line struct {
	Closed bool `json:"closed"`
	Gone   bool `json:"gone"`

	Granted time.Duration `json:"granted_ns,omitempty"`
	Shown   bool          `json:"shown,omitempty"`
}

// Candidate is a [takeover.Candidate].
type Candidate struct {
	DataID   releve.DataID   `json:"data_id,omitempty"`
	Timeline releve.Timeline `json:"timeline,omitempty"`
	Position releve.LSN      `json:"position,omitempty"`
}

// Promotion is a [takeover.Promotion].
type Promotion struct {
	ID       releve.PromotionID `json:"id,omitempty"`
	Timeline releve.Timeline    `json:"timeline,omitempty"`
	Fork     releve.LSN         `json:"fork,omitempty"`
	Done     bool               `json:"done,omitempty"`
}

// statusOf puts a status on the wire.
func statusOf(s takeover.Status) Status {
	return Status{
		Seat: s.Seat, Known: s.Known, Term: s.Term, Owner: s.Owner, Number: s.Number, Issued: s.Issued,
		Candidate: Candidate(s.Candidate), Vote: s.Vote, Abdicated: s.Abdicated, Released: s.Released,
		Promotion: Promotion(s.Promotion), DataID: s.DataID, Upstream: s.Upstream, Phase: string(s.Phase),
		Serving: s.Serving, Gate: s.Gate, PBXAgo: s.PBXAgo, PBXFor: s.PBXFor, Reception: s.Reception,
		Standby: s.Standby, Spooled: s.Spooled,
		Arbiter: s.Arbiter, Incarnation: s.Incarnation, Level: s.Level, Chosen: s.Chosen, Recall: s.Recall,
		Mute: s.Mute, Moves: s.Moves, Line: Line(s.Line), Lone: s.Lone, Lost: s.Lost,
		Bereft: s.Bereft, Restored: s.Restored,
	}
}

// meant is the status that came.
func (s Status) meant() takeover.Status {
	return takeover.Status{
		Seat: s.Seat, Known: s.Known, Term: s.Term, Owner: s.Owner, Number: s.Number, Issued: s.Issued,
		Candidate: takeover.Candidate(s.Candidate), Vote: s.Vote, Abdicated: s.Abdicated, Released: s.Released,
		Promotion: takeover.Promotion(s.Promotion), DataID: s.DataID, Upstream: s.Upstream, Phase: takeover.Phase(s.Phase),
		Serving: s.Serving, Gate: s.Gate, PBXAgo: s.PBXAgo, PBXFor: s.PBXFor, Reception: s.Reception,
		Standby: s.Standby, Spooled: s.Spooled,
		Arbiter: s.Arbiter, Incarnation: s.Incarnation, Level: s.Level, Chosen: s.Chosen, Recall: s.Recall,
		Mute: s.Mute, Moves: s.Moves, Line: takeover.Line(s.Line), Lone: s.Lone, Lost: s.Lost,
		Bereft: s.Bereft, Restored: s.Restored,
	}
}

// Server is what a server's screen shows of it.
type Server struct {
	Seat          releve.Seat       `json:"seat"`
	Duty          releve.Duty       `json:"duty"`
	Heard         bool              `json:"heard"`
	HeardAt       time.Time         `json:"heard_at"`
	Vote          bool              `json:"vote"`
	Data          releve.Tier       `json:"data"`
	Interfaces    releve.Tier       `json:"interfaces"`
	Processing    releve.Tier       `json:"processing"`
	Notices       []releve.Sentence `json:"notices,omitempty"`
	Registered    []string          `json:"registered"`
	ChannelsBusy  int               `json:"channels_busy"`
	Channels      int               `json:"channels"`
	WithoutDuty   bool              `json:"without_duty"`
	SpoolWaiting  int               `json:"spool_waiting"`
	SpoolStands   bool              `json:"spool_stands"`
	CallsOffered  int64             `json:"calls_offered"`
	CallsAnswered int64             `json:"calls_answered"`
	CallsRefused  int64             `json:"calls_refused"`
	Doing         releve.Sentence   `json:"doing"`
	Witness       bool              `json:"witness"`
	Levels        []releve.LevelFit `json:"levels,omitempty"`
	Version       releve.Version    `json:"version,omitzero"`
	Copied        time.Time         `json:"copied,omitzero"`
	SinceCopy     int               `json:"since_copy,omitempty"`
	Outlets       []releve.Outlet   `json:"outlets,omitempty"`
	Lines         []releve.Line     `json:"lines,omitempty"`
}

// Mirror is the copy as a server sees it.
type Mirror struct {
	State       string           `json:"state"`
	Bytes       int64            `json:"bytes"`
	Seconds     float64          `json:"seconds"`
	LostCalls   int              `json:"lost_calls"`
	Progress    *releve.Progress `json:"progress,omitempty"`
	VerifiedAt  time.Time        `json:"verified_at,omitzero"`
	Differences int              `json:"differences"`
}

// PBX is what a server knows of the establishment's switch.
type PBX struct {
	Address   string    `json:"address"`
	Heard     bool      `json:"heard"`
	HeardAt   time.Time `json:"heard_at"`
	Reception string    `json:"reception"`
}

// Event is one line of what happened lately.
type Event struct {
	At       time.Time       `json:"at"`
	Seat     releve.Seat     `json:"seat"`
	Term     releve.Term     `json:"term"`
	Severity releve.Severity `json:"severity"`
	What     releve.Sentence `json:"what"`
	Call     releve.CallID   `json:"call,omitempty"`
}

// Procedure is one that runs on a server, or ran last.
type Procedure struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	DryRun   bool              `json:"dry_run"`
	Started  time.Time         `json:"started"`
	Finished time.Time         `json:"finished"`
	Costs    []releve.Sentence `json:"costs,omitempty"`
	Needs    []Need            `json:"needs,omitempty"`
	Steps    []Step            `json:"steps"`
	Failed   *releve.Sentence  `json:"failed,omitempty"`
	Next     *releve.Sentence  `json:"next,omitempty"`
	Firm     bool              `json:"firm,omitempty"`
	Lost     bool              `json:"lost,omitempty"`
}

// Need is something that it asks for.
type Need struct {
	What releve.Sentence `json:"what"`
	Met  bool            `json:"met"`
	Is   releve.Sentence `json:"is"`
}

// Step is one step of it.
type Step struct {
	What     releve.Sentence   `json:"what"`
	State    string            `json:"state"`
	Started  time.Time         `json:"started"`
	Finished time.Time         `json:"finished"`
	Found    *releve.Sentence  `json:"found,omitempty"`
	Progress *releve.Progress  `json:"progress,omitempty"`
	Expected time.Duration     `json:"expected_ns,omitempty"`
	Findings []releve.Sentence `json:"findings,omitempty"`
}
