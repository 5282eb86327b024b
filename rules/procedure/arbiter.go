package procedure

import (
	"time"

	"releve"
)

// ToPair and ToWitness change the arbiter of a running site: the vote is called back,
// and handed over again in the new way (R5).
var (
	ToPair    = arbiterProcedure("arbiter-pair", releve.Pair, UsePair)
	ToWitness = arbiterProcedure("arbiter-witness", releve.Witness, UseWitness)
)

// arbiterProcedure acts at the owner; its target is the mirror.
func arbiterProcedure(name string, to releve.Arbiter, order Order) Procedure {
	recalled := recall(order, func(owner Server) bool { return owner.GoesBy() == to })
	both := func(s Site, t releve.Seat) bool { return s[t].GoesBy() == to && s[t.Other()].GoesBy() == to }
	changed := Step{Code: "step-arbiter", Order: order, At: former, Limit: 30 * time.Second, Done: both}
	handed := Step{
		Code: "step-vote", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return both(s, t) && synced(s, t) },
	}
	protected := Step{
		Code: "step-protected", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return both(s, t) && (s[t].Protected || s[t.Other()].Protected) },
	}
	return Procedure{
		Name: name, Target: offDuty, Steps: []Step{recalled, changed, handed, protected},
		Before: func(s Site, t releve.Seat) []releve.Sentence { return mayChange(s, t, to) },
	}
}

// recall calls the vote back to the owner, by the order of a change that needs it there; unless that
// is made already.
func recall(order Order, made func(owner Server) bool) Step {
	return Step{
		Code: "step-recalled", Order: order, At: former, Limit: 30 * time.Second,
		Done: func(s Site, t releve.Seat) bool { return s[t.Other()].Alone() || made(s[t.Other()]) },
	}
}

func mayChange(s Site, t releve.Seat, to releve.Arbiter) []releve.Sentence {
	if s[releve.Secondary].Mute {
		return sayOf("before-vote-stays", releve.Main)
	}
	why := ownerServes(s, t)
	if len(why) > 0 {
		return why
	}
	if !synced(s, t) {
		why = sayOf("before-not-in-sync", t)
	}
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		if to == releve.Witness && !s[seat].Witness {
			why = append(why, sayOf("before-no-witness", seat)...)
		}
	}
	return why
}
