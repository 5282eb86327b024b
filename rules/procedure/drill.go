package procedure

import (
	"time"

	"releve"
)

// DrillTakeover and DrillReturn are the halves of a drill (SPEC H13): the duty moves to the standby
// as in a takeover, and back. The first call that is answered is waited for beside the database,
// for callers are answered before that is promoted (RULES R13).
//
// The main hands over, and is not made to look dead: a drill loses no call, and a server that is
// fenced would end those that it holds.
var (
	DrillTakeover = Procedure{
		Name: "drill-takeover", OfDrill: true, Target: toSecondary, Before: mayDrill,
		Steps: []Step{inSync, emptySpool, given, firstCall, recording, registration, mirrorBehind},
	}
	DrillReturn = Procedure{
		Name: "drill-return", OfDrill: true, Target: toMain, Before: mayDrill,
		Steps: []Step{inSync, emptySpool, given, firstCall, recording, registration, mirrorBehind},
	}
)

var (
	given = Step{
		Code: "step-drill-duty", Order: HandOver, At: former, Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].Owns() },
	}
	firstCall = Step{
		Code: "step-first-call", Order: FirstCall, At: former, Limit: 30 * time.Second, Proves: true,
		Done: func(s Site, t releve.Seat) bool { return s[t.Other()].ProvenTest },
	}
	recording = Step{
		Code: "step-recording", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() && s[t].Gate },
	}
)

func toSecondary(Site, releve.Seat) releve.Seat { return releve.Secondary }

// mayDrill: both are well, and the duty is where it is to be moved from.
func mayDrill(s Site, target releve.Seat) []releve.Sentence {
	why := bothHeard(s, target)
	if len(why) == 0 && !(s[target.Other()].InService() && s[target].Follows() && s[target].HasVote()) {
		why = sayOf("before-not-in-sync", target)
	}
	return why
}
