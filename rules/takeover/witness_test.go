package takeover

import (
	"slices"
	"testing"
	"time"

	"releve"
)

// What the model's pages showed of a site with a witness (R5), told on one server.

// owner is a main that serves, and whose hand-over 1 lies in the register for copy B.
func owner() Machine {
	m := New(Settings{Seat: releve.Main, Rounds: 3, Site: "site"})
	m.Durable = Durable{
		Seat: releve.Main, Term: 1, Owner: releve.Main, Number: 1, Issued: true,
		Candidate: Candidate{DataID: "B", Timeline: 1, Position: 1},
		DataID:    "A", Promotion: Promotion{Timeline: 1, Done: true}, Arbiter: releve.Witness, Incarnation: 2,
	}
	m.Known, m.Phase, m.Gate, m.DB = true, Serving, true, Database{Up: true, Timeline: 1}
	m.MirrorAt, m.MovedAt = time.Minute, time.Minute
	m.Step(Event{Now: time.Minute, Arbiter: &Word{Heard: true, Register: lies()}})
	m.Step(Event{Now: time.Minute, Peer: &Status{
		Seat: releve.Secondary, Known: true, Term: 1, Owner: releve.Main, Number: 1,
		DataID: "B", Phase: Following, Arbiter: releve.Witness, Incarnation: 2,
	}})
	return m
}

// copied is the secondary, whose copy B may ask for the duty.
func copied() Machine {
	m := New(Settings{Seat: releve.Secondary, Rounds: 3, Site: "site"})
	m.Durable = Durable{
		Seat: releve.Secondary, Term: 1, Owner: releve.Main, Number: 1, DataID: "B", Arbiter: releve.Witness, Incarnation: 2,
	}
	m.Known, m.Phase, m.DB = true, Following, Database{Up: true, InRecovery: true, Streaming: true, Timeline: 1}
	m.Step(Event{Now: time.Minute, Arbiter: &Word{Heard: true, Register: lies()}})
	return m
}

func lies() Register {
	return Register{Site: "site", Incarnation: 2, Term: 1, Owner: releve.Main,
		Number: 1, Candidate: Candidate{DataID: "B"}, Version: 2}
}

func reclaimed() Register {
	r := lies()
	r.Alone, r.Candidate, r.Version = true, Candidate{}, 3
	return r
}

func rules(actions []Action) (names []string) {
	for _, a := range actions {
		names = append(names, a.Rule)
	}
	return slices.Compact(names)
}

func expect(t *testing.T, what string, actions []Action, rule string) {
	t.Helper()
	if !slices.Contains(rules(actions), rule) {
		t.Fatalf("%s: %v, without %s", what, rules(actions), rule)
	}
}

// The mirror's session is gone, and the owner asks for the vote. Before it has the
// answer it loses the PBX, and releases its term to a mirror that nobody lets take over.
func TestAnOwnerThatReleasedWhileItAskedForTheVoteGoesOn(t *testing.T) {
	for _, lost := range []bool{false, true} {
		m := owner()
		later := time.Minute + 1100*time.Millisecond
		expect(t, "the mirror is gone", m.Step(Event{Now: later}), "vote-reclaimed")
		other := m.Other
		other.PBXAgo, other.PBXFor = 0, pbxLost
		m.Step(Event{Now: later, Peer: &other})
		m.OtherHears = later - pbxLost
		expect(t, "the PBX is gone", m.Step(Event{Now: later, PBX: &PBX{Ago: time.Minute}}), "pbx-lost")

		answer := Word{Heard: true, Register: reclaimed(), Turn: m.ClaimTurn, Granted: true}
		if lost {
			m.Step(Event{Now: later, Arbiter: &Word{Turn: m.ClaimTurn}})
			read := m.Step(Event{Now: later, Arbiter: &Word{Heard: true, Register: reclaimed()}})
			expect(t, "the register says that it was granted", read, "vote-reclaimed")
			answer.Turn, answer.Register.Version = m.ClaimTurn, 4
		}
		expect(t, "the witness granted it", m.Step(Event{Now: later, Arbiter: &answer}), "term-reopened")
		if !m.Alone() || m.Term != 2 || m.Regained != 0 {
			t.Errorf("term %d, alone %v, and hand-over %d of term 1 is remembered", m.Term, m.Alone(), m.Regained)
		}
	}
}

// The mirror asked the witness and then lost its copy: by word it cannot give the vote
// back, and the copy for which the vote lies in the register is no more.
func TestACopyThatIsGoneIsNotWaitedFor(t *testing.T) {
	for _, phase := range []Phase{Serving, Handed} {
		m := owner()
		if m.Phase = phase; phase == Handed {
			m.Released, m.Gate, m.DB = true, false, Database{}
		}
		other := m.Other
		other.DataID = ""
		expect(t, "the mirror has no copy", m.Step(Event{Now: time.Minute, Peer: &other}), "vote-reclaimed")
	}
}

// The mirror asked, and the witness loses its memory. Nothing that was asked of it can
// be granted any more, and the owner waits for the vote.
func TestAMirrorThatAskedGivesBackWhatTheWitnessForgot(t *testing.T) {
	m := copied()
	m.Claimed = 1
	m.Step(Event{Now: time.Minute, Peer: &Status{
		Seat: releve.Main, Known: true, Term: 1, Owner: releve.Main, Number: 1,
		Issued: true, Arbiter: releve.Witness, Incarnation: 2, Phase: Serving,
	}})
	expect(t, "the witness forgot",
		m.Step(Event{Now: time.Minute, Arbiter: &Word{Heard: true, Register: Register{Site: "site"}}}), "register-void")
	if m.Abdicated != 1 {
		t.Errorf("%d was given back", m.Abdicated)
	}
}

