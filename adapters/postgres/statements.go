package postgres

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// statements counts those of our sessions that PostgreSQL has not answered yet, as pgx tells.
type statements struct{ asked atomic.Int64 }

var (
	_ pgx.BatchTracer    = (*statements)(nil)
	_ pgx.CopyFromTracer = (*statements)(nil)
)

func (s *statements) any() bool { return s.asked.Load() > 0 }

// TraceQueryStart implements pgx.QueryTracer; so the next.
func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.asked.Add(1)
	return ctx
}

// TraceQueryEnd is told of each one that began.
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	s.asked.Add(-1)
}

// TraceBatchStart implements pgx.BatchTracer; so the next two.
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	s.asked.Add(1)
	return ctx
}

// TraceBatchQuery is told of each answer within a batch, which counts as one.
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is told of each one that began.
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {
	s.asked.Add(-1)
}

// TraceCopyFromStart implements pgx.CopyFromTracer; so the next.
func (s *statements) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	s.asked.Add(1)
	return ctx
}

// TraceCopyFromEnd is told of each one that began.
func (s *statements) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {
	s.asked.Add(-1)
}
