// Package model walks through every state that two servers can reach, running
// the product's own takeover.Machine on both, and looks for one that breaks what
// RULES.md promises. Nothing of the decision is repeated here: only the world
// around it is a model, of two disks, two PostgreSQLs, a link and an operator.
//
// What is abstracted, and in which direction:
//
//   - Time. Each guard of the machine that looks at a clock may find it early or
//     late at each step, so no timing is relied upon (R19).
//   - PostgreSQL is a log of a few rows. What its mirror has flushed counts at once
//     as reported. When a store is opened, all that its PostgreSQL recovered counts as
//     acknowledged, for it can be read from then on (R6, R7).
//   - Messages. A status is heard at any moment or never; one of each server may be
//     held up and be delivered late and as often as wanted. A server sees its own
//     database and its mirror's session at once, or it is slow and sees them at any
//     moment. The mirror's position may be told late when a barrier is in between. The
//     end of a job that a fence cut off is told apart by its turn, and not told here.
//   - The witness is its register and the product's Register.Apply. It is read at any
//     moment or never. That it falls silent to a server stands for its own stop and for a
//     partition from it. A claim is answered at once; or its answer is held up,
//     and told late or lost; or it is given up, and arrives after that or never. What was
//     read may be held up, too. A server puts no question before the last is answered or
//     given up. The register may be wiped.
//   - Verdicts come at any moment, rightly or wrongly (of R16 only what a header can do is
//     looked at: nothing, to an owner that says that it is well).
//   - Crashes fall between any two actions; what a Save wrote is then on disk.
//
// Not modelled: what an operator forces above level backup (see backup.go), lost journals, a register that was put back
// from an older copy, the spool, calls.
package model

import (
	"fmt"

	"releve"
	"releve/rules/takeover"
)

// Bounds keep the walk finite. What lies beyond them is not shown.
type Bounds struct {
	Terms  int // the last term that may be opened
	Number int // hand-overs of the vote within one term
	Rows   int // rows ever written, at most maxRows
	Faults int // crashes, partitions, databases that crash, jobs that fail, delayed messages, together
	Orders int // of the operator, of those that Site.Told names; what ends a trouble is not counted

	Incarnations int // of the arbiter
}

// String is the bounds as a report names them.
func (b Bounds) String() string {
	return fmt.Sprintf("terms up to %d, %d hand-overs of the vote in a term, %d rows, "+
		"%d faults, %d orders, %d incarnations of the arbiter",
		b.Terms, b.Number, b.Rows, b.Faults, b.Orders, b.Incarnations)
}

// Site is what is walked through: what its configuration says, and what may happen to
// it beyond the faults that every site knows.
type Site struct {
	Arbiter releve.Arbiter     // "" is the pair
	Level   releve.Level       // "" is high availability
	Told    []takeover.Command // the orders that its operator may give
	Wiped   bool               // the witness may lose its memory
	Aged    bool               // a mirror may be away until its owner no longer keeps what it needs
	Shows   bool               // at level backup, the PBX shows its bindings to who asks
	Torn    bool               // what a copy had received may be damaged where its promotion ends
}

const maxRows = 3

// disk is what lies where a server's data belongs.
type disk uint8

const (
	empty disk = iota
	ours
	unusable // a copy that stopped half way
)

var diskKinds = [...]takeover.DiskKind{takeover.DiskEmpty, takeover.DiskOurs, takeover.DiskUnusable}

// postgres is what a server's PostgreSQL is doing.
type postgres uint8

const (
	down postgres = iota
	isolated
	follower // streams under the mirror's name whenever it can
	primary
)

// job is one of takeover's jobs, small.
type job uint8

var jobs = [...]takeover.Job{
	takeover.NoJob, takeover.JobCreate, takeover.JobStart, takeover.JobOpen, takeover.JobBarrier, takeover.JobLone,
	takeover.JobPromote, takeover.JobRetire, takeover.JobRejoin, takeover.JobFollow, takeover.JobRestore,
	takeover.JobRest, takeover.JobCopy,
}

const (
	noJob job = iota
	create
	start
	open
	barrier
	lone
	promote
	retire
	rejoin
	follow
	restore
	rest
	renew
)

func jobOf(j takeover.Job) job {
	for i, known := range jobs {
		if known == j {
			return job(i)
		}
	}
	panic("a job that the model does not know: " + string(j))
}

// rows is a PostgreSQL's log: which rows, in which order.
type rows struct {
	row [maxRows]uint8
	n   uint8
}

func (r rows) mask() (m uint8) {
	for _, id := range r.row[:r.n] {
		m |= 1 << id
	}
	return m
}

func (r rows) beginsLike(whole rows) bool {
	if r.n > whole.n {
		return false
	}
	for i := range r.n {
		if r.row[i] != whole.row[i] {
			return false
		}
	}
	return true
}

func (r rows) with(id uint8) rows {
	r.row[r.n] = id
	r.n++
	return r
}

func (r rows) shorter() rows {
	r.n--
	r.row[r.n] = 0
	return r
}

// position is a place in a log; 0 is none, so that an empty log has one.
func (r rows) position() uint8 { return r.n + 1 }

// work is a job on its way.
type work struct {
	job      job
	writable bool
	lone     bool
}

// seen is a mirror's session as its owner measured it.
type seen struct {
	there     bool
	streaming bool
	lost      bool
	flush     uint8
	own       uint8
}

// ending is how a stop goes on.
type ending uint8

const (
	running ending = iota
	asked          // the stop was asked for
	free           // the vote is given back and the other has heard it: the process may end
)

// server is one machine and the world around it. All but the journal, the disk and
// the log is gone with a crash.
type server struct {
	machine  uint32 // see interned
	journal  uint32
	wire     uint32 // a status of this server that is still under way; 0: none
	up       bool
	known    bool
	disk     disk
	data     uint8 // data id beside the data; 0: none
	postgres postgres
	log      rows
	timeline uint8
	reported uint8 // how far the mirror is known to PostgreSQL to have flushed
	store    bool
	lone     bool
	work     work
	look     seen // measured, not yet told
	ending   ending
	slow     bool // what happens around it is told late
	phone    phone
	aged     bool   // its owner no longer keeps what its copy needs next
	torn     bool   // its promotion ended short of what it had: what is kept of the old timeline shows it
	claim    uint16 // see interned: out, and waited for; 0: none
	late     uint16 // out, and no longer waited for
	held     uint16 // a word of the witness that is not told yet; 0: none
}

// state is the whole site.
type state struct {
	servers  [2]server
	register uint16 // see interned
	link     bool
	acked    uint8
	written  uint8
	faults   uint8
	orders   uint8
}

func (s *state) streaming(mirror int) bool {
	m, o := &s.servers[mirror], &s.servers[1-mirror]
	return s.link && m.postgres == follower && o.postgres == primary && !m.aged
}

// crash takes everything away that is not on disk. What it asked of the witness may
// still arrive.
func (s *state) crash(i int) {
	v := &s.servers[i]
	late := v.late
	if v.claim != 0 {
		late = v.claim
	}
	*v = server{
		journal: v.journal, wire: v.wire, known: v.known, disk: v.disk, data: v.data, log: v.log, timeline: v.timeline,
		aged: v.aged, torn: v.torn, late: late, phone: phone{bound: v.phone.bound},
	}
}

var seats = [2]releve.Seat{releve.Main, releve.Secondary}

func dataID(n uint8) releve.DataID {
	if n == 0 {
		return ""
	}
	return releve.DataID(string(rune('A' + n - 1)))
}
