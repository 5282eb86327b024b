package comparison

import (
	"context"
	"encoding/json"
	"slices"

	"releve"
	"releve/screen/view"
	"releve/server/order"
)

// Orders to the other server.
const (
	orderProve   = "verify"
	orderAnswer  = "verify-answer"
	orderLineage = "verify-lineage"
	orderPages   = "verify-pages"
	orderSorting = "verify-order"
)

// stretches is what the mirror is to answer, at which position.
type stretches struct {
	At        releve.LSN `json:"at"`
	Questions []Question `json:"questions"`
}

// answerLine is one line of the mirror's: it is ready, or an answer.
type answerLine struct {
	Ready  bool    `json:"ready,omitempty"`
	Answer *Answer `json:"answer,omitempty"`
}

// checkedPages is one line of a check: how far it is, and at its end what is wrong.
type checkedPages struct {
	Done  int64            `json:"done,omitempty"`
	Total int64            `json:"total,omitempty"`
	Bad   []releve.BadPage `json:"bad,omitempty"`
}

// badPages is how many go in one line.
const badPages = 1000

// Other is the other server's database, over the link: a [Mirror].
type Other struct{ order.Link }

// Answer implements [Mirror].
func (o Other) Answer(ctx context.Context, at releve.LSN, all []Question, ready func() error, each func(Answer) error) error {
	return o.Command(ctx, orderAnswer, order.Args(stretches{at, all}), func(raw json.RawMessage) error {
		var line answerLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return err
		}
		if line.Ready {
			return ready()
		}
		return each(*line.Answer)
	})
}

// Lineage implements [Mirror].
func (o Other) Lineage(ctx context.Context) (string, error) {
	return order.Ask[string](ctx, o, orderLineage, nil)
}

// CheckPages implements [Mirror].
func (o Other) CheckPages(ctx context.Context, progress func(done, total int64)) (bad []releve.BadPage, err error) {
	err = o.Command(ctx, orderPages, nil, func(raw json.RawMessage) error {
		var line checkedPages
		err := json.Unmarshal(raw, &line)
		if line.Total > 0 {
			progress(line.Done, line.Total)
		}
		bad = append(bad, line.Bad...)
		return err
	})
	return bad, err
}

// SortOrder is how the other server's database sorts.
func (o Other) SortOrder(ctx context.Context) (releve.SortOrder, error) {
	return order.Ask[releve.SortOrder](ctx, o, orderSorting, nil)
}

// Prove has the other server, which is on duty, prove its mirror.
func (o Other) Prove(ctx context.Context, emit func(view.Procedure)) error {
	return order.Show(ctx, o, orderProve, nil, emit)
}

// Desk answers the other server's orders.
func Desk(own Local, prover *Prover, sorted Sorted) order.Desk {
	return order.Desk{
		orderProve:   order.Shown(prover.ProveHere),
		orderAnswer:  own.answerOrder,
		orderLineage: order.Answered(own.Lineage),
		orderPages:   own.checkOrder,
		orderSorting: order.Answered(sorted.SortOrder),
	}
}

func (l Local) answerOrder(ctx context.Context, args json.RawMessage, emit order.Emit) error {
	var asked stretches
	if err := json.Unmarshal(args, &asked); err != nil {
		return err
	}
	return l.Answer(ctx, asked.At, asked.Questions,
		func() error { return order.Line(emit, answerLine{Ready: true}) },
		func(a Answer) error { return order.Line(emit, answerLine{Answer: &a}) })
}

func (l Local) checkOrder(ctx context.Context, _ json.RawMessage, emit order.Emit) error {
	bad, err := l.CheckPages(ctx, func(done, total int64) { _ = order.Line(emit, checkedPages{Done: done, Total: total}) })
	if err != nil {
		return err
	}
	for some := range slices.Chunk(bad, badPages) {
		if err := order.Line(emit, checkedPages{Bad: some}); err != nil {
			return err
		}
	}
	return nil
}
