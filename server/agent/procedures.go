package agent

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"releve"
	"releve/rules/procedure"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/guide"
)

// Procedure runs the procedure of that name to its end and emits it again after
// each change. It may be asked of either server: each orders the other what
// belongs there.
func (a *Agent) Procedure(ctx context.Context, name string, dryRun bool, emit func(view.Procedure)) error {
	return a.Wish(ctx, view.Wish{Name: name, DryRun: dryRun}, takeover.Return{}, emit)
}

// Wish runs a procedure as [Agent.Procedure] does, on an operator's word, and on the other
// server's that he brought.
func (a *Agent) Wish(ctx context.Context, w view.Wish, brought takeover.Return, emit func(view.Procedure)) error {
	return a.guide.Run(ctx, w, brought, emit)
}

// Offers are the procedures that somebody may choose of.
func (a *Agent) Offers() []view.Offer { return a.guide.Offers() }

// AbortProcedure ends the procedure that this server leads, where that can be.
func (a *Agent) AbortProcedure(id string) error { return a.guide.Abort(id) }

// guided is this server as a procedure needs it.
type guided struct{ *Agent }

// Seat implements [guide.Server], as the others do.
func (g guided) Seat() releve.Seat { return g.Settings.Seat }

// Site is both servers, each by its own word.
func (g guided) Site() procedure.Site {
	m := g.Machine()
	other, at, heard := g.board.theirs()
	own, theirs := g.saidBy(g.Message()), g.saidBy(other)
	own.Lease = m.Lease()
	own.Heard, own.Protected, own.Copy, own.Loss = true, m.Protected(), m.DataID, g.ownLoss(m)
	theirs.Heard, theirs.Loss = heard, theirLoss(other, at, heard)
	receives := m.DB.Streaming || m.Gate && m.Mirror.Streaming
	own.Papers = g.board.papers()
	theirs.Papers = own.Papers
	own.Receives, theirs.Receives = receives, receives // the one of them that is the copy
	return procedure.Site{m.Seat: own, m.Seat.Other(): theirs}
}

// saidBy is a server by its own word: its status, and what its screen shows beside that.
func (a *Agent) saidBy(word Message) procedure.Server {
	lacks := map[releve.Level][]string{}
	for _, fit := range word.Server.Levels {
		lacks[fit.Level] = fit.Lacks
	}
	return procedure.Server{
		Lacks: lacks, Version: word.Server.Version,
		Status: word.Status, Copy: word.Status.DataID, OnStandby: slices.Contains(word.Server.Registered, a.parts.Site.StandbyUser),
		Copied: word.Server.Copied, SinceCopy: word.Server.SinceCopy, Now: time.Now().UTC(),
		Down: word.Server.Data.State == releve.TierDown, Witness: word.Server.Witness,
	}
}

// Vouched is for whoever keeps such words.
func (g guided) Vouched(level releve.Level, name string) error { return g.parts.Vouch(level, name) }

// papers are what comes before each level, as far as the licences' keeper has looked.
func (b *board) papers() map[releve.Level]procedure.Papers {
	all := map[releve.Level]procedure.Papers{}
	if l := b.licensed(); l != nil {
		for _, of := range l.Levels {
			all[of.Level] = procedure.Papers{
				Licence: procedure.Need{Met: of.Licence.There, Is: of.Licence.What}, Study: procedure.Need{Met: of.Study.There, Is: of.Study.What},
			}
		}
	}
	return all
}

// OtherRuns is told by the other.
func (g guided) OtherRuns() bool {
	other, _, heard := g.board.theirs()
	return heard && other.Procedure.Runs()
}

// Order is carried out here, or over the link.
func (g guided) Order(ctx context.Context, at releve.Seat, o procedure.Order, brought takeover.Return) (found releve.Sentence, err error) {
	switch o {
	case procedure.TestCall, procedure.ProveItself:
		return g.provenAt(ctx, at, o)
	case procedure.FirstCall:
		return g.firstCallAt(ctx, at)
	case procedure.CarryWord:
		g.Carry(ctx, brought)
		return found, nil
	case procedure.AskPBX:
		g.askPBX(ctx)
		return found, nil
	case procedure.Relieve: // what was seen last may be old by now
		g.askPBX(ctx)
	}
	return found, g.orderAt(ctx, at, string(o))
}

// askLimit is how long the PBX may take to say who has the reception.
const askLimit = 2 * time.Second

