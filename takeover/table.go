package takeover

import (
	"fmt"
	"time"

	"releve"
)

// row is one line of the table: when it holds, it is carried out, and its name
// is the sentence that the operator reads. No row leaves its own condition true.
type row struct {
	name string
	when func(*Machine) bool
	do   func(*Machine) []Action
}

// table is the whole of the takeover, read from the top: what takes the duty away
// stands before what goes on with it, and what moves the vote before what uses it.
var table = []row{
	// A server that is no longer on duty.
	{"duty-lost", (*Machine).superseded, (*Machine).fence},
	{"journal-lacks", (*Machine).forgetful, (*Machine).halt},
	{"duty-handed-over", (*Machine).relieved, to(Deposed)},
	{"mirror-superseded", (*Machine).outdated, (*Machine).outdate},
	{"duty-ours-after-all", (*Machine).oursAfterAll, (*Machine).takeUpAgain},

	// A server whose journal failed: its disk was full, perhaps, and has room again.
	{"journal-tried-again", (*Machine).journalTry, (*Machine).tryJournal},
	{"journal-takes-again", func(m *Machine) bool { return m.Halts > 0 && !m.JournalLost }, (*Machine).goOn},

	// A server that has just started.
	{"data-foreign", starting(func(m *Machine) bool { return m.Boot.Disk == DiskForeign }), to(Stuck)},
	{"data-unknown", starting((*Machine).dataWithoutMemory), to(Stuck)},
	{"data-missing", starting((*Machine).ownerWithoutData), to(Stuck)},
	{"released-before", starting(func(m *Machine) bool { return m.Known && m.Owns() && m.Released }), to(Handed)},
	{"owner-starts", starting(func(m *Machine) bool { return m.Known && m.Owns() && m.Promotion.Done }), (*Machine).startOwner},
	{"promotion-goes-on", starting(func(m *Machine) bool { return m.Known && m.Owns() }), to(Promoting)},
	{"mirror-starts", starting((*Machine).copyWhole), to(Isolated)},
	{"mirror-without-copy", starting(func(m *Machine) bool { return m.Known }), (*Machine).strike},
	{"site-founded", (*Machine).founds, begin(Founding, JobCreate)},
	{"copy-wanted", starting(func(m *Machine) bool { return m.Seat == releve.Secondary }), to(Waiting)},
	{"journal-empty", starting(func(m *Machine) bool { return m.heard() && m.Other.Known }), to(Deposed)},
	{"site-begins", func(m *Machine) bool { return m.Phase == Founding && m.ended(JobCreate) }, (*Machine).found},

	// The vote.
	{"arbiter-adopted", (*Machine).adopts, (*Machine).adopt},
	{"vote-returned", (*Machine).voteComesBack, (*Machine).takeReturned},
	{"vote-returned-by-hand", (*Machine).voteCarriedBack, (*Machine).takeCarried},
	{"vote-regained", (*Machine).regained, (*Machine).takeRegained},
	{"vote-void", (*Machine).voteVoid, saved(Durable.Void)},
	{"register-void", (*Machine).registerVoid, saved(Durable.Void)},
	{"vote-recalled", (*Machine).recalled, saved(Durable.Abdicate)},
	{"vote-not-issued", func(m *Machine) bool { return m.halfHanded() && m.shut() }, saved(Durable.TakeBack)},
	{"vote-accepted", func(m *Machine) bool { return m.voteOffered() && m.answered().Holds() }, (*Machine).accept},
	{"vote-refused", (*Machine).voteOffered, (*Machine).accept},
	{"mirror-abdicates", (*Machine).broken, saved(Durable.Abdicate)},
	{"vote-barrier", func(m *Machine) bool { return m.canHandVote() && m.Lone && m.retryable(JobBarrier) }, begin(Serving, JobBarrier)},
	{"vote-prepared", func(m *Machine) bool { return m.canHandVote() && !m.Lone }, (*Machine).prepare},
	{"vote-issued", (*Machine).caughtUp, (*Machine).issue},
	{"vote-taken-back", (*Machine).handOverFailed, saved(Durable.TakeBack)},
	{"solo-by-order", (*Machine).soloAsked, (*Machine).solo},
	{"arbiter-change-asked", (*Machine).movesToWitness, func(m *Machine) []Action { m.Asked = UseWitness; return said() }},
	{"arbiter-changed", func(m *Machine) bool { return m.changes() && m.Alone() }, (*Machine).choose},
	{"register-updated", (*Machine).registerBehind, (*Machine).register},
	{"vote-lodged", (*Machine).canLodge, (*Machine).lodge},
	{"vote-reclaimed", (*Machine).canReclaim, (*Machine).reclaim},

	// An owner and its duty.
	{"database-lost", func(m *Machine) bool { return m.handsOver() && !m.DB.Up }, (*Machine).release},
	{"pbx-lost", func(m *Machine) bool { return m.handsOver() && m.pbxGone() }, (*Machine).release},
	{"voice-lost", func(m *Machine) bool { return m.handsOver() && m.voiceGone() }, (*Machine).release},
	{"duty-given", func(m *Machine) bool { return m.Asked == HandOver && m.handsOver() && m.Job == NoJob }, (*Machine).handOver},
	{"duty-kept", func(m *Machine) bool { return m.Asked == HandOver && m.Job == NoJob }, forget},
	{"duty-released", func(m *Machine) bool { return m.Phase == Handing && m.Job == NoJob }, (*Machine).release},
	{"term-reopened", func(m *Machine) bool { return m.Phase == Handed && m.Alone() }, (*Machine).reopen},
	{"owner-confirmed", (*Machine).confirmed, to(Serving)},
	{"owner-database-starts", (*Machine).ownerDown, startAgain(true)},
	{"gate-opened", (*Machine).gateReady, (*Machine).open},
	{"gate-opened-alone", (*Machine).opensInVain, (*Machine).open},
	{"alone", (*Machine).canBeAlone, begin(Serving, JobLone)},
	{"mirrored", (*Machine).canBeMirrored, begin(Serving, JobBarrier)},
	{"duty-still-ours", (*Machine).stillOurs, func(m *Machine) []Action { m.Suspended = false; return said() }},
	{"standby-user-left", (*Machine).standbyWanted, func(m *Machine) []Action { m.KeepStandby = false; return said() }},

	// A database that is lost, and nobody to relieve its owner.
	{"restore-begins", (*Machine).restoreAsked, (*Machine).restore},
	{"restored", func(m *Machine) bool { return m.Phase == Restoring && m.ended(JobRestore) }, (*Machine).restored},
	{"restore-failed", func(m *Machine) bool { return m.Phase == Restoring && m.Job == NoJob }, to(Stuck)},

	// A mirror.
	{"return-begins", (*Machine).rejoinAsked, (*Machine).comeBack},
	{"kept-copy-starts", (*Machine).keptCopyNeeded, startAgain(false)},
	{"copy-condemned", (*Machine).rebuildAsked, (*Machine).condemn},
	{"copy-too-old", (*Machine).tooOld, (*Machine).condemn},
	{"copy-begins", (*Machine).copyPossible, (*Machine).rejoin},
	{"copy-finished", func(m *Machine) bool { return m.Phase == Rejoining && m.ended(JobRejoin) }, (*Machine).rejoined},
	{"copy-failed", func(m *Machine) bool { return m.Phase == Rejoining && m.Job == NoJob }, to(Waiting)},
	{"mirror-database-starts", func(m *Machine) bool { return m.mirrors() && !m.DB.Up && m.retryable(JobStart) }, (*Machine).startCopy},
	{"mirror-follows", (*Machine).canFollow, begin(Following, JobFollow)},
	{"stop-asked", func(m *Machine) bool { return m.stopping() && m.givesBack() }, saved(Durable.Abdicate)},
	{"abdication-asked", func(m *Machine) bool { return m.Asked == Abdicate && m.givesBack() }, (*Machine).abdicate},

	// A verification and what comes of it.
	{"busy-refused", (*Machine).knownBusy, (*Machine).refuseBusy},
	{"duty-granted", (*Machine).granted, (*Machine).takeGranted},
	{"duty-asked", (*Machine).canAsk, (*Machine).askForDuty},
	{"duty-taken-from-released", (*Machine).released, (*Machine).takeOver},
	{"duty-taken-by-order", (*Machine).takeAsked, (*Machine).takeAnyway},
	{"answered-on-duty", func(m *Machine) bool { return m.serves() && m.Waiters > 0 }, (*Machine).answerOnDuty},
	{"takeover", func(m *Machine) bool { return m.canTakeOver() && !m.Witnessed() && m.verdict() }, (*Machine).takeOver},
	{"answered-without-duty", func(m *Machine) bool { return m.checks() && m.verdict() && !m.voteInHand() && m.Asking == 0 }, (*Machine).answer},
	{"call-not-held", func(m *Machine) bool { return m.Waiters > 0 && m.Suspended && !m.inDoubt() }, (*Machine).refuse},
	{"call-unseen", (*Machine).doubts, (*Machine).prove},
	{"in-service", (*Machine).refusable, (*Machine).refuse},
	{"owner-well-again", func(m *Machine) bool { return m.WithoutDuty && m.lastGood() }, func(m *Machine) []Action { m.WithoutDuty = false; return said() }},
	{"round", (*Machine).due, (*Machine).check},
	{"own-call", (*Machine).suspects, (*Machine).probe},

	{"order-refused", (*Machine).orderVain, forget},

	// A promotion.
	{"promotion-database-starts", (*Machine).promotionDown, startAgain(false)},
	{"promotion", (*Machine).canPromote, begin(Promoting, JobPromote)},
	{"promoted", func(m *Machine) bool { return m.Phase == Promoting && m.Promotion.Done && m.Job == NoJob }, (*Machine).promoted},
}

