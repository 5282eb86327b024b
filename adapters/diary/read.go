package diary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"releve"
	"slices"
	"strconv"
	"time"
)

// Now is Read, with all that was written until now.
func (d *Diary) Now(ctx context.Context, from, to time.Time, limit int) ([]releve.Entry, error) {
	if err := d.Flush(ctx); err != nil {
		return nil, err
	}
	return d.Read(from, to, limit)
}

// Read returns the last limit entries whose time lies in [from, to], newest
// last. A zero time is no bound.
func (d *Diary) Read(from, to time.Time, limit int) ([]releve.Entry, error) {
	found, err := read(d.dir, from, to, limit)
	if err != nil {
		return nil, err
	}
	routine, err := read(filepath.Join(d.dir, routineDir), from, to, limit)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	found = append(found, routine...)
	slices.SortStableFunc(found, func(a, b releve.Entry) int { return a.At.Compare(b.At) })
	return found[max(0, len(found)-limit):], nil
}

// read returns at least the last limit entries between two times of the files in dir, if there
// are so many.
func read(dir string, from, to time.Time, limit int) ([]releve.Entry, error) {
	files, err := list(dir)
	if err != nil {
		return nil, fmt.Errorf("diary: %w", err)
	}
	var found []releve.Entry
	for i, f := range slices.Backward(files) {
		if len(found) >= limit || !from.IsZero() && f.day < from.UTC().Format(dayLayout) {
			break
		}
		if !to.IsZero() && f.day > to.UTC().Format(dayLayout) {
			continue
		}
		entries, err := f.read(from, to, i == len(files)-1)
		if err != nil {
			return nil, fmt.Errorf("diary: %w", err)
		}
		found = append(entries, found...)
	}
	return found, nil
}

// read reads one file. Lines that do not read are said among those that do, so that
// nobody takes what is left for the whole. The last line of the newest file may still
// be on its way; cut short by a crash, it goes when the diary is next written to.
func (f part) read(from, to time.Time, newest bool) ([]releve.Entry, error) {
	content, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // dropped since it was listed
	}
	if err != nil {
		return nil, err
	}
	if newest {
		content = content[:bytes.LastIndexByte(content, '\n')+1]
	}
	day, err := time.Parse(dayLayout, f.day)
	if err != nil {
		return nil, err
	}
	var entries []releve.Entry
	bad := damage{file: filepath.Base(f.path)}
	for line := range bytes.Lines(content) {
		var e releve.Entry
		if json.Unmarshal(line, &e) != nil {
			bad.lines++
			continue
		}
		entries = append(bad.said(entries, e), e)
	}
	entries = bad.said(entries, releve.Entry{At: day})
	return slices.DeleteFunc(entries, func(e releve.Entry) bool {
		return e.At.Before(from) || !to.IsZero() && e.At.After(to)
	}), nil
}

// damage is a row of lines that do not read.
type damage struct {
	file  string
	lines int
}

// said adds an entry for the damage, if there is any, at the time of the entry before
// it, or else of the next.
func (d *damage) said(entries []releve.Entry, next releve.Entry) []releve.Entry {
	if d.lines == 0 {
		return entries
	}
	beside := next
	if len(entries) > 0 {
		beside = entries[len(entries)-1]
	}
	what := releve.Say(Unreadable, "count", strconv.Itoa(d.lines), "file", d.file)
	d.lines = 0
	return append(entries, releve.Entry{At: beside.At, Seat: beside.Seat, Term: beside.Term, Kind: "fact", What: what})
}
