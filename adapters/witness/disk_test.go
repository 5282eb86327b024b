package witness_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/adapters/journal"
	"releve/adapters/witness"
	"releve/doors/identity"
	"releve/proof/practice/freeze"
	"releve/rules/takeover"
)

func TestWhatCannotBeWrittenIsNotGranted(t *testing.T) {
	s, d := newSite(t), &disk{}
	s.start(s.options(d))
	main := s.client(releve.Main, s.at)
	first := must(t, main, seed())
	d.fails(func(context.Context, func()) error { return errors.New("no space left on device") })
	_, err := main.Claim(within(t, plenty), after(first, handOver))
	if !errors.Is(err, witness.ErrNotHeard) || errors.Is(err, takeover.ErrClaim) {
		t.Errorf("got %v", err)
	}
	if now := read(t, main); now != first {
		t.Errorf("it remembers %+v, and the disk %+v", now, first)
	}
	d.fails(nil)
	if now := must(t, main, after(first, handOver)); now.Version != 2 {
		t.Errorf("when there is room again: %+v", now)
	}
}

// Neither outcome may be told: not "refused", and not the register of before.
func TestAWriteThatDidNotEndWellEndsTheWitness(t *testing.T) {
	for story, saved := range map[string]bool{"and reached the disk": true, "and did not reach it": false} {
		t.Run(story, func(t *testing.T) {
			s, d := newSite(t), &disk{}
			r := s.start(s.options(d))
			main := s.client(releve.Main, s.at)
			first := must(t, main, seed())
			d.fails(func(_ context.Context, save func()) error {
				if saved {
					save()
				}
				return errUnsure
			})
			_, err := main.Claim(within(t, plenty), after(first, handOver))
			if !errors.Is(err, witness.ErrNotHeard) || errors.Is(err, takeover.ErrClaim) {
				t.Errorf("the claim got %v", err)
			}
			r.endsUnsure()
			s.start(s.options(d.reread()))
			want := uint64(1)
			if saved {
				want = 2
			}
			if now := read(t, main); now.Version != want {
				t.Errorf("started again it remembers %+v", now)
			}
		})
	}
}

// endsUnsure waits until it ends by itself, because it does not know its disk.
func (r *running) endsUnsure() {
	r.t.Helper()
	select {
	case err := <-r.ended:
		if !errors.Is(err, witness.ErrUnsure) {
			r.t.Errorf("it ended with %v", err)
		}
	case <-time.After(plenty):
		r.t.Fatal("it goes on")
	}
}

func TestAWedgedDiskIsGivenUp(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), &disk{}
	r := s.start(s.options(d))
	main := s.client(releve.Main, s.at)
	first := must(t, main, seed())
	d.fails(func(ctx context.Context, _ func()) error { <-ctx.Done(); return errUnsure })
	if _, err := main.Claim(within(t, 100*time.Millisecond), after(first, handOver)); !errors.Is(err, witness.ErrNotHeard) {
		t.Errorf("got %v", err)
	}
	if now := read(t, main); now != first { // which is on the disk for sure
		t.Errorf("meanwhile it remembers %+v", now)
	}
	r.endsUnsure()
}

