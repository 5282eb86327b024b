package agent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"releve"
	"releve/rules/takeover"
)

// witness is a third machine: a register that outlives its process.
type witness struct {
	founding releve.Arbiter // of the servers' configuration
	register takeover.Register
	down     bool
	deaf     map[releve.Seat]bool // to whom it is cut
	loses    bool                 // its answers, after it has written
}

// way is a server's way to the witness.
type way struct{ *server }

var errUnheard = errors.New("the witness is not heard")

// reach holds the site's lock when it succeeds.
func (w way) reach(ctx context.Context) error {
	w.mu.Lock()
	if o := w.witness; o.down || o.deaf[w.seat] {
		w.mu.Unlock()
		<-ctx.Done()
		return errUnheard
	}
	return nil
}

func (w way) Read(ctx context.Context) (takeover.Register, error) {
	if err := w.server.pauses(ctx); err != nil {
		return takeover.Register{}, err
	}
	if err := w.reach(ctx); err != nil {
		return takeover.Register{}, err
	}
	defer w.mu.Unlock()
	return w.witness.register, nil
}

func (w way) Claim(ctx context.Context, c takeover.Claim) (takeover.Register, error) {
	if err := w.server.pauses(ctx); err != nil {
		return takeover.Register{}, err
	}
	if err := w.reach(ctx); err != nil {
		return takeover.Register{}, err
	}
	defer w.mu.Unlock()
	next, err := w.witness.register.Apply(c, w.seat)
	w.witness.register = next
	if w.witness.loses {
		return takeover.Register{}, errUnheard
	}
	return next, err
}

// pauses is what a question takes.
func (s *server) pauses(ctx context.Context) error { return s.takes(ctx, 2*time.Millisecond) }

// playWitness runs a story that begins on a protected site with a witness.
func playWitness(t *testing.T, story func(*testing.T, *site)) {
	t.Helper()
	play(t, func(t *testing.T, s *site) {
		s.witness = &witness{founding: releve.Witness, deaf: map[releve.Seat]bool{}}
		s.main().start()
		s.secondary().start()
		s.until("the site is protected, with its witness", 10*time.Second, func() bool { return s.protected() && s.lodged() })
		time.Sleep(time.Millisecond) // as in playProtected
		story(t, s)
	})
}

// lodged: the vote lies in the register, and both servers know it.
func (s *site) lodged() bool {
	s.mu.Lock()
	r := s.witness.register
	s.mu.Unlock()
	for _, srv := range s.servers {
		if m := srv.agent.Machine(); !m.Witnessed() || m.Register != r {
			return false
		}
	}
	return r.Incarnation > 0 && !r.Alone
}

func TestANewSiteMovesToItsWitness(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		if !s.main().commit() {
			t.Error("the main does not acknowledge a row")
		}
		if v := s.main().agent.View(); v.Arbiter != releve.Witness {
			t.Errorf("the screen names the arbiter %s", v.Arbiter)
		}
		s.stays("protected", time.Minute, s.protected)
	})
}

// The main dies: the standby asks the witness, and answers the call that found it.
func TestTheWitnessGrantsATakeover(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.main().commit()
		s.main().kill()
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", ""))
		if !d.Answer || d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
		if !s.secondary().commit() {
			t.Error("the new owner does not acknowledge a row")
		}
		if r := s.witness.register; r.Owner != releve.Secondary || r.Term != 2 || !r.Alone {
			t.Errorf("the register: %+v", r)
		}
	})
}

// What the pair cannot: the secondary is gone without a word, and commits go on
// within two seconds (M4). Then the main dies too: nobody may take over.
func TestTheWitnessLetsTheMainGoOnAlone(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.secondary().freeze()
		gone := time.Now()
		s.until("commits go on", 2*time.Second, s.main().commit)
		t.Logf("commits waited %v", time.Since(gone))
		s.main().kill()
		s.secondary().wake()
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")); !d.Answer || !d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		s.main().start()
		s.until("protected again", time.Minute, func() bool { return s.protected() && s.lodged() })
	})
}

// Neither may decide without the witness once the other is silent, and both go on as
// soon as it is back.
func TestWithoutItsWitnessTheSiteWaits(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.change(func() { s.witness.down = true })
		s.until("the screen says so", 5*time.Second, func() bool {
			return s.main().agent.View().Why.Code == "why-witness-silent"
		})
		if !s.main().commit() {
			t.Error("in sync, the main needs no witness to acknowledge")
		}
		s.secondary().freeze()
		s.stays("no commit", 10*time.Second, func() bool { return !s.main().commit() })
		s.change(func() { s.witness.down = false })
		s.until("commits go on", 3*time.Second, s.main().commit)
	})
}

// The mirror's own word is enough, heard by the owner alone: the witness may be away.
func TestAMirrorGivesItsVoteBackWithoutTheWitness(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.change(func() { s.witness.down = true })
		s.secondary().abdicate()
		s.until("commits go on", 2*time.Second, s.main().commit)
	})
}

