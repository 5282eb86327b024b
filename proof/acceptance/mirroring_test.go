package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/view"
)

// At level mirroring the main alone answers callers and the secondary holds the mirror of
// its database (SPEC §2). One site goes through it all: each story leaves it as it was.
func TestASiteOfLevelMirroring(t *testing.T) {
	s := mirroringSite(t)
	for _, story := range []struct {
		name string
		play func(*testing.T, *site)
	}{
		{"callers are recorded on both machines, and the secondary has no telephone", callersAreMirrored},
		{"the mirror is killed: the main goes solo by itself, and in sync again", mirrorKilled},
		{"the mirror freezes", mirrorFrozen},
		{"the database is killed and its files are deleted", databaseDeleted},
		{"the database's control file is damaged", controlFileDamaged},
		{"the database's disk is full", databaseDiskFull},
		{"the mirror is away while more is recorded than the disk holds", keptLogOutgrowsTheDisk},
	} {
		if !t.Run(story.name, func(t *testing.T) { story.play(t, s) }) {
			return // the next story begins where this one should have ended
		}
	}
}

// smallDisk is the size of the main's database disk, in bytes: room for two copies of
// the database and their log.
const smallDisk = 640 << 20

// mirroringSite is a site of level mirroring, the main's database on a disk of its own
// that can be filled.
func mirroringSite(t *testing.T) *site {
	t.Helper()
	closeSharedSite() // it uses the same addresses
	s, err := newSite(newDir(t), plan{init: []string{"--level", string(releve.Mirroring)}})
	if err != nil {
		t.Fatal(err)
	}
	mountDisk(t, s.main.databaseDir())
	t.Cleanup(s.close)
	s.startBoth(t)
	s.waitMirrored(t)
	return s
}

// listeners are callers who hear the greeting and hang up, until they are told to stop.
func listeners(rate int) load { return load{rate: rate, patience: time.Second} }

func (s *server) databaseDir() string { return filepath.Join(s.data, "postgres") }

// mountDisk mounts a small disk in the namespace of the tests until the test ends.
func mountDisk(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0755", smallDisk), "tmpfs", dir)
	if out, err := mount.CombinedOutput(); err != nil {
		t.Fatalf("a small disk cannot be mounted: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("the small disk is still in use: %v: %s", err, out)
		}
	})
}

// mirrored says what keeps the site from being what level mirroring promises: the main on
// duty, each record on both machines, and no SIP user of the secondary's.
func (s *site) mirrored() error {
	for _, teller := range []*server{s.main, s.secondary} {
		v, err := teller.view()
		if err != nil {
			return err
		}
		if v.Level != releve.Mirroring || v.Word != view.Protected || v.Owner != releve.Main || v.Mirror.State != view.MirrorInSync {
			return fmt.Errorf("the %s server says %s at level %s (%s %v), %s on duty, mirror %s",
				teller.seat, v.Word, v.Level, v.Why.Code, v.Why.Args, v.Owner, v.Mirror.State)
		}
	}
	if contact := s.pbx.binding("standby"); contact != "" {
		return fmt.Errorf("the PBX has %s as the contact of standby", contact)
	}
	return s.pbx.registered("reception", mainHost)
}

func (s *site) waitMirrored(t testing.TB) {
	t.Helper()
	if err := await(60*time.Second, s.mirrored); err != nil {
		t.Fatalf("the site is not mirrored: %v\n%s", err, s.logs())
	}
}

