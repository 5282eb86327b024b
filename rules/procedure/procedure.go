// Package procedure holds the guided procedures as data: what must hold before,
// the steps, what begins each and when it is done. It is a rule book: the agent
// carries it out.
//
// A step looks at the site before it acts, and a step that is done already is
// passed over. So a procedure that was interrupted is simply run again: it goes
// on from where it was (P1).
package procedure

import (
	"time"

	"releve"
	"releve/rules/takeover"
)

// Server is one server as a procedure sees it: how it stands to the duty and the vote is its
// own status, and these few things are beside it.
type Server struct {
	takeover.Status

	Heard     bool           // what is said here is no memory
	OnStandby bool           // the standby user is bound to it
	Copied    time.Time      // at level backup: as of when its copy is
	SinceCopy int            // calls that its database alone holds since then
	Now       time.Time      // by the clock of the server that looks
	Lease     takeover.Lease // at level backup: how the other server's registration stands while it is not heard
	Receives  bool           // a copy that the owner's commits reach
	Down      bool           // its database is lost
	Protected bool           // it says that a failure now would lose nothing
	Witness   bool           // the witness answers it
	Loss      Loss
	// Lacks are the keys that its configuration lacks for each level that it knows, none where it
	// has all.
	Lacks map[releve.Level][]string
	// Papers are the licence and the study of each level, as the server that was asked knows them.
	Papers  map[releve.Level]Papers
	Version releve.Version // that it runs
	// Copy is that of its data, though no vote can be accepted for it any more.
	Copy releve.DataID

	Anew       bool // its copy was made in this run
	ProvenTest bool // a test call of this run was answered
}

// Papers are what is there of what comes before a level (SPEC L1, E4).
type Papers struct{ Licence, Study Need }

// Need is something that a procedure asks for.
type Need struct {
	What releve.Sentence
	Met  bool
	Is   releve.Sentence // what there is of it, or that it is not there; of a paper with the reason as "why"
}

// restored: its data came back from the mirror, now or in this run.
func (s Server) restored() bool { return s.CopiedBack() || s.Anew }

// Loss is what is known of a server's records that may be nowhere else.
type Loss struct {
	Path   string        // by which the server answers though it is said to be off, "" when by none
	Silent time.Duration // since its last word; negative: never heard
	Unfed  time.Duration // since its copy received last; negative: it receives, or never did
	Behind int64         // bytes that its mirror lacked when it was last seen
	Calls  int           // calls recorded in its database alone
}

// Site is both servers.
type Site map[releve.Seat]Server

// Order is what a step asks of a server.
type Order string

// The orders.
const (
	Nothing    Order = ""
	Rejoin     Order = "rejoin"
	Rebuild    Order = "rebuild"
	HandOver   Order = "hand-over"
	TestCall   Order = "test-call"
	FirstCall  Order = "first-call" // test calls, until one is answered
	GoAlone    Order = "solo"
	TakeDuty   Order = "take"
	CarryWord  Order = "carry" // take in the mirror's word that an operator brought
	RestoreOwn Order = "restore"
	UsePair    Order = "use-pair"
	UseWitness Order = "use-witness"

	UseBase             Order = "use-base"
	UseMirroring        Order = "use-mirroring"
	UseBackup           Order = "use-backup"
	UseHighAvailability Order = "use-high-availability"

	RenewCopy    Order = "renew"
	FollowToMove Order = "move"
	ClearBinding Order = "clear"
	KeepDuty     Order = "stay"
	AskPBX       Order = "ask-pbx" // who has the reception
	Relieve      Order = "relieve"
	ProveItself  Order = "prove-itself"
)

// Step is one step of a procedure. target is the seat that is to be on duty at
// the end.
type Step struct {
	Code  string
	Done  func(s Site, target releve.Seat) bool
	Order Order
	At    func(s Site, target releve.Seat) releve.Seat
	Limit time.Duration // after which the step has failed

	// Undo is ordered of the same server where the step does not come to its end: what it had begun
	// must not go on by itself. Nothing: what was reached stays, and the next run goes on from there.
	Undo Order

	Patience time.Duration // for the step to come about without its order
	Proves   bool          // its order, carried out, is the proof: nothing else of the site shows it

	// Waits says what the step waits for that its order does not bring about, what only a person can do
	// or what takes its time; nothing where there is none.
	Waits func(s Site, target releve.Seat) releve.Sentence
	// Fails says why the step cannot come to its end, nothing where it may; nil: its time passes.
	Fails func(s Site, target releve.Seat) releve.Sentence
	// Found says what the step has shown, once it is done; nil: nothing to say.
	Found func(s Site, target releve.Seat) releve.Sentence
}

// Wanted says whether the step's order is for its server as that is now. One to rejoin is for
// a server that stands aside, one to rebuild for a mirror, and one to restore for a lost
// database, not for one that is on its way.
func (s Step) Wanted(site Site, target releve.Seat) bool {
	if s.Order == Nothing {
		return false
	}
	at := site[s.At(site, target)]
	switch s.Order {
	case Rejoin:
		return at.StandsAside()
	case Rebuild:
		return at.IsCopy()
	case RestoreOwn:
		return !at.Restores() && !at.restored()
	case RenewCopy:
		return at.Phase == takeover.Isolated
	case HandOver:
		return at.Phase != takeover.Silencing
	}
	return true
}

