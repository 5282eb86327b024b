package takeover

import (
	"time"

	"releve"
)

// Phase is what a server is about.
type Phase string

// The phases of a server.
const (
	Starting    Phase = "starting"
	Founding    Phase = "founding"    // the database of a new site is being made
	Unconfirmed Phase = "unconfirmed" // owner after a restart, not yet confirmed (R6)
	Serving     Phase = "serving"     // on duty
	Silencing   Phase = "silencing"   // the duty is to move; its telephone is being closed
	Handing     Phase = "handing"     // on its way to release the duty
	Handed      Phase = "handed"      // released; the other takes it
	Waiting     Phase = "waiting"     // no copy yet; waits for an owner to copy from
	Rejoining   Phase = "rejoining"   // the copy is being made
	Copying     Phase = "copying"     // a newer copy is being made beside the one that is there
	Restoring   Phase = "restoring"   // the owner's lost database is being copied back from the mirror
	Isolated    Phase = "isolated"    // a copy that streams from nobody
	Following   Phase = "following"   // the mirror
	Promoting   Phase = "promoting"   // took over; PostgreSQL is on its way
	Deposed     Phase = "deposed"     // the other has a later term; waits for the return
	Stuck       Phase = "stuck"       // an operator must act
)

// Phases are all of them.
func Phases() []Phase {
	return []Phase{
		Starting, Founding, Unconfirmed, Serving, Silencing, Handing, Handed, Promoting,
		Waiting, Rejoining, Copying, Isolated, Following, Deposed, Restoring, Stuck,
	}
}

// Settings are those of the site (SPEC H3).
type Settings struct {
	Seat   releve.Seat   `json:"Seat"`
	Rounds int           `json:"Rounds"`
	Limit  time.Duration `json:"Limit"`
	Pause  time.Duration `json:"Pause"`
	Watch  time.Duration `json:"Watch"`
	// OwnCalls: the server may call the reception itself (H8).
	OwnCalls bool `json:"OwnCalls"`
	// Level is that of the configuration, "" is high availability. Once it was changed, the
	// journal knows it: see [Machine.RunsAt].
	Level releve.Level `json:"Level"`
	Site  string       `json:"Site"` // as the witness's register names it
	// Arbiter is that of a new site. Later the journal knows it.
	Arbiter releve.Arbiter `json:"Arbiter"`
}

// Times that are not settings.
const (
	silence      = 1200 * time.Millisecond // without a status, the other counts as silent
	pbxLost      = 1500 * time.Millisecond // without an answer, the PBX counts as lost to us
	pbxFresh     = 700 * time.Millisecond  // an answer this young proves that the PBX is there
	streamGone   = 1200 * time.Millisecond // without its stream, a mirror gives the vote back
	mirrorGone   = time.Second             // without its session, a hand-over of the vote is taken back
	registerHold = 500 * time.Millisecond  // a call may wait for the other to register (H4)
	doubtHold    = time.Second             // a call may wait for a server that woke up to know whether it is on duty (H10)
	probeAgain   = 5 * time.Second         // between two calls of our own to the reception, doubled each time
	bootGrace    = time.Minute             // after a power cut the other may only be slower to start
	probeDoubled = 4                       // at most so often
	retry        = time.Second             // before a failed job is tried again, doubled each time
	retryDoubled = 3                       // at most so often
	copyAgain    = 5 * time.Second         // before data that did not come to follow is copied anew, doubled each time
	copyDoubled  = 6                       // at most so often: a copy costs the server that answers calls its disk and its line
	copyLasts    = 10 * time.Minute        // since the last copy: what is copied then is copied for another reason
	haltedFor    = 5 * time.Second         // before a journal that failed is tried again, doubled each time
	haltsDoubled = 4                       // at most so often
)

