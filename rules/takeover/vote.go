// Package takeover decides who is on duty and who holds the vote.
//
// It is a rule book: no clock, no I/O, no goroutine. [Machine.Step] takes what
// happened and returns what is to be done, in order, each with its sentence.
//
// The vote (docs/RULES.md, R1 to R4) is this file: in each term exactly
// one server holds it, the mirror while the pair is in sync, the owner while it
// is alone. Who holds it may decide alone. It moves by message, never by a clock,
// and while it is on its way nobody has it.
package takeover

import (
	"fmt"

	"releve"
)

// Candidate is what a vote names: the copy it is for and how far that copy must
// have come before it may accept (R2).
type Candidate struct {
	DataID   releve.DataID   `json:"data_id,omitempty"`
	Timeline releve.Timeline `json:"timeline,omitempty"`
	Position releve.LSN      `json:"position,omitempty"`
}

// Promotion is how this server's PostgreSQL became writable in its term (R4, R10).
type Promotion struct {
	ID       releve.PromotionID `json:"id,omitempty"`
	Timeline releve.Timeline    `json:"timeline,omitempty"`
	Fork     releve.LSN         `json:"fork,omitempty"` // where the new timeline left the old one
	Done     bool               `json:"done,omitempty"` // complete: PostgreSQL may start writable
}

// Durable is all that a server must remember of the vote after a crash. The
// journal keeps it; nothing is done on the strength of a Durable that is not
// yet written.
type Durable struct {
	Seat  releve.Seat `json:"seat"`
	Term  releve.Term `json:"term"`
	Owner releve.Seat `json:"owner"`
	Vote  bool        `json:"vote"`
	// Number counts the hand-overs of the vote within the term: on the owner the
	// last one begun, on the mirror the last one accepted or refused.
	Number uint64 `json:"number"`
	// Issued, on the owner: Number may be on its way or with the mirror. Only the
	// mirror's abdication of Number brings the vote back.
	Issued    bool      `json:"issued"`
	Candidate Candidate `json:"terms"`
	// Abdicated, on the mirror: the highest number it gave back in this term.
	Abdicated uint64 `json:"abdicated"`
	// Released, on the owner: it fenced itself and will never resume Term (R17).
	Released bool `json:"released"`
	// DataID is this server's copy of the data, "" when struck out before a wipe,
	// rewind or clone: then no vote can be accepted for it (R2).
	DataID    releve.DataID `json:"data_id"`
	Promotion Promotion     `json:"promotion"`
	// Arbiter decides where the vote of a pair in sync lies: with the mirror, or in
	// the register of a witness (R5). Incarnation counts its changes, and those of Level.
	Arbiter     releve.Arbiter `json:"arbiter,omitempty"`
	Incarnation uint64         `json:"incarnation,omitempty"`
	// Level is that of the site since an operator changed it (V1); "": nobody has, and the
	// configuration says it.
	Level releve.Level `json:"level,omitempty"`
	// Claimed, on the mirror: the hand-over for which it asks the witness, or may have
	// asked it. The register alone says what came of that.
	Claimed uint64 `json:"claimed,omitempty"`
	// Restored: this term began with data that an operator had copied back from the
	// mirror, whose own copy is kept until he gives it up (M5).
	Restored bool `json:"restored,omitempty"`
	// Upstream is the owner's promotion, which a mirror that joined
	// knows its data to descend from.
	Upstream releve.PromotionID `json:"upstream,omitempty"`
}

// Owns says whether this server is the owner of its term.
func (d Durable) Owns() bool { return d.Owner == d.Seat }

// Alone says whether the owner may acknowledge without the mirror.
func (d Durable) Alone() bool { return d.Owns() && d.Vote }

// Witnessed says that hand-overs of the vote go to the register of a witness.
func (d Durable) Witnessed() bool { return d.Arbiter == releve.Witness }

// Holds says whether the mirror has accepted a hand-over and not given it back. With
// the pair as arbiter it then holds the vote; with a witness it may ask for it.
func (d Durable) Holds() bool {
	return !d.Owns() && (d.Vote || d.Witnessed() && d.Number > d.Abdicated)
}

var errNot = releve.Known("not allowed by the vote", "cause-vote")

func notAllowed(format string, args ...any) error {
	rule := fmt.Sprintf(format, args...)
	return releve.Explained(errNot, errNot.Error()+": "+rule, "cause-vote", "rule", rule)
}

// Found is the first term of a new site: the main owns it, alone.
func Found(data releve.DataID) Durable {
	return Durable{
		Seat: releve.Main, Term: 1, Owner: releve.Main, Vote: true, DataID: data, Arbiter: releve.Pair,
		Promotion: Promotion{ID: releve.PromotionID("founded-" + data), Timeline: 1, Done: true},
	}
}

