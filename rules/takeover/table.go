package takeover

import (
	"fmt"
	"slices"
	"time"

	"releve"
)

// row is one line of the table: in the phases of its column from, when it holds, it is
// carried out, and its name is the sentence that the operator reads. No row leaves its own
// condition true.
type row struct {
	name string
	from phases // nil: in all
	to   phases // where it leads; nil: the phase stays. Where there are several, do chooses
	when func(*Machine) bool
	do   func(*Machine) []Action
}

// phases are some of them.
type phases []Phase

// Words for the columns from and to.
var (
	anywhere  phases
	stays     phases
	onCopy    = phases{Isolated, Following}
	standby   = phases{Isolated, Following, Waiting, Rejoining, Deposed}
	verifying = append(standby[:len(standby):len(standby)], Stuck, Unconfirmed)
)

func in(p ...Phase) phases { return p }
func to(p ...Phase) phases { return p }

// except are all phases but some.
func except(p ...Phase) (rest phases) {
	for _, each := range Phases() {
		if !slices.Contains(p, each) {
			rest = append(rest, each)
		}
	}
	return rest
}

// table is the whole of the takeover, read from the top: what takes the duty away
// stands before what goes on with it, and what moves the vote before what uses it.
var table = []row{
	// A server that is no longer on duty.
	{"duty-lost", except(Deposed, Handed, Waiting, Rejoining, Copying, Stuck), to(Deposed), (*Machine).superseded, (*Machine).fence},
	{"journal-lacks", except(Stuck), to(Stuck), (*Machine).forgetful, (*Machine).halt},
	{"duty-handed-over", in(Handed), to(Deposed), (*Machine).successorReady, say},
	{"mirror-superseded", onCopy, to(Waiting, Deposed), (*Machine).outdated, (*Machine).outdate},
	{"duty-ours-after-all", in(Deposed), to(Unconfirmed), (*Machine).oursAfterAll, startAgain(true)},

	// A server whose journal failed: its disk was full, perhaps, and has room again.
	{"journal-tried-again", anywhere, stays, (*Machine).journalTry, (*Machine).tryJournal},
	{"journal-takes-again", anywhere, to(Starting), (*Machine).journalTakesAgain, (*Machine).goOn},

	// A server that has just started.
	{"data-foreign", in(Starting), to(Stuck), found((*Machine).foreignData), say},
	{"data-unknown", in(Starting), to(Stuck), found((*Machine).dataWithoutMemory), say},
	{"data-missing", in(Starting), to(Stuck), found((*Machine).ownerWithoutData), say},
	{"released-before", in(Starting), to(Handed), found((*Machine).ownerReleased), say},
	{"owner-starts", in(Starting), to(Unconfirmed), found((*Machine).ownerPromoted), start(true)},
	{"promotion-goes-on", in(Starting), to(Promoting), found((*Machine).knownOwner), say},
	{"mirror-starts", in(Starting), to(Isolated), found((*Machine).copyWhole), say},
	{"copy-replaced", in(Starting), to(Isolated), found((*Machine).copyReplaced), (*Machine).takeReplaced},
	{"mirror-without-copy", in(Starting), to(Waiting), found((*Machine).knows), (*Machine).strikeCopy},
	{"site-founded", in(Starting, Founding), to(Founding), (*Machine).canFound, begin(JobCreate)},
	{"copy-wanted", in(Starting), to(Waiting), found((*Machine).isSecondary), say},
	{"journal-empty", in(Starting), to(Deposed), found((*Machine).otherKnows), say},
	{"site-begins", in(Founding), to(Unconfirmed), ended(JobCreate), (*Machine).beginSite},

	// The vote.
	{"level-adopted", anywhere, stays, (*Machine).levelLater, (*Machine).adoptArbiter},
	{"arbiter-adopted", anywhere, stays, (*Machine).arbiterLater, (*Machine).adoptArbiter},
	{"vote-returned", anywhere, stays, (*Machine).voteReturned, (*Machine).takeReturned},
	{"vote-returned-by-hand", anywhere, stays, (*Machine).voteCarried, (*Machine).takeCarried},
	{"vote-regained", anywhere, stays, (*Machine).voteRegained, (*Machine).takeRegained},
	{"vote-void", anywhere, stays, (*Machine).voteVoid, saving(Durable.Void)},
	{"register-void", anywhere, stays, (*Machine).registerVoid, saving(Durable.Void)},
	{"vote-recalled", anywhere, stays, (*Machine).voteRecalled, saving(Durable.Abdicate)},
	{"vote-not-issued", in(Unconfirmed, Serving), stays, (*Machine).handOverShut, saving(Durable.TakeBack)},
	{"vote-accepted", anywhere, stays, (*Machine).voteFits, (*Machine).answerVote},
	{"vote-refused", anywhere, stays, (*Machine).voteOffered, (*Machine).answerVote},
	{"mirror-abdicates", anywhere, stays, (*Machine).broken, saving(Durable.Abdicate)},
	{"vote-barrier", in(Serving), stays, (*Machine).canStopLone, begin(JobBarrier)},
	{"vote-prepared", in(Serving), stays, (*Machine).canPrepare, (*Machine).beginHandOver},
	{"vote-issued", in(Serving), stays, (*Machine).caughtUp, (*Machine).issueVote},
	{"vote-taken-back", in(Serving), stays, (*Machine).handOverFailed, saving(Durable.TakeBack)},
	{"solo-by-order", in(Serving, Unconfirmed), stays, (*Machine).soloOrdered, (*Machine).solo},
	{"arbiter-change-asked", in(Serving), stays, (*Machine).witnessFirstHeard, (*Machine).orderWitness},
	{"arbiter-changed", in(Serving), stays, (*Machine).mayChangeArbiter, (*Machine).changeArbiter},
	{"move-begins", in(Serving), stays, (*Machine).moveOrdered, (*Machine).beginMove},
	{"move-ends", in(Serving), stays, (*Machine).moveOver, (*Machine).endMove},
	{"level-changed", in(Serving), stays, (*Machine).mayChangeLevel, (*Machine).changeLevel},
	{"register-updated", anywhere, stays, (*Machine).registerBehind, (*Machine).updateRegister},
	{"vote-lodged", anywhere, stays, (*Machine).canLodge, (*Machine).lodge},
	{"vote-reclaimed", in(Serving, Unconfirmed, Handed), stays, (*Machine).canReclaim, (*Machine).reclaim},

	// An owner and its duty.
	{"database-lost", in(Serving), to(Handed), (*Machine).databaseGone, (*Machine).releaseTerm},
	{"pbx-lost", in(Serving), to(Handed), (*Machine).pbxGone, (*Machine).releaseTerm},
	{"voice-lost", in(Serving), to(Handed), (*Machine).voiceGone, (*Machine).releaseTerm},
	{"telephone-left", in(Serving), to(Silencing), (*Machine).leaveOrdered, (*Machine).closeLine},
	{"duty-given", in(Serving), to(Handing), (*Machine).handOverOrdered, (*Machine).giveDuty},
	{"binding-cleared", in(Silencing), stays, (*Machine).bindingCleared, (*Machine).noteCleared},
	{"duty-given-unregistered", in(Silencing), to(Handing), (*Machine).silenced, (*Machine).giveDuty},
	{"telephone-taken-up", in(Silencing), to(Serving), (*Machine).silentInVain, (*Machine).speakAgain},
	{"lingering-calls-ended", in(Silencing), stays, (*Machine).lingering, (*Machine).letCallsGo},
	{"duty-kept", anywhere, stays, (*Machine).handOverVain, forget},
	{"duty-released", in(Handing), to(Handed, Unconfirmed), (*Machine).idle, (*Machine).releaseTerm},
	{"term-reopened", in(Handed), to(Unconfirmed), (*Machine).canReopen, (*Machine).reopenTerm},
	{"duty-confirmed", in(Unconfirmed, Promoting, Serving), stays, (*Machine).dutyConfirmed, (*Machine).confirmDuty},
	{"duty-confirmed-by-peer", in(Promoting, Serving), stays, (*Machine).dutyKnown, (*Machine).knowDuty},
	{"owner-confirmed", in(Unconfirmed), to(Serving), (*Machine).ownerConfirmed, (*Machine).knowDuty},
	{"owner-database-starts", in(Unconfirmed, Serving), stays, (*Machine).databaseDown, startAgain(true)},
	{"gate-opened", in(Serving), stays, (*Machine).gateReady, (*Machine).openGate},
	{"gate-opened-alone", in(Serving), stays, (*Machine).opensInVain, (*Machine).openGate},
	{"alone", in(Serving), stays, (*Machine).canBeAlone, begin(JobLone)},
	{"mirrored", in(Serving), stays, (*Machine).canBeMirrored, begin(JobBarrier)},
	{"duty-still-ours", anywhere, stays, (*Machine).stillOurs, (*Machine).resume},
	{"standby-user-left", anywhere, stays, (*Machine).standbyWanted, (*Machine).leaveStandby},

	// A database that is lost, and nobody to relieve its owner.
	{"restore-begins", in(Serving, Unconfirmed, Stuck), to(Restoring), (*Machine).restoreOrdered, (*Machine).beginRestore},
	{"restored", in(Restoring), to(Promoting), ended(JobRestore), (*Machine).goOnRestored},
	{"restore-failed", in(Restoring), to(Stuck), (*Machine).idle, say},

	// A mirror.
	{"return-begins", in(Deposed, Stuck), to(Waiting), (*Machine).rejoinOrdered, (*Machine).comeBack},
	{"kept-copy-starts", in(Deposed), stays, (*Machine).keptCopyNeeded, startAgain(false)},
	{"copy-condemned", onCopy, to(Waiting), (*Machine).rebuildOrdered, (*Machine).condemn},
	{"copy-too-old", onCopy, to(Waiting), (*Machine).tooOld, (*Machine).condemn},
	{"copy-left", onCopy, to(Waiting), (*Machine).leftOut, (*Machine).condemn},
	{"copy-begins", in(Waiting), to(Rejoining), (*Machine).copyPossible, (*Machine).rejoin},
	{"copy-finished", in(Rejoining), to(Isolated), ended(JobRejoin), (*Machine).save},
	{"copy-failed", in(Rejoining), to(Waiting), (*Machine).idle, say},
	{"mirror-database-starts", onCopy, to(Isolated), (*Machine).copyDown, startAgain(false)},
	{"copy-renewal-begins", in(Isolated), to(Copying), (*Machine).copyOrdered, (*Machine).renewCopy},
	{"copy-renewed", in(Copying), to(Isolated), ended(JobCopy), (*Machine).copyRenewed},
	{"copy-renewal-abandoned", in(Copying), to(Isolated), (*Machine).copyAbandoned, (*Machine).abandonCopy},
	{"copy-not-renewed", in(Copying), to(Isolated), (*Machine).idle, say},
	{"copy-rests", onCopy, to(Isolated), (*Machine).needsRest, (*Machine).restCopy},
	{"mirror-follows", onCopy, to(Following), (*Machine).canFollow, begin(JobFollow)},
	{"stop-asked", anywhere, stays, (*Machine).stopOrdered, saving(Durable.Abdicate)},
	{"abdication-asked", anywhere, stays, (*Machine).abdicationOrdered, (*Machine).abdicateByOrder},

	// A verification and what comes of it.
	{"call-not-ours", anywhere, stays, (*Machine).callsUnwanted, (*Machine).refuse},
	{"busy-refused", anywhere, stays, (*Machine).knownBusy, (*Machine).refuseBusy},
	{"duty-granted", onCopy, to(Promoting), (*Machine).dutyGranted, (*Machine).takeDutyGranted},
	{"duty-asked", onCopy, stays, (*Machine).canClaimDuty, (*Machine).claimDuty},
	{"duty-taken-from-released", onCopy, to(Promoting), (*Machine).canSucceed, (*Machine).takeDuty},
	{"duty-taken-by-order", onCopy, to(Promoting), (*Machine).takeOrdered, (*Machine).takeDutyByOrder},
	{"duty-taken-by-order", in(Deposed, Handed, Stuck), to(Unconfirmed), (*Machine).takeOrdered, (*Machine).takeDutyAgain},
	{"duty-taken-by-order", in(Stuck), to(Promoting), (*Machine).promotionOrdered, (*Machine).takeDutyByOrder},
	{"answered-on-duty", in(Serving, Promoting), stays, (*Machine).callsOnDuty, (*Machine).answerOnDuty},
	{"takeover", onCopy, to(Promoting), (*Machine).verdictWithVote, (*Machine).takeDuty},
	{"answered-without-duty", verifying, stays, (*Machine).verdictWithoutVote, (*Machine).answer},
	{"call-not-held", anywhere, stays, (*Machine).doubtLasts, (*Machine).refuse},
	{"call-unseen", standby, stays, (*Machine).shouldProve, (*Machine).prove},
	{"in-service", anywhere, stays, (*Machine).refusable, (*Machine).refuse},
	{"owner-well-again", anywhere, stays, (*Machine).ownerWell, (*Machine).stopAnswering},
	{"round", verifying, stays, (*Machine).shouldCheck, (*Machine).check},
	{"own-call", onCopy, stays, (*Machine).shouldProbe, (*Machine).probe},

	{"order-refused", anywhere, stays, (*Machine).orderVain, forget},

	// A promotion.
	{"promotion-database-starts", in(Promoting), stays, (*Machine).promotionDown, startAgain(false)},
	{"promotion-unsafe", in(Promoting), to(Stuck), (*Machine).promotionUnsafe, (*Machine).halt},
	{"promotion", in(Promoting), stays, (*Machine).canPromote, begin(JobPromote)},
	{"promoted", in(Promoting), to(Serving), (*Machine).promotionDone, (*Machine).save},
}