// Machine is one server's view of who is on duty. It is a value: copy it to look
// ahead, compare two to see whether anything changed. With each decision the diary keeps it:
// its tags are that file's format (releve.EntryFormat), and stay when a field is renamed.
type Machine struct {
	Settings Settings `json:"Settings"`
	Durable
	Known bool          `json:"Known"` // the journal holds a Durable
	Phase Phase         `json:"Phase"`
	Cause string        `json:"Cause"` // why it is stuck, or why a job failed: a sentence
	Order Command       `json:"Asked"` // what an operator, or the service manager, waits for
	Now   time.Duration `json:"Now"`

	journalState
	startState
	hearing
	databaseState
	session
	handOver
	witnessing
	work
	verification
	waiting
	telephone
	dutyState
	backupState
}

// New is a server before it has looked at its disk.
func New(s Settings) Machine {
	return Machine{Settings: s, Phase: Starting, Durable: Durable{Seat: s.Seat}}
}

// Step takes in what happened and goes on as far as the table allows: each row
// whose condition holds is carried out, in the order of the table.
func (m *Machine) Step(e Event) []Action {
	m.Now, m.Arrived = e.Now, Overflow{}
	if e.Unsaved != nil {
		return m.halted(*e.Unsaved)
	}
	m.observe(e)
	var out []Action
	for range maxRows {
		row := m.next()
		if row == nil {
			return out
		}
		for _, a := range m.carry(row) {
			switch a.Kind {
			case Begin:
				m.Turn++
				a.Turn = m.Turn
			case PutClaim:
				m.Claims++
				a.Turn, m.ClaimTurn = m.Claims, m.Claims
			}
			out = append(out, a)
		}
	}
	return out
}

// maxRows bounds one step: no row leaves its own condition true, and no chain in
// the table is half as long.
const maxRows = 16

// halted stops the server: what it decided could not be remembered, so that it was not
// decided, and the other must not hear of it. The actions fence the server.
func (m *Machine) halted(u Unsaved) []Action {
	m.Cause, m.JournalLost, m.HaltedAt, m.Halts = u.Cause, true, m.Now, m.Halts+1
	m.Durable, m.Known = u.Written, u.Written.Term > 0
	if u.Unasked != 0 && u.Unasked == m.ClaimTurn {
		m.ClaimTurn = 0 // nobody will answer it
	}
	from := m.Phase
	out := m.halt()
	for i := range out {
		out[i].Rule, out[i].From, out[i].To = "halted", from, m.Phase
	}
	return out
}

// Saved is told that the journal has taken d: the disk holds what memory does.
func (m *Machine) Saved(d Durable) { m.JournalLost = m.JournalLost && d != m.Durable }

func (m *Machine) observe(e Event) {
	switch {
	case e.Boot != nil:
		m.Boot, m.Known, m.Booted = *e.Boot, e.Boot.Known, e.Now
		if e.Boot.Known {
			m.Durable = e.Boot.Durable
		}
		m.FormerStandby = e.Boot.Known && m.Owns()
	case e.Peer != nil && m.unproven(*e.Peer, e.Unasked):
	case e.Peer != nil:
		m.observeOther(*e.Peer)
	case e.Database != nil:
		m.observeDatabase(*e.Database)
	case e.Mirror != nil:
		m.observeMirror(*e.Mirror)
	case e.Overflow != nil:
		m.observeOverflow(*e.Overflow)
	case e.Gone != "":
		m.Waiters = max(0, m.Waiters-1)
	case e.Round != nil:
		m.RoundsOut, m.LastRound = max(0, m.RoundsOut-1), *e.Round
		m.Count = m.Count.Add(*e.Round, e.Round.Judge())
		m.Own.Doubt = m.Own.Doubt && (m.lastGood() || m.Own.Back)
		if m.lastGood() {
			m.Probes, m.Own = 0, m.Own.seen(m.LastRound)
		}
	case e.OwnEnd != nil:
		m.Own = m.Own.over(*e.OwnEnd, e.Now)
	case e.PBX != nil:
		m.observePBX(*e.PBX)
	case e.Done != nil:
		m.observeDone(*e.Done)
	case e.Woke > 0:
		m.observeSleep()
	case e.Reception != nil:
		m.Reception, m.ReceptionAt = *e.Reception, e.Now
		m.Displaces = m.Displaces && !m.Reception
		m.FormerStandby = m.FormerStandby && !m.Reception
	case e.Calls != nil:
		m.observeVoice(*e.Calls)
	case e.Line != nil:
		m.observeLine(*e.Line)
	case e.Shown != nil:
		m.observeShown(*e.Shown)
	case e.Command == Forget:
		m.Order = ""
	case e.Command != "":
		m.Order = e.Command
	case e.Arbiter != nil:
		m.observeWitness(*e.Arbiter)
	case e.Returned != nil:
		m.Carried = *e.Returned
	}
}

