package spool

import (
	"context"
	"time"

	"releve"
)

// RecordRuns records that the earlier runs of this server are over: whatever call of theirs has
// no end was cut. The disk may be full now and take it later.
func (s *Spool) RecordRuns(ctx context.Context) {
	facts, err := runsOver(s.Earlier(), s.Run(), s.seat, time.Now())
	if err != nil {
		s.opt.Log.Error("it cannot be recorded that the calls of the run before are over", "err", err)
		return
	}
	for pause := time.Second; len(facts) > 0; pause = min(2*pause, time.Minute) {
		err := s.Append(ctx, facts...)
		if err == nil {
			err = s.Recorded()
		}
		if err == nil {
			return
		}
		s.opt.Log.Warn("it is not recorded yet that the calls of the run before are over", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// runsOver are the facts. A run has one, however often it is told; where no name is known, each
// telling is of a moment and a fact of its own.
func runsOver(runs []releve.RunID, own releve.RunID, seat releve.Seat, now time.Time) (facts []releve.Fact, err error) {
	for _, run := range runs {
		f, err := releve.NewFact(releve.RunOver, "", seat, 0, now, releve.OverBody{Run: run, By: own})
		if err != nil {
			return nil, err
		}
		if run != "" {
			f.ID = releve.FactID("over-" + run)
		}
		facts = append(facts, f)
	}
	return facts, nil
}