// next is the first row that holds.
func (m *Machine) next() *row {
	for i := range table {
		if r := &table[i]; r.from.has(m.Phase) && r.when(m) {
			return r
		}
	}
	return nil
}

func (p phases) has(phase Phase) bool { return p == nil || slices.Contains(p, phase) }

// carry carries a row out.
func (m *Machine) carry(r *row) []Action {
	from := m.Phase
	if len(r.to) == 1 {
		m.Phase = r.to[0]
	}
	actions := r.do(m)
	for i := range actions {
		actions[i].Rule, actions[i].From, actions[i].To = r.name, from, m.Phase
	}
	return actions
}

// Row is what a line of the table says of itself: the name of its sentence, the phases in
// which it is carried out (none: in all), and those to which it leads (none: the phase stays).
type Row struct {
	Rule string  `json:"rule"`
	From []Phase `json:"from,omitempty"`
	To   []Phase `json:"to,omitempty"`
}

// Leads says whether the row of that name may lead from one phase to another.
func (r Row) Leads(rule string, from, to Phase) bool {
	stays := len(r.To) == 0 && to == from
	return r.Rule == rule && phases(r.From).has(from) && (stays || slices.Contains(r.To, to))
}

// Table is the table for those who draw it, in its order.
func Table() []Row {
	rows := make([]Row, len(table))
	for i, r := range table {
		rows[i] = Row{r.name, slices.Clone(r.from), slices.Clone(r.to)}
	}
	return rows
}

