package store

import (
	"encoding/json"
	"fmt"
	"math"

	"releve"
)

// statement is how a fact is stored, once. The error says why the fact can never be.
func statement(f releve.Fact) (sql string, args []any, err error) {
	if f.ID == "" || f.Term > math.MaxInt64 {
		return "", nil, fmt.Errorf("not a fact of ours: id %q, kind %q, term %d", f.ID, f.Kind, f.Term)
	}
	switch f.Kind {
	case releve.CallOffered:
		return insertCall(f)
	case releve.CallStepped:
		return insertStep(f)
	case releve.CallEnded:
		return insertEnd(f)
	case releve.RunOver:
		return insertOver(f)
	}
	return "", nil, fmt.Errorf("fact %s has the unknown kind %q", f.ID, f.Kind)
}

func insertCall(f releve.Fact) (string, []any, error) {
	body, err := decode[releve.CallBody](f)
	return `INSERT INTO call (fact_id, call, seat, term, at, caller, dialled, overflowed, reason,
			without_duty, test, answered_ms, verification, run, chain)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (fact_id) DO NOTHING`,
		append(common(f), body.From, body.To, body.Overflowed, body.Reason,
			body.WithoutDuty, body.Test, body.AnsweredMS, body.Verification, body.Run, body.Chain), err
}

func insertStep(f releve.Fact) (string, []any, error) {
	body, err := decode[releve.StepBody](f)
	return `INSERT INTO call_step (fact_id, call, seat, term, at, number, name, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (fact_id) DO NOTHING`,
		append(common(f), body.Number, body.Name, body.Detail), err
}

func insertEnd(f releve.Fact) (string, []any, error) {
	body, err := decode[releve.EndBody](f)
	return `INSERT INTO call_end (fact_id, call, seat, term, at, outcome, detail, duration_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (fact_id) DO NOTHING`,
		append(common(f), body.Outcome, body.Detail, body.DurationMS), err
}

func insertOver(f releve.Fact) (string, []any, error) {
	body, err := decode[releve.OverBody](f)
	return `INSERT INTO run_over (fact_id, seat, term, at, run, by) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (fact_id) DO NOTHING`,
		[]any{f.ID, f.Seat, int64(f.Term), f.At, body.Run, body.By}, err
}

// common is what every table of a call's facts begins with.
func common(f releve.Fact) []any {
	return []any{f.ID, f.Call, f.Seat, int64(f.Term), f.At}
}

func decode[T any](f releve.Fact) (body T, err error) {
	if err := json.Unmarshal(f.Body, &body); err != nil {
		return body, fmt.Errorf("fact %s of kind %s: its body does not decode: %w", f.ID, f.Kind, err)
	}
	return body, nil
}
