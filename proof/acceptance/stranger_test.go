package acceptance

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/proof/practice/stranger"
	"releve/screen/view"
)

var (
	strangerStays    = flag.Duration("stranger", 15*time.Second, "how long the stranger besets a site in TestAStrangerOnTheNetwork")
	strangerStrength = flag.Int("strength", 1, "how hard he tries: 1 leaves a machine of two cores room for the site, its PBX and its callers")
)

// The addresses of a stranger, none of them in the PBX's networks.
const strangerNet = "127.66."

var strangerHosts = []string{strangerNet + "0.1", strangerNet + "0.2", strangerNet + "0.3", strangerNet + "1.1", strangerNet + "1.2",
	strangerNet + "2.1", strangerNet + "3.1", strangerNet + "4.1"}

// networksOfPBX are where the site's sound may go: the PBX's, its telephones' and its callers'.
const networksOfPBX = `["127.0.0.0/16"]`

// What the product promises while a stranger is on the network.
const (
	// storedWithin is how late a fact may be in the database of a pair in sync.
	storedWithin = 5 * time.Second
	// roomForStrangers is what all bounds together may hold: connections, transactions, lines, and the garbage of them, for
	// it is collected when there is three times as much of it as of what is held (cli/precedence.go). It takes 52 to 66.
	roomForStrangers = 80 // MiB
	// descriptorsForStrangers are the connections to the link and the page that are bounded.
	descriptorsForStrangers = 600
)

// A stranger sends all that he can think of to every port of a site, also in the name of the
// PBX, while people call. No duty moves, no caller is refused, no record is late, nothing
// that he holds is missed (K1 to K4, K9). Then the main dies beside him, and the takeover is
// as quick as any.
func TestAStrangerOnTheNetwork(t *testing.T) {
	s := ownSite(t, plan{witness: true, settings: map[string]string{"pbx.networks": networksOfPBX}})
	fillCalls(t, s.main, 3000)
	s.liveWithAStranger(t, *strangerStays)
	for range int(*strangerStays / (10 * time.Minute)) {
		s.liveWithAStranger(t, 15*time.Second)
	}
}

// liveWithAStranger is a quiet time beside him, the death of the main, and the way back to
// normal without him.
func (s *site) liveWithAStranger(t *testing.T, quiet time.Duration) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.decisions(s.main), s.decisions(s.secondary))
		}
	})
	term := s.main.mustView(t).Term
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 10, time.Time{})
	before := s.measure(t)
	stranger := s.beset(t)

	calls := s.strangerMovesNothing(t, load, quiet, term, before)
	if t.Failed() {
		t.FailNow() // the site is not what a takeover needs
	}
	calls = append(calls, s.strangerKeepsNobodyFromATakeover(t, term)...)

	s.dismiss(t, stranger)
	s.bringBack(t)
	s.checkKept(t, calls)
	s.checkLetGo(t, before)
}

func (s *site) strangerMovesNothing(t *testing.T, load *crowd, quiet time.Duration, term releve.Term, before map[releve.Seat]burden) []outcome {
	t.Helper()
	began := time.Now()
	s.watchWhile(t, quiet, func() {
		s.checkTold(t, s.main, term)
		s.checkRoom(t, before)
	})
	t.Logf("before the stranger: %v, beside him: %v", before, s.measure(t))
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	checkPutThrough(t, calls, "1001")
	_, beside := split(calls, began)
	s.checkInTime(t, began, beside)
	s.checkTold(t, s.main, term)
	return calls
}

func (s *site) strangerKeepsNobodyFromATakeover(t *testing.T, term releve.Term) []outcome {
	t.Helper()
	load := s.callIn(t, impatient)
	load.waitGreeted(t, 5, time.Time{})
	killed := s.main.kill9(t)
	died := time.Now() // until here the main may have answered, and died with the call in progress
	load.waitGreeted(t, 10, died)
	s.checkWaits(t, killed)
	before, calls := split(load.finish(t), died)
	checkOutlived(t, before, s.main, killed)
	checkServed(t, calls, s.secondary)
	checkPutThrough(t, calls, "1001")
	s.checkTold(t, s.secondary, term+1)
	return calls
}

