package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"releve"
	"releve/rules/takeover"
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
	register           takeover.Register
	registerHeard      bool
	asking, confirmed  bool
	regained           uint64
	told               takeover.Return

	line                             takeover.Line
	moves, letGo, cleared, displaces bool
}

func identify(m *takeover.Machine) identity {
	return identity{
		Durable: m.Durable, known: m.Known, heard: m.OtherAt > 0, phase: m.Phase, boot: m.Boot, other: m.Other,
		db: m.DB, seen: m.Mirror, target: m.Target, need: m.Need, gate: m.Gate,
		lone: m.Lone, looked: m.Looked, job: m.Job, failed: m.Failed,
		suspended: m.Suspended, leaving: m.Leaving, asked: m.Order,
		register: m.Register, registerHeard: m.RegisterAt > 0, asking: m.ClaimTurn > 0,
		confirmed: m.Confirmed, regained: m.Regained, told: m.Carried,
		line: m.Line, moves: m.Moves, letGo: m.LetGo, cleared: m.Cleared, displaces: m.Displaces,
	}
}

// settle forgets what is only said (causes, counts, calls) or is the model's to
// choose (times), so that machines that will decide alike are one.
func settle(m *takeover.Machine) {
	halfHanded := m.Known && m.Owns() && !m.Vote && !m.Issued && !m.Released
	m.Now, m.Cause, m.Turn = now, "", 0
	m.Booted, m.Probed, m.Probes = 0, 0, 0
	if m.OtherAt > 0 {
		m.OtherAt, m.OtherHears = fresh, old
	}
	m.MirrorAt, m.MovedAt, m.PreparedAt, m.StreamLost, m.FailedAt, m.HaltedAt = now, now, now, now, now, 0
	m.Vain, m.Copies, m.CopiedAt = 0, 0, 0 // they only lengthen a pause
	m.WokeAt, m.ReceptionAt, m.PBXAt, m.VoiceAt = 0, 0, 0, 0
	if m.Suspended {
		m.WokeAt = now - time.Microsecond
	}
	m.Count, m.LastRound, m.RoundsOut, m.RoundBegan = takeover.Count{}, takeover.Round{}, 2, 0 // no round of the watch
	m.Waiters, m.FirstWaited, m.Arrived, m.NoAnswer, m.Own = 0, 0, takeover.Overflow{}, false, takeover.OwnCall{}
	m.WithoutDuty, m.KeepStandby, m.FormerStandby, m.VoiceDown, m.PBX, m.Hears = false, false, false, false, takeover.PBX{}, 0
	m.Reception = m.Users().Reception
	settleBackup(m)
	m.Mirror.Own = 0
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
		m.Mirror.Flush = 0 // looked at again before it counts
	}
	if !m.DB.InRecovery || m.Vote {
		m.DB.Flush = 0 // an owner is asked by Mirror.Own, and a mirror looks again before it answers
	}
	m.Durable, m.Other = plain(m.Durable), quiet(m.Other)
}

// settleWitness: of the witness only what can still be acted on. One claim is out at a
// time, so that its turn needs no more than two values.
func (n *interned) settleWitness(m *takeover.Machine) {
	m.Register = bare(m.Register)
	if m.RegisterAt > 0 {
		m.RegisterAt = fresh
	}
	if m.RegisterAt == 0 || !n.asks(m) {
		m.Register, m.RegisterAt = takeover.Register{}, 0
	}
	m.ClaimTurn = min(m.ClaimTurn, 1)
	m.Claims = m.ClaimTurn
	m.Confirmed = m.Confirmed && m.Owns() && (m.Witnessed() || n.backsUp())
	if m.Carried.Term < m.Term || m.Carried.Number < m.Number || !m.Issued {
		m.Carried = takeover.Return{}
	}
}

// asks: what the witness says can matter to this server.
func (n *interned) asks(m *takeover.Machine) bool {
	founding := n.site.Arbiter == releve.Witness && m.Term == 1 && m.Incarnation == 0
	moves := founding || slices.Contains(n.site.Told, takeover.UseWitness)
	return m.Known && (m.Witnessed() || m.Owns() && moves)
}

// bare is a register without what its readers do not look at.
func bare(r takeover.Register) takeover.Register {
	r.Candidate = takeover.Candidate{DataID: r.Candidate.DataID}
	return r
}

// plain is a Durable without what nobody will ask for.
func plain(d takeover.Durable) takeover.Durable {
	d.Promotion.Fork = 0
	d.Promotion.ID, d.Upstream = promotion(d.Promotion.ID), promotion(d.Upstream)
	if !d.Owns() || !d.Issued {
		d.Candidate = takeover.Candidate{}
	}
	if d.Claimed != d.Number || !d.Holds() {
		d.Claimed = 0
	}
	return d
}

