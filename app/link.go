package app

import (
	"context"
	"encoding/json"
	"fmt"

	"releve"
	"releve/adapters/peer"
	"releve/adapters/spool"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
)

// link is the way to the other server as the agent needs it.
type link struct{ peer *peer.Peer }

func (l link) Exchange(ctx context.Context, m agent.Message) (agent.Message, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return agent.Message{}, err
	}
	raw, err = l.peer.Exchange(ctx, raw)
	if err != nil {
		return agent.Message{}, err
	}
	var heard agent.Message
	return heard, json.Unmarshal(raw, &heard)
}

func (l link) Check(ctx context.Context, q agent.CheckQuestion) (takeover.Reply, error) {
	answer, err := l.peer.Check(ctx, peer.CheckQuestion{Term: q.Term, Call: q.Call})
	if err != nil {
		return takeover.Reply{}, err
	}
	return reply(answer), nil
}

// reply reads a check answer: well is what SPEC H4 calls functional.
func reply(a peer.CheckAnswer) takeover.Reply {
	return takeover.Reply{
		Heard: true, Term: a.Term, Well: a.Well && a.PBXAnswered, Busy: a.Busy, Registered: a.Registered,
		LastInvite: a.LastInvite, Why: a.Why.Args["why"],
	}
}

func (l link) Command(ctx context.Context, name string, args map[string]string, emit func(view.Procedure)) error {
	return order.Show(ctx, l.peer, name, order.Args(args), emit)
}

// answers is what the other server may ask of this one.
type answers struct {
	seat   releve.Seat
	agent  *agent.Agent
	spool  *spool.Spool
	orders order.Desk
	pupil  *pupil
}

func (h *answers) Exchange(ctx context.Context, in json.RawMessage) (json.RawMessage, error) {
	var m agent.Message
	if err := json.Unmarshal(in, &m); err != nil {
		return nil, fmt.Errorf("the other server's status cannot be read, are both servers of one version? %w", err)
	}
	return json.Marshal(h.agent.Heard(ctx, m))
}

func (h *answers) Check(ctx context.Context, q peer.CheckQuestion) peer.CheckAnswer {
	r := h.agent.CheckMe(ctx, agent.CheckQuestion{Term: q.Term, Call: q.Call})
	return peer.CheckAnswer{
		Nonce: q.Nonce, Seat: h.seat, Term: r.Term, Well: r.Well, PBXAnswered: r.Well, Busy: r.Busy, Registered: r.Registered,
		DatabaseWell: h.agent.Machine().Gate, LastInvite: r.LastInvite, Why: releve.Say("check-unwell", "why", r.Why),
	}
}

func (h *answers) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	if do, known := h.orders[name]; known {
		return do(ctx, args, emit)
	}
	switch name {
	case giveBack, lessonSeen:
		return h.pupil.command(name, args)
	case checkCalls:
		return h.pupil.check(ctx, emit)
	case "test-call":
		return h.testCall(ctx, emit)
	}
	if c := takeover.Command(name); c == takeover.Solo || c == takeover.Take {
		return fmt.Errorf("%w: %q rests on an operator's word, which is given on the server itself", releve.ErrUnknown, name)
	}
	return h.agent.Order(ctx, name)
}

func (h *answers) testCall(ctx context.Context, emit func(json.RawMessage) error) error {
	found, err := h.agent.TestCall(ctx)
	if err != nil {
		return err
	}
	return order.Line(emit, view.Procedure{Name: "test-call", Steps: []view.ProcedureStep{{State: "done", Found: &found}}})
}

func (h *answers) SpoolRead(_ context.Context, after uint64, limit int) (releve.SpoolPage, error) {
	return h.spool.Read(max(after, h.spool.Acknowledged()), limit)
}

func (h *answers) SpoolStored(_ context.Context, incarnation string, upTo uint64) error {
	h.spool.Stored(incarnation, upTo)
	return nil
}
