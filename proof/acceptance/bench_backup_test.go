package acceptance

import (
	"errors"
	"testing"
	"time"
)

// BenchmarkBackupSwitchover moves the duty at level backup while callers call: with both servers well,
// and with a main that was killed. What counts is from the operator's confirmation to the first call
// that the other server answers, as the PBX has it (SPEC B2).
func BenchmarkBackupSwitchover(b *testing.B) {
	closeSharedSite()
	s, err := newSite(newDir(b), plan{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.close)
	s.startBoth(b)
	s.waitNormal(b)
	s.main.mustRun(b, "level", "use", "backup")
	s.waitBackup(b, s.main)
	well, dead := times("well"), times("dead")
	for b.Loop() {
		well.add(s.answersAfter(b, s.secondary, "switchover"))
		s.waitBackup(b, s.secondary)
		s.answersAfter(b, s.main, "switchover")
		s.waitBackup(b, s.main)
		s.main.kill9(b)
		eventually(b, 10*time.Second, "the main is silent", func() error {
			if v, err := s.secondary.view(); err != nil || v.Main.Heard {
				return errors.Join(err, errNotYet)
			}
			return nil
		})
		dead.add(s.answersAfter(b, s.secondary, "switchover", "--other-is-off", "--by", "A. Martin"))
		s.main.start(b)
		eventually(b, 30*time.Second, "the main stands aside", func() error {
			if v, err := s.main.view(); err != nil || !v.Secondary.Heard || v.Owner != s.secondary.seat {
				return errors.Join(err, errNotYet)
			}
			return nil
		})
		s.main.mustRun(b, "return")
		s.waitBackup(b, s.main)
	}
	well.report(b)
	dead.report(b)
}

// answersAfter is from a command, given to the server that is to answer, to the first call that it takes.
func (s *site) answersAfter(b *testing.B, by *server, command string, args ...string) time.Duration {
	b.Helper()
	eventually(b, 5*time.Second, "no procedure runs", func() error {
		if v, err := by.view(); err != nil || v.Procedure != nil && v.Procedure.Finished.IsZero() {
			return errors.Join(err, errNotYet)
		}
		return nil
	})
	callers := s.callIn(b, load{rate: 20, patience: time.Second})
	began := time.Now()
	by.mustRun(b, command, args...)
	var first time.Time
	eventually(b, 20*time.Second, "a call answered by the "+string(by.seat), func() error {
		for _, e := range s.pbx.events(began, "reply") {
			if e.accepts(by) && callers.made(e.call) {
				first = e.at
				return nil
			}
		}
		return errNotYet
	})
	callers.finish(b)
	return first.Sub(began)
}
