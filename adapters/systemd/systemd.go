// Package systemd is the service manager that started this server, if one did (sd_notify(3)).
package systemd

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Supervisor is the service manager that started this server, if one did
// (sd_notify(3)): it is told when calls are answered, and fed while the agent's loop
// turns. Without one, everything here does nothing.
type Supervisor struct {
	within time.Duration // what the manager waits for a sign of life, 0: for ever
	log    *slog.Logger
}

// New reads what the manager asks for.
func New(log *slog.Logger) Supervisor {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not fed", "err", err)
	}
	return Supervisor{within, log}
}

// Ready says that calls are answered.
func (s Supervisor) Ready() { s.tell(daemon.SdNotifyReady) }

// Stopping says that this server ends because it was told to.
func (s Supervisor) Stopping() { s.tell(daemon.SdNotifyStopping) }

func (s Supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("the service manager does not hear", "state", state, "err", err)
	}
}

// Feed tells the manager that this server lives, three times in each of its periods,
// as long as the loop that decides has turned within the last one: a process whose
// loop hangs looks alive to everybody else, and is started again.
func (s Supervisor) Feed(ctx context.Context, turned func() time.Duration) {
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
