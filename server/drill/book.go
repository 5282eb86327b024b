package drill

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"releve/screen/view"
)

// reportsKept is how many drills are kept: years of them.
const reportsKept = 50

// kept is what stands on the disk; its tags are the format.
type kept struct {
	Since time.Time    `json:"since"` // the site has drills
	Open  *view.Drill  `json:"open,omitempty"`
	Last  []view.Drill `json:"last"` // newest first
}

// good is when the last drill went well.
func (k kept) good() time.Time {
	for _, d := range k.Last {
		if d.Good() {
			return d.Finished
		}
	}
	return time.Time{}
}

// countedFrom is from when the age of the last good drill counts.
func (k kept) countedFrom() time.Time {
	if good := k.good(); !good.IsZero() {
		return good
	}
	return k.Since
}

// tried is when the last drill began, however it ended.
func (k kept) tried() time.Time {
	if len(k.Last) == 0 {
		return time.Time{}
	}
	return k.Last[0].Started
}

// end puts the open drill among those that are over.
func (k *kept) end(now time.Time) {
	d := *k.Open
	d.Finished, k.Open = now.UTC(), nil
	k.Last = slices.Insert(slices.Clone(k.Last), 0, d)
	k.Last = k.Last[:min(len(k.Last), reportsKept)]
}

// book is what is kept, for who leads and who looks.
type book struct {
	mu   sync.Mutex
	file string
	kept kept
}

// open reads what was kept. A file that cannot be read costs the reports, and no call.
func (b *book) open(file string, log *slog.Logger) {
	b.file = file
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &b.kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("what is known of drills cannot be read", "err", err)
		b.kept = kept{}
	}
}

// now is a copy, in which nothing changes any more.
func (b *book) now() kept {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.kept
	if k.Open != nil {
		open := *k.Open
		open.Steps = slices.Clone(open.Steps)
		k.Open = &open
	}
	return k
}

func (b *book) isOpen() bool { return b.now().Open != nil }

// change changes it, on the disk too.
func (b *book) change(do func(*kept)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	do(&b.kept)
	raw, err := json.Marshal(b.kept)
	if err != nil {
		return err
	}
	return renameio.WriteFile(b.file, raw, 0o600)
}
