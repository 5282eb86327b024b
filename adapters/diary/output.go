package diary

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	dayLayout = "2006-01-02"
	suffix    = ".jsonl"
)

// output writes lines to files by day, several to a day when they grow.
type output struct {
	dir   string
	bound int64 // bytes, of all files
	// within another diary's directory: it makes its own there when it is first needed.
	within bool

	file    *os.File
	day     string
	size    int64
	pending []byte
	entries int  // that are pending, or told of by what is
	lost    int  // entries that could not be written, until somebody counts them
	cut     torn // what was cut off, until somebody says it
}

// torn is the beginning of a line that a crash cut short.
type torn struct {
	file  string // its name in the diary's directory
	bytes int64
}

// append adds lines to what the next flush writes, all to the same file. Without them so
// many entries would be missing.
func (o *output) append(at time.Time, lines []byte, entries int) error {
	if err := o.turnTo(at.UTC().Format(dayLayout), int64(len(lines))); err != nil {
		return err
	}
	o.pending = append(o.pending, lines...)
	o.entries += entries
	return nil
}

// flush writes the pending lines. When the disk does not take all of them they are all lost,
// and the file is what it was: half a step could not be replayed.
func (o *output) flush() error {
	if o.entries == 0 {
		return nil
	}
	_, err := o.file.Write(o.pending)
	if err == nil {
		o.size += int64(len(o.pending))
	} else {
		o.lost += o.entries
		err = errors.Join(err, o.file.Truncate(o.size), o.close())
	}
	o.pending, o.entries = o.pending[:0], 0
	return err
}

// turnTo has the file of a day open, with room for more bytes.
func (o *output) turnTo(day string, more int64) error {
	full := o.size+int64(len(o.pending))+more > o.bound/parts
	if o.file != nil && o.day == day && !full {
		return nil
	}
	if err := o.flush(); err != nil {
		return err
	}
	if err := o.close(); err != nil {
		return err
	}
	if err := o.open(day, more); err != nil {
		return err
	}
	return o.dropOldest()
}

// open takes the last file of a day while it has room, or begins the next.
func (o *output) open(day string, more int64) error {
	if o.within {
		if err := os.Mkdir(o.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	files, err := list(o.dir)
	if err != nil {
		return err
	}
	path := filepath.Join(o.dir, day+".0000"+suffix)
	if i := slices.IndexFunc(files, func(f part) bool { return f.day > day }); i >= 0 {
		files = files[:i]
	}
	if len(files) > 0 && files[len(files)-1].day == day {
		last := files[len(files)-1]
		path = last.path
		if last.size+more > o.bound/parts {
			path = filepath.Join(o.dir, fmt.Sprintf("%s.%04d%s", day, last.number+1, suffix))
		}
	}
	return o.openFile(path, day)
}

// openFile opens a file for appending. A last line that was cut short goes: its entry
// would read as damage for ever.
func (o *output) openFile(path, day string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, whole, err := measure(f)
	if err == nil && whole < size {
		o.cut = torn{filepath.Base(path), size - whole}
		err = f.Truncate(whole)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	o.file, o.day, o.size = f, day, whole
	return nil
}

// measure gives the size of a file, and how much of it is whole lines.
func measure(f *os.File) (size, whole int64, err error) {
	content, err := io.ReadAll(f)
	return int64(len(content)), int64(bytes.LastIndexByte(content, '\n') + 1), err
}

// dropOldest removes files until the rest leaves room for a whole one.
func (o *output) dropOldest() error {
	files, err := list(o.dir)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	for _, f := range files {
		if total <= o.bound-o.bound/parts || f.path == o.file.Name() {
			return nil
		}
		if err := os.Remove(f.path); err != nil {
			return err
		}
		total -= f.size
	}
	return nil
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file, o.day, o.size = nil, "", 0
	return err
}

// part is one file of the diary.
type part struct {
	path   string
	day    string
	number int
	size   int64
}

// list finds the files of a diary, oldest first.
func list(dir string) ([]part, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []part
	for _, e := range entries {
		f := part{path: filepath.Join(dir, e.Name())}
		day, number, ok := strings.Cut(strings.TrimSuffix(e.Name(), suffix), ".")
		if _, err := time.Parse(dayLayout, day); !ok || err != nil {
			continue // not ours
		}
		if _, err := fmt.Sscanf(number, "%d", &f.number); err != nil {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // dropped since
		}
		if err != nil {
			return nil, err
		}
		f.day, f.size = day, info.Size()
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b part) int {
		return cmp.Or(strings.Compare(a.day, b.day), a.number-b.number)
	})
	return files, nil
}
