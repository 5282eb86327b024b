package model

import (
	"strings"
	"time"

	"releve"
	"releve/takeover"
)

// now is the time of each step; ages are counted back from it.
const (
	now   = time.Hour
	fresh = now - time.Millisecond
	old   = now - time.Minute
)

// identity is all of a machine that can change what it will decide.
type identity struct {
	takeover.Durable
	known, heard       bool
	phase              takeover.Phase
	boot               takeover.Boot
	other              takeover.Status
	db                 takeover.Database
	seen               takeover.Mirror
	target, need       releve.LSN
	gate, lone, looked bool
	job, failed        takeover.Job
	suspended, leaving bool
	asked              takeover.Command
}

func identify(m *takeover.Machine) identity {
	return identity{
		Durable: m.Durable, known: m.Known, heard: m.OtherAt > 0, phase: m.Phase, boot: m.Boot, other: m.Other,
		db: m.DB, seen: m.Seen, target: m.Target, need: m.Need, gate: m.Gate, lone: m.Lone, looked: m.Looked, job: m.Job, failed: m.Failed,
		suspended: m.Suspended, leaving: m.Leaving, asked: m.Asked,
	}
}

// settle forgets what is only said (causes, counts, calls) or is the model's to
// choose (times), so that machines that will decide alike are one.
func settle(m *takeover.Machine) {
	halfHanded := m.Known && m.Owns() && !m.Vote && !m.Issued && !m.Released
	m.Now, m.Cause, m.Turn = now, "", 0
	m.Booted, m.Probed, m.Probes = 0, 0, 0
	if m.OtherAt > 0 {
		m.OtherAt = fresh
	}
	m.SeenAt, m.PreparedAt, m.StreamLost, m.FailedAt = now, now, now, now
	m.WokeAt, m.ReceptionAt, m.PBXAt, m.VoiceAt = 0, 0, 0, 0
	if m.Suspended {
		m.WokeAt = now - time.Microsecond
	}
	m.Count, m.Last, m.Checking, m.Began = takeover.Count{}, takeover.Round{}, 2, 0 // no round of the watch
	m.Waiters, m.Earliest, m.Arrived, m.Silent = 0, 0, takeover.Overflow{}, false
	m.WithoutDuty, m.KeepStandby, m.VoiceDown, m.PBX = false, false, false, takeover.PBX{}
	m.Reception = m.Users().Reception
	m.Seen.Own = 0
	if m.Phase != takeover.Starting {
		m.Boot = takeover.Boot{}
	}
	if !halfHanded {
		m.Target, m.Looked = 0, false
	}
	if m.Gate || !m.Owns() {
		m.Need = 0 // measured again at each start
	}
	if m.Gate && !halfHanded {
		m.Seen.Flush = 0 // looked at again before it counts
	}
	if !m.DB.InRecovery || m.Vote {
		m.DB.Flush = 0 // an owner is asked by Mirror.Own, and a mirror looks again before it answers
	}
	m.Durable, m.Other = plain(m.Durable), quiet(m.Other)
}

// plain is a Durable without what nobody will ask for.
func plain(d takeover.Durable) takeover.Durable {
	d.Promotion.Fork = 0
	d.Promotion.ID, d.Upstream = promotion(d.Promotion.ID), promotion(d.Upstream)
	if !d.Owns() || !d.Issued {
		d.Terms = takeover.Terms{}
	}
	return d
}

// quiet is a status without what nobody will ask for. The PBX always answers the
// other server: whether a silent PBX is a reason to go is thereby left open.
func quiet(s takeover.Status) takeover.Status {
	s.PBXAgo, s.Standby, s.Spooled, s.Promotion.Fork = 0, false, 0, 0
	s.Promotion.ID, s.Upstream = promotion(s.Promotion.ID), promotion(s.Upstream)
	switch {
	case s.Owner == s.Seat:
		s.Phase, s.DataID = "", ""
	case s.Phase != takeover.Following:
		s.Phase = takeover.Waiting
	}
	if s.Owner != s.Seat || !s.Issued {
		s.Terms = takeover.Terms{}
	}
	if s.Owner == s.Seat && !s.Issued {
		s.Number = 0
	}
	if s.Owner != s.Seat {
		s.Promotion = takeover.Promotion{}
	}
	return s
}

// promotion is told by seat and term; the copy's name, which comes third, only
// makes it unique among sites.
func promotion(id releve.PromotionID) releve.PromotionID {
	if parts := strings.SplitN(string(id), "-", 3); len(parts) == 3 {
		return releve.PromotionID(parts[0] + "-" + parts[1])
	}
	return id
}

