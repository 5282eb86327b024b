package sim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
)

// road is a way from one server to the other.
type road int

const (
	peerLink road = iota
	directSIP
)

// network is what lies between the servers.
type network struct {
	partition [2]bool // the link, from the main and from the secondary
	sip       bool    // direct SIP is partitioned
	peers     bool    // the agents' link alone is, both ways

	loss       int           // one packet in so many is lost, 0: none
	delay      time.Duration // what a packet may be late
	duplicates int           // one status in so many comes again later, 0: none
}

func (n *network) both() bool { return !n.partition[0] && !n.partition[1] }

// carries draws the fate of one packet. The caller holds the lock.
func (n *network) carries(r road, from releve.Seat, d die) (delay time.Duration, arrives bool) {
	delay = d.between(100*time.Microsecond, 2*time.Millisecond)
	if n.delay > 0 {
		delay += d.between(0, n.delay)
	}
	lost := n.loss > 0 && d.one(n.loss)
	if r == directSIP {
		return delay, !lost && !n.sip
	}
	return delay, !lost && !n.peers && !n.partition[side(from)]
}

func side(seat releve.Seat) int {
	if seat == releve.Main {
		return 0
	}
	return 1
}

// goes sends one packet and says whether it arrived.
func (v *server) goes(ctx context.Context, r road) bool {
	v.mu.Lock()
	m := ofLink
	if r == directSIP {
		m = ofSIP
	}
	delay, arrives := v.network.carries(r, v.seat, v.dice.of(v.seat, m))
	v.mu.Unlock()
	return sleep(ctx, delay) && arrives
}

// reached is the process that a packet finds, once it runs. A server that is off
// refuses.
func (v *server) reached(ctx context.Context) (*process, error) {
	v.mu.Lock()
	p, resumed := v.running, v.resumed
	v.mu.Unlock()
	if p == nil {
		return nil, errRefused
	}
	if !comes(ctx, resumed) {
		return nil, context.Cause(ctx)
	}
	return p, p.alive()
}

// silenceLimit is how long TCP may leave a question without an answer before
// the product's link gives the connection up.
const silenceLimit = 5 * time.Second

// ask takes a question to the other server, has it served there, and brings the
// answer back, each on its own way. What serves must not wait for more than ctx.
func ask[A any](ctx context.Context, p *process, r road, serve func(context.Context, *process) (A, error)) (none A, err error) {
	if err := p.acts(); err != nil {
		return none, err
	}
	if !p.goes(ctx, r) {
		return none, silence(ctx, p)
	}
	there, err := p.other().reached(ctx)
	if err != nil {
		return none, errors.Join(err, p.alive())
	}
	a, err := serve(ctx, there)
	if !there.goes(ctx, r) {
		return none, silence(ctx, p)
	}
	return a, errors.Join(err, p.alive())
}

// silence is what comes of a packet that was lost.
func silence(ctx context.Context, p *process) error {
	sleep(ctx, silenceLimit)
	return errors.Join(errSilent, context.Cause(ctx), p.alive())
}

// patiently lets work be done that may last longer than ctx, as that of a server
// that is paused in the middle.
func patiently[A any](serve func(context.Context, *process) (A, error)) func(context.Context, *process) (A, error) {
	return func(ctx context.Context, there *process) (none A, err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(there.ctx, cancel)()
		answers := make(chan answer[A], 1)
		there.work.Go(func() {
			a, err := serve(ctx, there)
			answers <- answer[A]{a, errors.Join(err, there.alive())}
		})
		select {
		case a := <-answers:
			return a.value, a.err
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
}

// answer is what came of such work.
type answer[A any] struct {
	value A
	err   error
}

// link is the peer link.
type link struct{ *process }

func (l link) Exchange(ctx context.Context, m agent.Message) (agent.Message, error) {
	l.change(func() { l.exchanged++ })
	m = l.tells(m, l.other())
	return ask(ctx, l.process, peerLink, func(ctx context.Context, there *process) (agent.Message, error) {
		l.again(m)
		return there.tells(there.agent.Heard(ctx, m), l.server), nil
	})
}

// tells is a message as it arrives.
func (v *server) tells(m agent.Message, to *server) agent.Message {
	m.Status = v.without.forge(m.Status, to)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.weak.former {
		m.Said, m.Upon = 0, agent.Upon{}
	}
	if v.byHand {
		m = onTheWire(m)
	}
	return v.clocks.dated(m)
}

// onTheWire is a message as one that has travelled: it shares nothing with what was sent.
// Stories do without, for there are a hundred thousand of them.
func onTheWire(m agent.Message) (arrived agent.Message) {
	raw, err := json.Marshal(m)
	if err = errors.Join(err, json.Unmarshal(raw, &arrived)); err != nil {
		panic("a message does not travel: " + err.Error())
	}
	return arrived
}

// again: a status may come twice, the second time much later, and to another life
// of the other server.
func (l link) again(m agent.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.dice.of(l.seat, ofLink)
	if l.network.duplicates == 0 || !d.one(l.network.duplicates) {
		return
	}
	l.later(d.between(time.Millisecond, 3*time.Second), func() {
		if there, err := l.other().reached(l.site.ctx); err == nil {
			there.agent.Heard(there.ctx, m)
		}
	})
}

func (l link) Check(ctx context.Context, q releve.CheckQuestion) (takeover.Reply, error) {
	return ask(ctx, l.process, peerLink, checkMe(q))
}

func (l link) CheckAndTell(
	ctx context.Context, q releve.CheckQuestion, word agent.Message, hears func(agent.Message),
) (takeover.Reply, error) {
	l.mu.Lock()
	former := l.other().weak.former
	l.mu.Unlock()
	if former {
		return l.Check(ctx, q)
	}
	own := l.tells(word, l.other())
	said, err := ask(ctx, l.process, peerLink, patiently(func(ctx context.Context, there *process) (s checkedAndTold, err error) {
		s.word = there.tells(there.agent.Heard(ctx, own), l.server)
		s.reply = there.without.checked(q, there.agent.CheckMe(ctx, q))
		return s, nil
	}))
	if err == nil {
		hears(said.word)
	}
	return said.reply, err
}

// checkedAndTold is the answer to a check with which the words of both travelled.
type checkedAndTold struct {
	reply takeover.Reply
	word  agent.Message
}

func checkMe(q releve.CheckQuestion) func(context.Context, *process) (takeover.Reply, error) {
	return patiently(func(ctx context.Context, there *process) (takeover.Reply, error) {
		return there.without.checked(q, there.agent.CheckMe(ctx, q)), nil
	})
}

func (l link) Command(ctx context.Context, name string, _ map[string]string, emit func(view.Procedure)) error {
	if name != "test-call" {
		_, err := ask(ctx, l.process, peerLink, func(ctx context.Context, there *process) (none struct{}, err error) {
			return none, there.agent.Order(ctx, name)
		})
		return err
	}
	found, err := ask(ctx, l.process, peerLink, patiently(func(ctx context.Context, there *process) (releve.Sentence, error) {
		return there.agent.TestCall(ctx)
	}))
	if err == nil {
		emit(view.Procedure{Name: name, Steps: []view.ProcedureStep{{State: "done", Found: &found}}})
	}
	return err
}
