package agent_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"releve"
	"releve/proof/sim"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
)

// situation is a state of the site, and what the server that looks shows of it.
type situation struct {
	name  string
	given func(*testing.T, *sim.Site)
	at    releve.Seat
	word  view.Word
	why   string
	seat  string // that the sentence names, where it names one
}

var situations = []situation{
	{"all is well, seen from the main", func(*testing.T, *sim.Site) {}, releve.Main, view.Protected, "why-protected", "main"},
	{"all is well, seen from the secondary", func(*testing.T, *sim.Site) {}, releve.Secondary, view.Protected, "why-protected", "main"},
	{"it is not known whether the standby could take over", func(_ *testing.T, s *sim.Site) {
		s.Main().Agent().Readied(&view.Readiness{Standby: releve.Secondary})
	}, releve.Main, view.Protected, "why-protected-unproven", "main"},
	{"the mirror is away", mirrorAway, releve.Main, view.NotProtected, "why-alone", "main"},
	{"the mirror is away, seen from it", mirrorAway, releve.Secondary, view.NotProtected, "why-alone", "main"},
	{"facts wait on the secondary's disk", func(_ *testing.T, s *sim.Site) {
		s.Main().LockRecords()
		s.Secondary().Record(7)
	}, releve.Main, view.NotProtected, "why-spool", ""},
	{"facts pile up on the main's disk", func(_ *testing.T, s *sim.Site) {
		s.Main().LockRecords()
		s.Main().Record(5000)
	}, releve.Secondary, view.NotProtected, "why-spool", ""},
	{"the secondary is off", func(_ *testing.T, s *sim.Site) { s.Secondary().Crash() }, releve.Main, view.NotProtected, "why-other-silent", "secondary"},
	{"the link is cut, seen from the main", linkCut, releve.Main, view.NotProtected, "why-other-silent", "secondary"},
	{"the secondary's telephone is cut off", func(_ *testing.T, s *sim.Site) {
		s.Secondary().PartitionSIP()
	}, releve.Main, view.NotProtected, "why-standby-unwell", "secondary"},
	{"the main's calls are broken while the mirror is away", func(t *testing.T, s *sim.Site) {
		mirrorAway(t, s)
		s.Main().BreakCalls(errors.New("the RTP ports are gone"))
	}, releve.Main, view.NotProtected, "why-alone", "main"},
	{"the mirror was found to differ, seen from the main", mirrorDiffers, releve.Main, view.NotProtected, "why-mirror-differs", "secondary"},
	{"the mirror was found to differ, seen from it", mirrorDiffers, releve.Secondary, view.NotProtected, "why-mirror-differs", "secondary"},
	{"another copy was found to differ", func(t *testing.T, s *sim.Site) {
		s.Main().Agent().Verified(agent.Verified{Data: "an older copy", At: time.Now(), Differences: 2})
	}, releve.Main, view.Protected, "why-protected", "main"},
	{"the secondary answers without the duty", withoutDuty, releve.Secondary, view.NotProtected, "why-without-duty", "secondary"},
	{"the main is dead and nobody called", func(_ *testing.T, s *sim.Site) {
		s.RefuseOwnCalls(errOwnCall)
		s.Main().Crash()
	}, releve.Secondary, view.Stopped, "why-stopped-ready", "main"},
	{"a few facts wait on the main's disk and none is stored", fewFactsWait, releve.Main, view.NotProtected, "why-spool", ""},
	{"a few facts wait on the main's disk, seen from the secondary", fewFactsWait, releve.Secondary, view.NotProtected, "why-spool", ""},
	{"the mirror does not replay what it has", replayStands, releve.Main, view.NotProtected, "tier-replay-behind", "secondary"},
	{"the mirror does not replay what it has, seen from it", replayStands, releve.Secondary, view.NotProtected, "tier-replay-behind", "secondary"},
	{"the mirror has far to replay", func(_ *testing.T, s *sim.Site) {
		s.Secondary().StallReplay(1 << 29)
	}, releve.Main, view.NotProtected, "tier-replay-behind", "secondary"},
	{"the PBX has forgotten the standby", func(_ *testing.T, s *sim.Site) { s.Secondary().ForgetStandby() },
		releve.Main, view.NotProtected, "tier-standby-not-registered", ""},
}

