package procedure

import (
	"slices"
	"strconv"

	"releve"
)

// Firm says that the step is not taken back once it has begun: nobody can abort there.
func (s Step) Firm() bool {
	return s.Undo == "" && (s.Order.moves() || s.Order == UsePair || s.Order == UseWitness)
}

// moves says that an order moves the duty, the telephone or the data that is served.
func (o Order) moves() bool {
	return slices.Contains([]Order{
		HandOver, TakeDuty, GoAlone, CarryWord, RestoreOwn, Relieve, UseBase, UseMirroring, UseBackup, UseHighAvailability,
	}, o)
}

// Noticed says that callers could notice it, if it does not go as it should.
func (p Procedure) Noticed() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Order.moves() })
}

// Carried says that it rests on the other server's word, which an operator brings.
func (p Procedure) Carried() bool { return p.Unfit != nil }

// condition is something that procedures look at before they begin.
type condition struct {
	code   string
	is     func(Site, releve.Seat) releve.Sentence // as it is now
	fails  []string                                // the sentences by which a procedure says that it will not do
	blamed releve.Seat                             // "": whichever server they name
}

var conditions = []condition{
	{code: "cond-heard-main", is: yes(func(s Site) bool { return s[releve.Main].Heard }), fails: []string{"before-not-heard"}, blamed: releve.Main},
	{code: "cond-heard-secondary", is: yes(func(s Site) bool { return s[releve.Secondary].Heard }), fails: []string{"before-not-heard"}, blamed: releve.Secondary},
	{code: "cond-pbx-main", is: yes(func(s Site) bool { return s[releve.Main].HearsPBX() }), fails: []string{"before-no-pbx"}, blamed: releve.Main},
	{code: "cond-pbx-secondary", is: yes(func(s Site) bool { return s[releve.Secondary].HearsPBX() }), fails: []string{"before-no-pbx"}, blamed: releve.Secondary},
	{code: "cond-duty", is: whoServes, fails: []string{"before-nobody-on-duty", "before-on-duty", "before-not-on-duty"}},
	{code: "cond-sync", is: yes(func(s Site) bool { return synced(s, releve.Main) || synced(s, releve.Secondary) }), fails: []string{"before-not-in-sync", "before-no-mirror"}},
	{code: "cond-spool", is: func(s Site, _ releve.Seat) releve.Sentence {
		return releve.Say("cond-is-records", "records", strconv.Itoa(s[releve.Main].Spooled+s[releve.Secondary].Spooled))
	}},
}

func yes(holds func(Site) bool) func(Site, releve.Seat) releve.Sentence {
	return func(s Site, _ releve.Seat) releve.Sentence {
		if holds(s) {
			return releve.Say("cond-is-yes")
		}
		return releve.Say("cond-is-no")
	}
}

func whoServes(s Site, _ releve.Seat) releve.Sentence {
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		if s[seat].InService() {
			return releve.Say("cond-is-seat", "seat", string(seat))
		}
	}
	return releve.Say("cond-is-nobody")
}

// Conditions are what a procedure looks at before it begins, each as it is now, and whether that forbids it: why is
// what it says itself that forbids it. What is forbidden by nothing of the list stands at its end.
func (p Procedure) Conditions(s Site, target releve.Seat, why []releve.Sentence) (all []Need) {
	var named []releve.Sentence
	for _, c := range conditions {
		n := Need{What: releve.Say(c.code), Met: true, Is: c.is(s, target)}
		for _, w := range why {
			if slices.Contains(c.fails, w.Code) && (c.blamed == "" || w.Args["seat"] == string(c.blamed)) {
				n.Met = false
				named = append(named, w)
			}
		}
		all = append(all, n)
	}
	for _, w := range why {
		if !slices.ContainsFunc(named, func(n releve.Sentence) bool { return n.Code == w.Code && n.Args["seat"] == w.Args["seat"] }) {
			all = append(all, Need{What: releve.Say("cond-else"), Is: w})
		}
	}
	return all
}
