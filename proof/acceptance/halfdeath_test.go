package acceptance

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"releve"
)

// Half of something has died. Each time there are calls, and each time it is the
// callers who say whether the site did the right thing.
func TestHalfDeaths(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"pbx.expires": `"20s"`}})
	for _, story := range []struct {
		name string
		tell func(*testing.T, *site)
	}{
		{"the link between the servers is cut", linkCut},
		{"the standby is cut from the PBX", standbyCutFromPBX},
		{"the PBX is restarted while the main is well", pbxRestarted},
		{"the main's SIP is blocked", mainSIPBlocked},
		{"the main answers 500", mainAnswers500},
		{"the main's postmaster is killed", mainPostmasterKilled},
		{"the main commits alone, is relieved by hand and comes back", relievedByHand},
	} {
		if !t.Run(story.name, func(t *testing.T) { s.bringBack(t); story.tell(t, s) }) {
			break // the site is not what the next story needs
		}
	}
}

// The standby hears nothing of the main but over SIP: the main is well, it refuses.
// The main may not commit without its mirror, and its facts wait.
func linkCut(t *testing.T, s *site) {
	term, start := s.main.mustView(t).Term, time.Now()
	peer, err := s.main.settings()
	if err != nil {
		t.Fatal(err)
	}
	s.pbx.change(t, "skip_main", "1")
	heal := cut(t, "link", tcpPorts(peer.Peer.Listen.Port(), peer.Database.Listen.Port())...)
	crowd := s.callIn(t, callsToPhone(30, 10))
	calls := crowd.wait(t, time.Minute)

	checkServed(t, calls, s.main)
	if refused := crowd.only(s.pbx.events(start, "standby-refused")); len(refused) != len(calls) {
		t.Errorf("the standby refused %d of %d calls", len(refused), len(calls))
	}
	s.checkDuty(t, s.main, term)
	if waiting := s.main.mustView(t).Main.SpoolWaiting; waiting == 0 {
		t.Error("no fact waits in the main's spool although its mirror is away")
	}
	heal()
	s.waitNormal(t)
	s.checkRecorded(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
	s.checkDuty(t, s.main, term)
}

// A standby that hears no PBX knows nothing of the main's telephone either.
func standbyCutFromPBX(t *testing.T, s *site) {
	term := s.main.mustView(t).Term
	heal := cut(t, "standby", between(pbxHost, secondaryHost)...)
	checkServed(t, s.callIn(t, callsToPhone(50, 10)).wait(t, time.Minute), s.main)
	s.checkDuty(t, s.main, term)
	heal()
	s.waitNormal(t)
	s.checkDuty(t, s.main, term)
}

// oneRefresh is how long the PBX may miss a binding that it forgot: half of what the site's
// bindings last.
const oneRefresh = 10 * time.Second

// All bindings are lost: who is called is found again after one refresh at most.
func pbxRestarted(t *testing.T, s *site) {
	term, start := s.main.mustView(t).Term, time.Now()
	s.pbx.restart(t)
	s.phoneAgain(t)
	early := s.callIn(t, load{rate: 2, calls: 10, digits: "1001", patience: 6 * time.Second})
	eventually(t, oneRefresh, "the main's binding", func() error { return s.pbx.registered("reception", mainHost) })
	t.Logf("the reception user was back after %v", time.Since(start))
	early.wait(t, time.Minute)
	checkServed(t, s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute), s.main)
	s.checkDuty(t, s.main, term)
	s.waitNormal(t)
}

// The main's agent and database are well, and no call can reach it.
func mainSIPBlocked(t *testing.T, s *site) {
	rules := append(between(pbxHost, mainHost), between(secondaryHost, mainHost)...)
	heal := cut(t, "sip", rules...)
	checkServed(t, s.callIn(t, callsToPhone(30, 10)).wait(t, time.Minute), s.secondary)
	heal()
	s.checkLedger(t, s.onDuty(t))
}

// Every port for sound is taken: the main refuses each call with 500 while its
// checks could well be fine (H4).
func mainAnswers500(t *testing.T, s *site) {
	take := s.takeMediaPorts(t)
	start := time.Now()
	crowd := s.callIn(t, callsToPhone(30, 10))
	checkServed(t, crowd.wait(t, time.Minute), s.secondary)
	if refused := crowd.only(s.pbx.events(start, "main-refused")); len(refused) == 0 || refused[0].args["code"] != "500" {
		t.Errorf("the main refused %v, want the first with 500", refused)
	}
	take()
	s.checkLedger(t, s.onDuty(t))
}

// takeMediaPorts binds every port that the main could use for sound.
func (s *site) takeMediaPorts(t *testing.T) (release func()) {
	t.Helper()
	set, err := s.main.settings()
	if err != nil {
		t.Fatal(err)
	}
	var taken []net.PacketConn
	for port := set.SIP.RTPFirst; port <= set.SIP.RTPLast; port++ {
		socket, err := net.ListenPacket("udp", fmt.Sprintf("%s:%d", mainHost, port))
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, socket)
	}
	release = func() {
		for _, socket := range taken {
			_ = socket.Close() // closed twice when the test ends
		}
	}
	t.Cleanup(release)
	return release
}

// Its agent lives, hands over, and nobody of those who call meanwhile notices.
func mainPostmasterKilled(t *testing.T, s *site) {
	load := s.callIn(t, callsToPhone(0, 10))
	load.waitGreeted(t, 5, time.Time{})
	signalled(t, s.main.postmaster, syscall.SIGKILL)
	s.waitOwner(t, s.secondary, 20*time.Second)
	load.waitGreeted(t, 20, time.Now())
	calls := load.finish(t)
	checkServed(t, calls)
	s.checkRecorded(t, s.onDuty(t), calls)
	s.checkLedger(t, s.onDuty(t))
}

// The mirror gave the vote back, the main committed alone, and then it dies: nobody
// may take over, and still everybody is answered (H9, R13).
func TestNobodyHasTheVoteAndCallersAreAnsweredAllTheSame(t *testing.T) {
	s := ownSite(t, plan{})
	term := s.main.mustView(t).Term
	heal := s.standAlone(t)
	alone := s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute)
	checkServed(t, alone, s.main)
	s.checkRecorded(t, s.main, alone)
	if len(s.ledger.of(alone, releve.Main)) == 0 {
		t.Error("the main acknowledged nothing while it was solo")
	}

	died := s.main.kill9(t)
	unowned := s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute)
	checkServed(t, unowned, s.secondary)
	s.checkDuty(t, s.main, term)
	if !s.secondary.mustView(t).Secondary.WithoutDuty {
		t.Error("the secondary does not say that it answers without the duty")
	}
	s.secondary.eventSaid(t, "without-duty", died, 5*time.Second)

	heal()
	s.main.start(t)
	s.waitNormal(t)
	s.checkRecorded(t, s.main, append(alone, unowned...))
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}
