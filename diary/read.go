package diary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"releve/view"
)

// Recent returns the last n entries, newest last.
func (d *Diary) Recent(n int) ([]view.Entry, error) {
	return d.Read(time.Time{}, time.Time{}, n)
}

// Read returns the last limit entries whose time lies in [from, to], newest
// last. A zero time is no bound.
func (d *Diary) Read(from, to time.Time, limit int) ([]view.Entry, error) {
	files, err := list(d.dir)
	if err != nil {
		return nil, fmt.Errorf("diary: %w", err)
	}
	var found []view.Entry
	for _, f := range slices.Backward(files) {
		if len(found) >= limit || !from.IsZero() && f.day < from.UTC().Format(dayLayout) {
			break
		}
		if !to.IsZero() && f.day > to.UTC().Format(dayLayout) {
			continue
		}
		entries, err := readPart(f.path, from, to)
		if err != nil {
			return nil, fmt.Errorf("diary: %w", err)
		}
		found = append(entries, found...)
	}
	slices.SortStableFunc(found, func(a, b view.Entry) int { return a.At.Compare(b.At) })
	return found[max(0, len(found)-limit):], nil
}

// readPart reads one file. A line that does not decode was cut short by a crash:
// the others still speak.
func readPart(path string, from, to time.Time) ([]view.Entry, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // dropped since it was listed
	}
	if err != nil {
		return nil, err
	}
	var entries []view.Entry
	for line := range bytes.Lines(content) {
		var e view.Entry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		if e.At.Before(from) || !to.IsZero() && e.At.After(to) {
			continue
		}
		entries = append(entries, e)
	}
	return entries, nil
}