// askPBX looks who has the reception. A PBX that does not say so is no reason to go on without.
func (g guided) askPBX(ctx context.Context) {
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	shown, err := g.parts.Telephone.Theirs(limit)
	if err != nil {
		g.Log.Info("the PBX does not say who has the reception", "err", err)
		shown = takeover.Shown{Silent: true}
	}
	g.send(ctx, takeover.Event{Shown: &shown})
}

// Withdraw: whether the step was reached without its order or not, what an operator forced
// must not happen by itself on another day.
func (g guided) Withdraw(ctx context.Context, o procedure.Order) {
	if own := takeover.Command(o); own == "" || g.Machine().Order != own {
		return
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	g.send(limit, takeover.Event{Command: takeover.Forget})
}

// Progress is that of the copy.
func (g guided) Progress(own bool) *releve.Progress {
	if own {
		return g.board.copying()
	}
	return g.View().Mirror.Progress
}

// Shown has viewers look again.
func (g guided) Shown() { g.changed.announce() }

// orderAt gives an order to this server or to the other.
func (a *Agent) orderAt(ctx context.Context, at releve.Seat, order string) error {
	if at == a.Settings.Seat {
		return a.Order(ctx, order)
	}
	return a.parts.Link.Command(ctx, order, nil, func(view.Procedure) {})
}

// Order takes an order that a procedure gives to this server.
func (a *Agent) Order(ctx context.Context, order string) error {
	switch takeover.Command(order) {
	case takeover.Rejoin, takeover.Rebuild, takeover.HandOver, takeover.Restore, takeover.Solo, takeover.Take, takeover.UsePair, takeover.UseWitness,
		takeover.UseBase, takeover.UseMirroring, takeover.UseBackup, takeover.UseHighAvailability,
		takeover.Renew, takeover.Move, takeover.Clear, takeover.Stay, takeover.Relieve:
		a.send(ctx, takeover.Event{Command: takeover.Command(order)})
		return nil
	}
	return fmt.Errorf("%w: %q", guide.ErrUnknown, order)
}

// provenAt has a proof made by one of the servers, and gives what it heard.
func (a *Agent) provenAt(ctx context.Context, at releve.Seat, o procedure.Order) (found releve.Sentence, err error) {
	if at == a.Settings.Seat {
		return a.prove(ctx, o)
	}
	err = a.parts.Link.Command(ctx, string(o), nil, func(p view.Procedure) {
		if len(p.Steps) > 0 && p.Steps[0].Found != nil {
			found = *p.Steps[0].Found
		}
	})
	return found, err
}

// prove calls the reception: the other server must answer, or at level backup, where nobody else has a
// telephone, this one itself (B4).
func (a *Agent) prove(ctx context.Context, o procedure.Order) (releve.Sentence, error) {
	if o == procedure.ProveItself {
		return a.testCall(ctx, a.Settings.Seat)
	}
	return a.TestCall(ctx)
}

// testLimit is how long a proof by a test call may take: somebody is on duty and
// answers at once.
const testLimit = 15 * time.Second

// TestCall calls the reception as the standby user and says what it heard. It proves the
// other server, which is on duty: somebody else who answers proves nothing.
func (a *Agent) TestCall(ctx context.Context) (releve.Sentence, error) {
	return a.testCall(ctx, a.Settings.Seat.Other())
}

// testCall calls the reception as a user that this server has bound; must is who is to answer.
func (a *Agent) testCall(ctx context.Context, must releve.Seat) (releve.Sentence, error) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	call, err := a.parts.Telephone.TestCall(ctx, rand.Text(), true)
	if err != nil {
		return releve.Sentence{}, fmt.Errorf("the test call to %s failed: %w", a.parts.Site.Reception, err)
	}
	if call.Known && call.By != must {
		return releve.Sentence{}, releve.Known(fmt.Sprintf(
			"the test call to %s was answered by %s, and the %s server took none", a.parts.Site.Reception, call.AnsweredBy, must),
			"cause-test-elsewhere", "number", a.parts.Site.Reception, "by", call.AnsweredBy, "seat", string(must))
	}
	return releve.Say("found-test-call", "answered", call.AnsweredAfter.Round(time.Millisecond).String(),
		"sound", call.SoundAfter.Round(time.Millisecond).String(), "by", call.AnsweredBy), nil
}