// Rules are the names of the table's rows, in its order.
func Rules() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].name
	}
	return names
}

// Small words that rows are made of.

func said() []Action { return []Action{{Kind: Say}} }

func to(p Phase) func(*Machine) []Action {
	return func(m *Machine) []Action { m.Phase = p; return said() }
}

func begin(p Phase, j Job) func(*Machine) []Action {
	return func(m *Machine) []Action {
		m.Phase, m.Job = p, j
		return []Action{{Kind: Begin, Job: j}}
	}
}

func start(writable bool) func(*Machine) []Action {
	return func(m *Machine) []Action {
		m.Job = JobStart
		return []Action{{Kind: Begin, Job: JobStart, Writable: writable}}
	}
}

// startAgain ends first what may still run: a PostgreSQL that does not answer has not
// ended, and the store's sessions would find its successor by themselves.
func startAgain(writable bool) func(*Machine) []Action {
	return func(m *Machine) []Action {
		m.Gate, m.Lone = false, false
		return append([]Action{{Kind: Fence}}, start(writable)(m)...)
	}
}

func starting(when func(*Machine) bool) func(*Machine) bool {
	return func(m *Machine) bool { return m.Phase == Starting && m.Boot.Disk != "" && when(m) }
}

func forget(m *Machine) []Action { m.Asked = ""; return said() }