func mirrorAway(_ *testing.T, s *sim.Site) {
	s.Secondary().BreakDatabase("disk full")
	s.Until("the main is alone", 3*time.Second, func() bool { m := s.Main().Agent().Machine(); return m.Vote && m.Lone })
}

func mirrorDiffers(t *testing.T, s *sim.Site) {
	copied := s.Secondary().Outside().Data
	s.Main().Agent().Verified(agent.Verified{Data: copied, At: time.Now(), Differences: 2})
}

func fewFactsWait(_ *testing.T, s *sim.Site) {
	s.Main().LockRecords()
	s.Main().Record(3)
}

func replayStands(_ *testing.T, s *sim.Site) {
	s.Secondary().StallReplay(1)
}

func linkCut(_ *testing.T, s *sim.Site) { s.PartitionLink() }

func withoutDuty(t *testing.T, s *sim.Site) {
	mirrorAway(t, s)
	s.Main().Crash()
	if d := s.Decided(s.Secondary().Overflow(t.Context(), "one@pbx", "")); !d.WithoutDuty {
		t.Fatalf("the call: %+v", d)
	}
}

// The one word on the screen, with its reason (V2).
func TestTheWordAndItsReason(t *testing.T) {
	for _, c := range situations {
		t.Run(c.name, func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *sim.Site) {
				c.given(t, s)
				c.isShown(t, s)
			})
		})
	}
}

// isShown waits until the screen says the word and why, and then goes on to.
func (c situation) isShown(t *testing.T, s *sim.Site) {
	t.Helper()
	at := s.At(c.at).Agent()
	s.Until("the screen says "+c.why, 10*time.Second, func() bool { return at.View().Why.Code == c.why })
	v := at.View()
	if v.Word != c.word || v.Why.Args["seat"] != c.seat {
		t.Errorf("%s, %+v", v.Word, v.Why)
	}
	s.Stays("the screen says "+c.why, 2*time.Second, func() bool { v := at.View(); return v.Why.Code == c.why && v.Word == c.word })
}

var situationsOfOneVoice = []situation{
	{"all is well, seen from the main", func(*testing.T, *sim.Site) {}, releve.Main, view.Protected, "why-mirrored", "main"},
	{"all is well, seen from the secondary", func(*testing.T, *sim.Site) {}, releve.Secondary, view.Protected, "why-mirrored", "main"},
	{"the secondary is off", func(_ *testing.T, s *sim.Site) { s.Secondary().Crash() }, releve.Main, view.NotProtected, "why-alone", "main"},
	{"the mirror's database is gone, seen from it", func(_ *testing.T, s *sim.Site) {
		s.Secondary().BreakDatabase("its files are gone")
	}, releve.Secondary, view.NotProtected, "why-alone", "main"},
	{"the main is dead", func(_ *testing.T, s *sim.Site) { s.Main().Crash() }, releve.Secondary, view.Stopped, "why-stopped-one-voice", "main"},
	{"the main's database is lost", databaseLost, releve.Main, view.NotProtected, "why-database-away", "main"},
	{"the main's database is lost, seen from the secondary", databaseLost, releve.Secondary, view.NotProtected, "why-database-away", "main"},
	{"facts pile up on the main's disk", func(_ *testing.T, s *sim.Site) {
		s.Main().LockRecords()
		s.Main().Record(5000)
	}, releve.Secondary, view.NotProtected, "why-spool", ""},
	{"the main's calls are broken", func(_ *testing.T, s *sim.Site) {
		s.Main().BreakCalls(errors.New("the RTP ports are gone"))
	}, releve.Main, view.NotProtected, "tier-voice-down", ""},
	{"the mirror was found to differ", mirrorDiffers, releve.Secondary, view.NotProtected, "why-mirror-differs", "secondary"},
}

func databaseLost(_ *testing.T, s *sim.Site) {
	s.Main().BreakDatabase("its files are gone")
}