// observeOther takes in a word of the other. Between two answers of the PBX that it tells of there
// may have been a silence that nobody told, for this server slept, or the link was cut.
func (m *Machine) observeOther(s Status) {
	answered, before := m.Now-s.PBXAgo, m.OtherAt-m.Other.PBXAgo
	m.OtherHears = unbroken(m.OtherHears, before, answered, s.PBXAgo >= 0 && s.PBXAgo < pbxLost)
	m.Other, m.OtherAt, m.Look = s, m.Now, Look{}
}

// observePBX takes in what became of a question to the PBX.
func (m *Machine) observePBX(p PBX) {
	answered, before := m.Now-p.Ago, m.PBXAt-m.PBX.Ago
	m.Hears = unbroken(m.Hears, before, answered, p.Heard && p.Ago < pbxLost)
	m.PBX, m.PBXAt = p, m.Now
}

// unbroken is since when the PBX has been heard without a break (0: it is not), if it was so
// since the given time, its last answer was the one before, and now there is another.
func unbroken(since, before, answered time.Duration, heard bool) time.Duration {
	switch {
	case !heard:
		return 0
	case since == 0 || answered-before >= pbxLost:
		return answered
	}
	return since
}

func (m *Machine) observeOverflow(o Overflow) {
	if m.Waiters == 0 {
		m.FirstWaited, m.NoAnswer = m.Now, false
	}
	m.Waiters++
	m.Arrived = o
	m.NoAnswer = m.NoAnswer || o.Reason == releve.ReasonNoAnswer || o.Own && m.Own.Doubt
	m.Own.Back = m.Own.Back || o.Own && m.Own.Out > 0
}

func (m *Machine) observeDatabase(db Database) {
	if m.DB.Streaming && !db.Streaming {
		m.StreamLost = m.Now
	}
	m.DB = db
	if !db.Up {
		m.Gate = false
	}
}

// observeMirror takes in the mirror's session. The second look after a barrier tells how far
// the owner had written when it stopped to acknowledge alone (R2). The first does
// not: it may have been measured before the barrier and told only now. Looks follow
// one another, so the second was measured after the first was told.
func (m *Machine) observeMirror(seen Mirror) {
	if seen.Streaming && (seen.Flush >= seen.Own || seen.Flush > m.Mirror.Flush) {
		m.MovedAt = m.Now
	}
	m.Mirror = seen
	if seen.Streaming {
		m.MirrorAt = m.Now
	}
	if m.Target > 0 || !m.halfHanded() {
		return
	}
	if m.Looked {
		m.Target = seen.Own
	}
	m.Looked = true
}

func (m *Machine) observeVoice(well bool) {
	if well == !m.VoiceDown {
		return
	}
	m.VoiceDown, m.VoiceAt = !well, m.Now
}

// observeSleep: an owner without the vote may have been relieved while it slept; it
// takes no call before it has heard otherwise (H10).
func (m *Machine) observeSleep() {
	m.WokeAt = m.Now
	if m.Owns() && (!m.Vote || m.mayBeRelieved()) && (m.Phase == Serving || m.Phase == Unconfirmed) {
		m.Suspended = true
	}
}

// inDoubt: it woke up this moment, and hears before long whether it is still on duty. Its
// calls are worth the wait: given back at once, they would have the other take it.
func (m *Machine) inDoubt() bool { return m.Suspended && m.Now-m.WokeAt < doubtHold }

