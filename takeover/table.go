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
	{"vote-returned", (*Machine).voteComesBack, (*Machine).takeReturned},
	{"vote-not-issued", func(m *Machine) bool { return m.halfHanded() && m.shut() }, saved(Durable.TakeBack)},
	{"vote-accepted", func(m *Machine) bool { return m.voteOffered() && m.answered().Vote }, (*Machine).accept},
	{"vote-refused", (*Machine).voteOffered, (*Machine).accept},
	{"mirror-abdicates", (*Machine).broken, saved(Durable.Abdicate)},
	{"vote-barrier", func(m *Machine) bool { return m.canHandVote() && m.Lone && m.retryable(JobBarrier) }, begin(Serving, JobBarrier)},
	{"vote-prepared", func(m *Machine) bool { return m.canHandVote() && !m.Lone }, (*Machine).prepare},
	{"vote-issued", (*Machine).caughtUp, (*Machine).issue},
	{"vote-taken-back", (*Machine).handOverFailed, saved(Durable.TakeBack)},

	// An owner and its duty.
	{"database-lost", func(m *Machine) bool { return m.handsOver() && !m.DB.Up }, (*Machine).release},
	{"pbx-lost", func(m *Machine) bool { return m.handsOver() && m.pbxGone() }, (*Machine).release},
	{"voice-lost", func(m *Machine) bool { return m.handsOver() && m.voiceGone() }, (*Machine).release},
	{"duty-given", func(m *Machine) bool { return m.Asked == HandOver && m.handsOver() && m.Job == NoJob }, (*Machine).handOver},
	{"duty-kept", func(m *Machine) bool { return m.Asked == HandOver && m.Job == NoJob }, forget},
	{"duty-released", func(m *Machine) bool { return m.Phase == Handing && m.Job == NoJob }, (*Machine).release},
	{"term-reopened", func(m *Machine) bool { return m.Phase == Handed && m.Alone() }, (*Machine).reopen},
	{"owner-confirmed", (*Machine).confirmed, to(Serving)},
	{"owner-database-starts", (*Machine).ownerDown, (*Machine).restartOwner},
	{"gate-opened", (*Machine).gateReady, (*Machine).open},
	{"alone", (*Machine).canBeAlone, begin(Serving, JobLone)},
	{"duty-still-ours", (*Machine).stillOurs, func(m *Machine) []Action { m.Suspended = false; return said() }},
	{"standby-user-left", (*Machine).standbyWanted, func(m *Machine) []Action { m.KeepStandby = false; return said() }},

	// A mirror.
	{"return-begins", (*Machine).rejoinAsked, func(m *Machine) []Action { m.Leaving = false; return to(Waiting)(m) }},
	{"copy-condemned", (*Machine).rebuildAsked, (*Machine).condemn},
	{"copy-begins", (*Machine).copyPossible, (*Machine).rejoin},
	{"copy-finished", func(m *Machine) bool { return m.Phase == Rejoining && m.ended(JobRejoin) }, (*Machine).rejoined},
	{"copy-failed", func(m *Machine) bool { return m.Phase == Rejoining && m.Job == NoJob }, to(Waiting)},
	{"mirror-database-starts", func(m *Machine) bool { return m.mirrors() && !m.DB.Up && m.retryable(JobStart) }, (*Machine).startCopy},
	{"mirror-follows", (*Machine).canFollow, begin(Following, JobFollow)},
	{"stop-asked", func(m *Machine) bool { return m.stopping() && !m.Owns() && m.Vote && !m.JournalLost }, saved(Durable.Abdicate)},

	// A verification and what comes of it.
	{"busy-refused", (*Machine).knownBusy, (*Machine).refuseBusy},
	{"duty-taken-from-released", (*Machine).released, (*Machine).takeOver},
	{"answered-on-duty", func(m *Machine) bool { return m.serves() && m.Waiters > 0 }, (*Machine).answerOnDuty},
	{"takeover", func(m *Machine) bool { return m.canTakeOver() && m.verdict() }, (*Machine).takeOver},
	{"answered-without-duty", func(m *Machine) bool { return m.checks() && m.verdict() && !m.voteInHand() }, (*Machine).answer},
	{"in-service", (*Machine).refusable, (*Machine).refuse},
	{"owner-well-again", func(m *Machine) bool { return m.WithoutDuty && m.lastGood() }, func(m *Machine) []Action { m.WithoutDuty = false; return said() }},
	{"round", (*Machine).due, (*Machine).check},
	{"own-call", (*Machine).suspects, (*Machine).probe},

	// A promotion.
	{"promotion-database-starts", (*Machine).promotionDown, start(false)},
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
	if !m.Known || !m.Owns() || !m.heard() || !m.Other.Known || m.Other.Term <= m.Term {
		return false
	}
	return m.Phase != Deposed && m.Phase != Handed && m.Phase != Waiting && m.Phase != Rejoining && m.Phase != Stuck
}