// The answer to the claim is lost: the register says what came of it.
func TestAGrantWhoseAnswerIsLostIsFound(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.main().kill()
		s.change(func() { s.witness.loses = true })
		d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", ""))
		if !d.Answer {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
		s.change(func() { s.witness.loses = false })
		s.until("the secondary serves", 5*time.Second, s.secondary().serves)
	})
}

// Granted, and killed before it could remember: it takes the duty when it starts.
func TestAGrantIsTakenUpAfterARestart(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.main().kill()
		s.secondary().kill()
		s.change(func() {
			d := s.secondary().journal.kept
			d.Claimed = d.Number
			s.secondary().journal.kept = d
			r := s.witness.register
			next, err := r.Apply(takeover.Claim{Was: r.Version, Inc: r.Incarnation, Want: takeover.Register{
				Site: r.Site, Incarnation: r.Incarnation, Term: r.Term + 1, Owner: releve.Secondary, Alone: true, Number: r.Number, Candidate: r.Candidate,
			}}, releve.Secondary)
			if err != nil {
				t.Error(err)
			}
			s.witness.register = next
		})
		s.secondary().start()
		s.until("the secondary serves", 10*time.Second, s.secondary().serves)
		if m := s.secondary().agent.Machine(); m.Term != 2 {
			t.Errorf("term %d", m.Term)
		}
		s.main().start()
		s.until("the main stands aside", 10*time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
	})
}

// A main that is cut from the other learns from the witness that it was relieved.
func TestARelievedMainLearnsItFromTheWitness(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.change(func() { s.cut, s.main().mute = true, true })
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")); !d.Answer {
			t.Fatalf("the call: %+v\n%s", d, s.minutes())
		}
		s.until("the main stands aside", 3*time.Second, func() bool { return s.phase(s.main()) == takeover.Deposed })
		if s.main().commit() {
			t.Error("the old main acknowledges a row")
		}
		s.until("its own page says so", 5*time.Second, func() bool {
			v := s.main().agent.View()
			return v.Why.Code == "why-witness-names-other" && v.Owner == releve.Secondary && v.Term == 2
		})
	})
}

// A witness that lost its memory grants nothing; both servers give it a new one.
func TestAWipedWitnessIsGivenANewMemoryByBoth(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		before := s.witness.register.Incarnation
		s.change(func() { s.witness.register = takeover.Register{Site: "clinique"} })
		s.until("protected again", 10*time.Second, func() bool { return s.protected() && s.lodged() })
		if r := s.witness.register; r.Incarnation <= before {
			t.Errorf("the register: %+v", r)
		}
		if !s.main().commit() {
			t.Error("the main does not acknowledge a row")
		}
	})
}

// A site moves to a witness and back while callers are answered and rows are written.
func TestASiteMovesToAWitnessAndBack(t *testing.T) {
	play(t, func(t *testing.T, s *site) {
		s.witness = &witness{founding: releve.Pair, deaf: map[releve.Seat]bool{}}
		s.main().start()
		s.secondary().start()
		s.until("a pair is protected", 10*time.Second, s.protected)
		ask := func(c takeover.Command) {
			if err := s.main().agent.Order(t.Context(), string(c)); err != nil {
				t.Fatal(err)
			}
		}
		ask(takeover.UseWitness)
		s.until("protected, with the witness", 10*time.Second, func() bool { return s.protected() && s.lodged() })
		s.change(func() { s.witness.down = true })
		ask(takeover.UsePair)
		s.until("protected as a pair, though the witness is gone", 10*time.Second, func() bool {
			m := s.secondary().agent.Machine()
			return s.protected() && !m.Witnessed() && m.Vote
		})
		if got := s.main().store.terms; len(got) != 1 {
			t.Errorf("terms opened: %v", got)
		}
	})
}

// The secondary's machine freezes, and PostgreSQL takes it for connected: whoever may go on
// alone does so when its server is silent and a commit waits (M4).
func TestAFrozenMachineIsNotWaitedForUntilPostgreSQLNotices(t *testing.T) {
	stories := map[string]func(*testing.T, func(*testing.T, *site)){"mirroring": playMirroring, "witness": playWitness}
	for name, play := range stories {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *site) {
				s.change(func() { s.secondary().postgres.hangs = true })
				s.secondary().freeze()
				s.main().commit()
				s.until("commits go on", 2*time.Second, s.main().commit)
				s.change(func() { s.secondary().postgres.hangs = false })
				s.secondary().wake()
				s.until("protected again", 20*time.Second, s.protected)
			})
		})
	}
}

// A main that is cut off from the PBX as well as from its mirror leaves the vote where it
// lies: who reaches the PBX is to have it, however late the first caller comes.
func TestAMainThatIsCutOffDoesNotGoOnAlone(t *testing.T) {
	playWitness(t, func(t *testing.T, s *site) {
		s.change(func() { s.cut, s.main().mute = true, true; s.secondary().postgres.deafness = true })
		s.main().commit()
		s.stays("the main has no vote", 5*time.Second, func() bool { return !s.main().agent.Machine().Vote })
		if d := s.decided(s.secondary().overflow(t.Context(), "one@pbx", "")); !d.Answer || d.WithoutDuty {
			t.Errorf("the call: %+v\n%s", d, s.minutes())
		}
	})
}
