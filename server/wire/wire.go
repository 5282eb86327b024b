// Package wire is what the two servers of a site tell each other of themselves: a [Word] with
// a version, what the agent means by it, and both ends of the talk. [Other] tells and asks,
// [Answers] is told and asked. The road between them is the link's, which reads no word.
package wire

import (
	"context"
	"encoding/json"
	"fmt"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
)

// Link is the way to the other server. What it fails with says what of the other is known.
type Link interface {
	order.Link
	// Exchange gives this server's word and takes the other's into heard, a pointer.
	Exchange(ctx context.Context, own, heard any) error
	Check(context.Context, releve.CheckQuestion) (releve.CheckAnswer, error)
	// CheckAndTell is both in one. told is false where the question alone is answered: by a
	// server of an earlier version, or where one of both words cannot be read.
	CheckAndTell(ctx context.Context, q releve.CheckQuestion, own, heard any) (answer releve.CheckAnswer, told bool, err error)
}

// Other is the other server as this one's agent tells and asks it.
type Other struct {
	Link     Link
	Editions *Editions
	Ended    func(error) // is told how each exchange did, by the one goroutine that makes them
}

// Exchange tells the other server how this one is, and hears how it is itself.
func (o Other) Exchange(ctx context.Context, m agent.Message) (agent.Message, error) {
	var heard Word
	err := o.Link.Exchange(ctx, o.Editions.tells(m), &heard)
	o.Ended(err)
	if err != nil {
		return agent.Message{}, err
	}
	return o.Editions.hears(heard), nil
}

// Check asks the other server whether it can take a call (SPEC H4).
func (o Other) Check(ctx context.Context, q releve.CheckQuestion) (takeover.Reply, error) {
	return reply(o.Link.Check(ctx, q))
}

// CheckAndTell is both in one, where the other server is of a version that does both.
func (o Other) CheckAndTell(ctx context.Context, q releve.CheckQuestion, own agent.Message, hears func(agent.Message)) (takeover.Reply, error) {
	var heard Word
	answer, told, err := o.Link.CheckAndTell(ctx, q, o.Editions.tells(own), &heard)
	if told {
		hears(o.Editions.hears(heard))
	}
	return reply(answer, err)
}

// Command has a step of a procedure carried out there.
func (o Other) Command(ctx context.Context, name string, args map[string]string, emit func(view.Procedure)) error {
	return order.Show(ctx, o.Link, name, order.Args(args), emit)
}

// Past asks the other server past the link, over a road of its own (SPEC H8).
type Past func(context.Context, releve.CheckQuestion) (releve.CheckAnswer, error)

// CheckOther is [Other.Check] over that road.
func (p Past) CheckOther(ctx context.Context, q releve.CheckQuestion) (takeover.Reply, error) {
	return reply(p(ctx, releve.CheckQuestion{Call: q.Call}))
}

// reply reads a check answer: well is what SPEC H4 calls functional.
func reply(a releve.CheckAnswer, err error) (takeover.Reply, error) {
	if err != nil {
		return takeover.Reply{}, err
	}
	return takeover.Reply{
		Heard: true, Term: a.Term, Well: a.Well && a.PBXAnswered, Busy: a.Busy, Registered: a.Registered,
		LastInvite: a.LastInvite, Why: a.Why.Args["why"],
	}, nil
}

// Agent is this server's, as the other server needs it.
type Agent interface {
	Heard(context.Context, agent.Message) agent.Message // how the other is; gives how this one is
	CheckMe(context.Context, releve.CheckQuestion) takeover.Reply
	Carried(ctx context.Context, order string, show func(view.Procedure)) error
}

// Spool is this server's, which the server on duty reads.
type Spool interface {
	Read(after uint64, limit int) (releve.SpoolPage, error) // of what the database has not yet
	Stored(incarnation string, upTo uint64)
}

// Answers is what the other server may ask of this one.
type Answers struct {
	Seat     releve.Seat
	Agent    Agent
	Editions *Editions // those of this server's [Other]
	Spool    Spool
	Orders   order.Desk // of the other rooms; the rest are the agent's
}

// Exchange takes the other server's word and gives this one's.
func (s Answers) Exchange(ctx context.Context, heard json.RawMessage) (any, error) {
	var w Word
	if err := json.Unmarshal(heard, &w); err != nil {
		return nil, fmt.Errorf("it cannot read the word: are both servers of one version? %w", err)
	}
	return s.Editions.tells(s.Agent.Heard(ctx, s.Editions.hears(w))), nil
}

// Check is what this server says of itself to a question of the other's.
func (s Answers) Check(ctx context.Context, q releve.CheckQuestion) releve.CheckAnswer {
	r := s.Agent.CheckMe(ctx, q)
	return releve.CheckAnswer{
		Nonce: q.Nonce, Seat: s.Seat, Term: r.Term, Well: r.Well, PBXAnswered: r.Well, Busy: r.Busy, Registered: r.Registered,
		LastInvite: r.LastInvite, Why: releve.Say("check-unwell", "why", r.Why),
	}
}

// Command carries an order out: a room's, or a step of a procedure.
func (s Answers) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if carried, known := s.Orders[name]; known {
		return carried(ctx, args, emit)
	}
	return s.Agent.Carried(ctx, name, func(p view.Procedure) { _ = order.Line(emit, p) }) // a reader that left ends ctx
}

// SpoolRead gives what the database has not yet.
func (s Answers) SpoolRead(_ context.Context, after uint64, limit int) (releve.SpoolPage, error) {
	return s.Spool.Read(after, limit)
}

// SpoolStored takes in what the database has.
func (s Answers) SpoolStored(_ context.Context, incarnation string, upTo uint64) error {
	s.Spool.Stored(incarnation, upTo)
	return nil
}