// saved changes the vote and puts the change on disk before it is told. A change
// that the vote does not allow is a row whose condition is wrong: the server halts.
func saved(change func(Durable) (Durable, error)) func(*Machine) []Action {
	return func(m *Machine) []Action {
		d, err := change(m.Durable)
		if err != nil {
			m.Cause = err.Error()
			return m.halt()
		}
		m.Durable = d
		return m.save()
	}
}

func (m *Machine) save() []Action {
	return []Action{{Kind: Save, Durable: m.Durable}, {Kind: Tell}}
}

func (m *Machine) ended(j Job) bool { return m.Job == NoJob && m.Failed != j }

// A server that is no longer on duty.

func (m *Machine) superseded() bool {
	if !m.Known || !m.Owns() || !m.otherLater() && !m.registerLater() {
		return false
	}
	return m.Phase != Deposed && m.Phase != Handed && m.Phase != Waiting && m.Phase != Rejoining && m.Phase != Stuck
}

// otherLater: the other owns a later term. When operators forced both servers into the
// same one, the main keeps it: somebody must give way, by a rule that both know.
func (m *Machine) otherLater() bool {
	if !m.heard() || !m.Other.Known {
		return false
	}
	same := m.Other.Term == m.Term && m.Other.Owner == m.Other.Seat && m.Seat == releve.Secondary
	return m.Other.Term > m.Term || same
}

func (m *Machine) fence() []Action {
	m.Phase = Deposed
	m.loseDuty()
	return []Action{{Kind: Fence}, {Kind: Drop}, {Kind: Tell}}
}

// loseDuty forgets what was under way: its end is no longer wanted.
func (m *Machine) loseDuty() {
	m.Job, m.Failed, m.Gate, m.Lone = NoJob, NoJob, false, false
	m.Suspended, m.WithoutDuty, m.KeepStandby, m.FormerStandby = false, false, false, false
	m.DB, m.Confirmed, m.Regained = Database{}, false, 0
}

// forgetful: the other had a number of this term from this server itself that
// the journal does not know (R6).
func (m *Machine) forgetful() bool {
	told := m.heard() && m.Other.Term == m.Term && m.Other.Owner == m.Seat && m.Other.Number > m.Number
	return m.Phase != Stuck && m.Known && m.Owns() && (told || m.registerLacks())
}

func (m *Machine) halt() []Action {
	m.Phase = Stuck
	m.loseDuty()
	return []Action{{Kind: Fence}, {Kind: Tell}}
}

func (m *Machine) relieved() bool {
	return m.Phase == Handed && m.heard() && m.Other.Term > m.Term && m.Other.Reception
}

func (m *Machine) outdated() bool {
	return m.Known && m.mirrors() && m.heard() && m.Other.Known && m.Other.Term > m.Term
}

// outdate: where the owner's data came from this copy, the copy is kept until an
// operator gives it up (M5).
func (m *Machine) outdate() []Action {
	m.Phase = Waiting
	if m.Other.Restored {
		m.Phase = Deposed
	}
	m.Job, m.DB = NoJob, Database{}
	return []Action{{Kind: Fence}}
}

// oursAfterAll: a witness that has lost its memory since had given the duty to the other,
// which gave it up before it acted on it: the vote is here, and the register's new memory
// says so (R5).
func (m *Machine) oursAfterAll() bool {
	return m.Phase == Deposed && m.Job == NoJob && m.Alone() && m.Promotion.Done && m.DataID != "" && m.Other.Term <= m.Term &&
		m.Confirmed && m.registerMine() && m.Reg.Alone
}

func (m *Machine) takeUpAgain() []Action {
	m.Phase = Unconfirmed
	return startAgain(true)(m)
}

// A server whose journal failed.

func (m *Machine) journalTry() bool {
	return m.Halts > 0 && m.JournalLost && m.Known && !m.stopping() && m.rested(m.Halts, m.HaltedAt, haltedFor, haltsDoubled)
}

// tryJournal saves what the journal took last. What was to be saved later was neither
// done nor told: over it may be written what was there before.
func (m *Machine) tryJournal() []Action {
	m.HaltedAt = m.Now
	return []Action{{Kind: Save, Durable: m.Durable}}
}

// goOn starts from the journal, as after a restart.
func (m *Machine) goOn() []Action {
	m.Halts, m.Cause, m.Phase = 0, "", Starting
	return said()
}

