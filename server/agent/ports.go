// Package agent carries out what package takeover decides. One goroutine owns
// the decision: it turns the world into events, takes the actions in their
// order, and brings the end of slow work back as an event.
package agent

import (
	"context"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// Journal remembers what must survive a crash.
type Journal interface {
	Load() (takeover.Durable, bool, error)
	Save(context.Context, takeover.Durable) error // on disk when it returns
}

// Database is this server's PostgreSQL.
type Database interface {
	Disk() (takeover.DiskKind, releve.DataID, error)
	Create(context.Context) (releve.DataID, error)
	StartPrimary(context.Context) error
	StartCopy(context.Context) error // streams from nobody
	Follow(context.Context) error    // streams from the other, under the mirror's name
	Stop(context.Context) error      // in order: a connected mirror has everything
	Fence()                          // at once, at most a second
	Exited() <-chan struct{}         // of the current start
	Why() string                     // it exited
	// Look is how it is, and how an owner's sees its mirror; nil: a copy's, or it does not tell.
	Look(context.Context) (takeover.Database, *takeover.Mirror, error)
	// Promote makes the copy the owner's, once for each id: what is tried again is judged with what the
	// first attempt left. The fork is where the vote's timeline was left. Of an unsafe one: [releve.ErrUnsafe] (R4).
	Promote(ctx context.Context, id releve.PromotionID, vote takeover.Candidate) (takeover.Promotion, error)
	// Rejoin makes the data a copy of the other's, by rewinding or cloning, and
	// leaves it running and consistent. What would be lost is set aside and said.
	Rejoin(context.Context, takeover.Promotion, func(releve.Sentence, *releve.Progress)) (releve.DataID, error)
	// Renew makes a newer copy of the other's data beside the one that is there, and starts it in its
	// place. When it fails, the one that was there is there again, stopped.
	Renew(context.Context, func(releve.Sentence, *releve.Progress)) (releve.DataID, error)
	// Rest has the copy receive no more, and remembers as of when it is; zero where that is not known.
	Rest(context.Context) (time.Time, error)
	Checkpoint(context.Context) error
}

// Ward proves the database's health and brings it back when it is lost.
type Ward interface {
	// Restore sets this server's data aside and makes a copy of the mirror's, which goes
	// on as it is; it is left running, ready to be promoted (M5).
	Restore(context.Context, func(releve.Sentence, *releve.Progress)) (releve.DataID, error)
	// Health proves by doing that the data can be written and read (R12); late: [releve.ErrSlow].
	Health(context.Context) error
}

// Store is handed the database for a term and loses it at a fence.
type Store interface {
	// Open writes the term's first commit, and then opens the gate if sure still says
	// that nothing speaks against it: the commit may have taken any time, asleep (R9, R19).
	Open(ctx context.Context, term releve.Term, lone bool, promotion releve.PromotionID, sure func() error) error
	SetLone(context.Context, bool) error // a barrier (R8)
	Close()                              // at once
}

// Message is what two servers tell each other; its form on the way is the link's. Two are on
// their way at a time, an answer and what the other said by itself, so that one may be
// overtaken: see [overtaken].
type Message struct {
	Life string        // of the process that tells it, drawn at its start
	Told time.Duration // when that process came to be so, by its own clock
	Said time.Duration // when this was written, by that clock
	Upon Upon          // what it had heard of the other by then

	Status takeover.Status
	Server view.Server
	Mirror view.Mirror
	PBX    view.PBX
	Events []view.Event

	Procedure *view.Procedure // that it runs, or ran last
	Proof     *view.Procedure // a verification that it runs
}

// Upon is the last word that a server had heard of the other when it told one itself: none
// of its own is older than that.
type Upon struct {
	Life string        // of the process that told it
	Said time.Duration // by that process's clock
}

// Link is the way to the other server.
type Link interface {
	Exchange(context.Context, Message) (Message, error)
	Check(context.Context, releve.CheckQuestion) (takeover.Reply, error)
	// CheckAndTell has our own word travel with the question; hears is given the other's, where
	// it came with the answer.
	CheckAndTell(ctx context.Context, q releve.CheckQuestion, own Message, hears func(Message)) (takeover.Reply, error)
	Command(ctx context.Context, name string, args map[string]string, emit func(view.Procedure)) error
}

// Telephone is this server's link to the PBX, open or closed.
type Telephone interface {
	Way
	State() takeover.Line
	// Theirs is what the PBX shows of who has the reception. The one question that a closed telephone
	// puts to it, once and of an operator's order.
	Theirs(context.Context) (takeover.Shown, error)
}

// Way is an open link to the PBX.
type Way interface {
	Options(context.Context) error                                            // the PBX answered
	CheckOther(context.Context, releve.CheckQuestion) (takeover.Reply, error) // over SIP, past the PBX
	Keep(takeover.Users)                                                      // bound from now on; never waits
	Bound() takeover.Users                                                    // what the PBX last confirmed
	RegisterNow()
	// BindingThere says whether the PBX shows our own binding of the reception, and what it shows beside.
	BindingThere(context.Context) (own bool, shown takeover.Shown, err error)
	// TestCall calls the reception; whom: it takes the time to find out which server answers.
	TestCall(ctx context.Context, id string, whom bool) (releve.TestCall, error)
}

// Voice is this server's calls.
type Voice interface {
	// Cede ends all calls: the other server has the duty, and goes on with those that it knows of.
	Cede(why string)
	Well() error
	Load() releve.Load
}

// Diary keeps decisions with their evidence. It never waits and never fails.
type Diary interface{ Write(step ...releve.Entry) }

// Spool tells how many facts wait on this disk alone.
type Spool interface{ Waiting() int }
