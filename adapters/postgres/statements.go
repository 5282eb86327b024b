package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// statements counts those of our sessions that PostgreSQL has not answered yet, as pgx tells.
type statements struct {
	asked atomic.Int64
	since atomic.Pointer[time.Time] // when one was asked while none was
}

var (
	_ pgx.BatchTracer    = (*statements)(nil)
	_ pgx.CopyFromTracer = (*statements)(nil)
)

func (s *statements) begin() {
	if s.asked.Add(1) == 1 {
		now := time.Now()
		s.since.Store(&now)
	}
}

func (s *statements) end() { s.asked.Add(-1) }

// lasting says that some have been under way, one after the other, for at least so long.
func (s *statements) lasting(d time.Duration) bool {
	since := s.since.Load()
	return since != nil && s.asked.Load() > 0 && time.Since(*since) >= d
}

// TraceQueryStart implements pgx.QueryTracer; so the next.
func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.begin()
	return ctx
}

// TraceQueryEnd is told of each one that began.
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	s.end()
}

// TraceBatchStart implements pgx.BatchTracer; so the next two.
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	s.begin()
	return ctx
}

// TraceBatchQuery is told of each answer within a batch, which counts as one.
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is told of each one that began.
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {
	s.end()
}

// TraceCopyFromStart implements pgx.CopyFromTracer; so the next.
func (s *statements) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	s.begin()
	return ctx
}

// TraceCopyFromEnd is told of each one that began.
func (s *statements) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {
	s.end()
}
