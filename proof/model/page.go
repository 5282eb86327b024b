package model

import (
	"fmt"
	"strings"

	"releve/rules/takeover"
)

// sentences of the moves; %s is the server, its other, and a row or job.
var sentences = [...]string{
	boots:             "the %[1]s starts",
	hearsNow:          "the %[1]s hears the %[2]s",
	hearsLate:         "the %[1]s receives a late word of the %[2]s",
	looksAtDatabase:   "the %[1]s looks at its database",
	looksAtMirror:     "the %[1]s looks at its mirror's session",
	looksLate:         "the %[1]s learns what it had measured of its mirror before",
	timePasses:        "time passes at the %[1]s",
	jobDone:           "the %[1]s has done: %[3]s",
	jobFails:          "the %[1]s fails to %[3]s",
	promotionTorn:     "the %[1]s is promoted short of what its copy had",
	wrongVerdict:      "a call overflows, and the %[1]s finds the other dead, rightly or not",
	headersForged:     "somebody writes to the %[1]s that a call overflowed, and the %[2]s says that it is well",
	losesPBX:          "the %[1]s no longer hears the PBX",
	toldHandOver:      "the operator asks the %[1]s to hand over",
	toldRejoin:        "the operator asks the %[1]s to come back as the mirror",
	toldRebuild:       "the operator has the copy of the %[1]s made anew",
	toldStop:          "the operator stops the %[1]s",
	stopFree:          "the %[1]s is free to end",
	stops:             "the %[1]s ends",
	crashes:           "the %[1]s crashes",
	crashesHavingDone: "the %[1]s crashes within a job (%[3]s) that its disk shows",
	statusDelayed:     "a word of the %[1]s is delayed on its way",
	lookDelayed:       "the %[1]s measures its mirror and is slow to tell",
	databaseCrashes:   "the database of the %[1]s crashes",
	diskLost:          "the %[1]s crashes and loses its disk, not its journal",
	becomesSlow:       "the %[1]s becomes slow to see",
	linkPartitioned:   "the link is partitioned",
	linkHeals:         "the link heals",
	toldAbdicate:      "the operator has the %[1]s give the vote back",
	abdicationCarried: "the operator brings the %[1]s the abdication of the %[2]s",
	toldPair:          "the operator makes the pair its own arbiter",
	toldWitness:       "the operator makes the witness the arbiter",
	toldBase:          "the operator takes the site to level base",
	toldMirroring:     "the operator takes the site to level mirroring",
	toldHigh:          "the operator takes the site to level high availability",
	toldRestore:       "the operator has the database of the %[1]s copied back from its mirror",
	mirrorAged:        "the %[2]s no longer keeps what the copy of the %[1]s needs next",
	registerRead:      "the %[1]s reads the register",
	readHeld:          "the %[1]s reads the register and is slow to tell",
	claimAnswered:     "the witness answers the %[1]s",
	claimGivenUp:      "the %[1]s no longer waits for the witness's answer, and its claim is still on its way",
	answerHeld:        "the witness decides on the claim of the %[1]s, and its answer is held up",
	answerLost:        "the answer of the witness to the %[1]s is lost",
	wordLate:          "the %[1]s learns late what the witness had said",
	claimArrives:      "the late claim of the %[1]s reaches the witness",
	witnessSilent:     "the %[1]s no longer hears the witness",
	registerWiped:     "the witness loses its memory",
	rowWritten:        "the %[1]s writes a row",
	rowMirrored:       "a row reaches the %[1]s",
	toldMove:          "the operator has the duty of the %[1]s move, and the copy follow",
	toldStay:          "the operator has the duty stay at the %[1]s",
	toldClear:         "the operator has seen at the PBX that the binding of the %[1]s is gone",
	toldRenew:         "the operator has a newer copy made at the %[1]s",
	toldTake:          "the operator, who knows that the %[2]s is off, has the %[1]s take the duty",
	toldRelieve:       "the operator has the %[1]s take the duty if the PBX shows the binding of the %[2]s gone",
	telephoneOpens:    "the %[1]s opens its telephone",
	telephoneCloses:   "the %[1]s closes its telephone",
	userBound:         "the %[1]s is bound at the PBX",
	userGivenBack:     "the %[1]s gives its binding back",
	bindingLapses:     "the binding of the %[1]s lapses",
	cutFromPBX:        "the %[1]s is cut off from the PBX, which forgets it",
	learnsOfTelephone: "the %[1]s learns of its telephone",
}

// page tells how a state comes about, a line a move.
func (x *explorer) page(n int) []string {
	var path []int
	for ; n >= 0; n = int(x.parent[n]) {
		path = append(path, n)
	}
	var lines []string
	for k := len(path) - 1; k > 0; k-- {
		lines = append(lines, x.sentence(x.states[path[k]], x.states[path[k-1]]))
	}
	return lines
}

// sentence finds the move again that led from one state to the next.
func (x *explorer) sentence(from, to state) string {
	found := ""
	x.emit = func(s state, m move) {
		if found == "" && s == to {
			found = x.say(from, m)
		}
	}
	x.from(from)
	return found
}

func (x *explorer) line(b breach) string { return x.say(x.states[b.from], b.move) }

func (x *explorer) say(from state, m move) string {
	who, other := seats[m.who], seats[1-m.who]
	j := string(jobs[from.servers[m.who].work.job])
	said := fmt.Sprintf(sentences[m.what]+"%[4]s", who, other, j, "")
	if m.outcome == 0 {
		return said
	}
	var done []string
	o := &x.outcomes[m.outcome]
	for k, a := range o.actions {
		if m.until > 0 && k >= int(m.until) {
			done = append(done, "and crashes")
			break
		}
		if a.kind == takeover.Tell || k > 0 && lasting(o.actions[k-1].kind) && !lasting(a.kind) && a.rule == o.actions[k-1].rule {
			continue // said already
		}
		done = append(done, x.act(a))
	}
	if len(done) > 0 {
		said += " — " + strings.Join(done, ", ")
	}
	return said
}

// act is an action in words: the row of the table that asks for it, and what for.
func (x *explorer) act(a action) string {
	name := strings.ReplaceAll(a.rule, "-", " ")
	switch a.kind {
	case takeover.Save:
		return name + " (" + remembers(x.journals.values[a.journal]) + ")"
	case takeover.Begin:
		return name + " (begins to " + string(jobs[a.work.job]) + ")"
	case takeover.Fence:
		return name + " (fence)"
	}
	return name
}

func remembers(d takeover.Durable) string {
	s := fmt.Sprintf("on disk: term %d of the %s", d.Term, d.Owner)
	switch {
	case d.Vote:
		s += ", holds the vote"
	case d.Issued:
		s += fmt.Sprintf(", vote %d issued to copy %s at position %d", d.Number, d.Candidate.DataID, d.Candidate.Position)
	case d.Abdicated > 0:
		s += fmt.Sprintf(", vote %d given back", d.Abdicated)
	}
	if d.Released {
		s += ", released"
	}
	return s
}