// A server that has just started.

func (m *Machine) ownerWithoutData() bool {
	return m.Known && m.Owns() && !m.Released && (m.Boot.Disk != DiskOurs || m.Boot.DataID != m.DataID)
}

// dataWithoutMemory: the main has a database and no journal. Whether it ever served,
// only an operator can say (R6).
func (m *Machine) dataWithoutMemory() bool {
	return !m.Known && m.Seat == releve.Main && m.Boot.Disk == DiskOurs && !(m.heard() && m.Other.Known)
}

func (m *Machine) copyWhole() bool {
	return m.Known && !m.Owns() && m.DataID != "" && m.Boot.Disk == DiskOurs && m.Boot.DataID == m.DataID
}

func (m *Machine) startOwner() []Action {
	m.Phase = Unconfirmed
	return start(true)(m)
}

func (m *Machine) strike() []Action {
	m.Phase = Waiting
	m.Durable = m.Strike()
	return m.save()
}

// founds: a new site begins only where both servers are new, so that a main that
// lost its disk never founds a second one.
func (m *Machine) founds() bool {
	if m.Phase == Founding {
		return m.Failed == JobCreate && m.retryable(JobCreate)
	}
	if m.Phase != Starting || m.Known || m.Seat != releve.Main || m.Boot.Disk != DiskEmpty {
		return false
	}
	return m.Boot.Found || m.heard() && !m.Other.Known
}

func (m *Machine) found() []Action {
	m.Durable, m.Known, m.Phase = Found(m.DataID), true, Unconfirmed
	return append(m.save(), start(true)(m)...)
}

// The vote.

func (m *Machine) voteComesBack() bool {
	if !m.Known || m.JournalLost || !m.heard() {
		return false
	}
	_, ok := m.Returned(m.Other.Term, m.Other.Abdicated)
	return ok && m.Other.Owner == m.Seat && m.Other.Number <= m.Number // a later number is one that our journal has forgotten
}

func (m *Machine) takeReturned() []Action {
	m.Durable, _ = m.Returned(m.Other.Term, m.Other.Abdicated)
	return m.save()
}

// voteCarriedBack: an operator brought the mirror's abdication, for the link is cut (R3).
func (m *Machine) voteCarriedBack() bool {
	if !m.Known || m.JournalLost || m.Told.Seat != m.Seat.Other() {
		return false
	}
	_, ok := m.Returned(m.Told.Term, m.Told.Number)
	return ok
}

func (m *Machine) takeCarried() []Action {
	m.Durable, _ = m.Returned(m.Told.Term, m.Told.Number)
	m.Told = Return{}
	return m.save()
}

// givesBack: there is a vote here, and a word is enough to give it back.
func (m *Machine) givesBack() bool { return m.Holds() && !m.asked() && !m.JournalLost }

// recalled: the owner asks for the vote, because the arbiter is to change.
func (m *Machine) recalled() bool {
	return m.givesBack() && m.heard() && m.Other.Recall && m.Other.Term == m.Term
}

func (m *Machine) abdicate() []Action {
	m.Asked = ""
	return saved(Durable.Abdicate)(m)
}

// shut: an owner whose gate is not open, so that no hand-over can go on.
func (m *Machine) shut() bool { return m.Phase == Unconfirmed || m.Phase == Serving && !m.Gate }

// halfHanded: a hand-over was prepared and never issued.
func (m *Machine) halfHanded() bool {
	return m.Known && m.Owns() && !m.Vote && !m.Issued && !m.Released
}

// voteOffered: the owner's vote of our term is here and can be answered. A copy
// that is still receiving what the vote names waits until it has it.
func (m *Machine) voteOffered() bool {
	o := m.Other
	if !m.Known || m.JournalLost || m.Owns() || m.Vote || !m.heard() || o.Term != m.Term || !o.Issued || o.Number <= m.Number || o.Incarnation != m.Incarnation {
		return false
	}
	if m.mirrors() && m.Job != NoJob {
		return false
	}
	arriving := m.DB.Up && m.DB.Streaming && o.Terms.DataID == m.DataID && m.DB.Flush < o.Terms.Position
	return !arriving
}

// answered is what the offered vote makes of this server: its holder, or one that
// gave it back.
func (m *Machine) answered() Durable {
	flush, timeline := m.DB.Flush, m.DB.Timeline
	if !m.DB.Up || m.stopping() {
		flush, timeline = 0, 0
	}
	d, _ := m.Accept(m.Other.Term, m.Other.Number, m.Other.Terms, flush, timeline)
	return d
}

func (m *Machine) accept() []Action {
	m.Durable = m.answered()
	return m.save()
}

// broken: a mirror that holds the vote and could not use it, or that keeps an
// owner waiting whose commits it no longer receives (M4).
func (m *Machine) broken() bool {
	if !m.givesBack() || m.Job != NoJob {
		return false
	}
	if m.Phase == Waiting || m.Phase == Stuck || m.oneVoice() {
		return true // it could not use the vote
	}
	if !m.mirrors() || m.otherGone() {
		return false
	}
	lost := !m.DB.Up && (m.DB.Why != "" || m.Failed == JobStart)
	deaf := m.Phase == Following && m.DB.Up && !m.DB.Streaming && m.Other.Serving && m.Now-m.StreamLost > streamGone
	return lost || deaf
}

