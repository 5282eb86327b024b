// Package diary keeps decisions, and decisions not to act, with their evidence
// (SPEC H14). It serves people afterwards; it must never hold up those who
// decide. So Write never waits and never fails: what could not be kept is
// counted, and the count is an entry itself.
package diary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"releve"
)

const (
	// defaultQueue holds a burst: a takeover writes some tens of entries, and a
	// disk that is busy for a second must not lose them.
	defaultQueue = 1024
	defaultBytes = 64 << 20
	// defaultRoutine is apart from it: however much of that there is, no change of duty is
	// washed out by it.
	defaultRoutine = 32 << 20

	// parts is how many files the bound is spread over: dropping the oldest then
	// drops a sixteenth of what is kept.
	parts = 16
)

// ErrClosed says that Close was called.
var ErrClosed = errors.New("diary is closed")

// The codes of what a diary says of itself.
const (
	// Dropped says how many entries could not be kept; its argument is "count".
	Dropped = "event-diary-dropped"
	// Cut says that the last line had been cut short by a crash and was cut off; its
	// arguments are "bytes" and "file".
	Cut = "event-diary-cut"
	// Unreadable says that lines amid the others do not read; its arguments are "count"
	// and "file". Read says it, and leaves the file as it is.
	Unreadable = "event-diary-unreadable"
	// Folded says that routine came too often to be kept each; its arguments are "count"
	// and "since", its evidence is what the last of them said.
	Folded = "event-diary-folded"
)

// Options are what a diary may be told. The zero value is usable.
type Options struct {
	Seat    releve.Seat // who says that entries were dropped
	Queue   int         // steps that may wait for the disk; 0 means 1024
	Bytes   int64       // kept on disk, the oldest files going first; 0 means 64 MiB
	Routine int64       // the same of routine, which has files of its own; 0 means 32 MiB
	Log     *slog.Logger
}

// Diary is an open diary. Its methods may be called from any goroutine.
type Diary struct {
	opt     Options
	dir     string
	queue   chan message
	dropped atomic.Int64
	closing chan struct{}
	done    chan struct{}
	once    sync.Once

	folds   folds
	out     *output // the writer's own, as are routine and failing
	routine *output
	failing bool
}

// message is the entries of a step to keep or, when flushed is set, a caller who waits for
// those before.
type message struct {
	entries []releve.Entry
	flushed chan struct{}
}

// Open opens the diary in dir, or begins one.
func Open(dir string, opt Options) (*Diary, error) {
	d, err := prepare(dir, opt)
	if err != nil {
		return nil, fmt.Errorf("diary: %w", err)
	}
	go d.keep()
	return d, nil
}

