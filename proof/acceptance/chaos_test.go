package acceptance

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"releve"
)

var (
	chaosSchedules = flag.Int("schedules", 20, "how many schedules TestChaos runs")
	chaosSeed      = flag.Uint64("seed", 1, "the seed of TestChaos's first schedule; the others follow it")
	chaosOnly      = flag.String("only", "", "a regular expression: TestChaos draws from the nemeses that match")
)

// Whole sites go through what a seed draws, one thing after the other, while people call
// and clients write; between two an operator does what `releve status` asks for. In
// the end each row that was acknowledged is there once, and no two servers have
// committed (R1 to R14).
func TestChaos(t *testing.T) {
	if len(deckFor(releve.Witness)) == 0 { // it holds the other
		t.Fatalf("no nemesis matches -only %q", *chaosOnly)
	}
	closeSharedSite()
	c := &chaos{report: newReport()}
	t.Cleanup(func() { c.leave(t) })
	for i := range *chaosSchedules {
		s := drawSchedule(*chaosSeed + uint64(i))
		t.Run(fmt.Sprintf("seed=%d", s.seed), func(t *testing.T) { c.run(t, s) })
	}
	c.leave(t)
	t.Log("\n" + c.report.String())
}

// chaos runs schedules, on one site as long as it is well again after each.
type chaos struct {
	arena  *arena
	report *report
}

// arena is a site under load: each server's data on a disk of its own, callers who never
// stop, and somebody who looks at both servers all the time.
type arena struct {
	*site
	arbiter releve.Arbiter
	disks   map[releve.Seat]*disk
	callers *crowd
	watch   *watch
	clock   ownClock
	noClock string // why no process can have a clock of its own here, "" when one can
	page    *page  // of the schedule that runs
	draw    *rand.Rand
	spans   []*span // of the schedules so far
	mended  map[help]int
}

// span is when a schedule ran, and when the site was well in it.
type span struct {
	seed     uint64
	from, to time.Time // to is zero while it runs, and for ever when it failed
	well     time.Time // since when the site is protected; zero while it is not
	peaceful []peace
	blows    []string // that were struck
}

// peace is a time in which the site was well, and nothing was done to it but what an operator does in good order.
type peace struct{ from, to time.Time }

// disturb ends a time of peace, if there is one.
func (s *span) disturb() {
	if !s.well.IsZero() {
		s.peaceful = append(s.peaceful, peace{s.well, time.Now()})
		s.well = time.Time{}
	}
}

func (s *span) end() {
	s.disturb()
	s.to = time.Now()
}

// has says whether a moment lies in the span.
func (s *span) has(moment time.Time) bool {
	return !moment.Before(s.from) && (s.to.IsZero() || moment.Before(s.to))
}

// callRate is how many callers a second there are.
const callRate = 4

// open builds the site and starts everything. When it fails, close still stops what was
// started.
func (a *arena) open(t testing.TB) error {
	dir := newDir(t)
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		d, err := openDisk(filepath.Join(dir, string(seat)))
		if err != nil {
			return err
		}
		a.disks[seat] = d
	}
	var err error
	if a.site, err = newSite(dir, plan{
		witness: a.arbiter == releve.Witness, settings: map[string]string{"pbx.expires": `"10s"`}, init: []string{"--demonstration"},
	}); err != nil {
		return err
	}
	if a.clock, err = giveClock(product(), dir); err == nil {
		err = a.clock.command("version").Run()
	}
	if err != nil {
		a.noClock = fmt.Sprintf("no clock for one process alone: %v", err)
	}
	a.startBoth(t)
	a.waitNormal(t)
	a.license(t, releve.Base, releve.HighAvailability) // to raise a level that was lowered
	if err := createRegister(a.main); err != nil {
		return err
	}
	a.watch = watchDuty(a.main, a.secondary)
	load := callsToPhone(0, callRate)
	load.patience = 6 * time.Second
	a.callers, err = startCallers(a.dir, a.ear, load)
	return err
}

