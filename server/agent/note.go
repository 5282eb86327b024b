package agent

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
)

// spoolQuiet is how many facts may be on their way to the store without the site
// counting as exposed: they are drained within a moment.
const spoolQuiet = 100

// roundsKept is how many rounds stand as evidence beside a decision.
const roundsKept = 8

func itoa(n int) string { return strconv.Itoa(n) }

func (a *Agent) keepRound(r *takeover.Round) {
	if r == nil {
		return
	}
	a.rounds = append(a.rounds, *r)
	a.rounds = a.rounds[max(0, len(a.rounds)-roundsKept):]
}

// note keeps what was decided with its evidence: in the diary whole, on the board
// what an operator should see. Rounds are written only where they change
// something, for a watch that goes well is no news.
func (a *Agent) note(before takeover.Machine, e takeover.Event, actions []takeover.Action) {
	step := a.noteRound(before, e)
	for i, act := range actions {
		first := i == 0 || actions[i-1].Rule != act.Rule
		if !first || act.Kind == takeover.Check || act.Rule == "stop-asked" {
			continue
		}
		step = append(step, a.noteRule(act, inputOf(before, e)))
	}
	routine := len(step) > 0 && before.Phase == a.machine.Phase && reflect.DeepEqual(before.Durable, a.machine.Durable)
	for i := range step {
		step[i].Routine = routine
	}
	a.Diary.Write(step...)
}

// Input is what a decision was taken on. The same Step of this Machine takes it
// again, so each entry of the diary can be replayed by itself (H14).
type Input struct {
	Machine takeover.Machine `json:"machine"`
	Event   takeover.Event   `json:"event"`
}

func inputOf(before takeover.Machine, e takeover.Event) json.RawMessage {
	raw, err := json.Marshal(Input{before, e})
	if err != nil {
		panic("plain values cannot be written as JSON: " + err.Error())
	}
	return raw
}

func (a *Agent) noteRule(act takeover.Action, input json.RawMessage) releve.Entry {
	m := a.machine
	what := releve.Say("rule-"+act.Rule, "term", fmt.Sprint(m.Term), "seat", string(m.Seat), "other", string(m.Seat.Other()),
		"number", fmt.Sprint(m.Number), "cause", m.Cause, "why", lossOf(m), "calls", itoa(len(a.waiting)))
	entry := releve.Entry{At: time.Now().UTC(), Seat: m.Seat, Term: m.Term, Kind: "decision", What: what, Input: input}
	if verdictRules[act.Rule] {
		entry.Evidence = a.evidence()
		entry.Call = act.Call
		if entry.Call == "" && len(a.waiting) > 0 {
			entry.Call = a.waiting[len(a.waiting)-1].call // the verdict waited for a round begun after it
		}
	}
	a.Log.Info("decided", "rule", act.Rule, "term", m.Term, "from", act.From, "phase", act.To, "call", entry.Call)
	// What only says the newest event again is no news: a database that does not start is
	// tried every second.
	if slices.Contains(shownRules, act.Rule) && !a.board.newest(what) {
		a.board.add(view.Event{At: entry.At, Seat: m.Seat, Term: m.Term, Severity: a.Alarms.Tell(what).Severity, What: what, Call: entry.Call})
	}
	return entry
}

// causeShown is how much of a cause is shown: PostgreSQL's last words may be a page, and
// its log has them.
const causeShown = 160

// lossOf is why a server's database is down, as far as it is known: why it does not start
// tells more than how it ended.
func lossOf(m takeover.Machine) string {
	if m.Failed == takeover.JobStart {
		return shorten(m.Cause)
	}
	return shorten(m.DB.Why)
}

// shorten leaves what is a sentence whole; the text of others is as long as they like.
func shorten(cause string) string {
	if _, ok := releve.Inner(cause); ok {
		return cause
	}
	if why := []rune(cause); len(why) > causeShown {
		return string(why[:causeShown]) + "…"
	}
	return cause
}

