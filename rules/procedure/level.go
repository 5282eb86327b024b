package procedure

import (
	"strings"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/rules/version"
)

// The changes of the site's level while it runs (V1). The vote is called back to the owner, which
// raises the incarnation with the level; the other server takes both over (R5).
var (
	ToBase             = levelProcedure("level-base", releve.Base, UseBase, left, commitsAlone)
	ToMirroring        = levelProcedure("level-mirroring", releve.Mirroring, UseMirroring, closed, receives, inSync, protected)
	ToBackup           = levelProcedure("level-backup", releve.Backup, UseBackup, closed, copyAtRest)
	ToHighAvailability = levelProcedure("level-high-availability", releve.HighAvailability, UseHighAvailability,
		receives, inSync, opened, handed, protected)
)

var (
	left = Step{ // a server that is not heard has no part in the site either
		Code: "step-left", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool {
			return !s[t].Heard || s[t].RunsAt(releve.Base) && !s[t].IsCopy() && silent(s[t])
		},
	}
	closed = Step{
		Code: "step-closed", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return silent(s[t]) },
	}
	opened = Step{
		Code: "step-opened", Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].OnStandby },
	}
	copyAtRest = Step{
		Code: "step-copy-at-rest", Limit: 24 * time.Hour, // as large as it is, at the rate that calls leave
		Done: func(s Site, t releve.Seat) bool { return atRest(s[t]) && s[t.Other()].Lone },
	}
	commitsAlone = Step{
		Code: "step-lone", Limit: 30 * time.Second,
		Done: func(s Site, t releve.Seat) bool { return s[t.Other()].Gate && s[t.Other()].Lone },
	}
	handed = Step{
		Code: "step-handed", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].HasVote() && synced(s, t) },
	}
	protected = Step{
		Code: "step-protected", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].Protected || s[t.Other()].Protected },
	}
)

// atRest: its copy is whole, and receives nothing.
func atRest(s Server) bool { return s.Phase == takeover.Isolated && s.Whole() && !s.Receives }

// silent: nothing of it is left at the PBX.
func silent(s Server) bool { return s.Mute && !s.OnStandby && !s.Reception }

// levelProcedure acts at the owner; its target is the other server.
func levelProcedure(name string, to releve.Level, order Order, then ...Step) Procedure {
	recalled := recall(order, func(owner Server) bool { return owner.RunsAt(to) })
	changed := Step{
		Code: "step-level", Order: order, At: former, Limit: 30 * time.Second,
		Done: func(s Site, t releve.Seat) bool {
			followed := s[t].RunsAt(to) || s[t].AwaitsCopy() || to == releve.Base && !s[t].Heard // a copy to come joins by what the owner says
			return s[t.Other()].RunsAt(to) && followed
		},
	}
	return Procedure{
		Name: name, Level: to, Target: offDuty, Steps: append([]Step{recalled, changed}, then...),
		Before: func(s Site, t releve.Seat) []releve.Sentence { return mayRunAt(s, t, to) },
		Costs:  func(s Site, t releve.Seat) []releve.Sentence { return changesFor(s[t.Other()].Level, to) },
		Needs:  func(s Site, t releve.Seat) []Need { return needs(s, t, to) },
	}
}

// mayRunAt is what a level needs that is not there.
func mayRunAt(s Site, t releve.Seat, to releve.Level) (why []releve.Sentence) {
	owner, other := s[t.Other()], s[t]
	if !owner.InService() {
		why = append(why, releve.Say("before-nobody-on-duty"))
	}
	if other.Heard && other.StandsAside() {
		why = append(why, sayOf("before-level-aside", t)...)
	}
	if to == releve.Backup && !owner.HearsPBX() {
		why = append(why, sayOf("before-no-pbx", t.Other())...)
	}
	if to == releve.HighAvailability && !(owner.HearsPBX() && (other.Mute || other.HearsPBX())) {
		why = append(why, sayOf("before-no-pbx", deaf(s))...)
	}
	if (to == releve.Base || to == releve.Mirroring) && t == releve.Main {
		why = append(why, releve.Say("before-level-seat", "seat", string(t.Other()), "level", string(to)))
	}
	why = append(why, unpapered(s, t, to)...)
	why = append(why, unfit(owner, t.Other(), to)...)
	switch {
	case to != releve.Base && !other.Heard:
		why = append(why, sayOf("before-not-heard", t)...)
	case to != releve.Base:
		why = append(why, unfit(other, t, to)...)
		why = append(why, version.ForPair(t.Other(), owner.Version, other.Version)...)
	case !other.Heard && !owner.Alone():
		why = append(why, releve.Say("before-vote-away", "seat", string(t.Other()), "other", string(t)))
	}
	return why
}

// deaf is the seat of a server that does not hear the PBX.
func deaf(s Site) releve.Seat {
	if s[releve.Main].HearsPBX() {
		return releve.Secondary
	}
	return releve.Main
}

// unfit is what a server is too old for, or else lacks for a level.
func unfit(s Server, seat releve.Seat, to releve.Level) []releve.Sentence {
	if old := version.ForLevel(seat, s.Version, to); old != nil {
		return old
	}
	return lacks(s, seat, to)
}

// lacks is what a server's configuration lacks for a level.
func lacks(s Server, seat releve.Seat, to releve.Level) []releve.Sentence {
	keys, known := s.Lacks[to]
	switch {
	case !known:
		return []releve.Sentence{releve.Say("before-level-unknown", "seat", string(seat), "level", string(to))}
	case len(keys) > 0:
		return []releve.Sentence{releve.Say("before-level-lacks", "seat", string(seat), "level", string(to), "keys", strings.Join(keys, ", "))}
	}
	return nil
}

// changesFor is what a change of level means for callers and records.
func changesFor(from, to releve.Level) []releve.Sentence {
	said := []releve.Sentence{releve.Say("level-changes-"+string(to), "was", string(from))}
	return append(said, releve.Say("level-refuses-no-call"))
}
