package procedure

import (
	"strconv"
	"time"

	"releve"
	"releve/rules/takeover"
)

// At level backup an operator moves the duty (SPEC B2): with both servers well the copy is brought up
// to the last commit first, and nothing is lost; with the other dead the copy that is there is taken,
// on his word that it is off. One command is both, and says which it is.

var (
	freshCopy = Step{ // the log since the last copy may be gone
		Code: "step-fresh-copy", Order: RenewCopy, At: itself, Limit: 24 * time.Hour,
		Done: func(s Site, t releve.Seat) bool {
			return moved(s, t) || s[t].IsCopy() && (!s[t.Other()].Lost || s[t].Anew)
		},
	}
	follows = Step{
		Code: "step-follows", Order: FollowToMove, At: former, Limit: time.Hour,
		Done: func(s Site, t releve.Seat) bool { return moved(s, t) || s[t].Follows() && s[t].HasVote() },
	}
	spoolStored = Step{
		Code: "step-spool", Limit: 10 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return moved(s, t) || s[t].Spooled == 0 },
	}
	lineClosed = Step{
		Code: "step-line-closed", Order: HandOver, At: former, Undo: KeepDuty, Limit: 3 * time.Minute,
		Done: func(s Site, t releve.Seat) bool { return moved(s, t) || s[t.Other()].Mute && s[t.Other()].Line.Closed },
	}
	bindingGone = Step{
		Code: "step-binding-gone", At: former, Undo: KeepDuty, Limit: 10 * time.Minute, // nobody answers meanwhile
		Done: func(s Site, t releve.Seat) bool { return moved(s, t) || s[t.Other()].Phase != takeover.Silencing },
		Waits: func(s Site, t releve.Seat) releve.Sentence {
			if o := s[t.Other()]; o.Phase == takeover.Silencing && o.Line.Closed && !o.Line.Gone {
				return releve.Say("waits-binding", "seat", string(t.Other()))
			}
			return releve.Sentence{}
		},
	}
	dutyTaken = Step{ // one that remembers a duty is not on it before an operator says so
		Code: "step-taken", Order: TakeDuty, At: itself, Limit: time.Minute,
		Done: hasDuty,
	}
	leaseOver = Step{
		Code: "step-lease-over", Order: AskPBX, At: itself, Limit: leaseLasts,
		Done:  func(s Site, t releve.Seat) bool { return hasDuty(s, t) || s[t].Lease.Gone },
		Waits: waitsForLease, Fails: leaseNever,
		Found: func(_ Site, t releve.Seat) releve.Sentence {
			return releve.Say("found-lease-over", "other", string(t.Other()))
		},
	}
	dutyRelieved = Step{
		Code: "step-taken", Order: Relieve, At: itself, Limit: time.Minute, Done: hasDuty,
	}
	dutyThere = Step{
		Code: "step-duty", Limit: time.Minute,
		Done: func(s Site, t releve.Seat) bool { return s[t].InService() },
	}
	proofByItself = Step{
		Code: "step-proof-itself", Order: ProveItself, At: itself, Limit: 30 * time.Second, Proves: true,
		Done: func(s Site, t releve.Seat) bool { return s[t.Other()].ProvenTest },
	}
	copyBehind = Step{
		Code: "step-copy-behind", Order: Rejoin, At: former, Limit: 24 * time.Hour,
		Done: func(s Site, t releve.Seat) bool { return atRest(s[t.Other()]) },
	}
	copyFirst = Step{ // one that had the duty once may hold rows of its own, which are set aside
		Code: "step-copy", Order: Rejoin, At: itself, Limit: 24 * time.Hour,
		Done: func(s Site, t releve.Seat) bool { return moved(s, t) || s[t].IsCopy() },
	}
)

// toWhomItMoves is the server that is not on duty, also while the other is on its way to give it.
func toWhomItMoves(s Site, here releve.Seat) releve.Seat {
	if main := s[releve.Main]; main.Owns() && (main.Phase == takeover.Silencing || main.Phase == takeover.Handing || main.Phase == takeover.Handed) {
		return releve.Secondary
	}
	return offDuty(s, here)
}

// moved: the duty has arrived.
func moved(s Site, t releve.Seat) bool { return s[t].InService() }

// permutation moves the duty with both servers well.
func permutation(name string, target func(Site, releve.Seat) releve.Seat) Procedure {
	return Procedure{
		Name: name, Target: target, Before: mayPermute, Costs: costOfPermutation,
		Steps: []Step{copyFirst, freshCopy, follows, spoolStored, lineClosed, bindingGone, dutyThere, registration, proofByItself, copyBehind},
	}
}

// relief takes the duty from a server that is dead, with the copy that is there.
var relief = Procedure{
	Name: "switchover", Target: toItself, Forced: true, Before: mayRelieve, Costs: costOfRelief, Next: "next-backup-return",
	Steps:    []Step{dutyTaken, promoted, registration, answers, proofByItself},
	Wordless: &reliefBySight,
}

// reliefBySight takes it without anybody's word that the other is off: once the PBX shows that its
// registration is gone, and nobody has heard it meanwhile.
var reliefBySight = Procedure{
	Name: "switchover", Target: toItself, Silent: true, Before: mayRelieve, Costs: costOfReliefBySight, Next: "next-backup-return",
	Steps: []Step{leaseOver, dutyRelieved, promoted, registration, answers, proofByItself},
}

// switchoverAt is the one procedure of permutation: it looks which of the two it is.
func switchoverAt(s Site, here releve.Seat) (Procedure, bool) {
	if s[here.Other()].Heard {
		return permutation("switchover", toWhomItMoves), s[here].RunsAt(releve.Backup)
	}
	return relief, s[here].RunsAt(releve.Backup)
}

