package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is the service manager that started this server, if one did
// (sd_notify(3)): it is told when calls are answered, and fed while the agent's loop
// turns. Without one, everything here does nothing.
type supervisor struct {
	within time.Duration // what the manager waits for a sign of life, 0: for ever
	log    *slog.Logger
}

func newSupervisor(log *slog.Logger) supervisor {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not fed", "err", err)
	}
	return supervisor{within, log}
}

func (s supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("the service manager does not hear", "state", state, "err", err)
	}
}

// feed tells the manager that this server lives, three times in each of its periods,
// as long as the loop that decides has turned within the last one: a process whose
// loop hangs looks alive to everybody else, and is started again.
func (s supervisor) feed(ctx context.Context, turned func() time.Duration) {
	if s.within == 0 {
		return
	}
	look := time.NewTicker(s.within / 3)
	defer look.Stop()
	for {
		if turned() < s.within {
			s.tell(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
