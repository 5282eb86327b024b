// Package dahdi reads the state of analogue lines that go into the cards of this machine: what DAHDI's driver
// writes below /proc/dahdi, a file for each span (drivers/dahdi/dahdi-base.c, dahdi_seq_show). Nothing is opened
// of the channels themselves: they belong to the program that speaks on them.
package dahdi

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"releve"
)

// Cards are those of a machine.
type Cards struct {
	Root string // "/", or what a test puts in its place
}

const (
	// mostBytes bounds a file: a span of 31 channels has some three thousand.
	mostBytes = 64 << 10
	// mostSpans is DAHDI_MAX_SPANS.
	mostSpans = 128
)

// Ports are the states of all channels that take a line, by their numbers. It fails with a [releve.Fault] where
// there is no driver, or what it writes cannot be read.
func (c Cards) Ports() (map[int]releve.LineState, error) {
	dir := filepath.Join(c.Root, "proc/dahdi")
	spans, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &releve.Fault{Cause: err, Why: releve.Say("lines-no-card", "file", dir)}
	}
	ports := map[int]releve.LineState{}
	for _, span := range spans[:min(len(spans), mostSpans)] {
		if _, is := strconv.Atoi(span.Name()); is != nil {
			continue // the driver has files of another kind
		}
		err = errors.Join(err, read(filepath.Join(dir, span.Name()), ports))
	}
	if err != nil {
		return nil, &releve.Fault{Cause: err, Why: releve.Say("lines-card-unread", "file", dir, "why", releve.Reason(err))}
	}
	return ports, nil
}

func read(file string, into map[int]releve.LineState) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	text := make([]byte, mostBytes)
	n, err := readFull(f, text)
	if err != nil {
		return err
	}
	return parse(string(text[:n]), into)
}

// readFull reads to the end; a file of the kernel comes in pieces, and has no length.
func readFull(f *os.File, into []byte) (n int, err error) {
	for n < len(into) {
		m, err := f.Read(into[n:])
		n += m
		if m == 0 || err != nil {
			break
		}
	}
	if n == len(into) {
		return n, fmt.Errorf("%s: more than %d bytes", f.Name(), mostBytes)
	}
	return n, nil
}

// signallings are those of ports that take a line. They are named after the other end: what takes a line
// behaves as a telephone and is signalled as FXS does (DAHDI_SIG_FXSLS and its like).
var signallings = map[string]bool{"FXSLS": true, "FXSKS": true, "FXSGS": true}

// parse reads a span: a line that begins with "Span", counts of errors, and after an empty line the channels:
//
//	<tab>   1 WCTDM/4/0 FXSKS (In use) RED (EC: MG2 - INACTIVE)
//
// A port without a feed has the alarm RED: the drivers of analogue cards raise it when the battery is gone.
func parse(text string, into map[int]releve.LineState) error {
	if !strings.HasPrefix(text, "Span ") {
		return errors.New("it does not begin as a span does")
	}
	spanDown, first := false, true
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); first = false {
		line := lines.Text()
		if first {
			spanDown = alarmed(afterQuotes(line))
			continue
		}
		channel, rest, ok := channelOf(line)
		if !ok {
			continue
		}
		into[channel] = releve.LinePlugged
		if spanDown || alarmed(rest) {
			into[channel] = releve.LineDead
		}
	}
	return nil
}

// afterQuotes leaves out the span's description, which may hold anything.
func afterQuotes(line string) []string {
	return strings.Fields(line[strings.LastIndexByte(line, '"')+1:])
}

// channelOf reads a channel that takes a line: its number, and what follows its signalling.
func channelOf(line string) (channel int, rest []string, ok bool) {
	fields := strings.Fields(line)
	if !strings.HasPrefix(line, "\t") || len(fields) < 3 || !signallings[fields[2]] {
		return 0, nil, false
	}
	channel, err := strconv.Atoi(fields[0])
	return channel, fields[3:], err == nil && channel > 0
}

// alarmed: RED is a line that is not there, NOTOPEN a span that no one has opened (fill_alarm_string).
func alarmed(fields []string) bool {
	for _, f := range fields {
		if f == "RED" || f == "NOTOPEN" {
			return true
		}
	}
	return false
}
