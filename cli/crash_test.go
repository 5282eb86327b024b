package cli_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"releve"
	"releve/screen/view"
)

// crash SEAT: the server and its PostgreSQL are gone without a word, as when the power fails.
func (s *scene) crash(args []string) error {
	server := s.servers[args[0]]
	delete(s.servers, args[0])
	if err := server.cmd.Process.Kill(); err != nil {
		return err
	}
	<-server.gone
	return s.until(stopLimit, func() error {
		left := below(filepath.Join(s.dir, dataOf[args[0]]))
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		if len(left) > 0 {
			return fmt.Errorf("the %s server left %d processes behind", args[0], len(left))
		}
		return nil
	})
}

// dataOf are the data directories of a plain site, in $SITE.
var dataOf = map[string]string{"main": "m", "secondary": "s"}

// wipe SEAT: the files of its database are gone.
func (s *scene) wipe(args []string) error {
	return os.RemoveAll(filepath.Join(s.dir, dataOf[args[0]], "postgres", "data"))
}

// up SEAT: waits until that server answers its operator.
func (s *scene) up(args []string) error {
	return s.until(stopLimit, func() error {
		_, err := s.client(args[0]).Site(context.Background())
		return err
	})
}

// on-duty SEAT: waits until that server says that it is on duty and that its database works,
// whatever the other is.
func (s *scene) onDuty(args []string) error {
	seat := releve.Seat(args[0])
	return s.until(protectLimit, func() error {
		v, err := s.client(args[0]).Site(context.Background())
		if err != nil {
			return err
		}
		own := map[releve.Seat]view.Server{releve.Main: v.Main, releve.Secondary: v.Secondary}[seat]
		if v.Owner != seat || own.Duty != releve.Active || own.Data.State != releve.TierWell {
			return fmt.Errorf("the %s is %s in term %d of the %s, its data %s", seat, own.Duty, v.Term, v.Owner, own.Data.State)
		}
		return nil
	})
}

// until looks again and again, and fails with what it saw last.
func (s *scene) until(limit time.Duration, look func() error) error {
	deadline := time.After(limit)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-deadline:
			return fmt.Errorf("not within %s: %w", limit, err)
		}
	}
}