func callersAreMirrored(t *testing.T, s *site) {
	calls := s.callIn(t, callsToPhone(20, 10)).wait(t, time.Minute)
	checkServed(t, calls, s.main)
	s.checkRecorded(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
	if err := listensAt(secondaryHost, 5060); err == nil {
		t.Error("the secondary has opened a socket of SIP")
	}
	v := s.secondary.mustView(t)
	if v.Secondary.Processing.State != releve.TierNone || v.Secondary.Data.State != releve.TierWell || !v.PBX.Heard {
		t.Errorf("the secondary says that its calls are %s, its data %s, and that it hears the PBX: %v",
			v.Secondary.Processing.State, v.Secondary.Data.State, v.PBX.Heard)
	}
	var listed []releve.Call
	if err := json.Unmarshal([]byte(s.secondary.mustRun(t, "calls", "--output", "json")), &listed); err != nil {
		t.Fatal(err)
	}
	for _, o := range calls {
		if !slices.ContainsFunc(listed, func(c releve.Call) bool { return c.Call == o.id && c.Stored }) {
			t.Errorf("`releve calls` on the secondary does not know call %s", o.id)
		}
	}
}

// How long commits may wait for a mirror that is gone (M4). Whose processes have ended is
// known at once; a machine that hangs keeps its connections, and PostgreSQL gives them up
// after 2 s (wal_sender_timeout).
const (
	soloWithin       = 2 * time.Second
	soloWithinFrozen = 3500 * time.Millisecond
)

func mirrorKilled(t *testing.T, s *site) {
	s.goesSolo(t, soloWithin, func() { s.secondary.kill9(t) }, func() { s.secondary.start(t) })
}

func mirrorFrozen(t *testing.T, s *site) {
	s.goesSolo(t, soloWithinFrozen, s.secondary.freeze, s.secondary.thaw)
}

// goesSolo lets the mirror go while callers call, and come back.
func (s *site) goesSolo(t *testing.T, within time.Duration, leave, comeBack func()) {
	t.Helper()
	load := s.callIn(t, listeners(10))
	load.waitGreeted(t, 10, time.Time{})
	died := time.Now()
	leave()
	load.waitGreeted(t, 30, died)
	s.main.says(t, "why-alone")
	back := time.Now()
	comeBack()
	s.waitMirrored(t)
	t.Logf("in sync again after %v", time.Since(back).Round(time.Millisecond))
	calls := load.finish(t)
	checkGreeted(t, calls, s.main)
	wait := longestWait(s.ledger.since(died.Add(-time.Second), releve.Main))
	t.Logf("the longest time without a commit: %v", wait.Round(time.Millisecond))
	if wait > allowed(within) {
		t.Errorf("no commit was acknowledged for %v, want at most %v", wait, within)
	}
	s.checkRecorded(t, s.main, calls)
	s.checkEqual(t, s.main)
	s.checkLedger(t, s.main)
}

// longestWait is the longest time between two facts that were acknowledged one after the
// other.
func longestWait(facts []stored) (longest time.Duration) {
	slices.SortFunc(facts, func(a, b stored) int { return a.at.Compare(b.at) })
	for i := 1; i < len(facts); i++ {
		longest = max(longest, facts[i].at.Sub(facts[i-1].at))
	}
	return longest
}

// says waits until the server's page gives that reason for its word.
func (s *server) says(t testing.TB, why string) {
	t.Helper()
	eventually(t, 10*time.Second, why+" at the "+s.name, func() error {
		v, err := s.view()
		if err == nil && v.Why.Code != why {
			err = fmt.Errorf("%s, %s %v", v.Word, v.Why.Code, v.Why.Args)
		}
		return err
	})
}

func databaseDeleted(t *testing.T, s *site) {
	s.restoreLost(t, func() {
		if err := os.RemoveAll(filepath.Join(s.main.databaseDir(), "data")); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Log(err) // PostgreSQL still made files there
		}
		killAll(freeze(s.main.postgres))
	})
}

func controlFileDamaged(t *testing.T, s *site) {
	s.restoreLost(t, func() {
		rewrite(t, filepath.Join(s.main.databaseDir(), "data", "global", "pg_control"), func(raw []byte) []byte {
			raw[40] ^= 1 // in what its checksum covers
			return raw
		})
		killAll(freeze(s.main.postgres))
	})
}

// restoreLost lets the main lose its database for good while callers call, brings it back
// from the mirror, and puts mirroring back in service, each by hand (M5).
func (s *site) restoreLost(t *testing.T, lose func()) {
	t.Helper()
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 5, time.Time{})
	began := time.Now()
	lose()
	s.checkAlarm(t, began, time.Now())
	load.waitGreeted(t, 15, time.Now())
	waiting := s.checkSpooling(t)

	began = time.Now()
	s.main.mustRun(t, "restore")
	t.Logf("restored in %v, %d facts had waited", time.Since(began).Round(time.Millisecond), waiting)
	s.checkDrained(t)
	calls := load.finish(t)
	checkGreeted(t, calls, s.main)
	s.checkRecorded(t, s.main, calls)
	s.checkLedger(t, s.main)

	began = time.Now()
	s.main.mustRun(t, "mirror", "resume")
	s.waitMirrored(t)
	t.Logf("mirroring is back after %v", time.Since(began).Round(time.Millisecond))
	s.checkEqual(t, s.main)
}