// takeoverAt: a server takes the duty by the same procedure, whatever it is called.
func takeoverAt(s Site, here releve.Seat) (Procedure, bool) {
	p := relief
	p.Name, p.Wordless = "takeover", nil
	return p, s[here].RunsAt(releve.Backup)
}

// resumeAt makes the server that is off duty a copy again, whose duty does not come back.
func resumeAt(s Site, here releve.Seat) (Procedure, bool) {
	return Procedure{Name: "mirror-resume", Target: offDuty, Before: mayPermute, Steps: []Step{copyFirst, copyAtRest}}, s[here].RunsAt(releve.Backup)
}

func returnAt(s Site, here releve.Seat) (Procedure, bool) {
	return permutation("return", toMain), s[here].RunsAt(releve.Backup)
}

// NewerCopy brings the server that is off duty the other's data as of now (B1).
var NewerCopy = Procedure{
	Name: "copy", Target: offDuty, Before: mayCopy,
	Steps: []Step{{
		Code: "step-newer-copy", Order: RenewCopy, At: itself, Limit: 24 * time.Hour,
		Done: func(s Site, t releve.Seat) bool { return s[t].Anew && atRest(s[t]) },
		Found: func(s Site, t releve.Seat) releve.Sentence {
			return releve.Say("found-copied", "seat", string(t), "at", s[t].Copied.UTC().Format(time.RFC3339))
		},
	}},
}

// BindingCleared is an operator's word that the PBX, which shows no bindings, has none of the server
// that leaves (B3).
var BindingCleared = Procedure{
	Name: "binding-cleared", Target: offDuty, Beside: true, Named: true, Before: mayClear,
	Steps: []Step{{
		Code: "step-binding-cleared", Order: ClearBinding, At: silencing, Limit: 30 * time.Second,
		Done: func(s Site, t releve.Seat) bool {
			return s[releve.Main].Phase != takeover.Silencing && s[releve.Secondary].Phase != takeover.Silencing
		},
	}},
}

func silencing(s Site, _ releve.Seat) releve.Seat {
	if s[releve.Main].Phase == takeover.Silencing {
		return releve.Main
	}
	return releve.Secondary
}

func mayClear(s Site, t releve.Seat) []releve.Sentence {
	leaving := s[silencing(s, t)]
	switch {
	case leaving.Phase != takeover.Silencing:
		return []releve.Sentence{releve.Say("before-nobody-leaves")}
	case !leaving.Line.Closed:
		return sayOf("before-line-open", silencing(s, t))
	}
	return nil
}

func mayCopy(s Site, t releve.Seat) []releve.Sentence {
	switch {
	case !s[t].RunsAt(releve.Backup):
		return []releve.Sentence{releve.Say("before-not-backup")}
	case len(ownerServes(s, t)) > 0:
		return ownerServes(s, t)
	case !s[t].IsCopy():
		return sayOf("before-copy-none", t)
	}
	return nil
}

func mayPermute(s Site, t releve.Seat) []releve.Sentence {
	if moved(s, t) {
		return nil
	}
	owner := s[t.Other()]
	why := ownerServes(s, t)
	if owner.Phase == takeover.Silencing && s[t].Heard {
		why = nil // it is on its way, and this run follows it
	}
	switch {
	case len(why) > 0:
		return why
	case !owner.HearsPBX() && owner.Phase == takeover.Serving:
		return sayOf("before-no-pbx", t.Other())
	case s[t].Halted():
		return sayOf("before-halted", t)
	}
	return nil
}

// mayRelieve: the server that is asked takes the duty, or goes on with it after a start.
func mayRelieve(s Site, t releve.Seat) []releve.Sentence {
	own := s[t]
	var why []releve.Sentence
	switch {
	case own.InService():
		why = sayOf("before-on-duty", t)
	case !own.Whole():
		why = sayOf("before-no-data", t)
	}
	return append(why, saidOff(s, t)...)
}

// costOfPermutation: what callers notice.
func costOfPermutation(s Site, t releve.Seat) []releve.Sentence {
	return []releve.Sentence{
		releve.Say("cost-both-well", "seat", string(t), "other", string(t.Other())),
		releve.Say("cost-silence", "other", string(t.Other())),
	}
}

// costOfRelief: all since the copy is on the other server's disk alone.
func costOfRelief(s Site, t releve.Seat) []releve.Sentence {
	own, other := s[t], s[t.Other()]
	costs := append([]releve.Sentence{releve.Say("cost-other-dead", "seat", string(t), "other", string(t.Other()))}, lastHeard(s, t)...)
	if own.Owns() {
		return append(costs, sayOf("cost-goes-on", t)...)
	}
	return append(append(costs, sinceCopy(own, other)...), sayOf("cost-salvaged", t)...)
}

// sinceCopy is what the copy of one server lacks of the other's data.
func sinceCopy(copied, other Server) []releve.Sentence {
	if copied.Copied.IsZero() {
		return sayOf("cost-copy-unknown", copied.Seat)
	}
	return []releve.Sentence{releve.Say("cost-since-copy", "seat", string(copied.Seat), "other", string(copied.Seat.Other()),
		"at", copied.Copied.UTC().Format(time.RFC3339), "age", rounded(copied.Now.Sub(copied.Copied)), "calls", strconv.Itoa(other.SinceCopy))}
}

func costOfReliefBySight(s Site, t releve.Seat) []releve.Sentence {
	costs := append(append(costOfRelief(s, t), sayOf("cost-lease", t)...), sayOf("cost-cut-off", t)...)
	if left := s[t].Lease.Left; left > 0 {
		costs = append(costs, releve.Say("cost-lease-left", "other", string(t.Other()), "left", rounded(left)))
	}
	return costs
}
