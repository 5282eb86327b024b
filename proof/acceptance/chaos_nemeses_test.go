package acceptance

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/rules/procedure"
)

// nemesis is one thing that goes wrong with a site.
type nemesis struct {
	name string
	// absent says why it cannot be applied to this site or on this machine, "" when it can.
	absent func(*arena) string
	// strike does it and gives back what ends it, which starts no server: that is
	// an operator's affair.
	strike func(testing.TB, *arena) (heal func())
	// orderly: it is what an operator does to a site that is well, and no caller may notice.
	orderly bool
}

// blow is a nemesis in a schedule.
type blow struct {
	nemesis
	after, lasts time.Duration // since the site was well; until it is healed
}

// schedule is what a site goes through, drawn from a seed.
type schedule struct {
	seed    uint64
	arbiter releve.Arbiter // of the site
	blows   []blow
}

func (s schedule) String() string {
	lines := []string{fmt.Sprintf("a site whose arbiter is %s", s.arbiter)}
	for _, b := range s.blows {
		lines = append(lines, fmt.Sprintf("%v after the site was well: %s, for %v", b.after, b.name, b.lasts))
	}
	return strings.Join(lines, "\n")
}

// drawSchedule draws four to six blows. Ten schedules that follow each other deal a deck that
// is shuffled once, and so go through all of it.
func drawSchedule(seed uint64) schedule {
	arbiter, place := arbiterOf(seed)
	if len(deckFor(arbiter)) == 0 {
		arbiter = releve.Witness // only what is the witness's is asked for
	}
	s := schedule{seed: seed, arbiter: arbiter}
	draw := rand.New(rand.NewPCG(seed, seed))
	deck := deckFor(arbiter)
	for card := firstCard(place, deck); card < firstCard(place+1, deck); card++ {
		s.blows = append(s.blows, blow{
			nemesis: cardOf(card, deck),
			after:   time.Duration(draw.IntN(200)) * time.Millisecond,
			lasts:   time.Duration(200+draw.IntN(2200)) * time.Millisecond,
		})
	}
	return s
}

// dealt is how many schedules share a deck.
const dealt = 10

// arbiterOf says which arbiter a seed's site has, and the how manieth of such schedules it
// is: ten seeds share a site without a witness, the next ten one with.
func arbiterOf(seed uint64) (arbiter releve.Arbiter, place uint64) {
	hands := (seed + dealt - 1) / dealt
	arbiter = releve.Pair
	if hands%2 == 0 {
		arbiter = releve.Witness
	}
	return arbiter, hands/2*dealt + (seed+dealt-1)%dealt
}

// firstCard is the place of a schedule's first card in an endless row of shuffled decks. Ten
// schedules share one; or several, when a deck is so small that they would not get two cards
// each.
func firstCard(place uint64, deck []nemesis) uint64 {
	size := uint64(len(deck))
	pile := size * max(1, (2*dealt+size-1)/size)
	return place * pile / dealt
}

// deckFor are the nemeses to draw from for a site.
func deckFor(arbiter releve.Arbiter) []nemesis {
	all := nemeses()
	if arbiter == releve.Witness {
		all = append(all, witnessTroubles()...)
	}
	wanted := regexp.MustCompile(*chaosOnly)
	return slices.DeleteFunc(all, func(n nemesis) bool { return !wanted.MatchString(n.name) })
}

// cardOf is the card at a place in the row.
func cardOf(place uint64, deck []nemesis) nemesis {
	size := uint64(len(deck))
	order := rand.New(rand.NewPCG(place/size, size)).Perm(len(deck))
	return deck[order[place%size]]
}

// nemeses are all there are for every site, always in the same order: a seed counts on it.
func nemeses() []nemesis {
	var all []nemesis
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		all = append(all, deaths(seat)...)
		all = append(all, freezes(seat)...)
		all = append(all, diskTroubles(seat)...)
		all = append(all, clockJumps(seat))
	}
	all = append(all, cables()...)
	all = append(all, lonelyDeaths()...)
	all = append(all, reboots()...)
	all = append(all, nemesis{name: "the PBX is restarted", absent: always, strike: restartPBX})
	for _, step := range procedure.Return.Steps {
		all = append(all, interruptedReturn(step.Code))
	}
	return append(all, orders()...)
}

func always(*arena) string { return "" }

func nothing() {}

