package account

import (
	"context"
	"os"
	"time"

	"releve"
)

const secretsPeriod = 5 * time.Second

// WatchSecrets says which of the files with a secret others can read, until they are closed. One
// that cannot be looked at is as it was last seen.
func WatchSecrets(
	ctx context.Context, files []string,
	explain func(what releve.Sentence), notice func(about string, what releve.Sentence),
) {
	open := map[string]bool{}
	ticks := time.NewTicker(secretsPeriod)
	defer ticks.Stop()
	for {
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				continue
			}
			switch is := info.Mode().Perm()&0o077 != 0; {
			case is && !open[file]:
				explain(releve.Say("event-secret-open", "file", file))
				notice("secret "+file, releve.Say("event-secret-open", "file", file))
				open[file] = true
			case !is && open[file]:
				explain(releve.Say("event-secret-closed", "file", file))
				notice("secret "+file, releve.Sentence{})
				open[file] = false
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}
