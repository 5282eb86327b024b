package app

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"

	"releve"
	"releve/adapters/peer"
	"releve/adapters/postgres"
	"releve/rules/takeover"
	"releve/screen/console"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/verify"
)

// ownDatabase is this server's PostgreSQL as a verification needs it.
type ownDatabase struct{ *postgres.Cluster }

func (c ownDatabase) Freeze(ctx context.Context, table string) (verify.Frozen, error) {
	f, err := c.Cluster.Freeze(ctx, table)
	if err != nil {
		return verify.Frozen{}, err
	}
	return verify.Frozen{At: f.At, Own: f.Own, Release: f.Release}, nil
}

func (c ownDatabase) SnapshotAt(ctx context.Context, at releve.LSN) (verify.Snapshot, error) {
	s, err := c.Cluster.SnapshotAt(ctx, at)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c ownDatabase) CheckPages(ctx context.Context, progress func(done, total int64)) ([]releve.BadPage, error) {
	return c.Cluster.CheckPages(ctx, progress)
}

// Orders over the link.
const (
	verifyProve   = "verify"
	verifyAnswer  = "verify-answer"
	verifyLineage = "verify-lineage"
	verifyPages   = "verify-pages"
)

// comparison is what the mirror is to answer, at which position.
type comparison struct {
	At        releve.LSN        `json:"at"`
	Questions []verify.Question `json:"questions"`
}

// comparisonLine is one line of the mirror's: it is ready, or an answer.
type comparisonLine struct {
	Ready  bool           `json:"ready,omitempty"`
	Answer *verify.Answer `json:"answer,omitempty"`
}

// checkedPages is one line of a check: how far it is, and at its end what is wrong.
type checkedPages struct {
	Done  int64            `json:"done,omitempty"`
	Total int64            `json:"total,omitempty"`
	Bad   []releve.BadPage `json:"bad,omitempty"`
}

// badPages is how many go in one line.
const badPages = 1000

// otherDatabase is the mirror, over the link.
type otherDatabase struct{ peer *peer.Peer }

func (d otherDatabase) Answer(ctx context.Context, at releve.LSN, all []verify.Question, ready func() error, each func(verify.Answer) error) error {
	return d.peer.Command(ctx, verifyAnswer, asJSON(comparison{at, all}), func(raw json.RawMessage) error {
		var line comparisonLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return err
		}
		if line.Ready {
			return ready()
		}
		return each(*line.Answer)
	})
}

func (d otherDatabase) Lineage(ctx context.Context) (lineage string, err error) {
	err = d.peer.Command(ctx, verifyLineage, nil, func(line json.RawMessage) error { return json.Unmarshal(line, &lineage) })
	return lineage, err
}

func (d otherDatabase) CheckPages(ctx context.Context, progress func(done, total int64)) (bad []releve.BadPage, err error) {
	err = d.peer.Command(ctx, verifyPages, nil, func(raw json.RawMessage) error {
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

// prove has the other server, which is on duty, prove its mirror.
func (d otherDatabase) prove(ctx context.Context, emit func(view.Procedure)) error {
	return link(d).Command(ctx, verifyProve, nil, emit)
}

// proofDesk answers the other server's orders.
type proofDesk struct {
	own    verify.Local
	prover *verify.Prover
}

func (d *proofDesk) command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	switch name {
	case verifyProve:
		return d.prover.ProveHere(ctx, func(p view.Procedure) { _ = emitJSON(emit, p) }) // a reader that left ends ctx
	case verifyAnswer:
		return d.answer(ctx, args, emit)
	case verifyLineage:
		lineage, err := d.own.Lineage(ctx)
		if err != nil {
			return err
		}
		return emitJSON(emit, lineage)
	}
	bad, err := d.own.CheckPages(ctx, func(done, total int64) { _ = emitJSON(emit, checkedPages{Done: done, Total: total}) })
	if err != nil {
		return err
	}
	for some := range slices.Chunk(bad, badPages) {
		if err := emitJSON(emit, checkedPages{Bad: some}); err != nil {
			return err
		}
	}
	return nil
}

func (d *proofDesk) answer(ctx context.Context, args json.RawMessage, emit func(json.RawMessage) error) error {
	var order comparison
	if err := json.Unmarshal(args, &order); err != nil {
		return err
	}
	return d.own.Answer(ctx, order.At, order.Questions,
		func() error { return emitJSON(emit, comparisonLine{Ready: true}) },
		func(a verify.Answer) error { return emitJSON(emit, comparisonLine{Answer: &a}) })
}

func (a *App) makeProver() {
	c := a.config
	other := otherDatabase{a.peer}
	a.prover = verify.New(verify.Options{
		Own: ownDatabase{a.cluster}, Other: other, Seat: c.Site.Seat, Pair: a.pair,
		Hour: c.Mirror.Verify.SinceMidnight(), File: filepath.Join(c.Site.Data, "verified.json"),
		Forward: other.prove, Tell: a.agent.Explain, Show: a.agent.Proving, Log: a.log,
		Verified: func(r verify.Record) {
			a.agent.Verified(agent.Verified{Data: r.Data, At: r.At, Differences: r.Differences})
			a.orders.compareAgain()
		},
	})
}

// pair is how both servers stand to each other.
func (a *App) pair() verify.Pair {
	m := a.agent.Machine()
	return verify.Pair{Owner: m.Owns() && m.Phase == takeover.Serving, InSync: m.Protected(), Copy: m.Other.DataID}
}

// VerifyMirror proves the mirror now.
func (f faces) VerifyMirror(ctx context.Context, emit func(view.Procedure)) error {
	return renamed(f.prover.Prove(ctx, emit), map[error]error{
		verify.ErrRunning: console.ErrRunning, verify.ErrNotInSync: console.ErrNotAllowed,
	})
}
