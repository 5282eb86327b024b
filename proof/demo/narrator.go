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

func (n *narrator) say(c colour, l line, args ...any) { n.sayAt(time.Now(), c, l, args...) }

// sayAt tells of what happened at a moment that was measured.
func (n *narrator) sayAt(at time.Time, c colour, l line, args ...any) {
	text := fmt.Sprintf(l.in(n.language), args...)
	n.write(fmt.Sprintf("%8.3f s  %s", at.Sub(n.start).Seconds(), n.paint(c, text)))
}

// add writes a line without a time.
func (n *narrator) add(c colour, l line, args ...any) {
	n.write(n.paint(c, fmt.Sprintf(l.in(n.language), args...)))
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
	name  line
	value string
	bad   bool
}

func (n *narrator) table(rows []row) {
	n.write("")
	n.add(bold, tableTitle)
	for _, r := range rows {
		name, c := r.name.in(n.language), plain
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
