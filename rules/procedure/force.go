package procedure

import (
	"fmt"
	"strconv"
	"time"

	"releve"
	"releve/rules/takeover"
)

// quietSpool is how many facts may be on their way to the database at any moment of a
// busy site: fewer do not count as waiting.
const quietSpool = 100

var (
	alone = Step{
		Code: "step-alone", Order: GoAlone, At: itself, Limit: 10 * time.Second, Done: needsNobody,
	}
	carried = Step{
		Code: "step-carried", Order: CarryWord, At: itself, Limit: 10 * time.Second, Done: needsNobody,
	}
	commits = Step{
		Code: "step-commits", Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool {
			return s[t].InService() && s[t].Gate && (s[t].Lone || mirrorBack(s, t))
		},
	}
	drained = Step{
		Code: "step-drained", Limit: 10 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].Gate && s[t].Spooled < quietSpool },
	}
	taken = Step{
		Code: "step-taken", Order: TakeDuty, At: itself, Limit: 10 * time.Second,
		Done: func(s Site, t releve.Seat) bool { return s[t].OnDuty() },
	}
	promoted = Step{
		Code: "step-promoted", Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() && s[t].Gate },
	}
	answers = Step{
		Code: "step-answers", Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() && s[t].Reception && s[t].HearsPBX() },
		Found: func(_ Site, t releve.Seat) releve.Sentence {
			return releve.Say("found-registered", "seat", string(t))
		},
	}
)

// Solo has an owner without the vote go on alone, on the operator's word that its
// mirror is off (M4). It is outside of what the vote promises.
var Solo = Procedure{
	Name: "solo", Target: toItself, Forced: true, Before: mayGoAlone, Costs: costOfSolo, Next: "next-mirror-back",
	Steps: []Step{alone, commits, drained},
}

// CarriedSolo has it go on alone on the mirror's own word, which an operator brought (R3).
var CarriedSolo = Procedure{
	Name: "solo-carried", Target: toItself, Before: needsVote, Unfit: unfitWord, Costs: costOfWord, Next: "next-mirror-back",
	Steps: []Step{carried, commits, drained},
}

// unfitWord: a word is of one hand-over of the vote in one term.
func unfitWord(s Site, t releve.Seat, word takeover.Return) []releve.Sentence {
	own := s[t]
	if word.Seat == t.Other() && word.Term == own.Term && word.Number == own.Number {
		return nil
	}
	code := "before-word-unknown"
	if word.Term < own.Term || word.Term == own.Term && word.Number < own.Number {
		code = "before-word-old"
	}
	return []releve.Sentence{releve.Say(code, "seat", string(t), "other", string(t.Other()),
		"term", fmt.Sprint(word.Term), "number", fmt.Sprint(word.Number),
		"own", fmt.Sprint(own.Term), "current", fmt.Sprint(own.Number))}
}

// Takeover has a server without the vote take the duty, on the operator's word that the
// other is off (H9). It is outside of what the vote promises.
var Takeover = Procedure{
	Name: "takeover", Target: toItself, As: takeoverAt, Forced: true, Before: mayTake, Costs: costOfTakeover, Next: "next-salvage",
	Steps: []Step{taken, promoted, registration, answers},
}

// mirrorBack: the mirror of the owner came back meanwhile, and has the vote again.
func mirrorBack(s Site, owner releve.Seat) bool {
	return s[owner.Other()].Heard && synced(s, owner.Other())
}

// needsNobody: the owner may go on alone, or needs not, for its mirror is back.
func needsNobody(s Site, t releve.Seat) bool { return s[t].Alone() || mirrorBack(s, t) }

// needsVote: an owner that waits for a vote which its mirror has, or had.
func needsVote(s Site, t releve.Seat) []releve.Sentence {
	own := s[t]
	switch {
	case !own.Owns() || !own.OnDuty() && !own.Halted() && !own.Released:
		return sayOf("before-not-on-duty", t)
	case own.Alone():
		return sayOf("before-holds-vote", t)
	case own.Released:
		return sayOf("before-released", t)
	case own.Halted():
		return sayOf("before-halted", t)
	}
	return nil
}

func mayGoAlone(s Site, t releve.Seat) []releve.Sentence {
	return append(needsVote(s, t), saidOff(s, t)...)
}

func mayTake(s Site, t releve.Seat) []releve.Sentence {
	own := s[t]
	var why []releve.Sentence
	switch {
	case own.OnDuty():
		why = sayOf("before-on-duty", t)
	case own.Mute:
		why = sayOf("before-mute", t)
	case !own.Whole():
		why = sayOf("before-no-data", t)
	case !own.HearsPBX():
		why = sayOf("before-no-pbx", t)
	}
	return append(why, saidOff(s, t)...)
}

// saidOff: a server that answers, whichever way, is not off.
func saidOff(s Site, t releve.Seat) []releve.Sentence {
	if path := s[t.Other()].Loss.Path; path != "" {
		return []releve.Sentence{releve.Say("before-other-on", "seat", string(t), "other", string(t.Other()), "path", path)}
	}
	return nil
}

func sayOf(code string, t releve.Seat) []releve.Sentence {
	return []releve.Sentence{releve.Say(code, "seat", string(t), "other", string(t.Other()))}
}

func costOfSolo(s Site, t releve.Seat) []releve.Sentence {
	return append(append(lastHeard(s, t), costOfWord(s, t)...), sayOf("cost-other-on", t)...)
}

// costOfWord is what going alone costs when the other cannot have taken over.
func costOfWord(s Site, t releve.Seat) []releve.Sentence {
	own := s[t]
	return []releve.Sentence{
		releve.Say("cost-waiting", "seat", string(t), "records", strconv.Itoa(own.Spooled)),
		releve.Say("cost-mirror", "bytes", strconv.FormatInt(own.Loss.Behind, 10), "calls", strconv.Itoa(own.Loss.Calls)),
		releve.Say("cost-one-disk", "seat", string(t)),
	}
}

func costOfTakeover(s Site, t releve.Seat) []releve.Sentence {
	own, o := s[t], s[t.Other()]
	costs := lastHeard(s, t)
	switch {
	case !own.IsCopy():
		costs = append(costs, sayOf("cost-aside", t)...)
	case own.HasVote():
		costs = append(costs, sayOf("cost-nothing", t)...)
	case own.Loss.Unfed >= 0:
		costs = append(costs, releve.Say("cost-unfed", "seat", string(t), "since", rounded(own.Loss.Unfed)))
	case !own.Receives:
		costs = append(costs, sayOf("cost-never-fed", t)...)
	}
	if o.Loss.Silent >= 0 {
		costs = append(costs, releve.Say("cost-last-word", "other", string(t.Other()),
			"alone", strconv.FormatBool(o.Alone() || o.Lone),
			"bytes", strconv.FormatInt(o.Loss.Behind, 10),
			"calls", strconv.Itoa(o.Loss.Calls), "records", strconv.Itoa(o.Spooled)))
	}
	return append(costs, sayOf("cost-salvaged", t)...)
}

func lastHeard(s Site, t releve.Seat) []releve.Sentence {
	silent := s[t.Other()].Loss.Silent
	if silent < 0 {
		return sayOf("cost-never-heard", t)
	}
	return []releve.Sentence{releve.Say("cost-heard", "other", string(t.Other()), "since", rounded(silent))}
}

func rounded(d time.Duration) string { return d.Round(time.Second).String() }
