package sim

import (
	"fmt"
	"slices"
	"time"

	"releve"
	"releve/rules/takeover"
)

// ledger is the witness outside of both servers: it knows what was promised, and
// finds a promise broken at the moment when it is.
type ledger struct {
	site     *site
	broken   string
	acked    []*commit
	latest   *commit // of those, the last in the highest term
	promised []releve.FactID
	owners   map[releve.Term]releve.Seat // by the journals
	grants   map[grant]releve.Seat       // by the register
	forced   bool                        // an operator has forced what the vote does not allow
}

// grant is a term as the register knows it: what it knew before it was wiped is nothing.
type grant struct {
	incarnation uint64
	term        releve.Term
}

func newLedger(s *site) ledger {
	return ledger{site: s, owners: map[releve.Term]releve.Seat{}, grants: map[grant]releve.Seat{}}
}

// breaks says which promise is broken, and ends the story. The caller holds the lock.
func (s *site) breaks(format string, args ...any) {
	if s.ledger.broken != "" || s.ctx.Err() != nil {
		return
	}
	s.ledger.broken = fmt.Sprintf(format, args...)
	s.note("", "%s.", s.ledger.broken)
	s.end()
}

// saved: in each term exactly one server holds the vote, by what is on their disks (R2),
// and who opens a term with a witness has its grant (R5).
func (l *ledger) saved(v *server, before takeover.Durable) {
	ours, theirs := v.journal.kept, v.other().journal
	if !l.forced && theirs.known && ours.Term == theirs.kept.Term && ours.Vote && theirs.kept.Vote {
		l.site.breaks("both servers hold the vote of term %d", ours.Term)
	}
	if owner, known := l.owners[ours.Term]; ours.Owns() && known && owner != v.seat {
		l.site.breaks("both servers own term %d", ours.Term)
	}
	if ours.Owns() {
		l.owners[ours.Term] = v.seat
	}
	if before.Term > 0 && !before.Owns() && ours.Owns() {
		l.relieved(v)
	}
	opens := before.Term > 0 && !before.Owns() && ours.Owns()
	if opens && ours.Witnessed() && l.grants[grant{ours.Incarnation, ours.Term}] != v.seat {
		l.site.breaks("the %s opens term %d, which the witness has not given it", v.seat, ours.Term)
	}
	l.decides()
}

// registered: the register has one history, and goes by it (R5).
func (l *ledger) registered(before takeover.Register, c takeover.Claim, after takeover.Register) {
	g := grant{after.Incarnation, after.Term}
	switch owner, known := l.grants[g]; {
	case c.Was != before.Version || c.Inc != before.Incarnation:
		l.site.breaks("the register changes on a claim that goes by version %d of incarnation %d, and has version %d of %d",
			c.Was, c.Inc, before.Version, before.Incarnation)
	case known && owner != after.Owner:
		l.site.breaks("the register gives term %d to both servers", after.Term)
	case before.Incarnation == 0 && !after.Alone:
		l.site.breaks("a register without memory takes in a hand-over")
	}
	l.grants[g] = after.Owner
	l.decides()
}

// decides: who holds the vote alone has not been relieved by the register (R5).
func (l *ledger) decides() {
	r := l.site.witness.kept
	for _, v := range l.site.servers {
		if d := v.journal.kept; d.Alone() && r.Alone && r.Owner != v.seat && r.Term > d.Term {
			l.site.breaks("the %s holds the vote of term %d, and the register has given term %d to the %s",
				v.seat, d.Term, r.Term, r.Owner)
		}
	}
}

// acknowledge takes in a row that a client was told to be safe. The owner of an
// earlier term may still say so of a row that its successor has, for an answer can be
// late; of no other (H10).
func (l *ledger) acknowledge(v *server, x *commit) {
	if x.opens {
		l.opened(v)
	}
	if x.acked {
		return
	}
	x.acked = true
	l.acked = append(l.acked, x)
	l.site.figures.Rows++
	switch last := l.latest; {
	case last == nil || x.term > last.term:
		l.latest = x
	case x.term == last.term && x.owner != last.owner:
		l.site.breaks("two servers acknowledge in term %d", x.term)
	case x.term == last.term:
		l.latest = x
	case !l.forced && !last.owner.database.has(x):
		l.site.breaks("the %s acknowledges row %d in term %d, and the %s, which acknowledges in term %d, does not have it",
			v.seat, x.position, x.term, last.owner.seat, last.term)
	}
}

// opened: whoever opens its gate has every row that was acknowledged (R1). What counts is
// the moment at which its first commit is acknowledged, for that is what the mirror has
// answered for: a server that is stopped after it has seen nothing of what came since, as
// one that was stopped with its gate open, and neither can acknowledge anything more.
func (l *ledger) opened(v *server) {
	if l.forced {
		return
	}
	for _, x := range l.acked {
		if !v.database.has(x) {
			l.site.breaks("an acknowledged row is missing: the %s serves without row %d of term %d", v.seat, x.position, x.term)
			return
		}
	}
}

// opensAwake: without the vote, no gate is opened on a decision that slept, unless the other
// was heard since (R9, R19). A sleep that stopped the machine's clocks too is left to R1, for
// nothing tells the machine of it.
func (l *ledger) opensAwake(v *server, lone bool) {
	if m := v.running.agent.Machine(); m.WokeAt > 0 && m.OtherAt >= m.WokeAt && !m.Suspended {
		return
	}
	if slept := l.site.elapsed() - v.resumedAt; !lone && v.sleptFor > asleep && slept < moment {
		l.site.breaks("the %s was paused for %s, and opens its gate as it wakes", v.seat, v.sleptFor.Round(time.Millisecond))
	}
}

// restored: what only the lost disk had is lost with it, as M5 says.
func (l *ledger) restored(v *server) {
	l.acked = slices.DeleteFunc(l.acked, func(x *commit) bool { return !v.database.has(x) })
	l.latest = nil
	for _, x := range l.acked {
		if l.latest == nil || x.term >= l.latest.term {
			l.latest = x
		}
	}
}

// setAside: what a rejoin undoes was acknowledged to nobody (R11, M6).
func (l *ledger) setAside(v *server, x *commit) {
	if x.acked {
		l.site.breaks("the %s sets row %d of term %d aside, which was acknowledged", v.seat, x.position, x.term)
	}
}

// promise takes in facts that a spool has told to be safe.
func (l *ledger) promise(facts []releve.Fact) {
	for _, f := range facts {
		l.promised = append(l.promised, f.ID)
	}
	l.site.figures.Facts += len(facts)
}

// audit is done at the end, with both spools empty: whoever serves has every row
// that was acknowledged, and so has its mirror where there is one (M7); each fact
// that was promised is in the database of the site, once (R14).
func (l *ledger) audit(owner *server, mirrored bool) {
	l.opened(owner)
	for _, x := range l.acked {
		if mirror := owner.other(); mirrored && !mirror.database.has(x) {
			l.site.breaks("the mirror is not true: the %s holds the vote without row %d of term %d",
				mirror.seat, x.position, x.term)
			return
		}
	}
	times := map[releve.FactID]int{}
	for _, x := range owner.database.log {
		for _, f := range x.facts {
			times[f]++
		}
	}
	for _, f := range l.promised {
		if n := times[f]; n != 1 {
			l.site.breaks("a fact that a spool had promised is stored %d times", n)
			return
		}
	}
}
