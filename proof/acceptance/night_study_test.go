package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"releve/screen/view"
)

// hostsFile has this namespace know hosts by a file of the test's, until that ends.
func hostsFile(t *testing.T, dir string) (write func(text string)) {
	t.Helper()
	file := filepath.Join(dir, "hosts")
	write = func(text string) {
		if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	if out, err := exec.Command("mount", "--bind", file, "/etc/hosts").CombinedOutput(); err != nil {
		t.Fatalf("/etc/hosts: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "/etc/hosts").CombinedOutput(); err != nil {
			t.Errorf("/etc/hosts: %v: %s", err, out)
		}
	})
	return write
}

// nightSoon sets the hour of the night, in both files, to the minute after next, and gives it.
func (s *site) nightSoon(t *testing.T) time.Time {
	t.Helper()
	night := time.Now().Truncate(time.Minute).Add(2 * time.Minute)
	for _, server := range []*server{s.main, s.secondary} {
		if err := setInFile(server.file, "mirror.verify", strconv.Quote(night.Format("15:04"))); err != nil {
			t.Fatal(err)
		}
	}
	return night
}

// By night a site that runs replays its study (SPEC E4). It holds its own ports and users, and nothing of
// that is a fault; a name that means nothing any more is an alarm on both servers, which names it, over
// a restart too. That a night in which it is back ends the alarm is tried in server/study, in virtual time.
func TestASiteReplaysItsStudyByNight(t *testing.T) {
	closeSharedSite() // it uses the same addresses
	s, err := newSite(newDir(t), plan{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	hosts := hostsFile(t, s.dir)
	known := "127.0.0.1 mail.hospital.test\n"
	hosts(known)
	study := s.studied(t, "--mail", "mail.hospital.test:25")
	sign(t, study)
	night := s.nightSoon(t)
	s.startBoth(t)
	s.waitNormal(t)
	s.main.mustRun(t, "study", "adopt", study)
	hosts("")
	s.waitNight(t, night, []string{"name mail.hospital.test"})

	s.secondary.stop()
	s.main.stop()
	hosts(known)
	s.startBoth(t)
	s.waitNormal(t)
	if lost := lostOf(s.main.mustView(t).Main); !slices.Equal(lost, []string{"name mail.hospital.test"}) {
		t.Errorf("over a restart the main says %v", lost)
	}
}

// waitNight waits until both servers, each of itself, say what was lost, and that they looked this night.
func (s *site) waitNight(t *testing.T, night time.Time, want []string) {
	t.Helper()
	eventually(t, time.Until(night)+90*time.Second, fmt.Sprintf("a night with %v lost", want), func() (err error) {
		v, err := s.main.view()
		for _, of := range []view.Server{v.Main, v.Secondary} {
			if lost := lostOf(of); !slices.Equal(lost, want) || time.Now().Before(night) {
				err = errors.Join(err, fmt.Errorf("the %s says %v", of.Seat, lost))
			}
		}
		for _, server := range []*server{s.main, s.secondary} {
			if kept, statErr := os.Stat(filepath.Join(server.data, "replayed.json")); statErr != nil || kept.ModTime().Before(night) {
				err = errors.Join(err, fmt.Errorf("the %s has not looked this night: %v", server.seat, statErr))
			}
		}
		return err
	})
}

// lostOf are the prerequisites that a server says were lost.
func lostOf(of view.Server) (lost []string) {
	for _, n := range of.Notices {
		if n.Code == "study-prerequisite-lost" {
			lost = append(lost, n.Args["check"]+" "+n.Args["about"])
		}
	}
	return lost
}
