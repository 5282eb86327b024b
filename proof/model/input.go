package model

import (
	"time"

	"releve"
	"releve/rules/takeover"
)

// kind is what an input is about.
type kind uint8

const (
	tick     kind = iota
	booted        // the server starts
	hears         // a status arrives
	database      // the local PostgreSQL as it is
	mirror        // the mirror's session
	ended         // a job ends
	verdict       // a call overflows and its rounds fail
	headers       // somebody writes that a call overflowed, and the other says that it is well
	pbxGone       // the PBX is silent to this server and answers the other
	woke          // the process was stopped for a while
	ordered       // an operator's command
	witness       // a word of the witness
	carried       // an operator brings the other's abdication
	lineTold      // what became of its telephone
	relieves      // it asks the PBX for the other's binding, and is to take the duty if that is gone
)

// input is an event for a machine, small and comparable.
type input struct {
	kind     kind
	unasked  bool // the other said it by itself, at any time before
	unheard  bool // the other was last heard long ago
	late     bool // all that the machine waits for took long
	failed   bool
	torn     bool // the promotion ended short of what the copy had
	status   uint32
	journal  uint32
	known    bool
	disk     disk
	data     uint8
	work     work
	postgres postgres
	streams  bool
	flush    uint8
	timeline uint8
	seen     seen
	command  takeover.Command
	word     uint16
	line     takeover.Line
	bound    bool
	shown    takeover.Shown
}

// age makes the machine's clocks as old as the input wants them.
func (in input) age(m *takeover.Machine) {
	if in.unheard && m.OtherAt > 0 {
		m.OtherAt = old
	}
	if in.late {
		m.MirrorAt, m.MovedAt, m.PreparedAt, m.StreamLost, m.FailedAt = old, old, old, old, old
		m.MoveAt, m.LeftAt = min(m.MoveAt, longAgo), min(m.LeftAt, longAgo)
	}
}

// events are what the agent would feed to the machine.
func (n *interned) events(m *takeover.Machine, in input) []takeover.Event {
	switch in.kind {
	case booted:
		return []takeover.Event{{Boot: &takeover.Boot{
			Known: in.known, Durable: n.journals.values[in.journal], Disk: diskKinds[in.disk], DataID: dataID(in.data),
		}}}
	case hears:
		status := n.statuses.values[in.status]
		return []takeover.Event{{Peer: &status, Unasked: in.unasked}}
	case database:
		return []takeover.Event{{Database: in.database()}}
	case mirror:
		return []takeover.Event{{Mirror: &takeover.Mirror{
			Streaming: in.seen.streaming, Lost: in.seen.lost, Flush: releve.LSN(in.seen.flush), Own: releve.LSN(in.seen.own),
		}}}
	case ended:
		return []takeover.Event{{Done: in.done()}}
	case verdict:
		round := takeover.Round{Term: m.Term, Began: now, Ended: now, Limit: time.Second, Control: true}
		return []takeover.Event{{Overflow: &takeover.Overflow{Call: "call"}}, {Round: &round}}
	case headers:
		return []takeover.Event{
			{Overflow: &takeover.Overflow{Call: "forged", Reason: releve.ReasonNoAnswer}}, {Round: &takeover.Round{
				Term: m.Term, Began: now, Ended: now, Limit: time.Second, Control: true,
				Replies: []takeover.Reply{{Heard: true, Well: true, Registered: true, Term: m.Term, LastInvite: -1}},
			}},
		}
	case pbxGone:
		return []takeover.Event{{PBX: &takeover.PBX{Ago: time.Minute}}}
	case woke:
		return []takeover.Event{{Woke: time.Minute}}
	case ordered:
		return []takeover.Event{{Command: in.command}}
	case witness:
		word := n.words.values[in.word]
		return []takeover.Event{{Arbiter: &word}}
	case carried:
		d := n.journals.values[in.journal]
		return []takeover.Event{{Returned: &takeover.Return{Seat: d.Seat, Term: d.Term, Number: d.Abdicated}}}
	}
	switch in.kind {
	case lineTold:
		return []takeover.Event{{Line: &in.line}, {Reception: &in.bound}}
	case relieves:
		return []takeover.Event{{Shown: &in.shown}, {Command: takeover.Relieve}}
	}
	return []takeover.Event{{}}
}

func (in input) database() *takeover.Database {
	db := takeover.Database{
		Up: in.postgres != down, InRecovery: in.postgres == isolated || in.postgres == follower,
		Streaming: in.streams, Flush: releve.LSN(in.flush), Timeline: releve.Timeline(in.timeline),
	}
	if !db.Up {
		db = takeover.Database{Why: "it is gone"}
	}
	return &db
}

func (in input) done() *takeover.Done {
	d := &takeover.Done{Job: jobs[in.work.job]}
	if in.failed {
		d.Failed = "it failed"
		return d
	}
	d.DataID = dataID(in.data)
	switch in.work.job {
	case promote:
		if in.torn {
			return &takeover.Done{Job: d.Job, Failed: "rows are missing", Unsafe: true}
		}
		d.Promotion = takeover.Promotion{Timeline: releve.Timeline(in.timeline)}
	case start, rejoin, restore, rest, renew:
		d.Database = in.database()
	}
	return d
}