// observeDone takes in the end of a job. What a job changed is changed here; what is
// to be done about it is the table's affair.
func (m *Machine) observeDone(d Done) {
	if d.Job != m.Job || d.Turn != m.Turn {
		return // its purpose is gone: a fence came between
	}
	m.Job = NoJob
	if why := m.forkedShort(d); why != "" {
		d.Failed, d.Unsafe = why, true
	}
	if d.Job == JobRejoin {
		m.Copies, m.CopiedAt = m.Copies+1, m.Now
	}
	if d.Failed != "" {
		if m.Failed != d.Job {
			m.Vain = 0
		}
		m.Failed, m.FailedAt, m.Vain, m.Cause = d.Job, m.Now, m.Vain+1, d.Failed
		m.Unsafe = d.Job == JobPromote && d.Unsafe
		return
	}
	m.Failed, m.Vain, m.Unsafe = NoJob, 0, false
	if d.Database != nil {
		m.observeDatabase(*d.Database)
	}
	switch d.Job {
	case JobCreate, JobRejoin, JobRestore, JobCopy:
		m.DataID = d.DataID
		m.Boot.Disk, m.Boot.DataID = DiskOurs, d.DataID
	case JobStart, JobRest:
		m.Need, m.Mirror = m.DB.Flush, Mirror{} // what was seen before was told by another PostgreSQL
		m.MirrorAt, m.MovedAt = m.Now, m.Now    // its mirror has time to come back
	case JobOpen:
		m.Gate = true
	case JobBarrier:
		m.Lone = false
	case JobFollow:
		m.StreamLost = m.Now // it has the full time to begin
	case JobLone:
		m.Lone = true
	case JobPromote:
		id := m.Promotion.ID
		m.Promotion = d.Promotion
		m.Promotion.ID, m.Promotion.Done = id, true
		m.DB.InRecovery, m.DB.Timeline = false, d.Promotion.Timeline
	}
}

// forkedShort is why a promotion is no promotion of what the vote names: it left the old
// timeline before the position that this copy had flushed when it took the vote (R4).
func (m *Machine) forkedShort(d Done) string {
	if d.Job != JobPromote || d.Failed != "" || d.Promotion.Fork >= m.Candidate.Position {
		return ""
	}
	fork, vote := d.Promotion.Fork.String(), m.Candidate.Position.String()
	return releve.Reason(releve.Known("the promotion stopped at "+fork+", and this copy had "+vote+" when it took the vote",
		"cause-fork-short", "fork", fork, "vote", vote))
}

// otherHeard says whether the other server spoke lately.
func (m *Machine) otherHeard() bool { return m.OtherAt > 0 && m.Now-m.OtherAt < silence }

// otherOwns says that the other server, heard lately, owns a term that is not
// behind ours.
func (m *Machine) otherOwns() bool {
	return m.otherHeard() && m.Other.Known && m.Other.Owner == m.Seat.Other() && m.Other.Term >= m.Term
}

// otherVotes says that the other server, heard lately, holds the vote of our term, or
// may ask the witness for it.
func (m *Machine) otherVotes() bool {
	return m.otherHeard() && m.Other.Term == m.Term && m.Other.Holds() && m.Issued && m.Other.Number == m.Number &&
		(!m.Witnessed() || m.lodged())
}

// isMirror says that this server is a copy that could be promoted.
func (m *Machine) isMirror() bool {
	return !m.Owns() && (m.Phase == Following || m.Phase == Isolated)
}

// isVerifier says whether this server verifies the other at all.
func (m *Machine) isVerifier() bool {
	if m.oneVoice() {
		return false
	}
	switch m.Phase {
	case Following, Isolated, Waiting, Rejoining, Deposed, Stuck, Unconfirmed:
		return m.OtherAt > 0 || m.Known
	}
	return false
}

// roundsAtOnce is how many rounds may be out at a time: one of the watch, and one
// begun for a call that came meanwhile and cannot wait for a frozen server twice.
const roundsAtOnce = 2