// action is a takeover.Action, small.
type action struct {
	kind    takeover.ActionKind
	rule    string
	journal uint32
	work    work
}

// outcome is what one input makes of one machine.
type outcome struct {
	machine uint32
	actions []action
	broken  string // what the step itself should not have done
	silent  bool   // nothing changed
}

// interned gives each distinct value a number, and remembers each step: the same
// machine with the same input need not be asked twice.
type interned struct {
	variant   Variant
	machines  []takeover.Machine
	machineOf map[identity]uint32
	statuses  []takeover.Status
	statusOf  map[takeover.Status]uint32
	said      []uint32 // by machine: its status
	journals  []takeover.Durable
	journalOf map[takeover.Durable]uint32
	outcomes  []outcome
	steps     map[step]uint32
}

type step struct {
	machine uint32
	input   input
}

func newInterned() *interned {
	return &interned{
		machines: make([]takeover.Machine, 1), machineOf: map[identity]uint32{},
		statuses: make([]takeover.Status, 1), statusOf: map[takeover.Status]uint32{}, said: make([]uint32, 1),
		journals: make([]takeover.Durable, 1), journalOf: map[takeover.Durable]uint32{},
		outcomes: make([]outcome, 1), steps: map[step]uint32{},
	}
}

// become changes the product that is walked through; what its machines did before
// is no longer what they do.
func (n *interned) become(v Variant) { n.variant, n.steps = v, map[step]uint32{} }

func (n *interned) machine(m takeover.Machine) uint32 {
	settle(&m)
	key := identify(&m)
	if id, known := n.machineOf[key]; known {
		return id
	}
	id := uint32(len(n.machines))
	n.machines, n.machineOf[key] = append(n.machines, m), id
	n.said = append(n.said, n.status(quiet(m.Status())))
	return id
}

func (n *interned) status(s takeover.Status) uint32 {
	id, known := n.statusOf[s]
	if !known {
		id = uint32(len(n.statuses))
		n.statuses, n.statusOf[s] = append(n.statuses, s), id
	}
	return id
}

func (n *interned) journal(d takeover.Durable) uint32 {
	d = plain(d)
	id, known := n.journalOf[d]
	if !known {
		id = uint32(len(n.journals))
		n.journals, n.journalOf[d] = append(n.journals, d), id
	}
	return id
}

// step lets the machine take in the input, or remembers that it did.
func (n *interned) step(machine uint32, in input) uint32 {
	key := step{machine, in}
	if id, known := n.steps[key]; known {
		return id
	}
	id := uint32(len(n.outcomes))
	n.outcomes = append(n.outcomes, n.compute(machine, in))
	n.steps[key] = id
	return id
}

func (n *interned) compute(machine uint32, in input) outcome {
	m := n.machines[machine]
	in.age(&m)
	var told []takeover.Action
	for _, e := range n.events(&m, in) {
		e.Now = now
		if n.variant.tamper != nil {
			n.variant.tamper(&m, &e)
		}
		told = append(told, m.Step(e)...)
	}
	o := outcome{broken: unsound(n.machines[machine].Job, &m, in, told)}
	matters := o.broken != ""
	for _, a := range told {
		o.actions = append(o.actions, n.action(a, &m))
		matters = matters || lasting(a.Kind)
	}
	o.machine = n.machine(m)
	o.silent = o.machine == machine && !matters
	return o
}

func (n *interned) action(a takeover.Action, m *takeover.Machine) action {
	small := action{kind: a.Kind, rule: a.Rule}
	switch a.Kind {
	case takeover.Save:
		small.journal = n.journal(a.Durable)
	case takeover.Begin:
		small.work = work{job: jobOf(a.Job), writable: a.Writable, lone: m.Lone}
	}
	return small
}

// unsound finds what no step may do, whatever the world is like.
func unsound(was takeover.Job, m *takeover.Machine, in input, told []takeover.Action) string {
	if strings.Contains(m.Cause, "not allowed by the vote") {
		return "a row of the table asks for what the vote does not allow: " + m.Cause
	}
	for _, a := range told {
		if in.kind == ended && in.failed && was == jobs[in.work.job] && a.Kind == takeover.Begin && a.Job == jobs[in.work.job] {
			return "a job that failed is begun again at once, and so for ever: " + a.Rule
		}
	}
	if again := *m; len(again.Step(takeover.Event{Now: now})) > 0 {
		return "the table does not come to rest: " + again.Cause
	}
	return ""
}
