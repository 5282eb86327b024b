package postgres

import (
	"bytes"
	"crypto/rand"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// PostgreSQL says in its log what any of its processes met, its own writers included. But
// strangers write there too: who may not even log in names himself in the line that refuses
// him, and a name may hold a carriage return and what looks like the next line. So each start
// draws a token that only PostgreSQL's configuration knows, and a line that does not begin
// with it was not begun by PostgreSQL (SPEC K3). A line feed within what it quotes is followed
// by a tab, never by the token (src/backend/utils/error/elog.c, append_with_tabs).

// newLogToken is as long as no stranger guesses, and holds nothing that log_line_prefix
// would expand.
func newLogToken() string { return rand.Text() }

// logPrefix is log_line_prefix: the token, the SQLSTATE and the kind of process.
func logPrefix(token string) string { return token + " %e [%b] " }

// logEntry is a line of the log that PostgreSQL began.
type logEntry struct {
	code     string // SQLSTATE
	process  string // who says so: postmaster, checkpointer, client backend …
	severity string // or DETAIL, HINT, STATEMENT …: an entry goes on in the lines behind it
	message  string // which may quote a stranger
}

// logForm is an entry behind its token.
var logForm = regexp.MustCompile(`^ ([0-9A-Z]{5}) \[([a-z -]*)\] ([A-Z]+[0-9]?):  (.*)$`)

func parseLogEntry(token, line string) (logEntry, bool) {
	rest, ok := strings.CutPrefix(line, token)
	found := logForm.FindStringSubmatch(rest)
	if !ok || found == nil {
		return logEntry{}, false
	}
	return logEntry{code: found[1], process: found[2], severity: found[3], message: found[4]}, true
}

func (e logEntry) text() string { return e.severity + ":  " + e.message }

// guardians are the processes that do PostgreSQL's own work. What they complain of, no
// session has asked them to do.
var guardians = []string{"postmaster", "startup", "checkpointer", "background writer", "walwriter", "walreceiver"}

// own says that the entry is about PostgreSQL itself: its own processes say so, or it ends of
// it. A panic is no session's to cause.
func (e logEntry) own() bool {
	return e.severity == "PANIC" || slices.Contains(guardians, e.process)
}

// goesOn: the lines that say more about the entry before them.
func (e logEntry) goesOn() bool {
	return e.severity == "DETAIL" || e.severity == "HINT"
}

// serverLog reads what a postmaster and its children write.
type serverLog struct {
	token string
	note  func(logEntry) // each that PostgreSQL began
	each  func(logEntry)

	mu      sync.Mutex
	partial []byte
	begun   bool // it has written with the token
	told    bool // the entry before was kept
	last    []logEntry
}

// Write never fails.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		rest = after
		l.partial = append(l.partial, line[:min(len(line), longLine-len(l.partial))]...)
		if whole {
			l.take()
		}
	}
	return len(p), nil
}

// flush takes a last line without its end.
func (l *serverLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take()
}

func (l *serverLog) take() {
	line := string(l.partial)
	l.partial = l.partial[:0]
	e, believed := parseLogEntry(l.token, line)
	switch {
	case believed:
		l.begun = true
		l.note(e)
		l.told = e.own() || e.goesOn() && l.told
	case l.begun || strings.TrimSpace(line) == "":
		return // a line that goes on, or what else an entry quotes
	default: // before it has read its configuration, and listens to nobody
		e.severity, e.message, _ = strings.Cut(strings.TrimSpace(line), ":")
		e.message, l.told = strings.TrimSpace(e.message), true
	}
	l.each(e)
	if l.told {
		l.last = append(l.last[max(0, len(l.last)-lastLines+1):], e)
	}
}

// entries are the last ones that PostgreSQL said of itself. Those of sessions are not among
// them: strangers would wash out why it ended, and speak in its place.
func (l *serverLog) entries() []logEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.last)
}