// Prepare begins a hand-over: the owner has stopped to acknowledge alone, and
// nobody holds the vote until it is issued or taken back (R2).
func (d Durable) Prepare() (Durable, error) {
	if !d.Alone() {
		return d, notAllowed("only an owner that holds the vote can hand it over")
	}
	d.Vote, d.Issued, d.Number, d.Candidate = false, false, d.Number+1, Candidate{}
	return d, nil
}

// Issue sends the vote on its way to the copy that it is for.
func (d Durable) Issue(to Candidate) (Durable, error) {
	if !d.Owns() || d.Vote || d.Issued || to.DataID == "" {
		return d, notAllowed("a vote is issued once, by an owner that prepared it, to a named copy")
	}
	d.Issued, d.Candidate = true, to
	return d, nil
}

// TakeBack ends a hand-over that was prepared and not issued.
func (d Durable) TakeBack() (Durable, error) {
	if !d.Owns() || d.Vote || d.Issued || d.Released {
		return d, notAllowed("an issued vote comes back only by the mirror's abdication")
	}
	d.Vote = true
	return d, nil
}

// Regain takes the vote back on the mirror's abdication of number. Late and
// repeated abdications name an older number and change nothing.
func (d Durable) Regain(term releve.Term, number uint64) (Durable, bool) {
	if !d.Owns() || term != d.Term || !d.Issued || number != d.Number {
		return d, false
	}
	d.Vote, d.Issued, d.Candidate = true, false, Candidate{}
	return d, true
}

// Accept is the mirror's answer to a vote of its term: it holds it, or refuses
// it for good, which is an abdication of that number (R2). flush is how far this
// copy is on disk, on which timeline. The bool says whether anything changed.
func (d Durable) Accept(
	term releve.Term, number uint64, to Candidate, flush releve.LSN, timeline releve.Timeline,
) (Durable, bool) {
	if d.Owns() || term != d.Term || number <= d.Number || d.Vote {
		return d, false
	}
	d.Number, d.Candidate = number, to
	fits := d.DataID != "" && to.DataID == d.DataID && timeline == to.Timeline && flush >= to.Position
	switch {
	case !fits:
		d.Abdicated = number
	case !d.Witnessed():
		d.Vote = true
	}
	return d, true
}

// Abdicate gives the vote back: durably first, then said until answered (R3). What
// was asked of a witness can no longer be given back by word: it may be granted.
func (d Durable) Abdicate() (Durable, error) {
	if !d.Holds() || d.hasClaimed() {
		return d, notAllowed("only a mirror that holds the vote can abdicate")
	}
	d.Vote, d.Abdicated = false, d.Number
	return d, nil
}

func (d Durable) hasClaimed() bool { return d.Claimed > 0 && d.Claimed == d.Number }

// Void gives up a hand-over that the owner has ended without us: a witness, or an
// operator, gave it the vote.
func (d Durable) Void() (Durable, error) {
	if !d.Holds() {
		return d, notAllowed("only a mirror that holds the vote can give it up")
	}
	d.Vote, d.Abdicated = false, d.Number
	return d, nil
}

// Claim records that the witness is about to be asked for the duty of the next term (R5).
func (d Durable) Claim() (Durable, error) {
	if !d.Witnessed() || !d.Holds() {
		return d, notAllowed("only a mirror whose hand-over lies with the witness can ask for it")
	}
	d.Claimed = d.Number
	return d, nil
}

// TakeGranted opens the next term with this server as its owner: the witness's register
// names it (R5).
func (d Durable) TakeGranted(r Register, promotion releve.PromotionID) (Durable, error) {
	if !d.Holds() || !d.hasClaimed() || !r.grantedTo(d) {
		return d, notAllowed("the witness has not granted the duty of the next term to this copy")
	}
	return d.promoted(promotion), nil
}

// Choose makes another arbiter that of the site, or the same anew. The owner is alone:
// nothing of the vote is on its way (R5).
func (d Durable) Choose(a releve.Arbiter) (Durable, error) {
	if !d.Alone() {
		return d, notAllowed("only an owner that holds the vote can change the arbiter")
	}
	d.Arbiter, d.Incarnation = a, d.Incarnation+1
	return d, nil
}