// verdictRules are the rows that a verification leads to.
var verdictRules = map[string]bool{
	"takeover": true, "answered-without-duty": true, "in-service": true, "busy-refused": true,
	"duty-taken-from-released": true, "answered-on-duty": true, "duty-asked": true, "duty-granted": true,
}

// shownRules are the rows that an operator sees. How grave each is, the rule book of alarms says.
var shownRules = []string{
	"duty-lost", "journal-lacks", "duty-handed-over", "data-foreign", "data-missing", "data-unknown", "site-begins", "vote-returned",
	"mirror-abdicates", "vote-issued", "database-lost", "pbx-lost", "voice-lost", "duty-given", "term-reopened", "owner-confirmed", "alone",
	"return-begins", "journal-takes-again", "duty-ours-after-all", "copy-begins", "copy-finished", "copy-failed", "mirror-follows",
	"duty-taken-from-released", "takeover", "answered-without-duty", "owner-well-again", "promoted", "halted", "vote-accepted",
	"vote-refused", "duty-still-ours", "own-call", "call-unseen", "duty-granted", "vote-regained", "vote-returned-by-hand", "vote-void",
	"register-void", "vote-recalled", "arbiter-changed", "arbiter-adopted", "level-changed", "level-adopted", "copy-left", "abdication-asked",
	"solo-by-order", "duty-taken-by-order", "mirrored", "copy-too-old", "owner-database-starts", "gate-opened", "gate-opened-alone",
	"restore-begins", "restored", "restore-failed", "promotion-unsafe",
}

// noteRound keeps decisions not to act: a round while a call waits, or one that
// fails or ends a row of failures. Failures beyond a verdict's change nothing: a
// server that stays dead for a night does not fill the diary.
func (a *Agent) noteRound(before takeover.Machine, e takeover.Event) []releve.Entry {
	if e.Round == nil {
		return nil
	}
	enough := a.Settings.Rounds
	changed := min(before.Count.Failed, enough) != min(a.machine.Count.Failed, enough)
	if before.Waiters == 0 && !changed {
		return nil
	}
	outcome := e.Round.Judge()
	return []releve.Entry{{
		At: time.Now().UTC(), Seat: a.machine.Seat, Term: a.machine.Term, Kind: "non-decision",
		What:     releve.Say("round-"+string(outcome), "failed", itoa(a.machine.Count.Failed), "of", itoa(a.Settings.Rounds)),
		Evidence: evidenceOf(*e.Round), Input: inputOf(before, e),
	}}
}

// evidence is what the rounds since the last good one brought, that one included
// where it is the latest.
func (a *Agent) evidence() []releve.Sentence {
	first := len(a.rounds) - 1
	for first > 0 && a.rounds[first-1].Judge() != takeover.Good {
		first--
	}
	var all []releve.Sentence
	for _, r := range a.rounds[max(0, first):] {
		all = append(all, evidenceOf(r)...)
	}
	return all
}

// evidenceOf says one round in sentences: what was asked, and what came back.
func evidenceOf(r takeover.Round) []releve.Sentence {
	control := "evidence-control-silent"
	if r.Control {
		control = "evidence-control-answered"
	}
	all := []releve.Sentence{releve.Say(control, "took", (r.Ended - r.Began).Round(time.Millisecond).String())}
	for _, reply := range r.Replies {
		code := "evidence-silent"
		switch {
		case reply.Heard && reply.Well && r.Judge() != takeover.Good:
			code = "evidence-unseen"
		case reply.Heard && reply.Well && reply.Busy:
			code = "evidence-busy"
		case reply.Heard && reply.Well:
			code = "evidence-well"
		case reply.Heard:
			code = "evidence-unwell"
		}
		all = append(all, releve.Say(code, "path", reply.Path, "why", reply.Why))
	}
	return all
}