// Small words that rows are made of.

func say(*Machine) []Action { return []Action{{Kind: Say}} }

func begin(j Job) func(*Machine) []Action {
	return func(m *Machine) []Action {
		m.Job = j
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
// jobEnded, and the store's sessions would find its successor by themselves.
func startAgain(writable bool) func(*Machine) []Action {
	return func(m *Machine) []Action {
		m.Gate, m.Lone = false, false
		return append([]Action{{Kind: Fence}}, start(writable)(m)...)
	}
}

// found: the disk was looked at, and this is what is there.
func found(when func(*Machine) bool) func(*Machine) bool {
	return func(m *Machine) bool { return m.Boot.Disk != "" && when(m) }
}

// ended: the job has come to its end, and did not fail.
func ended(j Job) func(*Machine) bool {
	return func(m *Machine) bool { return m.Job == NoJob && m.Failed != j }
}

func (m *Machine) idle() bool { return m.Job == NoJob }

func forget(m *Machine) []Action {
	m.Order = ""
	return say(m)
}

// saving changes the vote and puts the change on disk before it is told. A change
// that the vote does not allow is a row whose condition is wrong: the server halts.
func saving(change func(Durable) (Durable, error)) func(*Machine) []Action {
	return func(m *Machine) []Action {
		d, err := change(m.Durable)
		if err != nil {
			m.Cause = releve.Reason(err)
			return m.halt()
		}
		m.Durable = d
		return m.save()
	}
}

func (m *Machine) save() []Action {
	return []Action{{Kind: Save, Durable: m.Durable}, {Kind: Tell}}
}

// A server that is no longer on duty.

func (m *Machine) superseded() bool {
	return m.Known && m.Owns() && (m.otherLater() || m.registerLater())
}

// otherLater: the other owns a later term. When operators forced both servers into the
// same one, the main keeps it: somebody must give way, by a rule that both know.
func (m *Machine) otherLater() bool {
	if !m.otherHeard() || !m.Other.Known {
		return false
	}
	same := m.Other.Term == m.Term && m.Other.Owner == m.Other.Seat && m.Seat == releve.Secondary
	return m.Other.Term > m.Term || same
}

func (m *Machine) fence() []Action {
	m.loseDuty()
	return []Action{{Kind: Fence}, {Kind: Drop}, {Kind: Tell}}
}

// loseDuty forgets what was under way: its end is no longer wanted.
func (m *Machine) loseDuty() {
	m.Job, m.Failed, m.Gate, m.Lone, m.Unsafe = NoJob, NoJob, false, false, false
	m.Suspended, m.WithoutDuty, m.KeepStandby, m.FormerStandby = false, false, false, false
	m.Moves, m.Displaces = false, false
	m.Line = Line{} // what was seen of the telephone was before it is to be closed
	m.DB, m.Confirmed, m.Regained = Database{}, false, 0
}

// forgetful: the other had a number of this term from this server itself that
// the journal does not know (R6).
func (m *Machine) forgetful() bool {
	told := m.otherHeard() && m.Other.Term == m.Term && m.Other.Owner == m.Seat && m.Other.Number > m.Number
	return m.Known && m.Owns() && (told || m.registerLacks())
}

func (m *Machine) halt() []Action {
	m.Phase = Stuck
	m.loseDuty()
	return []Action{{Kind: Fence}, {Kind: Tell}}
}

func (m *Machine) successorReady() bool {
	return m.otherHeard() && m.Other.Term > m.Term && m.Other.Reception
}

func (m *Machine) outdated() bool {
	return m.Known && m.isMirror() && m.otherHeard() && m.Other.Known && m.Other.Term > m.Term
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
	return m.Job == NoJob && m.Alone() && m.Promotion.Done && m.DataID != "" && m.Other.Term <= m.Term &&
		m.Confirmed && m.registerMine() && m.Register.Alone
}

// A server whose journal failed.

func (m *Machine) journalTry() bool {
	return m.Halts > 0 && m.JournalLost && m.Known && !m.stopping() && m.rested(m.Halts, m.HaltedAt, haltedFor, haltsDoubled)
}

func (m *Machine) journalTakesAgain() bool { return m.Halts > 0 && !m.JournalLost }

// tryJournal saves what the journal took last. What was to be saved later was neither
// done nor told: over it may be written what was there before.
func (m *Machine) tryJournal() []Action {
	m.HaltedAt = m.Now
	return []Action{{Kind: Save, Durable: m.Durable}}
}

// goOn starts from the journal, as after a restart.
func (m *Machine) goOn() []Action {
	m.Halts, m.Cause = 0, ""
	return say(m)
}

// A server that has just started.

func (m *Machine) foreignData() bool { return m.Boot.Disk == DiskForeign }

func (m *Machine) knows() bool      { return m.Known }
func (m *Machine) otherKnows() bool { return m.otherHeard() && m.Other.Known }

func (m *Machine) isSecondary() bool { return m.Seat == releve.Secondary }

func (m *Machine) knownOwner() bool    { return m.Known && m.Owns() }
func (m *Machine) ownerReleased() bool { return m.knownOwner() && m.Released }
func (m *Machine) ownerPromoted() bool { return m.knownOwner() && m.Promotion.Done }

func (m *Machine) ownerWithoutData() bool {
	return m.Known && m.Owns() && !m.Released && (m.Boot.Disk != DiskOurs || m.Boot.DataID != m.DataID)
}

// dataWithoutMemory: the main has a database and no journal. Whether it ever served,
// only an operator can say (R6).
func (m *Machine) dataWithoutMemory() bool {
	return !m.Known && m.Seat == releve.Main && m.Boot.Disk == DiskOurs && !(m.otherHeard() && m.Other.Known)
}

func (m *Machine) copyWhole() bool {
	return m.Known && !m.Owns() && m.DataID != "" && m.Boot.Disk == DiskOurs && m.Boot.DataID == m.DataID
}

func (m *Machine) strikeCopy() []Action {
	m.Durable = m.Strike()
	return m.save()
}

// canFound: a new site begins only where both servers are new, so that a main that
// lost its disk never founds a second one.
func (m *Machine) canFound() bool {
	if m.Phase == Founding {
		return m.Failed == JobCreate && m.retryable(JobCreate)
	}
	if m.Known || m.Seat != releve.Main || m.Boot.Disk != DiskEmpty {
		return false
	}
	return m.Boot.Found || m.otherHeard() && !m.Other.Known
}

func (m *Machine) beginSite() []Action {
	m.Durable, m.Known = Found(m.DataID), true
	return append(m.save(), start(true)(m)...)
}

// The vote.

func (m *Machine) voteReturned() bool {
	if !m.Known || m.JournalLost || !m.otherHeard() {
		return false
	}
	_, ok := m.Regain(m.Other.Term, m.Other.Abdicated)
	return ok && m.Other.Owner == m.Seat && m.Other.Number <= m.Number // a later number is one that our journal has forgotten
}

func (m *Machine) takeReturned() []Action {
	m.Durable, _ = m.Regain(m.Other.Term, m.Other.Abdicated)
	return m.save()
}

// voteCarried: an operator brought the mirror's abdication, for the link is cut (R3).
func (m *Machine) voteCarried() bool {
	if !m.Known || m.JournalLost || m.Carried.Seat != m.Seat.Other() {
		return false
	}
	_, ok := m.Regain(m.Carried.Term, m.Carried.Number)
	return ok
}

func (m *Machine) takeCarried() []Action {
	m.Durable, _ = m.Regain(m.Carried.Term, m.Carried.Number)
	m.Carried = Return{}
	return m.save()
}

// canGiveBack: there is a vote here, and a word is enough to give it back.
func (m *Machine) canGiveBack() bool { return m.Holds() && !m.hasClaimed() && !m.JournalLost }

// voteRecalled: the owner asks for the vote, because the arbiter is to change.
func (m *Machine) voteRecalled() bool {
	return m.canGiveBack() && m.otherHeard() && m.Other.Recall && m.Other.Term == m.Term
}

func (m *Machine) abdicateByOrder() []Action {
	m.Order = ""
	return saving(Durable.Abdicate)(m)
}

// handOverShut: the gate of an owner is not open, so that no hand-over can go on.
func (m *Machine) handOverShut() bool {
	return m.halfHanded() && (m.Phase == Unconfirmed || !m.Gate)
}

// halfHanded: a hand-over was prepared and never issued.
func (m *Machine) halfHanded() bool {
	return m.Known && m.Owns() && !m.Vote && !m.Issued && !m.Released
}

// voteOffered: the owner's vote of our term is here and can be answered. A copy
// that is still receiving what the vote names waits until it has it.
func (m *Machine) voteOffered() bool {
	o := m.Other
	if !m.Known || m.JournalLost || m.Owns() || m.Vote || m.isMirror() && m.Job != NoJob {
		return false
	}
	if !m.otherHeard() || o.Term != m.Term || !o.Issued || o.Number <= m.Number || o.Incarnation != m.Incarnation {
		return false
	}
	arriving := m.DB.Up && m.DB.Streaming && o.Candidate.DataID == m.DataID && m.DB.Flush < o.Candidate.Position
	return !arriving
}

// voteAnswer is what the offered vote makes of this server: its holder, or one that
// gave it back.
func (m *Machine) voteAnswer() Durable {
	flush, timeline := m.DB.Flush, m.DB.Timeline
	if !m.DB.Up || m.stopping() {
		flush, timeline = 0, 0
	}
	d, _ := m.Accept(m.Other.Term, m.Other.Number, m.Other.Candidate, flush, timeline)
	return d
}

func (m *Machine) voteFits() bool { return m.voteOffered() && m.voteAnswer().Holds() }

func (m *Machine) answerVote() []Action {
	m.Durable = m.voteAnswer()
	return m.save()
}

// broken: a mirror that holds the vote and could not use it, or that keeps an
// owner waiting whose commits it no longer receives (M4).
func (m *Machine) broken() bool {
	if !m.canGiveBack() || m.Job != NoJob {
		return false
	}
	if m.Phase == Waiting || m.Phase == Stuck || m.keepsVote() {
		return true // it could not use the vote
	}
	if !m.isMirror() || m.otherGone() {
		return false
	}
	lost := !m.DB.Up && (m.DB.Why != "" || m.Failed == JobStart)
	deaf := m.Phase == Following && m.DB.Up && !m.DB.Streaming && m.Other.Serving && m.Now-m.StreamLost > streamGone
	return lost || deaf
}

// otherGone: with nobody to hear an abdication there is no use in one, and the
// vote may be needed.
func (m *Machine) otherGone() bool { return !m.otherHeard() || m.Other.Released }

// canHandVote: the pair is about to be in sync, and the mirror's copy descends
// from this owner's promotion (R2, R10).
func (m *Machine) canHandVote() bool {
	o := m.Other
	ready := !m.Witnessed() || m.registerMine() && m.Register.Alone && m.Confirmed
	return m.mirrorFollowing() && !m.keepsVote() && (!o.Mute || m.moving()) && m.Vote && !m.Released && !m.changing() && ready &&
		o.Owner == m.Seat && o.Incarnation == m.Incarnation
}

func (m *Machine) canStopLone() bool { return m.canHandVote() && m.Lone && m.retryable(JobBarrier) }
func (m *Machine) canPrepare() bool  { return m.canHandVote() && !m.Lone }

// mirrorFollowing: the other's copy receives what this owner commits, and descends from
// its promotion.
func (m *Machine) mirrorFollowing() bool {
	o := m.Other
	return m.Phase == Serving && m.Gate && m.Job == NoJob && m.mirrorStreaming() && m.otherHeard() &&
		o.Term == m.Term && o.Phase == Following && o.DataID != "" && o.Upstream == m.Promotion.ID
}

func (m *Machine) mirrorStreaming() bool { return m.Mirror.Streaming && !m.Mirror.Foreign }

func (m *Machine) beginHandOver() []Action {
	m.PreparedAt, m.Looked, m.Target = m.Now, false, 0
	return saving(Durable.Prepare)(m)
}

// caughtUp: the mirror has flushed all that was written before the barrier.
func (m *Machine) caughtUp() bool {
	has := m.mirrorStreaming() && m.Target > 0 && m.Mirror.Flush >= m.Target
	follows := m.otherHeard() && m.Other.Phase == Following && m.Other.DataID != ""
	return m.Gate && m.halfHanded() && has && follows
}

func (m *Machine) issueVote() []Action {
	to := Candidate{DataID: m.Other.DataID, Timeline: m.DB.Timeline, Position: m.Target}
	return saving(func(d Durable) (Durable, error) { return d.Issue(to) })(m)
}

func (m *Machine) handOverFailed() bool {
	return m.halfHanded() && m.Now-m.MirrorAt > mirrorGone && m.Now-m.PreparedAt > mirrorGone
}

// An owner and its duty.

// canHandOver: the mirror holds the vote and is there to take the duty (R17).
func (m *Machine) canHandOver() bool {
	return m.Phase == Serving && !m.Suspended && m.mirrorHolds()
}

// canRelease: nothing else has to come first. At level backup the telephone is closed before, by an
// operator's order.
func (m *Machine) canRelease() bool { return m.canHandOver() && !m.backsUp() }

func (m *Machine) mirrorHolds() bool { return m.Known && !m.Vote && m.otherVotes() }

// Relievable: a database that is only slow is still better than none, unless there is
// another that has all of it: an owner can hand over, and a mirror can give the vote back.
func (m *Machine) Relievable() bool { return !m.Owns() || m.canRelease() }

// pbxGone: the PBX is silent to us and answers the other, for as long. A silence that was
// the other's too is that of a PBX which restarts, and somebody is the first to hear it again.
// Both clocks measure it: one that stood still took a silence that the other knows of for none.
func (m *Machine) pbxGone() bool {
	if !m.canRelease() {
		return false
	}
	told := m.Other.PBXAgo + m.Now - m.OtherAt // what the other told has an age of its own
	alone := m.OtherHears > 0 && m.Now-m.OtherHears >= pbxLost && m.Other.PBXFor >= pbxLost
	return m.pbxSilent() && alone && m.Other.PBXAgo >= 0 && told < pbxFresh
}

// pbxSilent: to one that slept, the PBX was not silent meanwhile.
func (m *Machine) pbxSilent() bool {
	return m.PBXAt > 0 && !m.PBX.Heard && m.PBX.Ago+m.Now-m.PBXAt >= pbxLost && m.Now-m.WokeAt >= pbxLost
}

func (m *Machine) databaseGone() bool { return m.canRelease() && !m.DB.Up }

func (m *Machine) voiceGone() bool {
	return m.canRelease() && m.VoiceDown && m.Now-m.VoiceAt >= time.Second
}

func (m *Machine) handOverVain() bool    { return m.Order == HandOver && m.Job == NoJob }
func (m *Machine) handOverOrdered() bool { return m.handOverVain() && m.canRelease() }

// giveDuty is the orderly way: the store is closed and PostgreSQL stopped, so
// that the mirror has everything and no rewind is needed afterwards.
func (m *Machine) giveDuty() []Action {
	m.Order, m.Leaving, m.Gate = "", true, false
	return begin(JobRetire)(m)
}

// releaseTerm fences first, records the release, then tells the other (R17). When
// the vote came back while the database was being stopped, there is nobody to
// release to, and the owner starts again.
func (m *Machine) releaseTerm() []Action {
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

// canReopen: the vote came back after the term was released. A term that was not is never
// opened a second time (R17).
func (m *Machine) canReopen() bool { return m.Alone() && m.Released }

// reopenTerm opens the next term. A database that does not start then is tried again, ever
// more seldom, as any owner's.
func (m *Machine) reopenTerm() []Action {
	timeline := m.Promotion.Timeline
	d, err := m.Durable.Reopen(m.promotionID(m.Term))
	if err != nil {
		m.Cause = releve.Reason(err)
		return m.halt()
	}
	d.Promotion.Timeline, d.Promotion.Done = timeline, true
	m.Durable, m.Leaving, m.Confirmed = d, false, false
	return append(m.save(), start(true)(m)...)
}

// ownerConfirmed: with the vote the owner is alone and may open; without it, only
// once the mirror has flushed past the end of our recovery (R6).
func (m *Machine) ownerConfirmed() bool {
	return !m.Suspended && (m.mayOpen() || m.confirmedByPeer())
}

// mayOpen holds for the gate of each start of PostgreSQL: what it recovered can be
// read at once, and must not be seen before the mirror has it (R6).
func (m *Machine) mayOpen() bool {
	if m.Vote {
		return !m.Witnessed() && !m.backsUp() || m.Confirmed
	}
	return m.Issued && m.DB.Up && !m.DB.InRecovery && m.Job == NoJob && m.mirrorStreaming() && m.Mirror.Flush >= m.Need &&
		m.otherHeard() && m.Other.Term == m.Term && m.Other.Owner == m.Seat && m.Other.DataID == m.Candidate.DataID
}

func (m *Machine) databaseDown() bool { return !m.DB.Up && m.retryable(JobStart) }

func (m *Machine) gateReady() bool {
	return m.DB.Up && !m.DB.InRecovery && !m.Gate && m.retryable(JobOpen) && m.mayOpen()
}

// opensInVain: the vote came while the gate was being opened without it. The first commit
// waits for a mirror that has given the vote back, and may come no more.
func (m *Machine) opensInVain() bool { return m.Job == JobOpen && m.Vote && !m.Lone && m.mayOpen() }

func (m *Machine) canBeAlone() bool {
	alone := !m.mirrorsOnly() || m.mirrorAway()
	return m.Gate && m.Vote && !m.Lone && alone && m.retryable(JobLone)
}

// canBeMirrored: at level mirroring the owner keeps the vote, and waits for its mirror
// all the same as long as it is there (M4).
func (m *Machine) canBeMirrored() bool {
	return m.mirrorsOnly() && m.Lone && m.Vote && m.mirrorFollowing() && m.retryable(JobBarrier)
}

func (m *Machine) openGate() []Action {
	m.Lone = m.Vote
	return begin(JobOpen)(m)
}

// stillOurs: after a sleep, the other's word, or the PBX still showing our
// binding, or at level backup nobody's, tells that nobody took the duty (H10).
func (m *Machine) stillOurs() bool {
	return m.Suspended && (m.OtherAt >= m.WokeAt && m.Other.Term <= m.Term ||
		m.ReceptionAt > m.WokeAt && m.Reception && !m.otherHeard() || m.nobodyBound())
}

func (m *Machine) resume() []Action {
	m.Suspended = false
	return say(m)
}

func (m *Machine) leaveStandby() []Action {
	m.KeepStandby = false
	return say(m)
}

func (m *Machine) standbyWanted() bool {
	o := m.Other
	return m.KeepStandby && m.Reception && m.otherHeard() && o.Standby && o.Term <= m.Term && o.PBXAgo >= 0 && o.PBXAgo < pbxLost
}

// A mirror.

func (m *Machine) rejoinOrdered() bool {
	asked := m.Phase == Deposed && (m.Order == Rejoin || m.Leaving) || m.Phase == Stuck && m.Order == Rejoin
	return asked && m.otherOwns() && m.Other.Serving
}

// rebuildOrdered: only while the owner is there to be copied from, and to take the vote
// back, is a copy given up.
func (m *Machine) rebuildOrdered() bool {
	return m.Order == Rebuild && m.isMirror() && m.Job == NoJob &&
		m.otherOwns() && m.Other.Serving && m.Other.Gate && !m.grantPending()
}

// tooOld: the owner no longer keeps the log that this copy needs next. Away for days,
// it is copied anew by itself (M4). What the owner said before the copy was finished it said
// of the one before; and for a moment afterwards, for it looks now and then.
func (m *Machine) tooOld() bool {
	idle := m.isMirror() && m.Job == NoJob && !m.Holds() && !m.stopping() && !m.DB.Streaming && !m.backsUp()
	lost := m.otherOwns() && m.Other.Serving && m.Other.Gate && m.Other.Lost
	return idle && lost && m.OtherAt > m.CopiedAt && m.Now-m.StreamLost > streamGone
}

// condemn strikes the copy out, which gives the vote back, before anything happens to it (R2).
func (m *Machine) condemn() []Action {
	if m.Order == Rebuild {
		m.Copies = 0
	}
	m.Order, m.DB = "", Database{}
	m.Durable = m.Strike()
	return append(m.save(), Action{Kind: Fence})
}

// comeBack ends what ran of the copy, which is made anew or rewound.
func (m *Machine) comeBack() []Action {
	m.Copies = 0
	m.Leaving, m.DB = false, Database{}
	return []Action{{Kind: Fence}}
}

func (m *Machine) copyPossible() bool {
	source := m.otherOwns() && m.Other.Serving && m.Other.Gate && m.Other.Promotion.Done
	return !m.stopping() && !m.grantPending() && source && m.Other.Level != releve.Base && m.mayCopy()
}

func (m *Machine) rejoin() []Action {
	d, err := m.Durable.Strike().Join(m.Other.Term, m.Other.Promotion.ID)
	if err != nil {
		m.Cause = releve.Reason(err)
		return m.halt()
	}
	if m.Now-m.CopiedAt > copyLasts {
		m.Copies = 0
	}
	m.Durable, m.Known, m.Order = d, true, ""
	return append(m.save(), begin(JobRejoin)(m)...)
}

// copyDown: whatever it followed before, a copy comes up streaming from nobody.
func (m *Machine) copyDown() bool { return !m.Owns() && m.databaseDown() }

func (m *Machine) canFollow() bool {
	o := m.Other
	idle := m.Phase == Isolated || m.Phase == Following && m.Failed == JobFollow
	return idle && (!m.backsUp() || m.moving()) && m.DB.Up && m.retryable(JobFollow) && m.otherHeard() && o.Known &&
		o.Owner == o.Seat && o.Term == m.Term && o.Promotion.Done && o.Promotion.ID == m.Upstream && !o.Released
}

// stopping lasts until the process ends: a vote that it gave back must not come
// again meanwhile, for it would go down with it (R3).
func (m *Machine) stopping() bool { return m.Order == Stop }

func (m *Machine) stopOrdered() bool       { return m.stopping() && m.canGiveBack() }
func (m *Machine) abdicationOrdered() bool { return m.Order == Abdicate && m.canGiveBack() }

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

// canSucceed: the owner handed over by itself; no verdict is needed (R17).
func (m *Machine) canSucceed() bool { return m.canTakeOver() && !m.Witnessed() && m.otherReleased() }

func (m *Machine) otherReleased() bool {
	return m.otherHeard() && m.Other.Term == m.Term && m.Other.Owner != m.Seat && m.Other.Released
}

// voteInHand: this server may take over, by its own vote or by asking the witness.
func (m *Machine) voteInHand() bool { return m.isMirror() && m.Vote || m.claimable() }

func (m *Machine) canTakeOver() bool { return m.voteInHand() && m.DB.Up && m.Job == NoJob }

// takeDuty answers before it promotes: the verdict is enough to answer (H9, R13).
func (m *Machine) takeDuty() []Action {
	return m.become(m.TakeOver(m.promotionID(m.Term)))
}

func (m *Machine) takeDutyGranted() []Action {
	m.Confirmed = true
	return m.become(m.TakeGranted(m.Register, m.promotionID(m.Term)))
}

// become makes this server the owner, if the vote allows it.
func (m *Machine) become(d Durable, err error) []Action {
	if err != nil {
		m.Cause = releve.Reason(err)
		return m.halt()
	}
	took := m.Waiters > 0
	m.Durable, m.KeepStandby = d, true
	m.Confirmed = m.Confirmed || m.backsUp()
	m.Gate, m.WithoutDuty, m.Waiters = false, false, 0
	return append(m.save(), Action{Kind: Answer, Took: took})
}

// promotionID is unique without chance: a copy is promoted at most once a term, and its data id
// was drawn. Said again after a crash it is the same, so that a first commit whose answer was
// lost is written over and not beside (R10).
func (m *Machine) promotionID(after releve.Term) releve.PromotionID {
	return releve.PromotionID(fmt.Sprintf("%s-%d-%s", m.Seat, after+1, m.DataID))
}

func (m *Machine) verdictWithVote() bool {
	return m.canTakeOver() && !m.Witnessed() && m.verdictReached()
}

func (m *Machine) verdictWithoutVote() bool {
	return m.isVerifier() && m.verdictReached() && !m.voteInHand() && m.ClaimTurn == 0
}

func (m *Machine) answer() []Action {
	m.WithoutDuty, m.Waiters = true, 0
	return []Action{{Kind: Answer, WithoutDuty: true}}
}

func (m *Machine) callsOnDuty() bool { return m.isServing() && m.Waiters > 0 }

func (m *Machine) answerOnDuty() []Action {
	m.Waiters = 0
	return []Action{{Kind: Answer}}
}

func (m *Machine) lastGood() bool { return m.Count.Good > 0 && m.Count.Good == m.Count.LastTo }

func (m *Machine) ownerWell() bool { return m.WithoutDuty && m.lastGood() }

func (m *Machine) stopAnswering() []Action {
	m.WithoutDuty = false
	return say(m)
}

// doubtLasts: it woke up a while ago, and still does not know whether it is on duty.
func (m *Machine) doubtLasts() bool { return m.Waiters > 0 && m.Suspended && !m.inDoubt() }

// refusable: a good round ended after the calls arrived. When the other is well
// but not registered, they are held a moment, for it was told to register (H4); when it
// never saw them, until our own call has shown whether any reaches it (K3).
func (m *Machine) refusable() bool {
	hold := m.LastRound.unregistered() && m.Now-m.FirstWaited < registerHold || m.unseen() && m.Own.Out > 0 && m.Own.Doubt
	return m.Waiters > 0 && m.lastGood() && m.Count.Good >= m.FirstWaited && !hold
}

// unseen: the other says that it is well, and that it never saw a call which is said to
// have waited for it. It may be cut off from the PBX without knowing; or somebody has
// written a header.
func (m *Machine) unseen() bool {
	return m.Waiters > 0 && m.NoAnswer && m.lastGood() && m.LastRound.unseen() && m.LastRound.Began > m.Own.Ended
}

// shouldProve: only a call of our own can tell. Before another, after those that nobody
// answered, there is a pause that grows.
func (m *Machine) shouldProve() bool {
	return m.Settings.OwnCalls && m.isVerifier() && m.Users().Standby && m.unseen() && m.Own.Out == 0 &&
		m.rested(m.Own.Vain, m.Own.Ended, probeAgain, probeDoubled)
}

func (m *Machine) refuse() []Action {
	m.Waiters = 0
	return []Action{{Kind: Refuse}}
}

func (m *Machine) check() []Action {
	m.RoundsOut++
	m.RoundBegan = m.Now
	return []Action{{Kind: Check}}
}

// shouldProbe: the watch alone has what would be a verdict, and nobody calls. The
// server calls the reception itself: when the PBX overflows that call to it, the
// proof is a call as any other, and the first caller finds it relieved (H8). One that
// was never seen well since we started may only be slower to start.
func (m *Machine) shouldProbe() bool {
	again := m.rested(m.Probes, m.Probed, probeAgain, probeDoubled)
	known := m.Count.Good > 0 || m.Now-m.Booted >= bootGrace
	failed := m.Count.Term == m.Term && m.Count.Failed >= m.Settings.Rounds
	return m.Settings.OwnCalls && m.canTakeOver() && m.Waiters == 0 && failed && known && again
}

// prove calls the reception although the other is well.
func (m *Machine) prove() []Action {
	m.Own = m.Own.begun(m.Now, true).seen(m.LastRound)
	return []Action{{Kind: Probe}}
}

func (m *Machine) probe() []Action {
	m.Probed, m.Own = m.Now, m.Own.begun(m.Now, false)
	m.Probes++
	return []Action{{Kind: Probe}}
}

// A promotion.

// promotionDown: what is promoted already, and only looked dead meanwhile, is the
// owner's database, not a copy to be promoted again.
func (m *Machine) promotionDown() bool {
	return !m.Promotion.Done && m.databaseDown()
}

func (m *Machine) canPromote() bool {
	return m.DB.Up && !m.Promotion.Done && m.retryable(JobPromote)
}

// promotionUnsafe: rows that were acknowledged may be missing. Nothing is committed, and an
// operator decides (R4).
func (m *Machine) promotionUnsafe() bool { return m.Unsafe && m.Job == NoJob }

func (m *Machine) promotionDone() bool { return m.Promotion.Done && m.Job == NoJob }

// What an operator forces. He says that the other server is off; one that is heard is
// not, and then nothing is forced.

func (m *Machine) canForce(c Command) bool {
	return m.Order == c && m.Known && !m.JournalLost && !m.otherHeard() && m.Job == NoJob
}

func (m *Machine) soloOrdered() bool {
	return m.canForce(Solo) && m.Owns() && !m.Vote && !m.Released && (m.Phase == Serving || m.Phase == Unconfirmed)
}

func (m *Machine) solo() []Action {
	m.Order, m.Confirmed = "", true
	return saving(Durable.GoAlone)(m)
}

// takeOrdered: a mirror without the vote, or a server that had the duty once and has its
// data, takes it because the other is off.
func (m *Machine) takeOrdered() bool {
	return m.mayForce() && m.DataID != "" && (m.isMirror() && m.DB.Up || m.standsAside())
}

// standsAside: it had the duty once, its database is stopped, and its data is whole.
func (m *Machine) standsAside() bool {
	return m.Owns() && m.Promotion.Done && (m.Phase == Deposed || m.Phase == Handed || m.Phase == Stuck)
}

// promotionOrdered: the operator goes on with a promotion that was found unsafe: the other
// server's data is gone, and this is what there is.
func (m *Machine) promotionOrdered() bool {
	whole := m.Boot.Disk == DiskOurs && m.DataID != "" && m.Boot.DataID == m.DataID
	return m.canForce(Take) && m.Phase == Stuck && m.Owns() && !m.Promotion.Done && whole
}

func (m *Machine) takeDutyByOrder() []Action { return m.become(m.openAnyway()) }

// takeDutyAgain needs no promotion: its database was writable.
func (m *Machine) takeDutyAgain() []Action {
	d, err := m.openAnyway()
	if err != nil {
		m.Cause = releve.Reason(err)
		return m.halt()
	}
	d.Promotion.Timeline, d.Promotion.Done = m.Promotion.Timeline, true
	m.Durable, m.Leaving = d, false
	return append(m.save(), start(true)(m)...)
}

// openAnyway opens the term after all that this server has heard of.
func (m *Machine) openAnyway() (Durable, error) {
	m.Displaces = m.backsUp() && m.Order == Take
	m.Order, m.Confirmed = "", true
	after := max(m.Term, m.Other.Term)
	if m.Witnessed() {
		after = max(after, m.Register.Term)
	}
	return m.TakeAnyway(after, m.promotionID(after))
}

// orderVain: an order that cannot be carried out now is forgotten. Kept, it would be
// carried out on a later day, when nobody means it any more.
func (m *Machine) orderVain() bool {
	forced := m.Order == Take || m.Order == Relieve || m.Order == Solo
	switch {
	case forced && m.otherHeard():
		return true // also of one that waits for a job: whoever was heard meanwhile is not off
	case m.Job != NoJob:
		return false
	}
	switch m.Order {
	case Solo:
		return !m.soloOrdered()
	case Take, Relieve:
		return !m.takeOrdered() && !m.promotionOrdered() && !m.copyAbandoned() && !m.dutyConfirmed()
	case Abdicate:
		return !m.canGiveBack()
	case Restore:
		return !m.restoreOrdered()
	case UsePair, UseWitness:
		return !m.canChangeArbiter()
	case UseBase, UseMirroring, UseBackup, UseHighAvailability:
		return !m.canChangeLevel()
	case Renew:
		return !m.copyOrdered()
	case Move:
		return !m.moveOrdered()
	case Clear, Stay:
		return m.Phase != Silencing
	}
	return false
}

// A restore.

// restoreOrdered: the owner's database is lost, and its mirror is there to be copied. An
// owner that was copied from for a mirror that is ahead of nothing else decides alone.
func (m *Machine) restoreOrdered() bool {
	stands := m.Phase == Serving || m.Phase == Unconfirmed || m.Phase == Stuck
	kept := m.Other.Phase == Deposed && m.isBereft()
	there := m.otherHeard() && (m.Other.IsCopy() || kept)
	return m.Order == Restore && m.Known && !m.JournalLost && m.Alone() && stands && !m.Gate && m.Job == NoJob && there
}

// isBereft: the data that came from the mirror is lost again, before the mirror received
// anything of it. The mirror's own copy, kept aside, is what there is.
func (m *Machine) isBereft() bool {
	return m.oneVoice() && m.Known && m.Alone() && m.Restored && !m.Gate && (m.Phase == Stuck || m.Failed == JobStart)
}

// keptCopyNeeded: the copy that was kept aside is to be copied from once more.
func (m *Machine) keptCopyNeeded() bool {
	o := m.Other
	needed := m.otherHeard() && o.Owner == o.Seat && o.Bereft
	return !m.Owns() && m.DataID != "" && needed && m.databaseDown()
}

// beginRestore strikes the lost data out before anything happens to it (R2).
func (m *Machine) beginRestore() []Action {
	m.Order = ""
	known := m.Confirmed
	m.loseDuty()
	m.Confirmed = known && m.backsUp() // the telephone goes on answering
	m.Durable = m.Strike()
	actions := append([]Action{{Kind: Fence}}, m.save()...)
	return append(actions, begin(JobRestore)(m)...)
}

func (m *Machine) goOnRestored() []Action {
	m.Gate = false
	return saving(func(d Durable) (Durable, error) { return d.Restore(m.promotionID(m.Term)) })(m)
}
