package register

import (
	"context"
	"log/slog"
	"time"
)

// settleTime is how long a server that has just started waits before it looks for what its
// earlier life left at the PBX: it may be given the user after all, and a binding that is
// taken away and made again loses the calls of the moment between.
const settleTime = 2 * time.Second

// Leave takes this server's own binding away, again and again until the PBX agreed: one
// that is left keeps the user from the other server where the PBX protects a binding. The
// pause grows; after the expiry of the binding there is nothing left to remove. It ends
// with ctx.
func Leave(ctx context.Context, r Registrar, a Account, log *slog.Logger) {
	insist(ctx, a, log, func(ctx context.Context) error { return r.Unregister(ctx, a) })
}

// LeaveFormer takes away what an earlier life of this server left bound under a user that it
// does not want now, as [Leave] does. What it cannot see is left to expire, and so is what
// stands beside another's: that one has the user, and a registrar may answer any removal by
// removing everybody's (DESIGN §4).
func LeaveFormer(ctx context.Context, r Registrar, a Account, log *slog.Logger) {
	pause(ctx, settleTime)
	insist(ctx, a, log, func(ctx context.Context) error {
		all, err := r.Bindings(ctx, a)
		if err != nil && !mustWait(err) {
			return nil
		}
		if err != nil || len(all) == 0 || len(others(all)) > 0 {
			return err
		}
		log.Info("a binding of an earlier life is removed", "user", a.User)
		return r.Unregister(ctx, a)
	})
}

// insist tries until it is done, or as long as a binding lasts.
func insist(ctx context.Context, a Account, log *slog.Logger, try func(context.Context) error) {
	void := time.Now().Add(a.Expires)
	for wait := firstPause; ctx.Err() == nil && time.Now().Before(void); wait = min(2*wait, maxPause) {
		attempt, done := context.WithTimeout(ctx, attemptLimit)
		err := try(attempt)
		done()
		if err == nil || ctx.Err() != nil {
			return
		}
		wait = max(wait, alone(err))
		log.Warn("a binding is not removed yet", "user", a.User, "error", err, "next", wait)
		pause(ctx, jitter(wait))
	}
}

// pause lasts that long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