// otherGone: with nobody to hear an abdication there is no use in one, and the
// vote may be needed.
func (m *Machine) otherGone() bool { return !m.heard() || m.Other.Released }

// canHandVote: the pair is about to be in sync, and the mirror's copy descends
// from this owner's promotion (R2, R10).
func (m *Machine) canHandVote() bool {
	o := m.Other
	ready := !m.Witnessed() || m.registerMine() && m.Reg.Alone && m.Confirmed
	return m.mirrorFollows() && !m.oneVoice() && !o.Mute && m.Vote && !m.Released && !m.changes() && ready &&
		o.Owner == m.Seat && o.Incarnation == m.Incarnation
}

// mirrorFollows: the other's copy receives what this owner commits, and descends from
// its promotion.
func (m *Machine) mirrorFollows() bool {
	o := m.Other
	return m.Phase == Serving && m.Gate && m.Job == NoJob && m.streaming() && m.heard() &&
		o.Term == m.Term && o.Phase == Following && o.DataID != "" && o.Upstream == m.Promotion.ID
}

func (m *Machine) streaming() bool { return m.Seen.Streaming && !m.Seen.Foreign }

func (m *Machine) prepare() []Action {
	m.PreparedAt, m.Looked, m.Target = m.Now, false, 0
	return saved(Durable.Prepare)(m)
}

// caughtUp: the mirror has flushed all that was written before the barrier.
func (m *Machine) caughtUp() bool {
	return m.Phase == Serving && m.Gate && m.halfHanded() && m.streaming() && m.Target > 0 && m.Seen.Flush >= m.Target && m.heard() && m.Other.Phase == Following && m.Other.DataID != ""
}

func (m *Machine) issue() []Action {
	terms := Terms{DataID: m.Other.DataID, Timeline: m.DB.Timeline, Position: m.Target}
	return saved(func(d Durable) (Durable, error) { return d.Issue(terms) })(m)
}

func (m *Machine) handOverFailed() bool {
	return m.Phase == Serving && m.halfHanded() && m.Now-m.SeenAt > mirrorGone && m.Now-m.PreparedAt > mirrorGone
}

// An owner and its duty.

// handsOver: the mirror holds the vote and is there to take the duty (R17).
func (m *Machine) handsOver() bool {
	return m.Phase == Serving && !m.Suspended && m.Known && !m.Vote && m.otherVotes()
}

// Relievable: a database that is only slow is still better than none, unless there is
// another that has all of it: an owner can hand over, and a mirror can give the vote back.
func (m *Machine) Relievable() bool { return !m.Owns() || m.handsOver() }

// pbxGone: the PBX is silent to us and answers the other, for as long. A silence that was
// the other's too is that of a PBX which restarts, and somebody is the first to hear it again.
// Both clocks measure it: one that stood still took a silence that the other knows of for none.
func (m *Machine) pbxGone() bool {
	told := m.Other.PBXAgo + m.Now - m.OtherAt // what the other told has an age of its own
	alone := m.OtherHears > 0 && m.Now-m.OtherHears >= pbxLost && m.Other.PBXFor >= pbxLost
	return m.pbxSilent() && alone && m.Other.PBXAgo >= 0 && told < pbxFresh
}

// pbxSilent: to one that slept, the PBX was not silent meanwhile.
func (m *Machine) pbxSilent() bool {
	return m.PBXAt > 0 && !m.PBX.Heard && m.PBX.Ago+m.Now-m.PBXAt >= pbxLost && m.Now-m.WokeAt >= pbxLost
}

func (m *Machine) voiceGone() bool { return m.VoiceDown && m.Now-m.VoiceAt >= time.Second }

// handOver is the orderly way: the store is closed and PostgreSQL stopped, so
// that the mirror has everything and no rewind is needed afterwards.
func (m *Machine) handOver() []Action {
	m.Asked, m.Leaving, m.Gate = "", true, false
	return begin(Handing, JobRetire)(m)
}

// release fences first, records the release, then tells the other (R17). When
// the vote came back while the database was being stopped, there is nobody to
// release to, and the owner starts again.
func (m *Machine) release() []Action {
	d, err := m.Release()
	if err != nil {
		m.loseDuty()
		m.Phase, m.Leaving = Unconfirmed, false
		return []Action{{Kind: Fence}}
	}
	m.Durable, m.Phase = d, Handed
	m.loseDuty()
	return append([]Action{{Kind: Fence}}, m.save()...)
}

func (m *Machine) reopen() []Action {
	timeline := m.Promotion.Timeline
	d, _ := m.Durable.Reopen(m.promotionID(m.Term))
	d.Promotion.Timeline, d.Promotion.Done = timeline, true
	m.Durable, m.Phase, m.Leaving, m.Confirmed = d, Unconfirmed, false, false
	return append(m.save(), start(true)(m)...)
}

// confirmed: with the vote the owner is alone and may open; without it, only
// once the mirror has flushed past the end of our recovery (R6).
func (m *Machine) confirmed() bool {
	return m.Phase == Unconfirmed && !m.Suspended && m.mayOpen()
}