// decisions are what a server decided, but for calls that it gave back, with the evidence of
// the last.
func (s *site) decisions(by *server) string {
	entries, err := by.diaryOnDisk()
	if err != nil {
		return err.Error()
	}
	told := fmt.Sprintf("decisions of the %s server:\n", by.seat)
	for _, e := range entries {
		if strings.HasPrefix(e.What.Code, "rule-") && e.What.Code != "rule-in-service" {
			told += describe(e) + fmt.Sprintf(" %.300v\n", e.Evidence)
		}
	}
	return told
}

// beset sets a stranger on the whole site.
func (s *site) beset(t testing.TB) *stranger.Stranger {
	t.Helper()
	victim := stranger.Site{
		PBX: netip.MustParseAddrPort(pbxHost + ":5060"), Users: []string{receptionNumber, "reception", "standby"},
		Witness: netip.MustParseAddrPort(witnessHost + ":7444"),
	}
	for _, server := range []*server{s.main, s.secondary} {
		c := must(server.settings())(t)
		victim.Servers = append(victim.Servers, stranger.Server{
			SIP:  netip.MustParseAddrPort(server.host + ":5060"),
			Peer: c.Peer.Listen, Database: c.Database.Listen, Console: c.Console.Listen,
			RTPFirst: c.SIP.RTPFirst, RTPLast: c.SIP.RTPLast,
		})
	}
	k := *strangerStrength
	o := stranger.Options{Seed: uint64(time.Now().UnixNano()), Datagrams: 400 * k, Forged: 20 * k, Calls: 1,
		Visits: 6 * k, Silent: 40 * k, Held: 300, Hold: 15 * time.Second}
	for _, host := range strangerHosts {
		o.From = append(o.From, netip.MustParseAddr(host))
	}
	t.Logf("the stranger's seed: %d", o.Seed)
	at, err := stranger.Start(victim, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	return at
}

// dismiss ends a stranger, who must have done much and heard nothing.
func (s *site) dismiss(t testing.TB, at *stranger.Stranger) {
	t.Helper()
	r := at.Close()
	t.Logf("the stranger: %d connections refused, %d cut, sent %v", r.Refused, r.Cut, r.Sent)
	if len(r.Sent) < 20 {
		t.Errorf("the stranger did next to nothing: %v", r.Sent)
	}
	for _, told := range r.Credentials {
		t.Errorf("a stranger was given a password's digest:\n%s", told)
	}
	if r.Heard > 0 {
		t.Errorf("%d datagrams came to the stranger's addresses: what he sends is not to be answered", r.Heard)
	}
}

// watchWhile looks again and again, every second, for that long.
func (s *site) watchWhile(t testing.TB, stays time.Duration, look func()) {
	t.Helper()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for over := time.After(stays); !t.Failed(); {
		select {
		case <-over:
			return
		case <-again.C:
			look()
		}
	}
}

// told is the site as a server tells it on its own machine, where no stranger is.
func (s *server) told(t testing.TB) view.Site {
	t.Helper()
	var v view.Site
	if err := json.Unmarshal([]byte(s.mustRun(t, "status", "--output", "json")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// checkTold fails the test unless each server that runs says that this one is on duty in that
// term, and the site protected while both run.
func (s *site) checkTold(t testing.TB, active *server, term releve.Term) {
	t.Helper()
	both := s.main.answers() && s.secondary.answers()
	for _, teller := range []*server{s.main, s.secondary} {
		if !teller.answers() {
			continue
		}
		if v := teller.told(t); v.Owner != active.seat || v.Term != term || both && v.Word != view.Protected {
			t.Errorf("the %s server says %s (%s %v), %s on duty in term %d, want the %s in term %d",
				teller.seat, v.Word, v.Why.Code, v.Why.Args, v.Owner, v.Term, active.seat, term)
		}
	}
}

// checkPutThrough fails the test for a caller who was sent to somebody whom he had not asked for:
// the keys were another's.
func checkPutThrough(t testing.TB, calls []outcome, extension string) {
	t.Helper()
	for _, o := range calls {
		if o.referred != "" && !strings.HasPrefix(o.referred, "sip:"+extension+"@") {
			t.Errorf("asked for %s and was sent to %s: %v", extension, o.referred, o)
		}
	}
}

// checkInTime fails the test for a record that was in the database late: the first of a call
// counts from its answer, by the ear's clock and the ledger's.
func (s *site) checkInTime(t testing.TB, since time.Time, calls []outcome) {
	t.Helper()
	first := map[releve.CallID]time.Time{}
	for _, f := range s.ledger.since(since, releve.Main) {
		if at, known := first[f.Call]; !known || f.at.Before(at) {
			first[f.Call] = f.at
		}
	}
	var late []time.Duration
	for _, o := range calls {
		if o.answeredAt.IsZero() {
			continue
		}
		at, known := first[o.id]
		if !known {
			t.Errorf("no server said that it has stored anything of call %s", o.id)
			continue
		}
		late = append(late, at.Sub(o.answeredAt))
	}
	if len(late) == 0 {
		t.Fatal("no record of any call")
	}
	longest := slices.Max(late)
	t.Logf("from the answer to the first record acknowledged: %v at most, median %v", longest, median(late))
	if longest > allowed(storedWithin) {
		t.Errorf("a record was acknowledged %v after the call's answer, want %v at most", longest, storedWithin)
	}
}

// burden is what a server's own process holds.
type burden struct {
	memory      float64 // MiB resident
	descriptors int
	strangers   int // sessions that strangers hold at its PostgreSQL
	log         int // bytes that it has said
}

func (b burden) String() string {
	return fmt.Sprintf("%.0f MiB, %d descriptors, %d sessions of strangers, %d kB of log", b.memory, b.descriptors, b.strangers, b.log>>10)
}

// measure is the burden of both servers.
func (s *site) measure(t testing.TB) map[releve.Seat]burden {
	t.Helper()
	all := map[releve.Seat]burden{}
	for _, server := range []*server{s.main, s.secondary} {
		pid, err := server.agent()
		b, more := burdenOf(pid)
		if err = errors.Join(err, more); err != nil {
			t.Fatal(err)
		}
		for _, p := range server.postgres() {
			if strings.Contains(p.command, strangerNet) {
				b.strangers++
			}
		}
		if said, err := os.Stat(server.log()); err == nil {
			b.log = int(said.Size())
		}
		all[server.seat] = b
	}
	return all
}

// burdenOf reads a process's memory and descriptors (proc(5)).
func burdenOf(pid int) (burden, error) {
	memory, err := residentMemory(pid)
	if err != nil {
		return burden{}, err
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return burden{memory: memory, descriptors: len(open)}, err
}

// checkRoom fails the test for a server that holds more than its bounds allow.
func (s *site) checkRoom(t testing.TB, before map[releve.Seat]burden) {
	t.Helper()
	for seat, now := range s.measure(t) {
		if now.memory > before[seat].memory+allowed(float64(roomForStrangers)) {
			t.Errorf("the %s server holds %v, and held %v before the stranger", seat, now, before[seat])
		}
		if now.descriptors > before[seat].descriptors+descriptorsForStrangers {
			t.Errorf("the %s server holds %v, and held %v before the stranger", seat, now, before[seat])
		}
	}
}

// checkLetGo waits until both servers have let go of all that a stranger held.
func (s *site) checkLetGo(t testing.TB, before map[releve.Seat]burden) {
	t.Helper()
	eventually(t, 20*time.Second, "the stranger's descriptors and sessions are let go of", func() error {
		for seat, now := range s.measure(t) {
			if now.descriptors > before[seat].descriptors+20 || now.strangers > 0 {
				return fmt.Errorf("the %s server holds %v, and held %v before", seat, now, before[seat])
			}
		}
		return nil
	})
}
