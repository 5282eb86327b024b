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

// OtherAnswers is the path by which the other server answers, "" when by none. One that
// is frozen, cut off or off answers by none: telling those apart is the operator's part.
func (g guided) OtherAnswers(ctx context.Context) (path string) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	question := releve.CheckQuestion{Term: g.Machine().Term}
	var mu sync.Mutex
	var paths sync.WaitGroup
	for name, check := range map[string]func(context.Context, releve.CheckQuestion) (takeover.Reply, error){
		"peer": g.parts.Link.Check, "sip": g.parts.Telephone.CheckOther,
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
func theirLoss(last Message, at time.Time, heard bool) procedure.Loss {
	loss := procedure.Loss{Silent: -1, Unfed: -1, Behind: last.Mirror.Bytes, Calls: last.Mirror.LostCalls}
	if !at.IsZero() {
		loss.Silent = time.Since(at)
	}
	if heard {
		loss.Path = "peer"
	}
	return loss
}

// Arbiter is by what this server decides, and what its witness last said.
func (a *Agent) Arbiter() view.Arbiter {
	m := a.Machine()
	now := view.Arbiter{Arbiter: arbiterOf(m), Incarnation: m.Incarnation}
	if a.parts.Arbiter == nil {
		return now
	}
	r := m.Register
	now.Witness = &view.Witness{
		Heard: m.WitnessHeard(), Incarnation: r.Incarnation, Version: r.Version, Term: r.Term, Owner: r.Owner, Alone: r.Alone, Number: r.Number,
	}
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	if err := a.board.witness; err != nil && !now.Witness.Heard {
		now.Witness.Why = releve.Reason(err)
	}
	return now
}

// Warned keeps it in the diary: what came of it can be judged afterwards.
func (g guided) Warned(costs []releve.Sentence) {
	m := g.Machine()
	for _, cost := range costs {
		g.Diary.Write(releve.Entry{At: time.Now().UTC(), Seat: m.Seat, Term: m.Term, Kind: "fact", What: cost})
	}
}

// copying is how far the copy is that is made here, nil when none is.
func (b *board) copying() *releve.Progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.progress
}