// mayOpen holds for the gate of each start of PostgreSQL: what it recovered can be
// read at once, and must not be seen before the mirror has it (R6).
func (m *Machine) mayOpen() bool {
	if m.Vote {
		return !m.Witnessed() || m.Confirmed
	}
	return m.Issued && m.DB.Up && !m.DB.InRecovery && m.Job == NoJob && m.streaming() && m.Seen.Flush >= m.Need &&
		m.heard() && m.Other.Term == m.Term && m.Other.Owner == m.Seat && m.Other.DataID == m.Terms.DataID
}

func (m *Machine) ownerDown() bool {
	return (m.Phase == Unconfirmed || m.Phase == Serving) && !m.DB.Up && m.retryable(JobStart)
}

func (m *Machine) gateReady() bool {
	return m.Phase == Serving && m.DB.Up && !m.DB.InRecovery && !m.Gate && m.retryable(JobOpen) && m.mayOpen()
}

// opensInVain: the vote came while the gate was being opened without it. The first commit
// waits for a mirror that has given the vote back, and may come no more.
func (m *Machine) opensInVain() bool {
	return m.Phase == Serving && m.Job == JobOpen && m.Vote && !m.Lone && m.mayOpen()
}

func (m *Machine) canBeAlone() bool {
	alone := !m.oneVoice() || m.mirrorAway()
	return m.Phase == Serving && m.Gate && m.Vote && !m.Lone && alone && m.retryable(JobLone)
}

// canBeMirrored: at level mirroring the owner keeps the vote, and waits for its mirror
// all the same as long as it is there (M4).
func (m *Machine) canBeMirrored() bool {
	return m.oneVoice() && m.Lone && m.Vote && m.mirrorFollows() && m.retryable(JobBarrier)
}

func (m *Machine) open() []Action {
	m.Lone = m.Vote
	return begin(Serving, JobOpen)(m)
}

// stillOurs: after a sleep, the other's word, or the PBX still showing our
// binding, tells that nobody took the duty (H10).
func (m *Machine) stillOurs() bool {
	return m.Suspended && (m.OtherAt >= m.WokeAt && m.Other.Term <= m.Term || m.ReceptionAt > m.WokeAt && m.Reception && !m.heard())
}

func (m *Machine) standbyWanted() bool {
	o := m.Other
	return m.KeepStandby && m.Reception && m.heard() && o.Standby && o.Term <= m.Term && o.PBXAgo >= 0 && o.PBXAgo < pbxLost
}

// A mirror.

func (m *Machine) rejoinAsked() bool {
	asked := m.Phase == Deposed && (m.Asked == Rejoin || m.Leaving) || m.Phase == Stuck && m.Asked == Rejoin
	return asked && m.otherOwns() && m.Other.Serving
}

// rebuildAsked: only while the owner is there to be copied from, and to take the vote
// back, is a copy given up.
func (m *Machine) rebuildAsked() bool {
	return m.Asked == Rebuild && m.mirrors() && m.Job == NoJob && m.otherOwns() && m.Other.Serving && m.Other.Gate && !m.claimOut()
}

// tooOld: the owner no longer keeps the log that this copy needs next. Away for days,
// it is copied anew by itself (M4). What the owner said before the copy was finished it said
// of the one before; and for a moment afterwards, for it looks now and then.
func (m *Machine) tooOld() bool {
	return m.OtherAt > m.CopiedAt && m.Now-m.StreamLost > streamGone && m.mirrors() && m.Job == NoJob && !m.Holds() && !m.stopping() && !m.DB.Streaming && m.otherOwns() && m.Other.Serving && m.Other.Gate && m.Other.Lost
}

// condemn strikes the copy out, which gives the vote back, before anything happens to it (R2).
func (m *Machine) condemn() []Action {
	if m.Asked == Rebuild {
		m.Copies = 0
	}
	m.Asked, m.Phase, m.DB = "", Waiting, Database{}
	m.Durable = m.Strike()
	return append(m.save(), Action{Kind: Fence})
}

// comeBack ends what ran of the copy, which is made anew or rewound.
func (m *Machine) comeBack() []Action {
	m.Copies = 0
	m.Leaving, m.Phase, m.DB = false, Waiting, Database{}
	return []Action{{Kind: Fence}}
}

func (m *Machine) copyPossible() bool {
	return m.Phase == Waiting && !m.stopping() && !m.claimOut() && m.otherOwns() && m.Other.Serving && m.Other.Gate && m.Other.Promotion.Done && m.mayCopy()
}

func (m *Machine) rejoin() []Action {
	d, err := m.Durable.Strike().Join(m.Other.Term, m.Other.Promotion.ID)
	if err != nil {
		m.Cause = err.Error()
		return m.halt()
	}
	if m.Now-m.CopiedAt > copyLasts {
		m.Copies = 0
	}
	m.Durable, m.Known, m.Asked = d, true, ""
	return append(m.save(), begin(Rejoining, JobRejoin)(m)...)
}

func (m *Machine) rejoined() []Action {
	m.Phase = Isolated
	return m.save()
}

// startCopy: whatever it followed before, a copy comes up streaming from nobody.
func (m *Machine) startCopy() []Action {
	m.Phase = Isolated
	return startAgain(false)(m)
}

