package comparison

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"releve"
)

// Question is asked of both servers about one stretch: its digest, or its rows.
type Question struct {
	releve.Stretch
	Whole bool `json:"whole,omitempty"`
}

// Answer is what one server has.
type Answer struct {
	Digest releve.Digest     `json:"digest"`
	Rows   []releve.KeyedRow `json:"rows,omitempty"` // at most wholeMost
}

// wholeMost bounds an answer with rows. There were at most finest when they were counted.
const wholeMost = 2*finest + 1

// Bounds of a meeting. A writer that does not end, a mirror that is a little behind, a
// query that recovery cancelled: another moment will do.
const (
	meetingLimit = time.Minute
	meetings     = 12 // tries
	meetAgain    = 100 * time.Millisecond
)

// pair is what both servers answered to one question, at one position.
type pair struct{ own, theirs Answer }

// meet puts questions about one table to both at one position.
func (r *run) meet(ctx context.Context, questions []Question) ([]pair, error) {
	for try := time.Duration(1); ; try++ {
		pairs, err := r.tryToMeet(ctx, questions)
		if err == nil || try == meetings {
			return pairs, err
		}
		if late := pause(ctx, try*meetAgain); late != nil {
			return nil, errors.Join(late, err)
		}
	}
}

// tryToMeet: the owner's writers wait until the mirror has its snapshot. Then both work
// at the same time.
func (r *run) tryToMeet(ctx context.Context, questions []Question) ([]pair, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, meetingLimit,
		releve.Known(fmt.Sprintf("not answered after %s", meetingLimit), "cause-not-done", "limit", meetingLimit.String()))
	defer cancel()
	frozen, err := r.Owner.Freeze(ctx, questions[0].Table)
	if err != nil {
		return nil, err
	}
	defer frozen.Own.Close()
	release := sync.OnceValue(func() error { return frozen.Release(ctx) })
	var own, theirs []Answer
	var failed error
	var work sync.WaitGroup
	err = r.Mirror.Answer(ctx, frozen.At, questions, func() error {
		if err := release(); err != nil {
			return err
		}
		work.Go(func() { failed = answer(ctx, frozen.Own, questions, collect(&own)) })
		return nil
	}, collect(&theirs))
	if err != nil {
		cancel()
	}
	work.Wait()
	if err := errors.Join(err, release(), failed); err != nil {
		return nil, err
	}
	return paired(own, theirs, len(questions))
}

func collect(all *[]Answer) func(Answer) error {
	return func(a Answer) error { *all = append(*all, a); return nil }
}

func paired(own, theirs []Answer, want int) ([]pair, error) {
	if len(own) != want || len(theirs) != want {
		return nil, fmt.Errorf("%d questions were answered %d times here and %d times by the mirror: "+
			"are both servers of one version?", want, len(own), len(theirs))
	}
	pairs := make([]pair, want)
	for i := range pairs {
		pairs[i] = pair{own[i], theirs[i]}
	}
	return pairs, nil
}

// answer reads one snapshot.
func answer(ctx context.Context, s Snapshot, questions []Question, each func(Answer) error) (err error) {
	for _, q := range questions {
		var a Answer
		if q.Whole {
			a.Rows, err = s.Rows(ctx, q.Stretch, wholeMost)
		} else {
			a.Digest, err = s.Digest(ctx, q.Stretch)
		}
		if err == nil {
			err = each(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Local is the mirror's part, on its own server.
type Local struct{ Database }

// replayLimit is how long the owner's writers may wait for the mirror.
const replayLimit = 300 * time.Millisecond

// Answer implements [Mirror].
func (l Local) Answer(
	ctx context.Context, at releve.LSN, questions []Question,
	ready func() error, each func(Answer) error,
) error {
	soon, cancel := context.WithTimeoutCause(ctx, replayLimit,
		releve.Known(fmt.Sprintf("not within %s", replayLimit), "cause-not-done", "limit", replayLimit.String()))
	defer cancel()
	s, err := l.SnapshotAt(soon, at)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := ready(); err != nil {
		return err
	}
	return answer(ctx, s, questions, each)
}
