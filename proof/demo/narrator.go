package demo

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"releve"
	"releve/screen/words"
)

// colour is an SGR number (ECMA-48 §8.3.117).
type colour int

const (
	plain  colour = 0
	bold   colour = 1
	dim    colour = 2
	red    colour = 31
	green  colour = 32
	yellow colour = 33
)

// narrator writes one line an event, with its time since the start.
type narrator struct {
	language releve.Language
	colours  bool
	start    time.Time

	mu  sync.Mutex
	out io.Writer
}

func newNarrator(out io.Writer, language releve.Language) *narrator {
	return &narrator{language: language, colours: wantsColour(out), start: time.Now(), out: out}
}

// wantsColour: only a terminal, and never with NO_COLOR (no-color.org).
func wantsColour(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""
}

// text is what the catalogue says below "demo.", with values in pairs.
func (n *narrator) text(code string, pairs ...any) string {
	values := make([]string, len(pairs))
	for i, value := range pairs {
		values[i] = fmt.Sprint(value)
	}
	return words.Text(n.language, "demo."+code, values...)
}

// seat names a server, and nobody.
func (n *narrator) seat(seat releve.Seat) string {
	if !seat.Valid() {
		return n.text("nobody")
	}
	return words.Seat(n.language, seat)
}

func (n *narrator) say(c colour, code string, pairs ...any) { n.sayAt(time.Now(), c, code, pairs...) }

// sayAt tells of what happened at a moment that was measured.
func (n *narrator) sayAt(at time.Time, c colour, code string, pairs ...any) {
	n.tell(at, c, n.text(code, pairs...))
}

// tell repeats what somebody else says.
func (n *narrator) tell(at time.Time, c colour, text string) {
	n.write(fmt.Sprintf("%8.3f s  %s", at.Sub(n.start).Seconds(), n.paint(c, text)))
}

// add writes a line without a time.
func (n *narrator) add(c colour, code string, pairs ...any) {
	n.write(n.paint(c, n.text(code, pairs...)))
}

func (n *narrator) write(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.out, text) // where the terminal is gone there is nobody to tell
}

func (n *narrator) paint(c colour, text string) string {
	if !n.colours || c == plain {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// row is one line of the closing table; bad rows stand out.
type row struct {
	name  string
	value string
	bad   bool
}

func (n *narrator) table(rows []row) {
	n.write("")
	n.add(bold, "table")
	for _, r := range rows {
		name, c := r.name, plain
		if r.bad {
			c = red
		}
		pad := 44 - utf8.RuneCountInString(name)
		n.write(fmt.Sprintf("  %s%*s%s", name, pad, "", n.paint(c, fmt.Sprintf("%10s", r.value))))
	}
}

// seconds writes a duration as people say it.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
