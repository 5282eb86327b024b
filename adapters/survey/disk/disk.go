// Package disk measures where a server's data is to be: the room, and how long its disk takes
// to have what was written.
package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"releve"
)

const (
	syncs     = 50
	syncLimit = 5 * time.Second // for all of them: a slow disk has shown itself by then
	page      = 8 << 10         // bytes, as PostgreSQL writes
	bulk      = 32 << 20        // bytes of the rate
	piece     = 1 << 20
	rateLimit = 5 * time.Second
)

// Measure looks at the disk of a directory, or of the nearest one above it that is there.
// What it writes it removes.
func Measure(ctx context.Context, dir string, seat releve.Seat) []releve.Measurement {
	dir = existing(dir)
	space := releve.Measurement{Check: "disk-space", Seat: seat, Text: dir}
	var about unix.Statfs_t
	if err := unix.Statfs(dir, &about); err != nil {
		space.State, space.Why = releve.Unmeasured, releve.Say("study-unreadable", "what", dir, "cause", releve.Reason(err))
	} else {
		space.State, space.Value = releve.Measured, float64(about.Bavail)*float64(about.Bsize)
	}
	sync := releve.Measurement{Check: "disk-sync", Seat: seat}
	worst, rate := sync, sync
	worst.Check, rate.Check = "disk-sync-worst", "disk-rate"
	times, speed, err := write(ctx, dir)
	if err != nil {
		for _, m := range []*releve.Measurement{&sync, &worst, &rate} {
			m.State, m.Why = trouble(dir, err)
		}
		return []releve.Measurement{space, sync, worst, rate}
	}
	slices.Sort(times)
	sync.State, sync.Value = releve.Measured, times[len(times)/2].Seconds()
	worst.State, worst.Value = releve.Measured, times[len(times)-1].Seconds()
	rate.State, rate.Value = releve.Measured, speed
	return []releve.Measurement{space, sync, worst, rate}
}

// trouble says whether the disk is at fault or this program's rights.
func trouble(dir string, err error) (releve.MeasureState, releve.Sentence) {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return releve.Broken, releve.Say("study-disk-full", "directory", dir)
	case errors.Is(err, fs.ErrPermission):
		return releve.Unmeasured, releve.Say("study-disk-forbidden", "directory", dir)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return releve.Unmeasured, releve.Say("study-not-reached")
	}
	return releve.Broken, releve.Say("study-disk-broken", "directory", dir, "cause", releve.Reason(err))
}

// existing is the directory, or the nearest above it that is there.
func existing(dir string) string {
	for {
		info, err := os.Stat(dir)
		if err == nil && info.IsDir() || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func write(ctx context.Context, dir string) (times []time.Duration, rate float64, err error) {
	f, err := os.CreateTemp(dir, ".releve-study-*")
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if times, err = syncTimes(ctx, f); err != nil {
		return nil, 0, err
	}
	rate, err = bulkRate(ctx, f)
	return times, rate, err
}

// syncTimes are those of single pages, each on the disk before the next.
func syncTimes(ctx context.Context, f *os.File) (times []time.Duration, err error) {
	content, begin := make([]byte, page), time.Now()
	for len(times) == 0 || len(times) < syncs && time.Since(begin) < syncLimit {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		at := time.Now()
		if _, err = f.Write(content); err == nil {
			err = f.Sync()
		}
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(at))
	}
	return times, nil
}

// bulkRate is in bytes a second, with the way to the disk.
func bulkRate(ctx context.Context, f *os.File) (float64, error) {
	content, begin, done := make([]byte, piece), time.Now(), 0
	for done < bulk && time.Since(begin) < rateLimit {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		n, err := f.Write(content)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return 0, err
		}
		done += n
	}
	return float64(done) / time.Since(begin).Seconds(), nil
}