func (m *Machine) shouldCheck() bool {
	if !m.isVerifier() {
		return false
	}
	if m.Waiters > 0 && m.RoundBegan < m.FirstWaited && m.RoundsOut < roundsAtOnce {
		return true // the first call that waits arrived after the last round began
	}
	from, _ := m.RoundDue()
	return m.Now >= from
}

// hurried: a call waits for the next round, or the last ones failed and no verdict is reached.
func (m *Machine) hurried() bool {
	return m.Waiters > 0 || m.Count.Failed > 0 && m.Count.Failed < m.Settings.Rounds
}

// watchEarly is the share of the pause between two rounds of the watch by which one may begin
// early. Who looks on a beat so begins each on the beat: the last one has ended a moment after its own.
const watchEarly = 5

// RoundDue is from when and by when time alone brings the next round, while nobody calls. One
// that is out ends by an event.
func (m *Machine) RoundDue() (from, by time.Duration) {
	if !m.isVerifier() || m.RoundsOut > 0 {
		return m.Now + time.Hour, m.Now + time.Hour
	}
	if m.hurried() {
		due := m.Count.LastTo + m.Settings.Pause
		return due, due
	}
	by = m.Count.LastTo + m.Settings.Watch
	return by - m.Settings.Watch/watchEarly, by
}

func (m *Machine) verdictReached() bool {
	return m.Waiters > 0 && m.Count.Term == m.Term && m.Count.Verdict(m.Settings.Rounds, m.FirstWaited, m.Now)
}

// rested: what was done in vain so many times in a row, the last time at since, may be tried
// again. The pause after the first time doubles with each further one, so many times at most.
func (m *Machine) rested(times int, since, first time.Duration, doubled int) bool {
	return times == 0 || m.Now-since >= first<<min(times-1, doubled)
}

// retryable: what fails is tried again ever more seldom.
func (m *Machine) retryable(j Job) bool {
	return m.Job == NoJob && (m.Failed != j || m.rested(max(m.Vain, 1), m.FailedAt, retry, retryDoubled))
}

// mayCopy: each copy makes the pause before the next one longer, whatever became of it: one
// that follows for a moment and is lost again costs the other server as much as one that fails.
func (m *Machine) mayCopy() bool {
	return m.Job == NoJob && m.rested(m.Copies, m.CopiedAt, copyAgain, copyDoubled)
}

// Status is what this server tells the other.
func (m *Machine) Status() Status {
	ago, unbrokenFor := time.Duration(-1), time.Duration(0)
	if m.PBX.Heard {
		ago = m.PBX.Ago + m.Now - m.PBXAt
	}
	if m.Hears > 0 {
		unbrokenFor = m.Now - m.Hears
	}
	data := m.DataID
	if m.stopping() || m.grantPending() && (m.Order == Rebuild || m.Phase == Waiting) {
		data = "" // no vote can be accepted for this copy any more
	}
	return Status{
		Seat: m.Seat, Known: m.Known, Term: m.Term, Owner: m.Owner, Number: m.Number, Issued: m.Issued, Candidate: m.Candidate,
		Vote: m.Vote, Abdicated: m.Abdicated, Released: m.Released, Promotion: m.Promotion, DataID: data,
		Upstream: m.Upstream, Phase: m.Phase, Serving: m.isServing(),
		Gate: m.Gate, PBXAgo: ago, PBXFor: unbrokenFor, Reception: m.Reception,
		Standby: m.Users().Standby,
		Mute:    m.Mute(), Moves: m.Moves, Line: m.Line,
		Arbiter: m.Arbiter, Incarnation: m.Incarnation, Recall: m.needsVote(), Lone: m.Gate && m.Lone,
		Level: m.RunsAt(), Chosen: m.Level != "",
		Lost: m.Owns() && m.Gate && m.Mirror.Lost, Restored: m.Restored, Bereft: m.isBereft(),
	}
}

func (m *Machine) isServing() bool {
	return (m.Phase == Serving || m.Phase == Promoting) && !m.Suspended && !m.unconfirmed()
}