// close stops everything; what callers lived through can be read afterwards.
func (a *arena) close(t testing.TB) {
	for _, d := range a.disks {
		d.thaw()
	}
	if a.callers != nil {
		a.callers.stop()
		if _, err := a.callers.sipp.wait(30 * time.Second); err != nil {
			a.callers.sipp.stop()
		}
	}
	if a.watch != nil {
		a.watch.close()
	}
	if a.site != nil {
		a.site.close()
	}
	for _, d := range a.disks {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

func (a *arena) server(seat releve.Seat) *server {
	if seat == releve.Main {
		return a.main
	}
	return a.secondary
}

// either is one of the two servers, by the schedule's own chance.
func (a *arena) either() *server {
	return []*server{a.main, a.secondary}[a.draw.IntN(2)]
}

// leave ends the site and counts what its callers lived through.
func (c *chaos) leave(t testing.TB) {
	a := c.arena
	if c.arena = nil; a == nil {
		return
	}
	a.close(t)
	if a.callers == nil {
		return
	}
	c.report.bothOnDuty += a.watch.both
	for how, n := range a.mended {
		c.report.mended[how] += n
	}
	all := a.callers.outcomes()
	for _, s := range a.spans {
		for _, o := range c.report.count(s, all) {
			t.Errorf("seed %d: a caller was not greeted although the site was well and nothing but orders was done to it: %v", s.seed, o)
		}
	}
}

// run takes the site through one schedule and judges it. A site that failed is left
// to nobody.
func (c *chaos) run(t *testing.T, s schedule) {
	p := &page{began: time.Now(), schedule: s}
	t.Cleanup(func() {
		if t.Failed() {
			c.failed(t, p)
		}
	})
	if c.arena != nil && c.arena.arbiter != s.arbiter {
		c.leave(t)
	}
	if c.arena == nil {
		c.arena = &arena{arbiter: s.arbiter, disks: map[releve.Seat]*disk{}, mended: map[help]int{}}
		if err := c.arena.open(t); err != nil {
			t.Fatal(err)
		}
	}
	a := c.arena
	a.page, a.draw = p, rand.New(rand.NewPCG(s.seed, 1))
	a.replayAtTheEnd(t)
	a.spans = append(a.spans, &span{seed: s.seed, from: time.Now(), well: time.Now()})
	clients := openRegister(s.seed, a.main, a.secondary)
	t.Cleanup(func() { clients.close() })
	c.report.schedules++
	for _, b := range s.blows {
		c.apply(t, a, b)
	}
	now := a.now()
	a.callers.waitGreeted(t, 3, now.well)
	c.judge(t, a, clients.close())
	now.end()
	t.Logf("%s\n%s", p, c.report.silence(now, a.callers))
}

// apply strikes one blow, or says why not.
func (c *chaos) apply(t *testing.T, a *arena, b blow) {
	t.Helper()
	if why := b.absent(a); why != "" {
		t.Errorf("%s cannot be tried here: %s", b.name, why)
		return
	}
	c.report.applied[a.arbiter][b.name]++
	now := a.now()
	now.blows = append(now.blows, b.name)
	a.suffer(t, b)
}

// now is the span of the schedule that runs.
func (a *arena) now() *span { return a.spans[len(a.spans)-1] }

// suffer goes through one blow until the site is protected again.
func (a *arena) suffer(t testing.TB, b blow) {
	t.Helper()
	<-time.After(b.after) // the moments of a schedule are part of it
	if !b.orderly {
		a.now().disturb()
	}
	a.page.say("%s", b.name)
	heal := b.strike(t, a)
	<-time.After(b.lasts)
	heal()
	a.page.say("healed")
	healed := time.Now()
	a.recover(t)
	if !b.orderly {
		a.now().well = time.Now()
	}
	a.page.say("protected again, %v after it was healed", time.Since(healed).Round(time.Millisecond))
}

// judge is what must hold at the end of each schedule.
func (c *chaos) judge(t *testing.T, a *arena, ops []operation) {
	t.Helper()
	a.checkEqualUntil(t, a.main, time.Now())
	acknowledged := a.ledger.all()
	found, err := a.main.factTransactions()
	if err != nil {
		t.Fatal(err)
	}
	promotions, err := a.main.terms()
	if err != nil {
		t.Fatal(err)
	}
	facts, register := weigh(acknowledged, found, promotions), judge(ops, promotions)
	c.report.take(a, facts, register)
	if facts.acknowledged == 0 || register.known == 0 {
		t.Errorf("%d facts and %d operations were acknowledged: nothing is proven", facts.acknowledged, register.known)
	}
	complain := func(what string, all []string) {
		if len(all) > 0 {
			t.Errorf("%s: %d\n%s", what, len(all), strings.Join(all[:min(len(all), 10)], "\n"))
		}
	}
	complain("acknowledged facts that are not in the owner's database once", facts.lost)
	complain("acknowledged facts that a takeover lost and a spool put back", facts.putBack)
	complain("double duty", append(facts.twice, register.double...))
	complain("rows of the register that no order of operations explains", register.wrong)
}

// failed prints the page of a schedule that failed and keeps the logs.
func (c *chaos) failed(t *testing.T, p *page) {
	kept := filepath.Join(os.TempDir(), fmt.Sprintf("releve-chaos-seed-%d", p.schedule.seed))
	if a := c.arena; a != nil && a.site != nil {
		a.tellStacks()
		if err := a.keepLogs(kept); err != nil {
			t.Errorf("the logs are not kept whole: %v", err)
		}
	}
	c.report.failed = append(c.report.failed, p.schedule.seed)
	t.Logf("seed %d failed. Its schedule:\n%v\nWhat happened:\n%s\nThe logs are in %s. To see it again: make chaos N=1 SEED=%d ONLY='%s'",
		p.schedule.seed, p.schedule, p, kept, p.schedule.seed, *chaosOnly)
	c.leave(t)
}

// tellStacks has both agents write what each of their goroutines does, and end.
func (a *arena) tellStacks() {
	for _, s := range []*server{a.main, a.secondary} {
		s.thaw()
		if s.running() {
			s.process.signal(syscall.SIGQUIT)
			_, _ = s.process.wait(3 * time.Second)
		}
	}
}

// keepLogs copies what tells how a site came to be what it is.
func (a *arena) keepLogs(to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	var files []string
	for _, pattern := range []string{"*.log", "return", "pbx/log", "callers*/log", "callers*/errors"} {
		found, err := filepath.Glob(filepath.Join(a.dir, pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	for _, s := range []*server{a.main, a.secondary} {
		files = append(files, filepath.Join(s.data, "diary"), filepath.Join(s.data, "journal"))
	}
	return command("cp", append([]string{"-r", "--parents", "-t", to}, files...)...)
}

// page is what happened in one schedule, to be read aloud.
type page struct {
	began    time.Time
	schedule schedule

	mu    sync.Mutex
	lines []string
}

func (p *page) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.lines = append(p.lines, fmt.Sprintf("%s %7.3fs  %s", now.Format(clock), now.Sub(p.began).Seconds(), fmt.Sprintf(format, args...)))
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// report is what a run comes to.
type report struct {
	schedules              int
	failed                 []uint64
	lost, putBack          int
	known, unknown, double int
	wrong                  int
	offered, greeted       int
	refused, unheard       int
	peaceful               int // calls offered while the site was protected and left alone
	bothOnDuty             time.Duration
	longest                time.Duration
	longestIn              string
	applied                map[releve.Arbiter]map[string]int
	mended                 map[help]int
	perArena               map[*arena]int // facts of each, which only grow
}

func newReport() *report {
	return &report{applied: map[releve.Arbiter]map[string]int{releve.Pair: {}, releve.Witness: {}}, mended: map[help]int{}, perArena: map[*arena]int{}}
}

func (r *report) take(a *arena, f factFindings, g registerFindings) {
	r.perArena[a] = f.acknowledged
	r.lost, r.putBack = r.lost+len(f.lost), r.putBack+len(f.putBack)
	r.known, r.unknown = r.known+g.known, r.unknown+g.unknown
	r.double, r.wrong = r.double+len(g.double)+len(f.twice), r.wrong+len(g.wrong)
}

// settled is how long a blow's beginning burdens calls that were offered before it.
const settled = 700 * time.Millisecond

// count adds the calls of one schedule and gives those that nothing excuses.
func (r *report) count(s *span, all []outcome) (inexcusable []outcome) {
	for _, o := range all {
		if !s.has(o.offered) {
			continue
		}
		r.offered++
		calm := slices.ContainsFunc(s.peaceful, func(p peace) bool {
			return !o.offered.Before(p.from) && o.offered.Before(p.to.Add(-settled))
		})
		if calm {
			r.peaceful++
		}
		switch {
		case o.greeted():
			r.greeted++
			continue
		case o.code != 0 || o.refusedOnWire():
			r.refused++
		default:
			r.unheard++
		}
		if calm {
			inexcusable = append(inexcusable, o)
		}
	}
	return inexcusable
}

// refusedOnWire says that a refusal reached the caller, whether or not it wrote it down.
func (o outcome) refusedOnWire() bool { return o.heard.refused != 0 }

// silence is the longest time in a schedule in which nobody answered although people
// called: between two answers that follow each other.
func (r *report) silence(s *span, c *crowd) string {
	var answers []time.Time
	for _, o := range c.ear.offeredBy(c.name) {
		if o.greeted() && s.has(o.answeredAt) {
			answers = append(answers, o.answeredAt)
		}
	}
	slices.SortFunc(answers, time.Time.Compare)
	longest := time.Duration(0)
	for i := 1; i < len(answers); i++ {
		longest = max(longest, answers[i].Sub(answers[i-1]))
	}
	if longest > r.longest {
		r.longest, r.longestIn = longest, fmt.Sprintf("seed %d: %s", s.seed, strings.Join(s.blows, "; "))
	}
	return fmt.Sprintf("%d calls were answered, the longest time without an answer was %v", len(answers), longest.Round(time.Millisecond))
}

func (r *report) String() string {
	acknowledged := 0
	for _, n := range r.perArena {
		acknowledged += n
	}
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-62s %s\n", what, fmt.Sprintf(format, args...))
	}
	line("schedules run", "%d", r.schedules)
	line("schedules failed", "%d %v", len(r.failed), r.failed)
	for _, how := range []help{noHelp, theReturn, otherOrder, levelRaised} {
		line("sites protected again "+string(how), "%d", r.mended[how])
	}
	line("rows acknowledged by the servers", "%d", acknowledged)
	line("rows lost, or there twice", "%d", r.lost)
	line("rows lost by a takeover and put back by a spool", "%d", r.putBack)
	line("register: operations acknowledged, outcome unknown", "%d, %d", r.known, r.unknown)
	line("register: rows that no order explains (porcupine)", "%d", r.wrong)
	line("double duty observed", "%d", r.double)
	line("both on duty by their own word, not seen to commit", "%v", r.bothOnDuty.Round(time.Millisecond))
	line("calls offered", "%d", r.offered)
	line("calls answered, greeting heard", "%d", r.greeted)
	line("calls refused", "%d", r.refused)
	line("calls lost", "%d", r.unheard)
	line("calls offered while all was well, or done in good order", "%d", r.peaceful)
	line("longest time without an answer", "%v (%s)", r.longest.Round(time.Millisecond), r.longestIn)
	b.WriteString("\nnemeses, and how often each was applied at a site without a witness and at one with\n")
	for _, n := range append(nemeses(), witnessTroubles()...) {
		line("  "+n.name, "%d, %d", r.applied[releve.Pair][n.name], r.applied[releve.Witness][n.name])
	}
	return b.String()
}

// Twenty schedules, as CI runs them, deal each nemesis once to a site without a witness and
// once to one with; a narrowed deck gives each schedule something to do.
func TestTwentySchedulesDealEachNemesisForBothArbiters(t *testing.T) {
	dealtTo := func(first uint64) map[releve.Arbiter]map[string]int {
		all := map[releve.Arbiter]map[string]int{releve.Pair: {}, releve.Witness: {}}
		for seed := first; seed < first+2*dealt; seed++ {
			s := drawSchedule(seed)
			for _, b := range s.blows {
				all[s.arbiter][b.name]++
			}
			if len(s.blows) < 2 {
				t.Errorf("seed %d has %d blows", seed, len(s.blows))
			}
		}
		return all
	}
	for _, first := range []uint64{1, 21, 1774000001} {
		for arbiter, times := range dealtTo(first) {
			for _, n := range deckFor(arbiter) {
				if times[n.name] != 1 {
					t.Errorf("the schedules from seed %d deal %q %d times to sites whose arbiter is %s", first, n.name, times[n.name], arbiter)
				}
			}
		}
	}
	*chaosOnly = "power"
	defer func() { *chaosOnly = "" }()
	dealtTo(1)
}
