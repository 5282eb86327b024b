package model

import (
	"releve"
	"releve/rules/takeover"
)

// withoutWitness are rules of a site with a witness.
var withoutWitness = []taken{
	{Variant{Name: "a mirror takes over on what it read", Rule: "R5", tamper: takeOverOnRead},
		witnessed, Bounds{2, 2, 1, 0, 0, 3}, "two servers hold the vote"},
	{Variant{Name: "an owner goes alone on what it read", Rule: "R5", tamper: aloneOnRead},
		witnessed, Bounds{2, 2, 1, 0, 0, 3}, "two servers hold the vote"},
	{Variant{Name: "an owner goes alone when nobody answers", Rule: "R5", tamper: aloneOnSilence},
		witnessed, Bounds{2, 2, 1, 1, 0, 3}, "two servers hold the vote"},
	{Variant{Name: "the register changes whatever version was meant", Rule: "R5", arrives: anyVersion},
		witnessed, Bounds{2, 2, 1, 1, 0, 3}, "two servers hold the vote"},
	{Variant{Name: "a register without memory grants", Rule: "R5", tamper: askTheForgetful, arrives: grantFromNothing},
		witnessed, Bounds{2, 2, 1, 1, 0, 3}, "two servers hold the vote"},
	{Variant{Name: "the vote goes to the register before the mirror has everything", Rule: "R2, R5", tamper: issueAtOnce},
		witnessed, Bounds{1, 2, 1, 1, 0, 3}, "an acknowledged row is missing"},
	{Variant{Name: "a mirror gives back by word what it asked for", Rule: "R5", tamper: forgetAsking},
		Site{Arbiter: releve.Witness, Told: []takeover.Command{takeover.Abdicate}}, Bounds{1, 2, 1, 0, 1, 3}, ""},
	{Variant{Name: "a mirror does not remember that it asked", Rule: "R5", forgets: asking},
		founding, Bounds{1, 1, 1, 1, 0, 2}, ""},
	{Variant{Name: "the register lets a mirror in while the owner is alone", Rule: "R5", arrives: notAlone},
		founding, Bounds{1, 1, 1, 1, 0, 2}, ""},
	{Variant{Name: "a mirror asks for the duty under another number", Rule: "R5", tamper: anyNumber},
		founding, Bounds{1, 2, 1, 1, 0, 2}, ""},
	{Variant{Name: "the arbiter is changed while the vote is with the mirror", Rule: "R5", tamper: changeAtOnce},
		Site{Arbiter: releve.Witness, Told: []takeover.Command{takeover.UsePair}},
		Bounds{1, 2, 1, 0, 1, 4}, "two servers hold the vote"},
}

// lies: the register says that this mirror may ask for the duty.
func lies(m *takeover.Machine, r takeover.Register) bool {
	return m.Holds() && r.Owner == m.Seat.Other() && r.Term == m.Term &&
		!r.Alone && r.Number == m.Number && r.Candidate.DataID == m.DataID
}

func takeOverOnRead(m *takeover.Machine, e *takeover.Event) {
	if e.Arbiter != nil && e.Arbiter.Turn == 0 && lies(m, e.Arbiter.Register) {
		r := &e.Arbiter.Register
		r.Owner, r.Term, r.Alone = m.Seat, m.Term+1, true
		m.Claimed = m.Number
	}
}

func aloneOnRead(m *takeover.Machine, e *takeover.Event) {
	if e.Arbiter != nil && e.Arbiter.Heard && e.Arbiter.Turn == 0 && m.Owns() && e.Arbiter.Register.Owner == m.Seat {
		m.Regained = m.Number
	}
}

func aloneOnSilence(m *takeover.Machine, e *takeover.Event) {
	if e.Arbiter != nil && !e.Arbiter.Heard && m.Owns() {
		m.Regained = m.Number
	}
}

func anyVersion(r *takeover.Register, c *takeover.Claim) { c.Was = r.Version }

func askTheForgetful(m *takeover.Machine, e *takeover.Event) {
	if e.Arbiter != nil && e.Arbiter.Heard && e.Arbiter.Register.Incarnation == 0 && m.Holds() {
		e.Arbiter.Register = takeover.Register{
			Site: siteName, Incarnation: m.Incarnation, Term: m.Term, Owner: m.Seat.Other(),
			Number: m.Number, Candidate: takeover.Candidate{DataID: m.DataID},
		}
	}
}

func grantFromNothing(r *takeover.Register, c *takeover.Claim) {
	if r.Incarnation == 0 && c.Inc > 0 {
		*r = takeover.Register{Site: siteName, Incarnation: c.Inc,
			Version: c.Was, Term: c.Want.Term - 1, Owner: c.Want.Owner.Other()}
	}
}

func forgetAsking(m *takeover.Machine, e *takeover.Event) {
	if e.Command == takeover.Abdicate {
		m.Claimed = 0
	}
}

func asking(was, is takeover.Durable) bool { return is.Claimed > 0 && was.Claimed != is.Claimed }

func changeAtOnce(m *takeover.Machine, e *takeover.Event) {
	if e.Command == takeover.UsePair {
		m.Vote, m.Issued = true, false
	}
}

// unseenWitness are rules whose absence breaks nothing here. The first guards an owner
// whose journal was put back from an older copy. The second guards a register that was
// given the site anew, up to the same version: what was asked of it before is then held
// back by numbers that only grow, but a number of another term would pass.
var unseenWitness = []Variant{
	{Name: "an owner that holds the vote serves before the witness has confirmed it", Rule: "R5", tamper: confirmed},
	{Name: "a claim on an older incarnation counts", Rule: "R5", arrives: anyIncarnation},
}

func confirmed(m *takeover.Machine, _ *takeover.Event) { m.Confirmed = true }

func notAlone(r *takeover.Register, c *takeover.Claim) {
	if r.Owner != c.Want.Owner {
		r.Alone = false
	}
}

func anyIncarnation(r *takeover.Register, c *takeover.Claim) { c.Inc = r.Incarnation }

func anyNumber(m *takeover.Machine, e *takeover.Event) {
	if e.Arbiter != nil && m.Holds() {
		e.Arbiter.Register.Number = m.Number
	}
}