// A disk that is full: callers do not notice, and once there is room the database comes
// back by itself.
func databaseDiskFull(t *testing.T, s *site) {
	load := s.callIn(t, listeners(5))
	load.waitGreeted(t, 5, time.Time{})
	filler := filepath.Join(s.main.databaseDir(), "filler")
	began := time.Now()
	fill(t, filler)
	full := keepFull(filler)
	s.checkAlarm(t, began, time.Now())
	load.waitGreeted(t, 15, time.Now())
	s.checkSpooling(t)

	full()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.checkDrained(t)
	s.waitMirrored(t)
	calls := load.finish(t)
	checkGreeted(t, calls, s.main)
	s.checkRecorded(t, s.main, calls)
	s.checkLedger(t, s.main)
	s.checkEqual(t, s.main)
}

// keepFull takes what becomes free on a disk that is full, as PostgreSQL removes log of its
// own, until it is told to end.
func keepFull(file string) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if filler, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0); err == nil {
				for err == nil {
					_, err = filler.Write(make([]byte, 1<<20))
				}
				_ = filler.Close()
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(stop)
		<-done
	}
}

// fill takes all the room that is left on a disk.
func fill(t *testing.T, file string) {
	t.Helper()
	out, err := exec.Command("dd", "if=/dev/zero", "of="+file, "bs=1M").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "No space left on device") {
		t.Fatalf("the disk is not full: %v: %s", err, out)
	}
}

// alarmWithin is how long the loss of a database may go unsaid (M5).
const alarmWithin = 2 * time.Second

// checkAlarm waits for the alarm since a moment, and fails the test when it came too long
// after the loss was complete.
func (s *site) checkAlarm(t *testing.T, since, lost time.Time) {
	t.Helper()
	var alarm view.Event
	eventually(t, 10*time.Second, "an alarm", func() error {
		v, err := s.main.view()
		if err != nil {
			return err
		}
		for _, e := range v.Events { // newest first
			if e.Severity == releve.Critical && e.Seat == releve.Main && !e.At.Before(since) {
				alarm = e
			}
		}
		if alarm.At.IsZero() {
			return errNotYet
		}
		return nil
	})
	after := time.Since(lost) // as it was seen, whatever its own stamp says
	t.Logf("alarm after %v: %s %v", after.Round(time.Millisecond), alarm.What.Code, alarm.What.Args)
	if after > allowed(alarmWithin) {
		t.Errorf("the alarm came after %v, want at most %v", after, alarmWithin)
	}
	s.main.says(t, "why-database-away")
}

// checkSpooling fails the test unless facts wait on the main's own disk, and tells how many.
func (s *site) checkSpooling(t *testing.T) int {
	t.Helper()
	v := s.main.mustView(t)
	if v.Main.SpoolWaiting == 0 || v.Main.Data.State == releve.TierWell || v.Word != view.NotProtected {
		t.Errorf("the main says %s, its database is %s, and %d facts wait", v.Word, v.Main.Data.State, v.Main.SpoolWaiting)
	}
	return v.Main.SpoolWaiting
}

// checkDrained waits until what waited is in the database.
func (s *site) checkDrained(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "the spool drains", func() error {
		v, err := s.main.view()
		if err == nil && (v.Main.Data.State != releve.TierWell || v.Main.SpoolWaiting > 100) {
			err = fmt.Errorf("the database is %s %v, %d facts wait", v.Main.Data.State, v.Main.Data.Why.Args, v.Main.SpoolWaiting)
		}
		return err
	})
}

// The level of a site is one line of each file: the servers are started again one after
// the other, and what the site knows stays (V1).
func TestALevelIsRaisedWithoutAReinstall(t *testing.T) {
	closeSharedSite()
	s, err := newSite(newDir(t), plan{settings: map[string]string{"site.level": `"mirroring"`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.startBoth(t)
	s.waitMirrored(t)
	early := s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute)
	checkServed(t, early, s.main)

	for _, server := range []*server{s.secondary, s.main} {
		if err := setInFile(server.file, "site.level", `"high-availability"`); err != nil {
			t.Fatal(err)
		}
		server.stop()
		server.start(t)
	}
	s.waitNormal(t)
	s.checkRecorded(t, s.main, early)
	term := s.main.mustView(t).Term
	s.main.kill9(t)
	late := s.callIn(t, callsToPhone(10, 10)).wait(t, time.Minute)
	checkServed(t, late, s.secondary)
	s.checkDuty(t, s.secondary, term+1)
	s.checkRecorded(t, s.secondary, append(early, late...))
	s.checkLedger(t, s.secondary)
}
