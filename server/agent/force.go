package agent

import (
	"context"
	"releve"
	"sync"
	"time"

	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
)

// answerLimit is how long a server that is said to be off has to answer a check.
const answerLimit = time.Second

// otherAnswers is the path by which the other server answers, "" when by none. One that
// is frozen, cut off or off answers by none: telling those apart is the operator's part.
func (a *Agent) otherAnswers(ctx context.Context) (path string) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	question := CheckQuestion{Term: a.Machine().Term}
	var mu sync.Mutex
	var paths sync.WaitGroup
	for name, check := range map[string]func(context.Context, CheckQuestion) (takeover.Reply, error){
		"peer": a.Link.Check, "sip": a.Telephone.CheckOther,
	} {
		paths.Go(func() {
			reply, err := check(ctx, question)
			if err != nil || !reply.Heard {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			path = name
		})
	}
	paths.Wait()
	return path
}

// ownLoss is what this server knows of the records that only it has, or lacks.
func (a *Agent) ownLoss(m takeover.Machine) procedure.Loss {
	loss := procedure.Loss{Unfed: -1}
	if m.StreamLost > 0 && !m.DB.Streaming && !m.Owns() {
		loss.Unfed = a.Now() - m.StreamLost
	}
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	if seen := a.board.seen; seen.Own > seen.Flush {
		loss.Behind = int64(seen.Own - seen.Flush)
	}
	loss.Calls = len(a.board.alone)
	return loss
}

// theirLoss is what the other's last word says of the records that only it has.
func (r *runner) theirLoss(last Message, at time.Time, heard bool) procedure.Loss {
	loss := procedure.Loss{Path: r.path, Silent: -1, Unfed: -1, Behind: last.Mirror.Bytes, Calls: last.Mirror.LostCalls}
	if !at.IsZero() {
		loss.Silent = time.Since(at)
	}
	if heard {
		loss.Path = "peer"
	}
	return loss
}

// ArbiterNow is by what this server decides, and what its witness last said.
func (a *Agent) ArbiterNow() view.Arbiter {
	m := a.Machine()
	now := view.Arbiter{Arbiter: arbiterOf(m), Incarnation: m.Incarnation}
	if a.Arbiter == nil {
		return now
	}
	r := m.Register
	now.Witness = &view.Witness{
		Heard: m.WitnessHeard(), Incarnation: r.Incarnation, Version: r.Version, Term: r.Term, Owner: r.Owner, Alone: r.Alone, Number: r.Number,
	}
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	if err := a.board.witness; err != nil && !now.Witness.Heard {
		now.Witness.Why = err.Error()
	}
	return now
}

// told keeps in the diary what an operator was told that he may lose: what came of it
// can be judged afterwards.
func (a *Agent) told(p view.Procedure) {
	if p.DryRun {
		return
	}
	m := a.Machine()
	for _, cost := range p.Costs {
		a.Diary.Write(releve.Entry{At: time.Now().UTC(), Seat: m.Seat, Term: m.Term, Kind: "fact", What: cost})
	}
}

// misfit says why the word that an operator brought is not the one that this server
// waits for.
func (r *runner) misfit() []releve.Sentence {
	if r.p.Name != procedure.CarriedSolo.Name {
		return nil
	}
	m, word := r.agent.Machine(), r.wish.Carried
	if word.Seat == r.target.Other() && word.Term == m.Term && word.Number == m.Number {
		return nil
	}
	code := "before-word-unknown"
	if word.Term < m.Term || word.Term == m.Term && word.Number < m.Number {
		code = "before-word-old"
	}
	return []releve.Sentence{releve.Say(code, "seat", string(r.target), "other", string(r.target.Other()),
		"term", itoa(int(word.Term)), "number", itoa(int(word.Number)), "own", itoa(int(m.Term)), "current", itoa(int(m.Number)))}
}

// withdraw takes back an order that nothing came of, whether the step was reached without
// it or not: what an operator forced must not happen by itself on another day.
func (r *runner) withdraw(ctx context.Context, s procedure.Step) {
	if own := takeover.Command(s.Order); own == "" || r.agent.Machine().Order != own {
		return
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	r.agent.send(limit, takeover.Event{Command: takeover.Forget})
}

// copying is how far the copy is that is made here, nil when none is.
func (b *board) copying() *releve.Progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.progress
}