func (m *Machine) canFollow() bool {
	o := m.Other
	idle := m.Phase == Isolated || m.Phase == Following && m.Failed == JobFollow
	return idle && m.DB.Up && m.retryable(JobFollow) && m.heard() && o.Known &&
		o.Owner == o.Seat && o.Term == m.Term && o.Promotion.Done && o.Promotion.ID == m.Upstream && !o.Released
}

// stopping lasts until the process ends: a vote that it gave back must not come
// again meanwhile, for it would go down with it (R3).
func (m *Machine) stopping() bool { return m.Asked == Stop }

// A verification and what comes of it.

// knownBusy: the PBX says that the other is busy, and a good round is less than
// a second old: the call needs no round of its own (H5).
func (m *Machine) knownBusy() bool {
	return m.Arrived.Call != "" && m.Arrived.Reason == releve.ReasonBusy && m.Count.GoodWithin(watchAge, m.Now)
}

func (m *Machine) refuseBusy() []Action {
	call := m.Arrived.Call
	m.Arrived = Overflow{}
	m.Waiters--
	return []Action{{Kind: Refuse, Call: call}}
}

// released: the owner handed over by itself; no verdict is needed (R17).
func (m *Machine) released() bool { return m.canTakeOver() && !m.Witnessed() && m.otherReleased() }

func (m *Machine) otherReleased() bool {
	return m.heard() && m.Other.Term == m.Term && m.Other.Owner != m.Seat && m.Other.Released
}

// voteInHand: this server may take over, by its own vote or by asking the witness.
func (m *Machine) voteInHand() bool { return m.mirrors() && m.Vote || m.claimable() }

func (m *Machine) canTakeOver() bool { return m.voteInHand() && m.DB.Up && m.Job == NoJob }

// takeOver answers before it promotes: the verdict is enough to answer (H9, R13).
func (m *Machine) takeOver() []Action {
	return m.become(m.TakeOver(m.promotionID(m.Term)))
}

func (m *Machine) takeGranted() []Action {
	m.Confirmed = true
	return m.become(m.Granted(m.Reg, m.promotionID(m.Term)))
}

// become makes this server the owner, if the vote allows it.
func (m *Machine) become(d Durable, err error) []Action {
	if err != nil {
		m.Cause = err.Error()
		return m.halt()
	}
	took := m.Waiters > 0
	m.Durable, m.Phase, m.KeepStandby = d, Promoting, true
	m.Gate, m.WithoutDuty, m.Waiters = false, false, 0
	return append(m.save(), Action{Kind: Answer, Took: took})
}

// promotionID is unique without chance: a copy is promoted at most once a term.
func (m *Machine) promotionID(after releve.Term) releve.PromotionID {
	return releve.PromotionID(fmt.Sprintf("%s-%d-%s", m.Seat, after+1, m.DataID))
}

func (m *Machine) answer() []Action {
	m.WithoutDuty, m.Waiters = true, 0
	return []Action{{Kind: Answer, WithoutDuty: true}}
}

func (m *Machine) answerOnDuty() []Action {
	m.Waiters = 0
	return []Action{{Kind: Answer}}
}

func (m *Machine) lastGood() bool { return m.Count.Good > 0 && m.Count.Good == m.Count.LastTo }

// refusable: a good round ended after the calls arrived. When the other is well
// but not registered, they are held a moment, for it was told to register (H4); when it
// never saw them, until our own call has shown whether any reaches it (K3).
func (m *Machine) refusable() bool {
	hold := m.Last.unregistered() && m.Now-m.Earliest < registerHold || m.unseen() && m.Own.Out > 0 && m.Own.Doubt
	return m.Waiters > 0 && m.lastGood() && m.Count.Good >= m.Earliest && !hold
}

// unseen: the other says that it is well, and that it never saw a call which is said to
// have waited for it. It may be cut off from the PBX without knowing; or somebody has
// written a header.
func (m *Machine) unseen() bool {
	return m.Waiters > 0 && m.Silent && m.lastGood() && m.Last.unseen() && m.Last.Began > m.Own.Ended
}

// doubts: only a call of our own can tell. Before another, after those that nobody
// answered, there is a pause that grows.
func (m *Machine) doubts() bool {
	return m.Settings.OwnCalls && m.checks() && m.Users().Standby && m.unseen() && m.Own.Out == 0 &&
		m.rested(m.Own.Vain, m.Own.Ended, probeAgain, probeDoubled)
}

func (m *Machine) refuse() []Action {
	m.Waiters = 0
	return []Action{{Kind: Refuse}}
}

func (m *Machine) check() []Action {
	m.Checking++
	m.Began = m.Now
	return []Action{{Kind: Check}}
}

// suspects: the watch alone has what would be a verdict, and nobody calls. The
// server calls the reception itself: when the PBX overflows that call to it, the
// proof is a call as any other, and the first caller finds it relieved (H8). One that
// was never seen well since we started may only be slower to start.
func (m *Machine) suspects() bool {
	again := m.rested(m.Probes, m.Probed, probeAgain, probeDoubled)
	known := m.Count.Good > 0 || m.Now-m.Booted >= bootGrace
	return m.Settings.OwnCalls && m.canTakeOver() && m.Waiters == 0 && m.Count.Term == m.Term && m.Count.Failed >= m.Settings.Rounds && known && again
}