// Given up with who asked for it, a write would leave everybody in doubt.
func TestAClaimGoesOnWhenWhoMadeItHasLeft(t *testing.T) {
	s, d := newSite(t), &disk{}
	s.start(s.options(d))
	main := s.client(releve.Main, s.at)
	first := must(t, main, seed())
	entered, release := make(chan struct{}), make(chan struct{})
	d.fails(func(ctx context.Context, save func()) error {
		close(entered)
		select {
		case <-release:
			save()
			return nil
		case <-ctx.Done():
			return errUnsure
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := main.Claim(ctx, after(first, handOver))
		left <- err
	}()
	<-entered
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left is told %v", err)
	}
	close(release)
	for deadline := time.Now().Add(plenty); read(t, main).Version != 2; {
		if time.Now().After(deadline) {
			t.Fatal("it was not carried out")
		}
	}
}

// A register that was cut or changed anywhere is refused and left as it is.
func TestATornRegisterIsNeverBelievedOrTouched(t *testing.T) {
	s, dir := newSite(t), t.TempDir()
	record, err := journal.Open(dir, siteID, identity.Witness)
	if err != nil {
		t.Fatal(err)
	}
	s.start(s.options(record))
	must(t, s.client(releve.Main, s.at), seed())
	file := filepath.Join(dir, "journal")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(spoilt []byte, want error) {
		t.Helper()
		if err := os.WriteFile(file, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Open(dir, siteID, identity.Witness); !errors.Is(err, want) {
			t.Fatalf("%q: %v", spoilt, err)
		}
		if found, err := os.ReadFile(file); err != nil || !bytes.Equal(found, spoilt) {
			t.Fatalf("%q was touched: %q, %v", spoilt, found, err)
		}
	}
	for n := range whole {
		refused(whole[:n], journal.ErrDamaged)
		changed := bytes.Clone(whole)
		changed[n] ^= 1
		refused(changed, journal.ErrDamaged)
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(dir, "ELSEWHERE", identity.Witness); !errors.Is(err, journal.ErrOtherSite) {
		t.Errorf("of another site: %v", err)
	}
	if _, err := journal.Open(dir, siteID, releve.Main); !errors.Is(err, journal.ErrOtherSeat) {
		t.Errorf("as a server's journal: %v", err)
	}
}

func TestARecordOfAnotherSiteIsRefused(t *testing.T) {
	s := newSite(t)
	_, err := witness.NewServer(s.options(&disk{saved: []byte(`{"register":{"site":"ELSEWHERE","incarnation":1}}`)}))
	if err == nil {
		t.Error("it was taken")
	}
}

func TestADirectoryHasOneWitness(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	unlock, err := witness.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := witness.Lock(dir); !errors.Is(err, witness.ErrTaken) {
		t.Errorf("got %v", err)
	}
	unlock()
	again, err := witness.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// Killed at any moment, between any two steps of a write, the register never goes
// back, and each claim that was acknowledged is there. It goes on until kills were
// seen in the middle of a write and between a write and its answer.
func TestAKilledWitnessKeepsEveryAcknowledgedClaim(t *testing.T) {
	const least, most = 30, 300
	s, data := newSite(t), filepath.Join(t.TempDir(), "data")
	main := s.client(releve.Main, s.at)
	var acknowledged, sent atomic.Pointer[takeover.Register]
	acknowledged.Store(&takeover.Register{Site: siteID})
	torn, ahead := 0, 0
	for kills := 0; kills < least || torn == 0 || ahead == 0; kills++ {
		if kills == most {
			t.Fatalf("of %d kills %d came in the middle of a write and %d before its answer", kills, torn, ahead)
		}
		k := s.spawn(data)
		found, was := read(t, main), *acknowledged.Load()
		switch {
		case found == was:
		case sent.Load() != nil && found == *sent.Load():
			ahead++
		default:
			t.Fatalf("after %d kills: %+v, acknowledged %+v, sent %+v", kills, found, was, sent.Load())
		}
		acknowledged.Store(&found)
		claimed := make(chan struct{})
		go func() {
			defer close(claimed)
			claimUntilCut(t, main, &acknowledged, &sent)
		}()
		// A moment that moves over all steps of a claim, a few claims long.
		time.Sleep(time.Duration(kills%least) * 700 * time.Microsecond)
		k.kill()
		<-claimed
		if _, err := os.Stat(filepath.Join(data, "journal.new")); err == nil {
			torn++
		}
	}
	t.Logf("version %d; %d kills in the middle of a write, %d between a write and its answer", acknowledged.Load().Version, torn, ahead)
}

// claimUntilCut claims one thing after the other until the witness is not heard.
func claimUntilCut(t *testing.T, main *witness.Client, acknowledged, sent *atomic.Pointer[takeover.Register]) {
	for {
		was := *acknowledged.Load()
		claim := seed()
		if was.Incarnation > 0 {
			claim = after(was, handOver)
		}
		next := claim.Want
		next.Version = was.Version + 1
		sent.Store(&next)
		got, err := main.Claim(t.Context(), claim)
		switch {
		case errors.Is(err, witness.ErrNotHeard):
			return
		case err != nil || got != next:
			t.Errorf("claimed %+v, got %+v, %v", next, got, err)
			return
		}
		acknowledged.Store(&got)
	}
}

// A frozen witness costs each request its own limit; thawed, it answers at once.
func TestAFrozenWitnessHoldsNoLaterRequestUp(t *testing.T) {
	s := newSite(t)
	k := s.spawn(filepath.Join(t.TempDir(), "data"))
	main := s.client(releve.Main, s.at)
	must(t, main, seed())
	freeze.Stop(t, k.cmd.Process.Pid)
	const limit = 150 * time.Millisecond
	for range 5 {
		began := time.Now()
		if _, err := main.Read(within(t, limit)); !errors.Is(err, witness.ErrNotHeard) {
			t.Errorf("frozen: %v", err)
		}
		if took := time.Since(began); took > limit+2*time.Second {
			t.Errorf("a limit of %v became %v", limit, took)
		}
	}
	k.signal(syscall.SIGCONT)
	if now := read(t, main); now.Version != 1 {
		t.Errorf("thawed it remembers %+v", now)
	}
}