// At level mirroring protected means that each record is on both machines, and the
// secondary has no telephone that could be ill (V2).
func TestTheWordAtLevelMirroring(t *testing.T) {
	for _, c := range situationsOfOneVoice {
		t.Run(c.name, func(t *testing.T) {
			playMirroring(t, func(t *testing.T, s *sim.Site) {
				c.given(t, s)
				c.isShown(t, s)
				for _, srv := range s.Both() {
					v := srv.Agent().View()
					if v.Secondary.Processing.State != releve.TierNone || v.Main.Processing.State == releve.TierNone {
						t.Errorf("the %s shows the calls of the main as %s, of the secondary as %s", srv.Seat(), v.Main.Processing.State, v.Secondary.Processing.State)
					}
				}
			})
		})
	}
}

// A database that does not start is tried again and again, and said once.
func TestALostDatabaseIsSaidOnce(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		databaseLost(t, s)
		said := func() (times int) {
			for _, e := range s.Main().Agent().View().Events {
				if e.What.Code == "rule-owner-database-starts" && e.Severity == releve.Critical {
					times++
				}
			}
			return times
		}
		s.Until("it is said", 2*time.Second, func() bool { return said() > 0 })
		s.Stays("said no more than twice", 20*time.Second, func() bool { return said() <= 2 }) // lost, and why it does not start
	})
}

// The secondary has no way to the PBX, and shows what the main knows of it.
func TestTheMirrorShowsThePBXOfTheMain(t *testing.T) {
	playMirroring(t, func(t *testing.T, s *sim.Site) {
		main, mirror := s.Main().Agent().View().PBX, func() view.PBX { return s.Secondary().Agent().View().PBX }
		s.Until("it shows the PBX", 2*time.Second, func() bool { v := mirror(); return v.Heard && v.Address == main.Address })
		s.Main().Crash()
		s.Until("nobody hears the PBX", 3*time.Second, func() bool { return !mirror().Heard })
	})
}

// While a server promotes or copies, both screens show what it is about, and how
// far it has come (U1).
func TestBothScreensFollowATakeoverAndAReturn(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		s.Secondary().SlowDatabase(time.Second)
		relieved(t, s)
		v := s.Main().Agent().View()
		if v.Term != 2 || v.Owner != releve.Secondary || v.Secondary.Duty != releve.Active || v.Main.Duty != releve.OutOfService {
			t.Errorf("the old main shows term %d of the %s, %s and %s", v.Term, v.Owner, v.Main.Duty, v.Secondary.Duty)
		}
		s.Main().SlowDatabase(5 * time.Second)
		if err := s.Main().Agent().Order(t.Context(), string(takeover.Rejoin)); err != nil {
			t.Fatal(err)
		}
		for _, srv := range s.Both() {
			s.Until("the copy is shown on the "+string(srv.Seat()), 2*time.Second, func() bool {
				m := srv.Agent().View().Mirror
				return m.State == view.MirrorCloning && m.Progress != nil && m.Progress.Total == 2
			})
		}
		s.Until("protected", 20*time.Second, s.Protected)
		for _, srv := range s.Both() {
			if m := srv.Agent().View().Mirror; m.State != view.MirrorInSync || m.Progress != nil {
				t.Errorf("the %s shows %+v", srv.Seat(), m)
			}
		}
	})
}

// Whoever runs a verification, both screens show how far it is (U1).
func TestBothScreensShowAVerificationWhileItRuns(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		proof := &view.Procedure{ID: "one", Name: "verify", Steps: []view.ProcedureStep{{State: "running", Progress: &releve.Progress{Done: 3, Total: 9}}}}
		s.Main().Agent().Proving(proof)
		shown := func(srv *sim.Server) bool {
			p := srv.Agent().View().Proof
			return p != nil && p.ID == "one" && p.Steps[0].Progress.Done == 3
		}
		s.Until("both show it", 2*time.Second, func() bool { return shown(s.Main()) && shown(s.Secondary()) })
		s.Main().Agent().Proving(nil)
		s.Until("none shows it", 2*time.Second, func() bool {
			return s.Main().Agent().View().Proof == nil && s.Secondary().Agent().View().Proof == nil
		})
	})
}

