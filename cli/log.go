package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"releve"
	"sync"
	"time"

	"golang.org/x/term"
)

// newLog writes for a person where one looks on, and for programs elsewhere.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(newPersonal(w, level))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
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
			return a
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