// prove calls the reception although the other is well.
func (m *Machine) prove() []Action {
	m.Own = m.Own.leaves(m.Now, true).seen(m.Last)
	return []Action{{Kind: Probe}}
}

func (m *Machine) probe() []Action {
	m.Probed, m.Own = m.Now, m.Own.leaves(m.Now, false)
	m.Probes++
	return []Action{{Kind: Probe}}
}

// A promotion.

// promotionDown: what is promoted already, and only looked dead meanwhile, is the
// owner's database, not a copy to be promoted again.
func (m *Machine) promotionDown() bool {
	return m.Phase == Promoting && !m.Promotion.Done && !m.DB.Up && m.retryable(JobStart)
}

func (m *Machine) canPromote() bool {
	return m.Phase == Promoting && m.DB.Up && !m.Promotion.Done && m.retryable(JobPromote)
}

func (m *Machine) promoted() []Action {
	m.Phase = Serving
	return m.save()
}

// What an operator forces. He says that the other server is off; one that is heard is
// not, and then nothing is forced.

func (m *Machine) forced(c Command) bool {
	return m.Asked == c && m.Known && !m.JournalLost && !m.heard() && m.Job == NoJob
}

func (m *Machine) soloAsked() bool {
	return m.forced(Solo) && m.Owns() && !m.Vote && !m.Released && (m.Phase == Serving || m.Phase == Unconfirmed)
}

func (m *Machine) solo() []Action {
	m.Asked, m.Confirmed = "", true
	return saved(Durable.GoAlone)(m)
}

// takeAsked: a mirror without the vote, or a server that had the duty once and has its
// data, takes it because the other is off.
func (m *Machine) takeAsked() bool {
	return m.forced(Take) && m.DataID != "" && (m.mirrors() && m.DB.Up || m.standsAside())
}

// standsAside: it had the duty once, its database is stopped, and its data is whole.
func (m *Machine) standsAside() bool {
	return m.Owns() && m.Promotion.Done && (m.Phase == Deposed || m.Phase == Handed || m.Phase == Stuck)
}

func (m *Machine) takeAnyway() []Action {
	m.Asked, m.Confirmed = "", true
	after := max(m.Term, m.Other.Term)
	if m.Witnessed() {
		after = max(after, m.Reg.Term)
	}
	d, err := m.TakeAnyway(after, m.promotionID(after))
	if err != nil || m.mirrors() {
		return m.become(d, err)
	}
	d.Promotion.Timeline, d.Promotion.Done = m.Promotion.Timeline, true
	m.Durable, m.Phase, m.Leaving = d, Unconfirmed, false
	return append(m.save(), start(true)(m)...)
}

// orderVain: an order that cannot be carried out now is forgotten. Kept, it would be
// carried out on a later day, when nobody means it any more.
func (m *Machine) orderVain() bool {
	if m.Job != NoJob {
		return false
	}
	switch m.Asked {
	case Solo:
		return !m.soloAsked()
	case Take:
		return !m.takeAsked()
	case Abdicate:
		return !m.givesBack()
	case Restore:
		return !m.restoreAsked()
	case UsePair, UseWitness:
		return !m.changes()
	}
	return false
}

// A restore.

// restoreAsked: the owner's database is lost, and its mirror is there to be copied. An
// owner that was copied from for a mirror that is ahead of nothing else decides alone.
func (m *Machine) restoreAsked() bool {
	stands := m.Phase == Serving || m.Phase == Unconfirmed || m.Phase == Stuck
	kept := m.Other.Phase == Deposed && m.bereft()
	there := m.heard() && (m.Other.Phase == Following || m.Other.Phase == Isolated || kept)
	return m.Asked == Restore && m.Known && !m.JournalLost && m.Alone() && stands && !m.Gate && m.Job == NoJob && there
}

// bereft: the data that came from the mirror is lost again, before the mirror received
// anything of it. The mirror's own copy, kept aside, is what there is.
func (m *Machine) bereft() bool {
	return m.oneVoice() && m.Known && m.Alone() && m.Restored && !m.Gate && (m.Phase == Stuck || m.Failed == JobStart)
}

// keptCopyNeeded: the copy that was kept aside is to be copied from once more.
func (m *Machine) keptCopyNeeded() bool {
	o := m.Other
	return m.Phase == Deposed && !m.Owns() && m.DataID != "" && !m.DB.Up && m.heard() && o.Owner == o.Seat && o.Bereft && m.retryable(JobStart)
}

// restore strikes the lost data out before anything happens to it (R2).
func (m *Machine) restore() []Action {
	m.Asked, m.Phase = "", Restoring
	m.loseDuty()
	m.Durable = m.Strike()
	actions := append([]Action{{Kind: Fence}}, m.save()...)
	return append(actions, begin(Restoring, JobRestore)(m)...)
}

func (m *Machine) restored() []Action {
	m.Phase, m.Gate = Promoting, false
	return saved(func(d Durable) (Durable, error) { return d.Restore(m.promotionID(m.Term)) })(m)
}