// Procedure is a guided procedure.
type Procedure struct {
	Name string
	// As is another procedure that is meant by this name at a site as it is, if there is one; nil: never.
	As func(s Site, here releve.Seat) (other Procedure, meant bool)
	// Beside: it may run while another does, which waits for it.
	Beside bool
	// Target is where it acts; here is the server that was asked.
	Target func(s Site, here releve.Seat) releve.Seat
	Before func(s Site, target releve.Seat) []releve.Sentence // what forbids it, nothing when it may begin
	Steps  []Step

	// Level is what it changes the level of the site to, "" where it does not.
	Level releve.Level

	// OfDrill: it is half of a drill, and nobody orders it by itself.
	OfDrill bool
	// Named: it rests on the word of an operator who says his name.
	Named bool
	// Forced: it rests on the operator's word that the other server is off.
	Forced bool
	// Wordless is what is meant where he does not give it; nil: nothing is.
	Wordless *Procedure
	// Silent: it rests on that the other server answers by no way.
	Silent bool
	Costs  func(s Site, target releve.Seat) []releve.Sentence // what it may cost, or changes, and what is known of that
	// Needs are what it asks for, each with what there is of it; nil: it has no list.
	Needs func(s Site, target releve.Seat) []Need
	Next  string // the sentence of what is left to do by hand

	// Unfit says why the other server's word, which an operator brought, is not the one that is
	// waited for; nil: the procedure rests on none.
	Unfit func(s Site, target releve.Seat, brought takeover.Return) []releve.Sentence
	// OwnCopy: what lasts is the copying back of the target's own data.
	OwnCopy bool
}

func former(_ Site, target releve.Seat) releve.Seat { return target.Other() }
func itself(_ Site, target releve.Seat) releve.Seat { return target }

var (
	copyBack = Step{
		Code: "step-copy", Order: Rejoin, At: itself, Limit: time.Hour,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() || s[t].Follows() },
	}
	inSync = Step{
		Code: "step-in-sync", Limit: time.Hour,
		Done: func(s Site, t releve.Seat) bool {
			return s[t].InService() || synced(s, t)
		},
	}
	emptySpool = Step{
		Code: "step-spool", Limit: 10 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() || s[t].Spooled == 0 },
	}
	duty = Step{
		Code: "step-duty", Order: HandOver, At: former, Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() },
	}
	registration = Step{
		Code: "step-registration", Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].Reception },
	}
	mirrorBehind = Step{
		Code: "step-mirror", Order: Rejoin, At: former, Limit: time.Hour,
		Done: func(s Site, t releve.Seat) bool {
			f := s[t.Other()]
			return f.Follows() && f.HasVote() && f.OnStandby && f.Spooled == 0
		},
	}
	proof = Step{
		Code: "step-test-call", Order: TestCall, At: former, Limit: 30 * time.Second, Proves: true,
		Done: func(s Site, t releve.Seat) bool { return s[t.Other()].ProvenTest },
	}
)

// Return brings the site back to normal: the main on duty, the secondary its
// mirror (H12).
var Return = Procedure{
	Name: "return", Target: toMain, Before: bothHeard, As: returnAt,
	Steps: []Step{copyBack, inSync, emptySpool, duty, registration, mirrorBehind, proof},
}

// Switchover moves the duty to the other server, both well.
var Switchover = Procedure{
	Name: "switchover", Target: offDuty, As: switchoverAt,
	Before: func(s Site, target releve.Seat) []releve.Sentence {
		why := bothHeard(s, target)
		if len(why) == 0 && !(s[target].Follows() && s[target].HasVote()) {
			why = append(why, releve.Say("before-not-in-sync", "seat", string(target)))
		}
		return why
	},
	Steps: []Step{inSync, emptySpool, duty, registration, mirrorBehind, proof},
}

// All are the procedures by name.
var All = map[string]Procedure{
	Return.Name: Return, Switchover.Name: Switchover, RebuildMirror.Name: RebuildMirror, ResumeMirror.Name: ResumeMirror,
	Solo.Name: Solo, CarriedSolo.Name: CarriedSolo, Takeover.Name: Takeover, Restore.Name: Restore,
	ToPair.Name: ToPair, ToWitness.Name: ToWitness,
	DrillTakeover.Name: DrillTakeover, DrillReturn.Name: DrillReturn,
	ToBase.Name: ToBase, ToMirroring.Name: ToMirroring, ToBackup.Name: ToBackup, ToHighAvailability.Name: ToHighAvailability,
	NewerCopy.Name: NewerCopy, BindingCleared.Name: BindingCleared,
}

func toMain(Site, releve.Seat) releve.Seat          { return releve.Main }
func toItself(_ Site, here releve.Seat) releve.Seat { return here }

// synced: the mirror holds the vote, or is waited for where the vote never leaves its
// owner (R5).
func synced(s Site, mirror releve.Seat) bool {
	m, o := s[mirror], s[mirror.Other()]
	return m.Follows() && o.InService() && (m.HasVote() || m.Mute && m.Receives && !o.Lone)
}

func bothHeard(s Site, _ releve.Seat) []releve.Sentence {
	if s[releve.Secondary].Mute {
		return []releve.Sentence{releve.Say("before-duty-stays", "seat", string(releve.Main))}
	}
	var why []releve.Sentence
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		switch {
		case !s[seat].Heard:
			why = append(why, releve.Say("before-not-heard", "seat", string(seat)))
		case !s[seat].HearsPBX():
			why = append(why, releve.Say("before-no-pbx", "seat", string(seat)))
		}
	}
	if !s[releve.Main].InService() && !s[releve.Secondary].InService() {
		why = append(why, releve.Say("before-nobody-on-duty"))
	}
	return why
}