// deaths are the ends of a server or of a part of it.
func deaths(seat releve.Seat) []nemesis {
	return []nemesis{
		{name: fmt.Sprintf("the %s server loses its power", seat), absent: always, strike: func(t testing.TB, a *arena) func() {
			a.server(seat).kill9(t)
			return nothing
		}},
		{name: fmt.Sprintf("the %s agent crashes", seat), absent: always, strike: func(t testing.TB, a *arena) func() {
			return signalled(t, a.server(seat).agent, syscall.SIGKILL)
		}},
		{name: fmt.Sprintf("the %s postmaster crashes", seat), absent: always, strike: func(t testing.TB, a *arena) func() {
			return signalled(t, a.server(seat).postmaster, syscall.SIGKILL)
		}},
		{name: fmt.Sprintf("orderly stop of the %s server", seat), absent: always, strike: func(_ testing.TB, a *arena) func() {
			a.server(seat).stop()
			return nothing
		}},
	}
}

// freezes are what hangs and later goes on where it was.
func freezes(seat releve.Seat) []nemesis {
	return []nemesis{
		{name: fmt.Sprintf("the %s server is paused", seat), absent: always, strike: func(_ testing.TB, a *arena) func() {
			a.server(seat).freeze()
			return a.server(seat).thaw
		}},
		{name: fmt.Sprintf("the %s agent is paused", seat), absent: always, strike: func(t testing.TB, a *arena) func() {
			signalled(t, a.server(seat).agent, syscall.SIGSTOP)
			return a.server(seat).thaw
		}},
		{name: fmt.Sprintf("the %s postmaster is paused", seat), absent: always, strike: func(t testing.TB, a *arena) func() {
			signalled(t, a.server(seat).postmaster, syscall.SIGSTOP)
			return a.server(seat).thaw
		}},
	}
}

// signalled sends a signal to one process, which must be there.
func signalled(t testing.TB, which func() (int, error), signal syscall.Signal) (heal func()) {
	t.Helper()
	pid, err := which()
	switch {
	case err != nil:
	case signal == syscall.SIGKILL:
		err = exits.kill(pid)
	default:
		err = syscall.Kill(pid, signal)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nothing
}

// agent is the process that runs `releve serve`.
func (s *server) agent() (int, error) {
	if !s.running() {
		return 0, fmt.Errorf("the %s server does not run", s.seat)
	}
	return s.process.cmd.Process.Pid, nil
}

// postmaster is the parent of the server's PostgreSQL processes.
func (s *server) postmaster() (int, error) {
	agent, err := s.agent()
	if err != nil {
		return 0, err
	}
	for _, p := range s.postgres() {
		if p.parent == agent && strings.Contains(p.command, "postgres") {
			return p.pid, nil
		}
	}
	return 0, fmt.Errorf("the %s server has no postmaster: %v", s.seat, s.postgres())
}

// diskTroubles are a disk that is full and one that does not answer.
func diskTroubles(seat releve.Seat) []nemesis {
	return []nemesis{
		{name: fmt.Sprintf("the %s disk is full", seat), absent: always, strike: func(t testing.TB, a *arena) func() {
			d := a.disks[seat]
			if err := d.fill(); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := d.free(); err != nil {
					t.Error(err)
				}
			}
		}},
		{name: fmt.Sprintf("the %s disk stalls at fsync", seat), absent: cannotFreeze(seat), strike: func(t testing.TB, a *arena) func() {
			d := a.disks[seat]
			t.Cleanup(d.thaw)
			if err := d.freeze(); err != nil {
				t.Fatal(err)
			}
			return d.thaw
		}},
	}
}

// clockJumps restarts a server with a wall clock of its own, which then goes an hour forward or
// back while the server is well, and back again. Nothing that decides may look at it (R19).
func clockJumps(seat releve.Seat) nemesis {
	cannot := func(a *arena) string { return a.noClock }
	return nemesis{name: fmt.Sprintf("the %s server's clock jumps by an hour", seat), absent: cannot, strike: func(t testing.TB, a *arena) func() {
		s, by := a.server(seat), []time.Duration{time.Hour, -time.Hour}[a.draw.IntN(2)]
		s.stop()
		var err error
		if s.process, err = launch(s.said, a.clock.command("serve", "-c", s.file)); err != nil {
			t.Fatal(err)
		}
		exits.watch(s.name, s.process)
		a.recover(t)
		jump := func(by time.Duration) {
			a.page.say("its clock is off by %v", by)
			if err := a.clock.jump(by); err != nil {
				t.Error(err)
			}
		}
		jump(by)
		return func() { jump(0) }
	}}
}

func cannotFreeze(seat releve.Seat) func(*arena) string {
	return func(a *arena) string {
		if d := a.disks[seat]; d.why != nil {
			return fmt.Sprintf("no file system of our own on a loop device: %v", d.why)
		}
		return ""
	}
}

