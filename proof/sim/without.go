package sim

import (
	"releve"
	"releve/rules/takeover"
)

// Without takes a rule out of what the servers live by, at their borders: the product's
// code stays as it is. The zero value takes out none.
type Without struct {
	Name string
	Rule string // of RULES.md

	Vote     bool // a mirror that starts takes itself for one that holds the vote
	Issued   bool // an issued vote is taken back while the mirror does not say that it has it
	Memory   bool // an owner that starts takes itself for one that is alone
	Saving   bool // what is decided is told before it is on the disk
	Position bool // facts are stored without looking at the spool's position
	Barrier  bool // commits go on alone behind the barrier
	Rewind   bool // a copy is made without a rewind
	Fsync    bool // a spool promises what is not on its disk
	Headers  bool // what the other never saw counts against it, whoever says that it was sent

	Version bool // a claim is granted whatever version it goes by
	Granted bool // what was asked of the witness is taken for granted
	Wiped   bool // a witness without memory takes the word of who asks for its own
	Claimed bool // what is asked of the witness is not remembered before
	Forgets bool // the witness answers before its register is on the disk
}

// String ends a title.
func (w Without) String() string {
	if w.Name == "" {
		return ""
	}
	return " without " + w.Rule + ": " + w.Name
}

// remembers changes what a server finds in its journal.
func (w Without) remembers(d takeover.Durable) takeover.Durable {
	if w.Claimed {
		d.Claimed = 0
	}
	if w.Memory && d.Owns() {
		d.Vote, d.Issued = true, false
	}
	if w.Vote && !d.Owns() && d.DataID != "" {
		d.Vote = true
	}
	return d
}

// forge changes a status on its way to a listener.
func (w Without) forge(s takeover.Status, listener *server) takeover.Status {
	there := listener.process()
	if there == nil || !s.Known {
		return s
	}
	m := there.agent.Machine()
	if w.Issued && s.Owner != s.Seat && m.Issued && !s.Vote && s.Term == m.Term {
		s.Abdicated = m.Number
	}
	return s
}

// checked is what the other says of itself, as it is taken.
func (w Without) checked(q releve.CheckQuestion, r takeover.Reply) takeover.Reply {
	if w.Headers && q.Call && r.LastInvite < 0 {
		r.Well = false
	}
	return r
}

// recalled is what a witness tells of its register.
func (w Without) recalled(r takeover.Register, to *server) takeover.Register {
	if d := to.journal.kept; w.Wiped && r.Incarnation == 0 && d.Holds() {
		r.Incarnation, r.Term, r.Owner, r.Number, r.Candidate = d.Incarnation, d.Term, d.Owner, d.Number, d.Candidate
	}
	return r
}

// apply is what a witness makes of a claim.
func (w Without) apply(r takeover.Register, c takeover.Claim, by releve.Seat) (takeover.Register, error) {
	if w.Version {
		c.Was, c.Inc = r.Version, r.Incarnation
	}
	if w.Wiped && r.Incarnation == 0 {
		r = c.Want
		r.Version++
		return r, nil
	}
	return r.Apply(c, by)
}
