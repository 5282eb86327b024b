package peer_test

import (
	"errors"
	"path/filepath"
	"testing"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// The keys of both servers are changed one after the other, in each order, while they talk:
// no exchange fails, what each signs is believed, and in the end the former keys open nothing.
func TestKeysAreChangedWhileTheLinkIsUp(t *testing.T) {
	for story, former := range map[string]func(dir string){
		"one for everything":   func(dir string) { identitytest.OneForAll(t, dir, siteID, identitytest.Everybody...) },
		"one for each purpose": func(dir string) { identitytest.New(t, dir, siteID) },
	} {
		for _, first := range []releve.Seat{releve.Main, releve.Secondary} {
			t.Run(story+", the "+string(first)+" first", func(t *testing.T) { changeKeys(t, former, first) })
		}
	}
}

func changeKeys(t *testing.T, former func(dir string), first releve.Seat) {
	p, next, together := newPair(t), t.TempDir(), t.TempDir()
	former(p.dir)
	identitytest.New(t, next, siteID)
	every := []string{"ca.pem", "main.pem", "main.key", "secondary.pem", "secondary.key"}
	identitytest.Copy(t, p.dir, together, every...)
	identitytest.Both(t, next, together, every...)
	servers := map[releve.Seat]*peer.Peer{releve.Main: p.start(p.main), releve.Secondary: p.start(p.secondary)}
	talk := func(want string) {
		t.Helper()
		for seat, server := range servers {
			for range 3 { // over the connection that there is, and over the next
				if err := server.Exchange(within(t, plenty), word{}, new(word)); err != nil {
					t.Errorf("the %s is not let in: %v", seat, err)
				}
			}
			signature, err := server.Sign([]byte("x"))
			if err := errors.Join(err, servers[seat.Other()].Verify([]byte("x"), signature)); err != nil {
				t.Errorf("what the %s signed is not believed: %v", seat, err)
			}
			if got, stands := server.Agreed(); got != want || !stands {
				t.Errorf("the %s shows %q, want %q", seat, got, want)
			}
		}
	}
	before, after := generationIn(t, p.dir), generationIn(t, next)
	talk(before)
	for _, step := range []struct {
		seat releve.Seat
		dir  string
		then string
	}{{first, together, before}, {first.Other(), together, after}, {first, next, after}, {first.Other(), next, after}} {
		held, err := identity.Load(identitytest.Files(step.dir, step.seat))
		if err != nil {
			t.Fatal(err)
		}
		servers[step.seat].Use(held)
		talk(step.then)
	}
	for name, shown := range identitytest.Every(t, p.dir) {
		if status := knock(t, p.main.Listen.String(), shown); status != 403 {
			t.Errorf("%s of the former keys gets %d", name, status)
		}
	}
}

func generationIn(t *testing.T, dir string) string {
	t.Helper()
	all, err := identity.Generations(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// What is asked before the former keys are forgotten.
func TestTrySaysWhetherTheOtherUsesTheNewKeys(t *testing.T) {
	p, next, together := newPair(t), t.TempDir(), t.TempDir()
	identitytest.New(t, p.dir, siteID)
	identitytest.New(t, next, siteID)
	every := []string{"ca.pem", "main.pem", "main.key", "secondary.pem", "secondary.key"}
	identitytest.Copy(t, p.dir, together, every...)
	identitytest.Both(t, next, together, every...)
	load := func(dir string, seat releve.Seat) *identity.Credentials {
		t.Helper()
		held, err := identity.Load(identitytest.Files(dir, seat))
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	secondary, latest := p.start(p.secondary), load(together, releve.Main).Latest()
	try := func() error {
		return peer.Try(within(t, plenty), latest, siteID, releve.Main, p.main.Listen.Addr(), p.secondary.Listen)
	}
	if _, ok := errors.AsType[*releve.Fault](try()); !ok {
		t.Errorf("it has the former alone: %v", try())
	}
	secondary.Use(load(together, releve.Secondary))
	if err := try(); err != nil {
		t.Errorf("it has both: %v", err)
	}
	secondary.Use(load(next, releve.Secondary))
	if err := try(); err != nil {
		t.Errorf("it has the new alone: %v", err)
	}
}