// cables are cuts, in both directions and in one, and a bad line.
func cables() []nemesis {
	toSecondary := towards(secondaryHost, mainHost)
	toMain := towards(mainHost, secondaryHost)
	return []nemesis{
		{name: "the link is partitioned", absent: always, strike: pulled(func(s settings) []string {
			return tcpPorts(s.Peer.Listen.Port(), s.Database.Listen.Port())
		})},
		{name: "all roads between the servers are partitioned", absent: always, strike: pulled(func(s settings) []string {
			return append(tcpPorts(s.Peer.Listen.Port(), s.Database.Listen.Port()), between(mainHost, secondaryHost)...)
		})},
		{name: "the replication alone is partitioned", absent: always, strike: pulled(func(s settings) []string {
			return tcpPorts(s.Database.Listen.Port())
		})},
		{name: "nothing of the main reaches the secondary", absent: always, strike: pulled(toSecondary)},
		{name: "nothing of the secondary reaches the main", absent: always, strike: pulled(toMain)},
		{name: "the main is partitioned from the PBX", absent: always, strike: pulled(func(settings) []string { return between(pbxHost, mainHost) })},
		{name: "the secondary is partitioned from the PBX", absent: always, strike: pulled(func(settings) []string {
			return between(pbxHost, secondaryHost)
		})},
		{name: "the main is partitioned from everybody", absent: always, strike: pulled(func(s settings) []string {
			rules := append(tcpPorts(s.Peer.Listen.Port(), s.Database.Listen.Port()), between(mainHost, secondaryHost)...)
			return append(rules, between(pbxHost, mainHost)...)
		})},
		{name: "message loss: every third packet of the link", absent: always, strike: pulled(func(s settings) []string {
			var rules []string
			for _, rule := range tcpPorts(s.Peer.Listen.Port(), s.Database.Listen.Port()) {
				rules = append(rules, rule+" numgen random mod 3 == 0")
			}
			return rules
		})},
	}
}

// lonelyDeaths are deaths of the main while its mirror hears little or nothing of it: what it
// acknowledged by then must not depend on what the mirror was still to get (R1, R3).
func lonelyDeaths() []nemesis {
	var all []nemesis
	for _, c := range cables() {
		if !strings.Contains(c.name, "PBX") && !strings.Contains(c.name, "reaches") && !strings.Contains(c.name, "everybody") {
			all = append(all, nemesis{name: c.name + ", and then the main loses its power", absent: c.absent, strike: func(t testing.TB, a *arena) func() {
				heal := c.strike(t, a)
				<-time.After(time.Second) // some callers later
				a.main.kill9(t)
				return heal
			}})
		}
	}
	return append(all, nemesis{name: "the main commits alone, and then loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
		heal := pulled(func(s settings) []string { return tcpPorts(s.Database.Listen.Port()) })(t, a)
		killAll(freeze(a.secondary.postgres))
		if err := await(5*time.Second, a.mainCommits(time.Now())); err != nil {
			a.page.say("the main does not commit alone: %v", err) // with a silent witness it may not
		}
		a.main.kill9(t)
		return heal
	}})
}

// mainCommits is a condition: the main acknowledged several facts since a moment.
func (a *arena) mainCommits(since time.Time) func() error {
	return func() error {
		if n := len(a.ledger.since(since, releve.Main)); n < 20 {
			return fmt.Errorf("%d facts", n)
		}
		return nil
	}
}

// towards are the rules for all that one server sends to the other. A connection's packets
// are told by the listening end: the other has whatever address the kernel gave it.
func towards(to, from string) func(settings) []string {
	return func(s settings) []string {
		rules := []string{fmt.Sprintf("ip saddr %s ip daddr %s meta l4proto udp", from, to)}
		for _, port := range []uint16{s.Peer.Listen.Port(), s.Database.Listen.Port()} {
			rules = append(rules, fmt.Sprintf("ip daddr %s tcp dport %d", to, port), fmt.Sprintf("ip saddr %s tcp sport %d", from, port))
		}
		return rules
	}
}

func pulled(rules func(settings) []string) func(testing.TB, *arena) func() {
	return func(t testing.TB, a *arena) func() {
		s, err := a.main.settings()
		if err != nil {
			t.Fatal(err)
		}
		return cut(t, "chaos", rules(s)...)
	}
}

// reboots are both servers down at once, and up again in each order.
func reboots() []nemesis {
	var all []nemesis
	for _, r := range []struct {
		order string
		seats []releve.Seat
	}{
		{"the main first", []releve.Seat{releve.Main, releve.Secondary}},
		{"the secondary first", []releve.Seat{releve.Secondary, releve.Main}},
		{"both at once", nil},
	} {
		all = append(all, nemesis{name: "both servers are rebooted, " + r.order, absent: always, strike: func(t testing.TB, a *arena) func() {
			killAll(freeze(func() []process { return append(a.main.members(), a.secondary.members()...) }))
			a.main.kill9(t)
			a.secondary.kill9(t)
			return func() {
				for _, seat := range r.seats {
					a.server(seat).start(t)
					// It is all alone for a moment, as a server that boots faster.
					_ = await(2*time.Second, func() error { _, err := a.server(seat).view(); return err })
				}
			}
		}})
	}
	return all
}

