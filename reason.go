package releve

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
)

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