// ChooseLevel makes another level that of the site. The owner is alone: nothing of the vote is on
// its way (R5). Where one server alone answers calls, the vote never leaves it, and lies with no
// witness.
func (d Durable) ChooseLevel(l releve.Level) (Durable, error) {
	if !d.Alone() {
		return d, notAllowed("only an owner that holds the vote can change the level")
	}
	d.Level, d.Incarnation = l, d.Incarnation+1
	if l != releve.HighAvailability {
		d.Arbiter = releve.Pair
	}
	return d, nil
}

// Adopt takes the owner's arbiter and level over. The owner was alone when it chose them, so that
// nothing is left of the vote here.
func (d Durable) Adopt(a releve.Arbiter, l releve.Level, incarnation uint64) (Durable, error) {
	if d.Owns() || incarnation <= d.Incarnation {
		return d, notAllowed("only a mirror takes a later arbiter or level over from its owner")
	}
	d.Arbiter, d.Level, d.Incarnation = a, l, incarnation
	d.Vote, d.Abdicated = false, d.Number
	return d, nil
}

// GoAlone takes the vote on an operator's word that the other server is off. It is
// outside of what the vote promises.
func (d Durable) GoAlone() (Durable, error) {
	if !d.Owns() || d.Vote || d.Released {
		return d, notAllowed("only an owner without the vote can be told to go on alone")
	}
	d.Vote, d.Issued, d.Candidate = true, false, Candidate{}
	return d, nil
}

// TakeAnyway opens a term after all those known, on an operator's word that the other
// server is off. It is outside of what the vote promises.
func (d Durable) TakeAnyway(after releve.Term, promotion releve.PromotionID) (Durable, error) {
	if d.DataID == "" {
		return d, notAllowed("a server without a whole copy cannot take the duty")
	}
	d.Term = max(d.Term, after)
	next := d.nextTerm(promotion)
	if next.Witnessed() {
		next.Incarnation++
	}
	return next, nil
}

// Restore opens the next term on the same owner with data that was copied back from
// its mirror (M5).
func (d Durable) Restore(promotion releve.PromotionID) (Durable, error) {
	if !d.Alone() {
		return d, notAllowed("only an owner that holds the vote can go on with its mirror's data")
	}
	next := d.nextTerm(promotion)
	next.Restored = true
	return next, nil
}

// TakeOver opens the next term with this server as its owner, alone from its
// first commit (R4).
func (d Durable) TakeOver(promotion releve.PromotionID) (Durable, error) {
	if d.Owns() || !d.Vote {
		return d, notAllowed("a takeover needs the vote")
	}
	return d.promoted(promotion), nil
}

// promoted is the next term by the vote: what it named, the promotion must have (R4).
func (d Durable) promoted(promotion releve.PromotionID) Durable {
	next := d.nextTerm(promotion)
	next.Candidate = d.Candidate
	return next
}

// Reopen opens the next term on the same owner: the vote came back to it after
// it had released its term (R17).
func (d Durable) Reopen(promotion releve.PromotionID) (Durable, error) {
	if !d.Alone() || !d.Released {
		return d, notAllowed("only an owner that released its term and has the vote back can open the next")
	}
	return d.nextTerm(promotion), nil
}

func (d Durable) nextTerm(promotion releve.PromotionID) Durable {
	return Durable{
		Seat: d.Seat, Term: d.Term + 1, Owner: d.Seat, Vote: true, DataID: d.DataID,
		Promotion: Promotion{ID: promotion}, Arbiter: d.Arbiter, Incarnation: d.Incarnation, Level: d.Level,
	}
}

// Release records that the owner is fenced and leaves its term to the mirror,
// which holds the vote (R17).
func (d Durable) Release() (Durable, error) {
	if !d.Owns() || !d.Issued || d.Released {
		return d, notAllowed("a term is released once, while the mirror holds the vote")
	}
	d.Released = true
	return d, nil
}

// Strike strikes the data id out, before a wipe, rewind, clone or restore (R2).
func (d Durable) Strike() Durable {
	if d.Holds() && !d.hasClaimed() {
		d.Vote, d.Abdicated = false, d.Number
	}
	d.DataID = ""
	return d
}

// Join makes this server the mirror of the other's term. Its copy must be struck
// out or known to descend from that term's promotion before it follows.
func (d Durable) Join(term releve.Term, upstream releve.PromotionID) (Durable, error) {
	if term < d.Term || term == d.Term && d.Owns() {
		return d, notAllowed("term %d is not later than term %d", term, d.Term)
	}
	if term == d.Term {
		d.Upstream = upstream
		return d, nil
	}
	return Durable{
		Seat: d.Seat, Term: term, Owner: d.Seat.Other(), DataID: d.DataID, Upstream: upstream,
		Arbiter: d.Arbiter, Incarnation: d.Incarnation, Level: d.Level,
	}, nil
}