func restartPBX(t testing.TB, a *arena) func() {
	a.pbx.close()
	return func() {
		if err := a.pbx.start(); err != nil {
			t.Fatal(err)
		}
		a.phoneAgain(t)
	}
}

// interruptedReturn takes the power from one of the servers while a step of the return is under
// way. A step that was passed over gives the moment all the same.
func interruptedReturn(step string) nemesis {
	return nemesis{name: "the return is interrupted at " + step, absent: always, strike: func(t testing.TB, a *arena) func() {
		a.relieve(t)
		began := time.Now()
		command, err := launch(filepath.Join(a.dir, "return"), exec.Command(product(), "return", "-c", a.main.file))
		if err != nil {
			t.Fatal(err)
		}
		defer command.stop()
		eventually(t, 60*time.Second, step+" of the return", func() error { return a.returnReached(step, began, command) })
		victim := a.either()
		a.page.say("the %s server loses its power", victim.seat)
		victim.kill9(t)
		return nothing
	}}
}

// returnReached is nil when a step of a return that began since has begun, or when the
// command has ended without it.
func (a *arena) returnReached(step string, began time.Time, command *part) error {
	if !command.running() {
		a.page.say("the return ended before %s", step)
		return nil
	}
	v, err := a.main.view()
	if err != nil {
		return err
	}
	if v.Procedure == nil || v.Procedure.Started.Before(began) {
		return errNotYet
	}
	for _, s := range v.Procedure.Steps {
		if s.What.Code == step && s.State != "waiting" {
			a.page.say("%s of the return is %s", step, s.State)
			return nil
		}
	}
	return errNotYet
}

// relieve has the secondary on duty and the old main up again, as before a return.
func (a *arena) relieve(t testing.TB) {
	t.Helper()
	a.main.kill9(t)
	a.waitOwner(t, a.secondary, 20*time.Second)
	a.main.start(t)
	a.waitBothHearPBX(t)
}

// witnessTroubles are what goes wrong with the third machine. While it is away nobody takes
// over and nobody goes on alone (R5).
func witnessTroubles() []nemesis {
	all := append(cutFromWitness(releve.Main), cutFromWitness(releve.Secondary)...)
	return append(all, []nemesis{
		{name: "the witness loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.witness.kill9(t)
			return nothing
		}},
		{name: "the witness is paused", absent: always, strike: func(_ testing.TB, a *arena) func() {
			a.witness.freeze()
			return a.witness.thaw
		}},
		{name: "the witness is partitioned from both servers", absent: always, strike: func(t testing.TB, a *arena) func() {
			return cut(t, "chaos", "ip saddr "+witnessHost, "ip daddr "+witnessHost)
		}},
		{name: "the witness is wiped", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.wipeWitness(t)
			return nothing
		}},
		{name: "the witness and the secondary lose their power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.witness.kill9(t)
			a.secondary.kill9(t)
			return nothing
		}},
		{name: "the witness is wiped and the main loses its power", absent: always, strike: func(t testing.TB, a *arena) func() {
			a.wipeWitness(t)
			a.witness.start(t)
			a.main.kill9(t)
			return nothing
		}},
	}...)
}

// cutFromWitness are a server that alone hears nothing of the witness: while the other lives,
// and when it has to take the other's place, or go on alone, by a witness that does not answer.
func cutFromWitness(seat releve.Seat) []nemesis {
	cutOff := func(t testing.TB, a *arena) func() {
		host := a.server(seat).host
		return cut(t, "chaos", fmt.Sprintf("ip saddr %s ip daddr %s", host, witnessHost), fmt.Sprintf("ip saddr %s ip daddr %s", witnessHost, host))
	}
	return []nemesis{
		{name: fmt.Sprintf("the %s server alone is partitioned from the witness", seat), absent: always, strike: cutOff},
		{
			name:   fmt.Sprintf("the %s server alone is partitioned from the witness, and the other loses its power", seat),
			absent: always,
			strike: func(t testing.TB, a *arena) func() {
				heal := cutOff(t, a)
				a.server(seat.Other()).kill9(t)
				return heal
			},
		},
	}
}

// wipeWitness takes the witness's power and its memory.
func (a *arena) wipeWitness(t testing.TB) {
	t.Helper()
	a.witness.kill9(t)
	if _, err := a.witness.process.wait(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	a.witness.wipe(t)
}
