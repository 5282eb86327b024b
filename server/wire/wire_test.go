package wire

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
)

// road brings what is said to the other server, written and read as a link does.
type road struct {
	there Answers
	old   bool // the other is of the first version: it answers a question alone
	cut   error
}

func (r road) Exchange(ctx context.Context, own, heard any) error {
	if r.cut != nil {
		return r.cut
	}
	raw, err := json.Marshal(own)
	if err != nil {
		return err
	}
	said, err := r.there.Exchange(ctx, raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(order.Args(said), heard)
}

func (r road) Check(ctx context.Context, q releve.CheckQuestion) (releve.CheckAnswer, error) {
	return r.there.Check(ctx, q), r.cut
}

func (r road) CheckAndTell(ctx context.Context, q releve.CheckQuestion, own, heard any) (answer releve.CheckAnswer, told bool, err error) {
	told = !r.old && r.Exchange(ctx, own, heard) == nil
	return r.there.Check(ctx, q), told, r.cut
}

func (r road) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return r.there.Command(ctx, name, args, emit)
}

// server is an agent and a spool that the other asks.
type server struct {
	reply takeover.Reply
	heard []agent.Message
	asked []releve.CheckQuestion
}

func (s *server) Heard(_ context.Context, m agent.Message) agent.Message {
	s.heard = append(s.heard, m)
	return agent.Message{Life: "main"}
}

func (s *server) CheckMe(_ context.Context, q releve.CheckQuestion) takeover.Reply {
	s.asked = append(s.asked, q)
	return s.reply
}

func (s *server) Carried(_ context.Context, order string, show func(view.Procedure)) error {
	show(view.Procedure{Name: order})
	return nil
}

func (s *server) Read(after uint64, limit int) (releve.SpoolPage, error) {
	return releve.SpoolPage{Records: []releve.SpoolRecord{{Sequence: after + uint64(limit)}}}, nil
}

func (s *server) Stored(string, uint64) {}

// What one server says and asks, the other hears and answers.
func TestTwoServersTalk(t *testing.T) {
	main := &server{reply: takeover.Reply{Heard: true, Term: 7, Well: true, Busy: true, Registered: true, LastInvite: 3, Why: "busy"}}
	there := Answers{Seat: releve.Main, Agent: main, Editions: new(Editions), Spool: main}
	var ended []error
	other := Other{Link: road{there: there}, Editions: new(Editions), Ended: func(err error) { ended = append(ended, err) }}
	if m, err := other.Exchange(t.Context(), agent.Message{Life: "secondary"}); err != nil || m.Life != "main" || main.heard[0].Life != "secondary" {
		t.Errorf("heard %q of %+v (%v)", m.Life, main.heard, err)
	}
	for story, asks := range map[string]func(releve.CheckQuestion) (takeover.Reply, error){
		"on the link": func(q releve.CheckQuestion) (takeover.Reply, error) { return other.Check(t.Context(), q) },
		"past it": func(q releve.CheckQuestion) (takeover.Reply, error) {
			return Past(other.Link.Check).CheckOther(t.Context(), q)
		},
	} {
		if r, err := asks(releve.CheckQuestion{Call: true}); err != nil || r != main.reply || !main.asked[len(main.asked)-1].Call {
			t.Errorf("%s: answered %+v (%v), want %+v", story, r, err, main.reply)
		}
	}
	cut := errors.New("cut")
	other.Link = road{cut: cut}
	if _, err := other.Exchange(t.Context(), agent.Message{}); !errors.Is(err, cut) || !slices.Equal(ended, []error{nil, cut}) {
		t.Errorf("%v, and the exchanges ended with %v", err, ended)
	}
}

// Our word travels with a question, and the other's with the answer: not from one of the first
// version, whose answer counts all the same.
func TestAWordTravelsWithACheck(t *testing.T) {
	for _, old := range []bool{false, true} {
		main := &server{reply: takeover.Reply{Heard: true, Term: 7}}
		other := Other{Link: road{there: Answers{Agent: main, Editions: new(Editions)}, old: old}, Editions: new(Editions)}
		heard := ""
		r, err := other.CheckAndTell(t.Context(), releve.CheckQuestion{}, agent.Message{Life: "secondary"}, func(m agent.Message) { heard = m.Life })
		if err != nil || r != main.reply || (heard == "main") == old || (len(main.heard) == 1) == old {
			t.Errorf("old %v: answered %+v (%v), heard %q, and said %+v", old, r, err, heard, main.heard)
		}
	}
}

// An order that no room has is the agent's, and a word that cannot be read says why it may be.
func TestWhatIsAnswered(t *testing.T) {
	main := &server{}
	there := Answers{Agent: main, Spool: main, Orders: order.Desk{
		"count": order.Answered(func(context.Context) (int, error) { return 7, nil }),
	}}
	link := road{there: there}
	if n, err := order.Ask[int](t.Context(), link, "count", nil); n != 7 || err != nil {
		t.Errorf("the room's order is answered %d (%v)", n, err)
	}
	shown := ""
	if err := (Other{Link: link}).Command(t.Context(), "rejoin", nil, func(p view.Procedure) { shown = p.Name }); err != nil || shown != "rejoin" {
		t.Errorf("the agent's shows %q (%v)", shown, err)
	}
	if _, err := there.Exchange(t.Context(), json.RawMessage("7")); err == nil || !strings.Contains(err.Error(), "one version") {
		t.Errorf("no word is answered %v", err)
	}
	if page, err := there.SpoolRead(t.Context(), 50, 2); err != nil || page.Records[0].Sequence != 52 {
		t.Errorf("of the spool it reads %+v (%v)", page, err)
	}
}