// What a screen says was seen: an owner that is silent says nothing of its copy any more,
// neither that it is up to date nor how far a new one has come.
func TestWhatADeadOwnerSaidOfItsCopyIsWithdrawn(t *testing.T) {
	for name, given := range map[string]func(*testing.T, *sim.Site){
		"in sync": func(*testing.T, *sim.Site) {},
		"being copied": func(t *testing.T, s *sim.Site) {
			relieved(t, s)
			s.Main().SlowDatabase(time.Minute)
			if err := s.Main().Agent().Order(t.Context(), string(takeover.Rejoin)); err != nil {
				t.Fatal(err)
			}
			s.Until("the copy is shown", 2*time.Second, func() bool { return s.Secondary().Agent().View().Mirror.State == view.MirrorCloning })
		},
	} {
		t.Run(name, func(t *testing.T) {
			playProtected(t, func(t *testing.T, s *sim.Site) {
				s.RefuseOwnCalls(errOwnCall)
				given(t, s)
				s.Main().Crash()
				at := s.Secondary().Agent()
				s.Until("the main is missed", 3*time.Second, func() bool { return !at.View().Main.Heard })
				if m := at.View().Mirror; m.State != view.MirrorAway || m.Progress != nil {
					t.Errorf("the mirror of a server that is not heard: %+v", m)
				}
			})
		})
	}
}

// What lasts stands on both servers' screens until it is over.
func TestANoticeStandsForAsLongAsItLasts(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		shown := func(codes ...string) func() bool {
			return func() bool {
				for _, srv := range s.Both() {
					var got []string
					for _, n := range srv.Agent().View().Main.Notices {
						got = append(got, n.Code)
					}
					if !slices.Equal(got, codes) {
						return false
					}
				}
				return true
			}
		}
		s.Main().Agent().Notice("log", releve.Say("event-kept-log-grows"))
		s.Main().Agent().Notice("disk", releve.Say("event-disk-low"))
		s.Until("both stand", 2*time.Second, shown("event-disk-low", "event-kept-log-grows"))
		s.Main().Agent().Notice("log", releve.Say("event-kept-log-given-up"))
		s.Until("one is said anew", 2*time.Second, shown("event-disk-low", "event-kept-log-given-up"))
		s.Main().Agent().Notice("disk", releve.Sentence{})
		s.Main().Agent().Notice("log", releve.Sentence{})
		s.Until("none stands", 2*time.Second, shown())
	})
}

// What is decided is told to those who look, and the other server's events stand
// among our own, newest first.
func TestViewersAreToldOfChanges(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		changed := s.Main().Agent().Changed(t.Context())
		s.Secondary().Agent().Explain(releve.Say("event-saturated", "channels", "30"))
		s.Until("the main shows it", time.Second, func() bool {
			<-changed
			events := s.Main().Agent().View().Events
			return events[0].What.Code == "event-saturated" && events[0].Seat == releve.Secondary
		})
		events := s.Main().Agent().View().Events
		for i := 1; i < len(events); i++ {
			if events[i].At.After(events[i-1].At) {
				t.Errorf("event %d is younger than the one before it", i)
			}
		}
		for range 200 {
			s.Main().Agent().Explain(releve.Say("event-saturated", "channels", "30"))
		}
		if n := len(s.Main().Agent().View().Events); n != 50 {
			t.Errorf("%d events are kept", n)
		}
	})
}

// What a server's page proves of itself is seen on both screens.
func TestBothScreensShowHowAPageIs(t *testing.T) {
	playProtected(t, func(t *testing.T, s *sim.Site) {
		both := func(state releve.TierState) func() bool {
			return func() bool {
				return s.Main().Agent().View().Main.Interfaces.State == state && s.Secondary().Agent().View().Main.Interfaces.State == state
			}
		}
		s.Until("it is not known before it was asked", 2*time.Second, both(releve.TierUnknown))
		s.Main().Agent().Interfaces(releve.Tier{State: releve.TierDown, Why: releve.Say("tier-page-down", "why", "503")})
		s.Until("it is down", 2*time.Second, both(releve.TierDown))
		s.Main().Agent().Interfaces(releve.Tier{State: releve.TierWell})
		s.Until("it is well", 2*time.Second, both(releve.TierWell))
	})
}
