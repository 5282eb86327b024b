package model

import "releve/rules/takeover"

// Variant is the product with one rule taken out. The zero value is the product.
type Variant struct {
	Name string
	Rule string // the rule of RULES.md that it is without

	// tamper changes a machine or an event just before a step.
	tamper func(*takeover.Machine, *takeover.Event)
	// forgets says of a Save that it does not reach the disk.
	forgets func(was, is takeover.Durable) bool
	// wakes is what a server remembers after a crash.
	wakes func(takeover.Durable) takeover.Durable

	// arrives changes a claim, and the register that it finds.
	arrives func(*takeover.Register, *takeover.Claim)

	leaks        bool // commits go on alone behind the barrier
	sameCopy     bool // all copies have the same data id
	forgetsTail  bool // a promotion tried again is judged by what it leaves itself
	keepsOwnRows bool // a copy is made without a rewind or clone
}

func (v Variant) crashed(n *interned, s *server) {
	if v.wakes != nil && s.known {
		s.journal = n.journal(v.wakes(n.journals.values[s.journal]))
	}
}
