package releve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Sentence is something to say, by its code, with the values it names.
type Sentence struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
}

// namedMost is how many bytes of a value a sentence names: it goes to every screen and, while
// it is new, to the other server several times a second.
const namedMost = 1000

// Say makes a sentence from a code and pairs of names and values. Of a long value it names
// the beginning.
func Say(code string, pairs ...string) Sentence {
	s := Sentence{Code: code}
	for i := 0; i+1 < len(pairs); i += 2 {
		if s.Args == nil {
			s.Args = map[string]string{}
		}
		s.Args[pairs[i]] = beginning(pairs[i+1], namedMost)
	}
	return s
}

// beginning is so many bytes of a text at most, cut after a whole letter.
func beginning(text string, most int) string {
	if len(text) <= most {
		return text
	}
	n := most
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// Inner is the sentence that an argument holds, if Reason wrote one.
func Inner(argument string) (Sentence, bool) {
	var s Sentence
	if !strings.HasPrefix(argument, `{"code":"`) || json.Unmarshal([]byte(argument), &s) != nil {
		return Sentence{}, false
	}
	return s, s.Code != ""
}

// Quote sets the text of others apart where it is of another language than the sentence:
// what the kernel, PostgreSQL and a parser say is English.
func Quote(lang Language, text string) string {
	if lang == French {
		return "«\u00a0" + text + "\u00a0»"
	}
	return text
}

// Progress is how far something that lasts has come.
type Progress struct {
	Done     int64         `json:"done"`
	Total    int64         `json:"total"` // 0: not known
	Unit     string        `json:"unit"`
	PerSec   float64       `json:"per_second"`
	TimeLeft time.Duration `json:"time_left_ns"`
}

// Plain is a text that others wrote, as a terminal, a log or a page may show it: nothing in
// it moves the cursor, begins a line or turns the order of letters around (SPEC K9). The end
// of a line becomes a space; whatever else is not seen is written as its code.
func Plain(text string) string {
	if !strings.ContainsFunc(text, hidden) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n', r == '\r', r == '\t', r == '\u0085', r == '\u2028', r == '\u2029':
			b.WriteByte(' ')
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden are the characters that a screen acts on instead of showing: controls (C0, C1),
// format characters such as those of writing from right to left, line and paragraph
// separators. Joiners are letters' own and stay.
func hidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return r != nonJoiner && r != joiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Cause is an error that stands inside other sentences, in the reader's language: what
// went wrong in a few words, without a way out. Its Error is for logs.
type Cause struct {
	text string
	why  Sentence
	err  error // behind it, for errors.Is
}

// Known makes a cause: what logs say in English, and the code of its sentence with the
// values that it names, in pairs. Made once, it serves errors.Is.
func Known(text, code string, pairs ...string) error { return Explained(nil, text, code, pairs...) }

// Explained is a cause with the error behind it.
func Explained(err error, text, code string, pairs ...string) error {
	return &Cause{text, Say(code, pairs...), err}
}

// Because is a cause that another error is the reason of: its sentence names that as "why".
func Because(err error, text, code string, pairs ...string) error {
	return Explained(err, text+": "+err.Error(), code, append(pairs, "why", Reason(err))...)
}

func (c *Cause) Error() string { return c.text }

func (c *Cause) Unwrap() error { return c.err }

// Sentence is what people read of it.
func (c *Cause) Sentence() Sentence { return c.why }

// Reason is an error as the argument "why" or "cause" of a sentence. What this program
// knows is a sentence in its turn, written as JSON, so that whoever shows the outer one
// says both in one language. Else it is the text of others, the kernel's or PostgreSQL's,
// which French shows in quotation marks.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	if why, ok := reason(err); ok {
		return written(why, namedMost)
	}
	return foreign(err).Error()
}

// Inside is a sentence as an argument of another, as [Reason] makes one of an error.
func Inside(s Sentence) string { return written(s, namedMost) }

// written is a sentence as JSON of so many bytes at most: cut by the sentence that it stands
// in, it would be none. What its values say is cut instead, and of sentences what theirs say.
func written(s Sentence, most int) string {
	for limit := most; ; limit /= 2 {
		short := Sentence{s.Code, maps.Clone(s.Args)}
		for name, value := range short.Args {
			if inner, ok := Inner(value); ok {
				short.Args[name] = written(inner, limit)
			} else {
				short.Args[name] = beginning(value, limit)
			}
		}
		raw, err := json.Marshal(short)
		if err != nil {
			panic("a sentence cannot be written as JSON: " + err.Error())
		}
		if len(raw) <= most || limit == 0 {
			return string(raw)
		}
	}
}

// told is an error that people read: it has a sentence.
type told interface{ Sentence() Sentence }

// reason is the sentence of the first in the chain that has one. A fault stands here for
// what it wraps, if that has words: the way out is said where the fault itself is.
func reason(err error) (Sentence, bool) {
	if fault, ok := err.(*Fault); ok {
		if why, ok := reason(fault.Cause); ok {
			return why, true
		}
		return fault.Why, true
	}
	if e, ok := err.(told); ok {
		return e.Sentence(), true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return reason(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if why, ok := reason(inner); ok {
				return why, true
			}
		}
	}
	if err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded {
		return Say("cause-late"), true
	}
	return Sentence{}, false
}

// foreign is the part of an error that others wrote.
func foreign(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e
	}
	return err
}

// Fault is an error that people read in their own language: what is wrong and the way
// out. Its Error is for logs.
type Fault struct {
	Cause error // what the room that found it fails with, for errors.Is
	Why   Sentence
}

func (f *Fault) Error() string { return fmt.Sprintf("%v (%s %v)", f.Cause, f.Why.Code, f.Why.Args) }

func (f *Fault) Unwrap() error { return f.Cause }

// With is the fault with values that only its caller knows, in pairs of name and value.
func (f *Fault) With(pairs ...string) *Fault {
	more := Say(f.Why.Code, pairs...)
	maps.Copy(more.Args, f.Why.Args)
	return &Fault{Cause: f.Cause, Why: more}
}

// The five causes for which a request is refused, whatever room refuses it, for errors.Is.
// What is none of them has failed.
var (
	ErrBusy        = errors.New("something of the kind is being done already")
	ErrForbidden   = errors.New("this may not be done now")
	ErrUnknown     = errors.New("there is nothing of that name")
	ErrNotOnDuty   = Known("no server is on duty with its database", "cause-nobody-on-duty")
	ErrUnreachable = errors.New("no server answers")
)

// What several rooms tell apart within a cause.
var (
	ErrNoSalvage      = Refused(ErrUnknown, "there is no salvage of that number: `releve salvage list` shows them")
	ErrSalvageDecided = Refused(ErrForbidden, "the salvage was applied: its rows are in the database")
	ErrNoVote         = Refused(ErrForbidden, "this server has no vote to give back")
	ErrVoteAsked      = Refused(ErrForbidden, "the vote was asked of the witness and is no longer given back by word")
)

// Refused is a cause in the words of the room that refuses.
func Refused(cause error, text string) error { return &refusal{text, cause} }

type refusal struct {
	text  string
	cause error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.cause }
