package spool

import (
	"bytes"
	"errors"
	"io"
	"releve"
	"strconv"
)

// stride is how many records lie between two entries of the index: 1 GiB of
// facts of 300 bytes is then under half a megabyte of memory.
const stride = 64

// layout is where the records of a file stand.
type layout struct {
	end   int64   // behind the last whole record
	last  uint64  // its sequence
	index []int64 // offsets of records 1, 1+stride, 1+2·stride …
}

// note adds the record that stands at the end.
func (l *layout) note(f frame) {
	if l.last%stride == 0 {
		l.index = append(l.index, l.end)
	}
	l.last = f.sequence
	l.end += f.size()
}

// scan walks the records of a file of size bytes whose header ends at start. What it
// stops at is a torn tail, to be cut off, unless a later record proves that it
// had been fsynced: then the file is damaged, and cutting would lose records
// that somebody was promised.
func scan(r io.ReaderAt, start, size int64, seed uint32) (layout, error) {
	l := layout{end: start}
	for l.end < size {
		f, err := readFrame(r, l.end, size, seed)
		if err != nil && !errors.Is(err, errNoFrame) {
			return l, err
		}
		if err != nil || f.sequence != l.last+1 {
			return l, provenTorn(r, l, size, seed)
		}
		l.note(f)
	}
	return l, nil
}

// provenTorn looks for a whole record behind the place where scan stopped. One of the
// same write proves nothing (a disk writes pages in any order); one that was
// written after the missing record was fsynced proves damage.
func provenTorn(r io.ReaderAt, l layout, size int64, seed uint32) error {
	const window = 1 << 16
	buf := make([]byte, window+len(mark)-1)
	for at := l.end; at < size; at += window {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for from := 0; ; {
			i := bytes.Index(buf[from:n], []byte(mark))
			if i < 0 {
				break
			}
			f, err := readFrame(r, at+int64(from+i), size, seed)
			if err == nil && f.durable > l.last {
				return &releve.Fault{Cause: ErrDamaged, Why: releve.Say("spool-damaged", "record", strconv.FormatUint(l.last+1, 10),
					"byte", strconv.FormatInt(l.end, 10), "later", strconv.FormatUint(f.sequence, 10))}
			}
			from += i + 1
		}
	}
	return nil
}