func (m *Machine) fence() []Action {
	m.Phase = Deposed
	m.loseDuty()
	return []Action{{Kind: Fence}, {Kind: Drop}, {Kind: Tell}}
}

// loseDuty forgets what was under way: its end is no longer wanted.
func (m *Machine) loseDuty() {
	m.Job, m.Failed, m.Gate, m.Lone = NoJob, NoJob, false, false
	m.Suspended, m.WithoutDuty, m.KeepStandby = false, false, false
	m.DB = Database{}
}

// forgetful: the other had a number of this term from this server itself that
// the journal does not know (R6).
func (m *Machine) forgetful() bool {
	return m.Phase != Stuck && m.Known && m.Owns() && m.heard() && m.Other.Term == m.Term &&
		m.Other.Owner == m.Seat && m.Other.Number > m.Number
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

func (m *Machine) outdate() []Action {
	m.Phase = Waiting
	m.Job, m.DB = NoJob, Database{}
	return []Action{{Kind: Fence}}
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
	return ok && m.Other.Owner == m.Seat
}

func (m *Machine) takeReturned() []Action {
	m.Durable, _ = m.Returned(m.Other.Term, m.Other.Abdicated)
	return m.save()
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
	if !m.Known || m.JournalLost || m.Owns() || m.Vote || !m.heard() || o.Term != m.Term || !o.Issued || o.Number <= m.Number {
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
	if m.Owns() || !m.Vote || m.JournalLost || m.Job != NoJob {
		return false
	}
	if m.Phase == Waiting || m.Phase == Stuck {
		return true
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
	return m.Phase == Serving && m.Gate && m.Vote && !m.Released && m.Job == NoJob && m.streaming() && m.heard() &&
		o.Term == m.Term && o.Owner == m.Seat && o.Phase == Following && o.DataID != "" && o.Upstream == m.Promotion.ID
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

// pbxGone: the PBX is silent to us and answers the other.
func (m *Machine) pbxGone() bool {
	silent := m.PBXAt > 0 && !m.PBX.Heard && m.PBX.Ago+m.Now-m.PBXAt >= pbxLost
	return silent && m.Other.PBXAgo >= 0 && m.Other.PBXAgo < pbxFresh
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
	d, _ := m.Durable.Reopen(m.promotionID())
	d.Promotion.Timeline, d.Promotion.Done = timeline, true
	m.Durable, m.Phase, m.Leaving = d, Unconfirmed, false
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
		return true
	}
	return m.Issued && m.DB.Up && !m.DB.InRecovery && m.Job == NoJob && m.streaming() && m.Seen.Flush >= m.Need &&
		m.heard() && m.Other.Term == m.Term && m.Other.Owner == m.Seat && m.Other.DataID == m.Terms.DataID
}

func (m *Machine) ownerDown() bool {
	return (m.Phase == Unconfirmed || m.Phase == Serving) && !m.DB.Up && m.retryable(JobStart)
}

// restartOwner takes the database away from the store first: its sessions would
// find the new PostgreSQL by themselves and commit before the gate is opened.
func (m *Machine) restartOwner() []Action {
	return append([]Action{{Kind: Fence}}, start(true)(m)...)
}

func (m *Machine) gateReady() bool {
	return m.Phase == Serving && m.DB.Up && !m.DB.InRecovery && !m.Gate && m.retryable(JobOpen) && m.mayOpen()
}

func (m *Machine) canBeAlone() bool {
	return m.Phase == Serving && m.Gate && m.Vote && !m.Lone && m.retryable(JobLone)
}

func (m *Machine) open() []Action {
	m.Lone = m.Vote
	return begin(Serving, JobOpen)(m)
}

// stillOurs: after a sleep, the other's word, or the PBX still showing our
// binding, tells that nobody took the duty (H10).
func (m *Machine) stillOurs() bool {
	return m.Suspended && (m.OtherAt > m.WokeAt && m.Other.Term <= m.Term || m.ReceptionAt > m.WokeAt && m.Reception && !m.heard())
}

func (m *Machine) standbyWanted() bool {
	return m.KeepStandby && m.Reception && m.heard() && m.Other.Standby && m.Other.Term == m.Term
}

// A mirror.

func (m *Machine) rejoinAsked() bool {
	asked := m.Phase == Deposed && (m.Asked == Rejoin || m.Leaving) || m.Phase == Stuck && m.Asked == Rejoin
	return asked && m.otherOwns() && m.Other.Serving
}

// rebuildAsked: only while the owner is there to be copied from, and to take the vote
// back, is a copy given up.
func (m *Machine) rebuildAsked() bool {
	return m.Asked == Rebuild && m.mirrors() && m.Job == NoJob && m.otherOwns() && m.Other.Serving && m.Other.Gate
}

// condemn strikes the copy out, which gives the vote back, before anything happens to it (R2).
func (m *Machine) condemn() []Action {
	m.Asked, m.Phase, m.DB = "", Waiting, Database{}
	m.Durable = m.Strike()
	return append(m.save(), Action{Kind: Fence})
}

func (m *Machine) copyPossible() bool {
	return m.Phase == Waiting && !m.stopping() && m.otherOwns() && m.Other.Serving && m.Other.Gate && m.Other.Promotion.Done && m.retryable(JobRejoin)
}

func (m *Machine) rejoin() []Action {
	d, err := m.Durable.Strike().Join(m.Other.Term, m.Other.Promotion.ID)
	if err != nil {
		m.Cause = err.Error()
		return m.halt()
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
	return start(false)(m)
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
func (m *Machine) released() bool {
	return m.canTakeOver() && m.heard() && m.Other.Term == m.Term && m.Other.Owner != m.Seat && m.Other.Released
}

func (m *Machine) voteInHand() bool { return m.mirrors() && m.Vote }

func (m *Machine) canTakeOver() bool { return m.voteInHand() && m.DB.Up && m.Job == NoJob }

// takeOver answers before it promotes: the verdict is enough to answer (H9, R13).
func (m *Machine) takeOver() []Action {
	d, err := m.TakeOver(m.promotionID())
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
func (m *Machine) promotionID() releve.PromotionID {
	return releve.PromotionID(fmt.Sprintf("%s-%d-%s", m.Seat, m.Term+1, m.DataID))
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
// but not registered, they are held a moment, for it was told to register (H4).
func (m *Machine) refusable() bool {
	hold := m.Last.unregistered() && m.Now-m.Earliest < registerHold
	return m.Waiters > 0 && m.lastGood() && m.Count.Good >= m.Earliest && !hold
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
	again := m.Probes == 0 || m.Now-m.Probed >= probeAgain<<min(m.Probes-1, probeDoubled)
	known := m.Count.Good > 0 || m.Now-m.Booted >= bootGrace
	return m.Settings.OwnCalls && m.canTakeOver() && m.Waiters == 0 && m.Count.Term == m.Term && m.Count.Failed >= m.Settings.Rounds && known && again
}

func (m *Machine) probe() []Action {
	m.Probed = m.Now
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