// StanceKind is what this server does with a call.
type StanceKind string

// The stances of a server towards calls.
const (
	OnDuty       StanceKind = "on-duty"
	NoDuty       StanceKind = "without-duty" // answers all the same, into its spool (R13)
	Verifying    StanceKind = "passive"      // an overflowed call is verified, others refused
	VerifyingAll StanceKind = "unsure"       // every call is verified: it may be ours
	Closed       StanceKind = "closed"
)

// Stance is what this server does with a call now.
func (m *Machine) Stance() StanceKind {
	if m.Mute() {
		return Closed
	}
	switch m.Phase {
	case Serving, Promoting:
		if m.Suspended && !m.inDoubt() {
			return Closed
		}
		if m.Suspended {
			return VerifyingAll
		}
		return OnDuty
	case Handing, Handed:
		if m.otherHeard() && m.Other.Term > m.Term && m.Other.Reception {
			return Verifying
		}
		return NoDuty
	case Starting, Founding:
		return Closed
	case Restoring:
		return OnDuty // its facts wait in the spool (C10)
	case Unconfirmed, Stuck:
		if m.soleVoice() {
			return NoDuty
		}
		if m.WithoutDuty {
			return NoDuty
		}
		return VerifyingAll
	}
	if m.WithoutDuty && !m.voteInHand() {
		return NoDuty
	}
	return Verifying // also where the duty can be asked for again since the witness is back
}

// Users says which SIP users this server should keep bound at the PBX.
type Users struct {
	Reception bool
	Standby   bool
}

// Users follows the duty: who is on duty has the reception user, who is passive
// the standby user, so that the PBX never needs to know (T3). A server that has
// just taken over keeps the standby user until the other wants it: while an old
// binding of the reception stands, calls arrive there.
//
// It does so over a restart of its own: what that life has bound is kept then, and not
// taken ([Machine.OnlyKeepsStandby]), until the reception is bound.
func (m *Machine) Users() Users {
	if m.Mute() {
		return Users{}
	}
	switch m.Phase {
	case Serving, Promoting:
		return Users{Reception: !m.Suspended, Standby: (m.KeepStandby || m.FormerStandby) && !m.oneVoice()}
	case Handing:
		return Users{Reception: true}
	case Handed:
		return Users{Reception: !(m.otherHeard() && m.Other.Term > m.Term)}
	case Isolated, Following, Waiting, Rejoining, Deposed:
		return Users{Standby: !m.oneVoice()}
	case Restoring:
		return Users{Reception: true}
	case Stuck:
		return Users{Reception: m.soleVoice()}
	}
	return Users{}
}

// OnlyKeepsStandby says that the standby user is wanted as far as the PBX shows it as this
// server's: it is on duty, and the user may be the other's.
func (m *Machine) OnlyKeepsStandby() bool {
	return (m.Phase == Serving || m.Phase == Promoting) && !m.KeepStandby
}

// Duty is the word of SPEC §1 for what this server does.
func (m *Machine) Duty() releve.Duty {
	if m.unconfirmed() {
		return releve.OutOfService
	}
	switch m.Phase {
	case Serving, Promoting, Restoring:
		return releve.Active
	case Isolated, Following, Copying:
		return releve.Passive
	}
	return releve.OutOfService
}

// CommitsAlone says that what the owner acknowledges is on its own disk only.
func (m *Machine) CommitsAlone() bool {
	if m.oneVoice() {
		return m.Lone
	}
	return m.Vote && m.Owns()
}

// Protected says whether a failure now would lose nothing: the owner serves, the
// mirror is in sync and holds the vote.
func (m *Machine) Protected() bool {
	switch m.Phase {
	case Serving:
		return m.Gate && m.Mirror.Streaming && (m.otherVotes() || m.mirrorsOnly() && !m.Lone)
	case Following:
		held := m.Vote || m.claimable() || m.mirrorsOnly() && !m.Other.Lone
		return held && m.otherOwns() && m.Other.Serving && m.DB.Streaming
	}
	return false
}
