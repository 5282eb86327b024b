package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Ready checks by doing: a write with fsync on the data's disk and a query through
// the socket, both within limit. A process that is there proves neither (RULES R12).
func (c *Cluster) Ready(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	disk := make(chan error, 1)
	go func() { disk <- c.probeDisk() }()
	var one int
	if err := c.ask(ctx, limit, []any{&one}, "SELECT 1"); err != nil {
		return fmt.Errorf("PostgreSQL does not answer a query within %s: %w", limit, err)
	}
	select {
	case err := <-disk:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the disk under %s did not take a write within %s", c.opts.Dir, limit)
	}
}

// probeDisk writes a few bytes and waits until they are on the disk. On a wedged disk it
// never returns; the next ones see that and do not pile up behind it.
func (c *Cluster) probeDisk() error {
	if !c.disk.TryLock() {
		return fmt.Errorf("an earlier write to the disk under %s has not ended yet", c.opts.Dir)
	}
	defer c.disk.Unlock()
	// The directory is the account's: never follow a link that it may have put there.
	file, err := os.OpenFile(c.path("probe"), os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("the disk does not take a write: %w", err)
	}
	_, err = file.WriteString(time.Now().UTC().Format(time.RFC3339Nano) + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("the disk does not take a write: %w", err)
	}
	return nil
}
