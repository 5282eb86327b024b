package procedure

import (
	"strconv"
	"time"

	"releve"
)

var (
	copiedBack = Step{
		Code: "step-restore", Order: RestoreOwn, At: itself,
		Limit: 24 * time.Hour, // as large as it is, at the rate that calls leave
		Done:  func(s Site, t releve.Seat) bool { return s[t].restored() || s[t].InService() && s[t].Gate },
	}
	inService = Step{
		Code: "step-in-service", Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() && s[t].Gate },
	}
)

// Restore brings the main's lost database back from its mirror, where nobody relieves it
// (M5). The mirror keeps what was copied until an operator puts mirroring back in service.
var Restore = Procedure{
	Name: "restore", Target: toMain, Before: mayRestore, Costs: costOfRestore, Next: "next-resume", OwnCopy: true,
	Steps: []Step{copiedBack, inService, drained},
}

func mayRestore(s Site, t releve.Seat) []releve.Sentence {
	own, mirror := s[t], s[t.Other()]
	switch {
	case !own.Heard:
		return sayOf("before-not-heard", t)
	case !mirror.Mute:
		return sayOf("before-relieved", t)
	case own.Restores() || own.restored():
		return nil // it is on its way, and this run follows it
	case !own.Owns():
		return sayOf("before-not-owner", t)
	case own.Gate || !own.Down && !own.Halted():
		return sayOf("before-database-well", t)
	case !mirror.Heard:
		return sayOf("before-not-heard", t.Other())
	case !mirror.IsCopy() || !mirror.Whole():
		return sayOf("before-no-copy", t.Other())
	}
	return nil
}

func costOfRestore(s Site, t releve.Seat) []releve.Sentence {
	own := s[t]
	if own.RunsAt(releve.Backup) {
		return append(sinceCopy(s[t.Other()], own), releve.Say("cost-kept", "seat", string(t), "records", strconv.Itoa(own.Spooled)))
	}
	return []releve.Sentence{
		releve.Say("cost-restored", "seat", string(t), "other", string(t.Other()),
			"bytes", strconv.FormatInt(own.Loss.Behind, 10), "calls", strconv.Itoa(own.Loss.Calls)),
		releve.Say("cost-kept", "seat", string(t), "records", strconv.Itoa(own.Spooled)),
	}
}