// quiet is a status without what nobody will ask for. The PBX always answers the
// other server: whether a silent PBX is a reason to go is thereby left open.
func quiet(s takeover.Status) takeover.Status {
	s.PBXAgo, s.PBXFor, s.Standby, s.Spooled, s.Lone, s.Promotion.Fork = 0, time.Minute, false, 0, false, 0
	s.Promotion.ID, s.Upstream = promotion(s.Promotion.ID), promotion(s.Upstream)
	switch {
	case s.Owner == s.Seat && s.Level == releve.Backup && s.OnDuty():
		s.Phase, s.DataID = takeover.Serving, ""
	case s.Owner == s.Seat:
		s.Phase, s.DataID = "", ""
	case s.Phase != takeover.Following:
		s.Phase = takeover.Waiting
	}
	if s.Owner != s.Seat || !s.Issued {
		s.Candidate = takeover.Candidate{}
	}
	if s.Owner == s.Seat && !s.Issued && s.Arbiter != releve.Witness {
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
	claim   uint16
}

// outcome is what one input makes of one machine.
type outcome struct {
	machine uint32
	actions []action
	broken  string // what the step itself should not have done
	silent  bool   // nothing changed
}

// numbered gives each distinct value a number; 0 is none.
type numbered[T comparable] struct {
	values []T
	number map[T]uint32
}

func newNumbered[T comparable]() numbered[T] {
	return numbered[T]{values: make([]T, 1), number: map[T]uint32{}}
}

func (n *numbered[T]) of(value T) uint32 {
	id, known := n.number[value]
	if !known {
		id = uint32(len(n.values))
		n.values = append(n.values, value)
		n.number[value] = id
	}
	return id
}

// interned gives each distinct value a number, and remembers each step: the same
// machine with the same input need not be asked twice.
type interned struct {
	site      Site
	variant   Variant
	machines  []takeover.Machine
	machineOf map[identity]uint32
	said      []uint32 // by machine: its status
	statuses  numbered[takeover.Status]
	journals  numbered[takeover.Durable]
	registers numbered[takeover.Register]
	claims    numbered[takeover.Claim]
	words     numbered[takeover.Word]
	outcomes  []outcome
	steps     map[step]uint32
	leads     map[lead]bool
	table     []takeover.Row
}

// lead is a row of the table, carried out in a phase.
type lead struct {
	rule string
	from takeover.Phase
}

type step struct {
	machine uint32
	input   input
}

func newInterned(site Site) *interned {
	return &interned{
		site: site, machines: make([]takeover.Machine, 1), machineOf: map[identity]uint32{}, said: make([]uint32, 1),
		statuses: newNumbered[takeover.Status](), journals: newNumbered[takeover.Durable](),
		registers: newNumbered[takeover.Register](), claims: newNumbered[takeover.Claim](), words: newNumbered[takeover.Word](),
		outcomes: make([]outcome, 1), steps: map[step]uint32{}, leads: map[lead]bool{}, table: takeover.Table(),
	}
}

// become changes the product that is walked through; what its machines did before
// is no longer what they do.
func (n *interned) become(v Variant) { n.variant, n.steps = v, map[step]uint32{} }

func (n *interned) machine(m takeover.Machine) uint32 {
	settle(&m)
	n.settleWitness(&m)
	key := identify(&m)
	if id, known := n.machineOf[key]; known {
		return id
	}
	id := uint32(len(n.machines))
	n.machines, n.machineOf[key] = append(n.machines, m), id
	n.said = append(n.said, n.statuses.of(quiet(m.Status())))
	return id
}

func (n *interned) journal(d takeover.Durable) uint32 { return n.journals.of(plain(d)) }

// small numbers what few values there are of.
func small[T comparable](n *numbered[T], value T) uint16 {
	id := n.of(value)
	if id > math.MaxUint16 {
		panic("more registers, claims or words than the model can number")
	}
	return uint16(id)
}

func (n *interned) register(r takeover.Register) uint16 { return small(&n.registers, bare(r)) }

func (n *interned) claim(c takeover.Claim) uint16 {
	c.Want = bare(c.Want)
	return small(&n.claims, c)
}

func (n *interned) word(w takeover.Word) uint16 {
	w.Register = bare(w.Register)
	return small(&n.words, w)
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
	o := outcome{broken: cmp.Or(unsound(n.machines[machine], &m, in, told), n.astray(told))}
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
	brief := action{kind: a.Kind, rule: a.Rule}
	switch a.Kind {
	case takeover.Save:
		brief.journal = n.journal(a.Durable)
	case takeover.Begin:
		brief.work = work{job: jobOf(a.Job), writable: a.Writable, lone: m.Lone}
	case takeover.PutClaim:
		brief.claim = n.claim(a.Claim)
	}
	return brief
}

// astray finds a row that led elsewhere than the table's columns say.
func (n *interned) astray(told []takeover.Action) string {
	for _, a := range told {
		n.leads[lead{a.Rule, a.From}] = true
		if slices.ContainsFunc(n.table, func(r takeover.Row) bool { return r.Leads(a.Rule, a.From, a.To) }) {
			continue
		}
		return fmt.Sprintf("the row %s leads from %s to %s, of which the table says nothing", a.Rule, a.From, a.To)
	}
	return ""
}

// unsound finds what no step may do, whatever the world is like.
func unsound(was takeover.Machine, m *takeover.Machine, in input, told []takeover.Action) string {
	if strings.Contains(m.Cause, "not allowed by the vote") {
		return "a row of the table asks for what the vote does not allow: " + m.Cause
	}
	if in.kind == headers && m.Term != was.Term && !was.Other.Released {
		return "an owner that says that it is well is relieved on the strength of a header"
	}
	for _, a := range told {
		if in.kind == ended && in.failed && was.Job == jobs[in.work.job] &&
			a.Kind == takeover.Begin && a.Job == jobs[in.work.job] {
			return "a job that failed is begun again at once, and so for ever: " + a.Rule
		}
	}
	if again := *m; len(again.Step(takeover.Event{Now: now})) > 0 {
		return "the table does not come to rest: " + again.Cause
	}
	return ""
}
