package procedure

import (
	"time"

	"releve"
)

// followPatience is how long a mirror has to receive again by itself: two attempts to
// follow, of 15 s each, and a start.
const followPatience = 45 * time.Second

var (
	anew = Step{
		Code: "step-anew", Order: Rebuild, At: itself, Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].AwaitsCopy() || s[t].Anew },
	}
	mirrorAgain = Step{
		Code: "step-mirror-again", Order: Rejoin, At: itself, Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].IsCopy() || s[t].AwaitsCopy() },
	}
	receives = Step{
		Code: "step-receives", Order: Rebuild, At: itself, Patience: followPatience, Limit: 5 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].Receives || s[t].AwaitsCopy() },
	}
)

// RebuildMirror has the mirror's copy given up and made anew: it is damaged, or too far behind
// (M7).
var RebuildMirror = Procedure{
	Name: "mirror-rebuild", Target: offDuty,
	Before: func(s Site, target releve.Seat) []releve.Sentence {
		why := ownerServes(s, target)
		if s[target.Other()].RunsAt(releve.Backup) {
			why = append(why, releve.Say("before-backup-copy"))
		}
		if len(why) == 0 && !s[target].IsCopy() && !s[target].AwaitsCopy() {
			why = append(why, releve.Say("before-no-mirror", "seat", string(target)))
		}
		return why
	},
	Steps: []Step{anew, inSync},
}

// ResumeMirror puts mirroring back in service: whatever keeps the server that is not on duty
// from being the mirror, it is one at the end (M5).
var ResumeMirror = Procedure{
	Name: "mirror-resume", Target: offDuty, Before: ownerServes, As: resumeAt,
	Steps: []Step{mirrorAgain, receives, inSync},
}

// offDuty is the server that is the mirror, or should be.
func offDuty(s Site, _ releve.Seat) releve.Seat {
	if s[releve.Main].InService() {
		return releve.Secondary
	}
	return releve.Main
}

// ownerServes: data moves between the servers alone, so the PBX may be away.
func ownerServes(s Site, target releve.Seat) []releve.Sentence {
	var why []releve.Sentence
	if !s[target].Heard {
		why = append(why, releve.Say("before-not-heard", "seat", string(target)))
	}
	if !s[target.Other()].InService() {
		why = append(why, releve.Say("before-nobody-on-duty"))
	}
	if s[target.Other()].RunsAt(releve.Base) {
		why = append(why, releve.Say("before-base"))
	}
	return why
}
