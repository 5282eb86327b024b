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
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"releve"
	"releve/view"
)

const (
	// defaultQueue holds a burst: a takeover writes some tens of entries, and a
	// disk that is busy for a second must not lose them.
	defaultQueue = 1024
	defaultBytes = 64 << 20

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
)

// Options are what a diary may be told. The zero value is usable.
type Options struct {
	Seat  releve.Seat // who says that entries were dropped
	Queue int         // entries that may wait for the disk; 0 means 1024
	Bytes int64       // kept on disk, the oldest files going first; 0 means 64 MiB
	Log   *slog.Logger
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

	out     *output // the writer's own, as is failing
	failing bool
}

// message is an entry to keep or, when flushed is set, a caller who waits for
// those before.
type message struct {
	entry   view.Entry
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
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Diary{
		opt: opt, dir: dir, queue: make(chan message, opt.Queue),
		closing: make(chan struct{}), done: make(chan struct{}),
		out: &output{dir: dir, bound: opt.Bytes},
	}, nil
}

// Write keeps an entry. It neither waits nor fails.
func (d *Diary) Write(e view.Entry) {
	select {
	case <-d.closing:
		d.dropped.Add(1)
		return
	default:
	}
	select {
	case d.queue <- message{entry: e}:
	default:
		d.dropped.Add(1)
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
	return d.out.close()
}

// keep is the one goroutine that writes files.
func (d *Diary) keep() {
	defer close(d.done)
	for {
		select {
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
		d.append(m.entry)
		d.sayCut(m.entry.At)
		d.sayDropped(m.entry.At)
	}
	if m.flushed != nil || len(d.queue) == 0 {
		d.flush()
	}
	if m.flushed != nil {
		close(m.flushed)
	}
}

// sayDropped writes how many entries are missing, once there is room for it.
func (d *Diary) sayDropped(at time.Time) {
	n := d.dropped.Swap(0)
	if n == 0 {
		return
	}
	said := view.Entry{At: at, Seat: d.opt.Seat, Kind: "fact", What: view.Say(Dropped, "count", strconv.FormatInt(n, 10))}
	if !d.append(said) {
		d.dropped.Add(n - 1) // append counted the saying itself
	}
}

// sayCut writes what the file that was opened for the last entry had lost at its end.
func (d *Diary) sayCut(at time.Time) {
	cut := d.out.cut
	if cut.bytes == 0 {
		return
	}
	d.out.cut = torn{}
	d.opt.Log.Warn("torn last line of the diary cut off", "file", cut.file, "bytes", cut.bytes)
	d.append(view.Entry{At: at, Seat: d.opt.Seat, Kind: "fact",
		What: view.Say(Cut, "bytes", strconv.FormatInt(cut.bytes, 10), "file", cut.file)})
}

// append hands an entry to the file and says whether it was taken.
func (d *Diary) append(e view.Entry) bool {
	line, err := json.Marshal(e)
	if err == nil {
		err = d.out.append(e.At, append(line, '\n'))
	}
	if err != nil {
		d.dropped.Add(1)
	}
	d.judge(err)
	return err == nil
}

func (d *Diary) flush() { d.judge(d.out.flush()) }

// judge counts the lines that the disk did not take, and says the cause once
// until it takes some again.
func (d *Diary) judge(err error) {
	d.dropped.Add(int64(d.out.lost))
	d.out.lost = 0
	if err != nil && !d.failing {
		d.opt.Log.Warn("diary cannot be written, entries are dropped", "dir", d.dir, "cause", err)
	}
	d.failing = err != nil
}
