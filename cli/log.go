package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"releve"
	"releve/screen/words"
)

// newLog writes for a person where one looks on, and for programs elsewhere.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(newPersonal(w, level))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: inWords}))
}

// inWords says in English what a record names by the code of a sentence: who reads a log at
// night looks no code up.
func inWords(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case releve.Sentence:
		a.Value = slog.StringValue(words.Say(releve.English, v))
	case error:
		a.Value = slog.StringValue(spoken(releve.English, v))
	}
	return a
}

// spoken is an error's text, in which each fault says what is wrong and what to do.
func spoken(lang releve.Language, err error) string {
	text := err.Error()
	for _, f := range faults(err) {
		text = strings.ReplaceAll(text, f.Error(), words.Say(lang, f.Why))
	}
	return text
}

// faults are those in an error, without what stands behind each.
func faults(err error) []*releve.Fault {
	switch e := err.(type) { //nolint:errorlint // what it wraps is looked at one by one
	case *releve.Fault:
		return []*releve.Fault{e}
	case interface{ Unwrap() error }:
		return faults(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*releve.Fault
		for _, inner := range e.Unwrap() {
			all = append(all, faults(inner)...)
		}
		return all
	}
	return nil
}

// personal is a log to be read as it comes: the time of day, the sentence, then
// what it names. A level is written only when it is not the usual one.
type personal struct {
	slog.Handler // writes what a record names, into line
	line         *line
}

// line is one record under way, shared by all handlers of one writer.
type line struct {
	mu  sync.Mutex
	buf bytes.Buffer
	out io.Writer
}

func newPersonal(w io.Writer, level slog.Level) personal {
	l := &line{out: w}
	said := map[string]bool{slog.TimeKey: true, slog.LevelKey: true, slog.MessageKey: true}
	return personal{slog.NewTextHandler(&l.buf, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && said[a.Key] {
				return slog.Attr{}
			}
			return inWords(groups, a)
		},
	}), l}
}

// Handle writes one line.
func (p personal) Handle(ctx context.Context, r slog.Record) error {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.line.buf.Reset()
	if !r.Time.IsZero() {
		p.line.buf.WriteString(r.Time.Format(time.TimeOnly) + "  ")
	}
	if r.Level != slog.LevelInfo {
		p.line.buf.WriteString(r.Level.String() + " ")
	}
	p.line.buf.WriteString(releve.Plain(r.Message) + "  ")
	if err := p.Handler.Handle(ctx, r); err != nil {
		return err
	}
	_, err := p.line.out.Write(append(bytes.TrimRight(p.line.buf.Bytes(), " \n"), '\n'))
	return err
}

// WithAttrs is as for every slog.Handler.
func (p personal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return personal{p.Handler.WithAttrs(attrs), p.line}
}

// WithGroup is as for every slog.Handler.
func (p personal) WithGroup(name string) slog.Handler {
	return personal{p.Handler.WithGroup(name), p.line}
}
