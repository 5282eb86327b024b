package app

import (
	"context"
	"encoding/json"

	"releve"
	"releve/adapters/peer"
	"releve/adapters/spool"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
)

// link is the way to the other server as the agent needs it.
type link struct {
	peer       *peer.Peer
	acquainted *peer.Acquaintance
}

// Exchange is called by one goroutine.
func (l link) Exchange(ctx context.Context, m agent.Message) (agent.Message, error) {
	heard, err := l.peer.Exchange(ctx, wordOf(m))
	l.acquainted.Note(err)
	return messageOf(heard), err
}

func (l link) Check(ctx context.Context, q agent.CheckQuestion) (takeover.Reply, error) {
	question := peer.CheckQuestion{Term: q.Term, Call: q.Call}
	if q.Word == nil {
		return reply(l.peer.Check(ctx, question))
	}
	answer, heard, err := l.peer.CheckAndTell(ctx, question, wordOf(*q.Word))
	if heard != nil {
		q.Hears(messageOf(*heard))
	}
	return reply(answer, err)
}

// reply reads a check answer: well is what SPEC H4 calls functional.
func reply(a peer.CheckAnswer, err error) (takeover.Reply, error) {
	if err != nil {
		return takeover.Reply{}, err
	}
	return takeover.Reply{
		Heard: true, Term: a.Term, Well: a.Well && a.PBXAnswered, Busy: a.Busy, Registered: a.Registered,
		LastInvite: a.LastInvite, Why: a.Why.Args["why"],
	}, nil
}

func (l link) Command(ctx context.Context, name string, args map[string]string, emit func(view.Procedure)) error {
	return order.Show(ctx, l.peer, name, order.Args(args), emit)
}

// checkOf is what this server says of itself to a question of the other's.
func checkOf(ctx context.Context, a *agent.Agent, seat releve.Seat, q peer.CheckQuestion) peer.CheckAnswer {
	r := a.CheckMe(ctx, agent.CheckQuestion{Term: q.Term, Call: q.Call})
	return peer.CheckAnswer{
		Nonce: q.Nonce, Seat: seat, Term: r.Term, Well: r.Well, PBXAnswered: r.Well, Busy: r.Busy, Registered: r.Registered,
		LastInvite: r.LastInvite, Why: releve.Say("check-unwell", "why", r.Why),
	}
}

// answers is what the other server may ask of this one.
type answers struct {
	seat   releve.Seat
	agent  *agent.Agent
	spool  *spool.Spool
	orders order.Desk
}

func (h answers) Exchange(ctx context.Context, heard peer.Word) peer.Word {
	return wordOf(h.agent.Heard(ctx, messageOf(heard)))
}

func (h answers) Check(ctx context.Context, q peer.CheckQuestion) peer.CheckAnswer {
	return checkOf(ctx, h.agent, h.seat, q)
}

func (h answers) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if carried, known := h.orders[name]; known {
		return carried(ctx, args, emit)
	}
	return h.agent.Carried(ctx, name, func(p view.Procedure) { _ = order.Line(emit, p) }) // a reader that left ends ctx
}

func (h answers) SpoolRead(_ context.Context, after uint64, limit int) (releve.SpoolPage, error) {
	return h.spool.Read(max(after, h.spool.Acknowledged()), limit)
}

func (h answers) SpoolStored(_ context.Context, incarnation string, upTo uint64) error {
	h.spool.Stored(incarnation, upTo)
	return nil
}
