package sip

import (
	"context"
	"log/slog"
)

// linesPerSecond is what a flood of bad packets may write into the log. The
// library logs each packet that it cannot use, whole.
const linesPerSecond = 5

// maxText is how much of one attribute is kept, in bytes.
const maxText = 400

// limiter is a log handler that lets a few lines through in each second.
type limiter struct {
	slog.Handler
	lines *bucket
}

func newLimiter(h slog.Handler) limiter {
	return limiter{Handler: h, lines: &bucket{each: linesPerSecond}}
}

// Handle passes a line on, shortened, or drops it.
func (l limiter) Handle(ctx context.Context, r slog.Record) error {
	if !l.lines.allow() {
		return nil
	}
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if text := a.Value.String(); len(text) > maxText && a.Key != "stack" {
			a.Value = slog.StringValue(text[:maxText] + "…")
		}
		short.AddAttrs(a)
		return true
	})
	return l.Handler.Handle(ctx, short)
}

// WithAttrs and WithGroup keep the limit in force.
func (l limiter) WithAttrs(as []slog.Attr) slog.Handler {
	return limiter{Handler: l.Handler.WithAttrs(as), lines: l.lines}
}

// WithGroup opens a group of attributes.
func (l limiter) WithGroup(name string) slog.Handler {
	return limiter{Handler: l.Handler.WithGroup(name), lines: l.lines}
}