// A main whose journal was put back from an older copy: the mirror holds a later number, and
// its old abdication is none of this one (R6).
func TestAnOldJournalDoesNotTakeAnOldAbdicationForANewOne(t *testing.T) {
	m := New(Settings{Seat: releve.Main, Rounds: 3})
	m.Step(Event{Now: time.Second, Boot: &Boot{Known: true, Disk: DiskOurs, DataID: "A", Durable: Durable{
		Seat: releve.Main, Term: 1, Owner: releve.Main, Number: 1, Issued: true,
		Candidate: Candidate{DataID: "B"}, DataID: "A", Promotion: Promotion{Done: true},
	}}})
	expect(t, "the mirror knows more", m.Step(Event{Now: time.Second, Peer: &Status{
		Seat: releve.Secondary, Known: true, Term: 1, Owner: releve.Main, Number: 2, Vote: true, Abdicated: 1, DataID: "B",
	}}), "journal-lacks")
	if m.Vote {
		t.Error("both hold the vote")
	}
}

// A database that froze while its gate was being opened: what was opened is gone with the
// fence before its next start, and is opened again (R6).
func TestAGateThatOpenedLateIsOpenedAgain(t *testing.T) {
	m := New(Settings{Seat: releve.Main, Rounds: 3})
	m.Known, m.Phase, m.Durable = true, Serving, Found("A")
	up := Database{Up: true, Timeline: 1}
	expect(t, "the database is up", m.Step(Event{Now: time.Minute, Database: &up}), "gate-opened")
	m.Step(Event{Now: time.Minute, Database: &Database{Why: "it does not answer"}})
	expect(t, "the gate opens late", m.Step(Event{Now: time.Minute, Done: &Done{Job: JobOpen, Turn: m.Turn}}),
		"owner-database-starts")
	started := Done{Job: JobStart, Turn: m.Turn, Database: &up}
	expect(t, "it is started again", m.Step(Event{Now: time.Minute, Done: &started}), "gate-opened")
}

// An operator gives up a copy that has asked the witness for the duty: it may be granted at
// any moment. The owner ends the hand-over first, and only then is the copy given up (R2).
func TestACopyThatAskedIsNotWipedBeforeTheOwnerEndedIt(t *testing.T) {
	m := copied()
	m.Claimed = 1
	main := Status{
		Seat: releve.Main, Known: true, Term: 1, Owner: releve.Main,
		Number: 1, Issued: true, Arbiter: releve.Witness, Incarnation: 2,
		Phase: Serving, Serving: true, Gate: true,
	}
	m.Step(Event{Now: time.Minute, Peer: &main})
	if got := rules(m.Step(Event{Now: time.Minute, Command: Rebuild})); slices.Contains(got, "copy-condemned") {
		t.Fatalf("its claim is out: %v", got)
	}
	if said := m.Status().DataID; said != "" {
		t.Errorf("the owner is told of copy %q", said)
	}
	main.Issued, main.Vote = false, true
	got := m.Step(Event{Now: time.Minute, Peer: &main})
	expect(t, "the owner has the vote again", got, "vote-void")
	expect(t, "the owner has the vote again", got, "copy-condemned")
}

// The witness gave the duty to the mirror, which never heard of it, and then lost its memory.
// The owner had stood aside on the register's word: it takes its duty up again (R5).
func TestAnOwnerThatStoodAsideForAGrantThatIsVoidGoesOn(t *testing.T) {
	m := owner()
	given := lies()
	given.Owner, given.Term, given.Alone, given.Version = releve.Secondary, 2, true, 3
	expect(t, "the register names the other",
		m.Step(Event{Now: time.Minute, Arbiter: &Word{Heard: true, Register: given}}), "duty-lost")
	other := m.Other
	other.Abdicated = 1
	m.Step(Event{Now: time.Minute, Arbiter: &Word{Heard: true, Register: Register{Site: "site"}}})
	expect(t, "the mirror gave it up", m.Step(Event{Now: time.Minute, Peer: &other}), "register-updated")
	written := Register{Site: "site", Incarnation: m.Incarnation, Term: 1, Owner: releve.Main, Alone: true, Number: 1, Version: 1}
	answer := Word{Heard: true, Register: written, Turn: m.ClaimTurn, Granted: true}
	expect(t, "the register has a new memory", m.Step(Event{Now: time.Minute, Arbiter: &answer}), "duty-ours-after-all")
	if m.Phase != Serving || m.Term != 1 {
		t.Errorf("phase %s, term %d", m.Phase, m.Term)
	}
}

// A claim that was to follow a save which failed is never put: nobody waits for its answer,
// and it is asked anew once the journal takes a save again.
func TestAClaimThatWasNeverPutIsNotWaitedFor(t *testing.T) {
	m := owner()
	written := m.Durable
	written.Vote, written.Issued, written.Number = true, false, 0
	m.Durable = written
	wiped := &Word{Heard: true}
	asks := m.Step(Event{Now: time.Minute, Arbiter: wiped})
	expect(t, "the witness has lost its memory", asks, "register-updated")
	turn := asks[slices.IndexFunc(asks, func(a Action) bool { return a.Kind == PutClaim })].Turn
	m.Step(Event{Now: time.Minute, Unsaved: &Unsaved{Cause: "the disk stalled", Written: written, Unasked: turn}})
	if m.ClaimTurn != 0 {
		t.Errorf("it waits for the answer to claim %d", m.ClaimTurn)
	}
}