// prepare makes a diary whose writer does not run yet.
func prepare(dir string, opt Options) (*Diary, error) {
	if opt.Queue == 0 {
		opt.Queue = defaultQueue
	}
	if opt.Bytes == 0 {
		opt.Bytes = defaultBytes
	}
	if opt.Routine == 0 {
		opt.Routine = defaultRoutine
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Diary{
		opt: opt, dir: dir, queue: make(chan message, opt.Queue),
		closing: make(chan struct{}), done: make(chan struct{}),
		out:     &output{dir: dir, bound: opt.Bytes},
		routine: &output{dir: filepath.Join(dir, routineDir), bound: opt.Routine, within: true},
	}, nil
}

// routineDir is where routine has its files, in the diary's directory.
const routineDir = "routine"

// Write keeps the entries of one step, all or none of them. It neither waits nor fails. What
// is routine and comes too often is counted instead, and told.
func (d *Diary) Write(step ...releve.Entry) {
	if len(step) == 0 {
		return
	}
	room := cap(d.queue)
	if step[0].Routine {
		told, keep := d.folds.take(step)
		if step = append(told, step...); !keep {
			return
		}
		room -= room / 4 // the last quarter is for what lasts
	}
	select {
	case <-d.closing:
		d.dropped.Add(int64(len(step)))
		return
	default:
	}
	if len(d.queue) >= room {
		d.dropped.Add(int64(len(step)))
		return
	}
	select {
	case d.queue <- message{entries: step}:
	default:
		d.dropped.Add(int64(len(step)))
	}
}

// Flush waits until what was written before can be read.
func (d *Diary) Flush(ctx context.Context) error {
	m := message{flushed: make(chan struct{})}
	select {
	case d.queue <- m:
	case <-d.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-m.flushed:
		return nil
	case <-d.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close keeps what was written and ends the writer.
func (d *Diary) Close() error {
	d.once.Do(func() { close(d.closing) })
	<-d.done
	return errors.Join(d.out.close(), d.routine.close())
}

// keep is the one goroutine that writes files.
func (d *Diary) keep() {
	defer close(d.done)
	tell := time.NewTicker(foldsTold)
	defer tell.Stop()
	for {
		select {
		case <-tell.C:
			d.sayFolded()
			d.flush()
		case m := <-d.queue:
			d.take(m)
		case <-d.closing:
			d.takeRest()
			return
		}
	}
}

func (d *Diary) takeRest() {
	for {
		select {
		case m := <-d.queue:
			d.take(m)
		default:
			d.sayFolded()
			d.sayDropped(time.Now())
			d.flush()
			return
		}
	}
}

// take keeps one message. The file is flushed when nobody waits behind, so that
// a burst costs one write.
func (d *Diary) take(m message) {
	if m.flushed == nil {
		at := m.entries[len(m.entries)-1].At
		d.append(m.entries...)
		d.sayCut(at)
		d.sayDropped(at)
	} else {
		d.sayFolded()
	}
	if m.flushed != nil || len(d.queue) == 0 {
		d.flush()
	}
	if m.flushed != nil {
		close(m.flushed)
	}
}

// sayFolded writes what was counted since it was last told.
func (d *Diary) sayFolded() {
	for _, e := range d.folds.told() {
		d.append(e)
	}
}

// sayDropped writes how many entries are missing, once there is room for it.
func (d *Diary) sayDropped(at time.Time) {
	n := d.dropped.Swap(0)
	if n == 0 {
		return
	}
	d.appendFor(int(n), releve.Entry{At: at, Seat: d.opt.Seat, Kind: "fact",
		What: releve.Say(Dropped, "count", strconv.FormatInt(n, 10))})
}

// sayCut writes what the files that were opened for the last entry had lost at their end.
func (d *Diary) sayCut(at time.Time) {
	for _, out := range []*output{d.out, d.routine} {
		cut := out.cut
		if cut.bytes == 0 {
			continue
		}
		out.cut = torn{}
		d.opt.Log.Warn("torn last line of the diary cut off", "file", cut.file, "bytes", cut.bytes)
		d.append(releve.Entry{At: at, Seat: d.opt.Seat, Kind: "fact",
			What: releve.Say(Cut, "bytes", strconv.FormatInt(cut.bytes, 10), "file", cut.file)})
	}
}

// append hands the entries of a step to their file, together.
func (d *Diary) append(step ...releve.Entry) { d.appendFor(len(step), step...) }

// appendFor is append, where so many entries are missing if the disk does not take these.
func (d *Diary) appendFor(entries int, step ...releve.Entry) {
	out, last := d.out, step[len(step)-1]
	if last.Routine {
		out = d.routine
	}
	var lines []byte
	var err error
	for _, e := range step {
		e.Format = releve.EntryFormat
		line, errLine := json.Marshal(e)
		lines, err = append(append(lines, line...), '\n'), errors.Join(err, errLine)
	}
	if err == nil {
		err = out.append(last.At, lines, entries)
	}
	if err != nil {
		d.dropped.Add(int64(entries))
	}
	d.judge(err)
}

func (d *Diary) flush() { d.judge(errors.Join(d.out.flush(), d.routine.flush())) }

// judge counts the entries that the disk did not take, and says the cause once
// until it takes some again.
func (d *Diary) judge(err error) {
	d.dropped.Add(int64(d.out.lost + d.routine.lost))
	d.out.lost, d.routine.lost = 0, 0
	if err != nil && !d.failing {
		d.opt.Log.Warn("diary cannot be written, entries are dropped", "dir", d.dir, "cause", err)
	}
	d.failing = err != nil
}
