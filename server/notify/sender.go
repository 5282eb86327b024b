package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"releve"
	"releve/rules/alarm"
	"releve/screen/view"
)

const (
	// lookEach is how often it is looked whether there is something to send.
	lookEach = 2 * time.Second
	// gather is how long alarms are awaited that come with the first: they go in one letter.
	gather = 10 * time.Second
	// sendLimit is how long one attempt may take: a relay that looks the sender up answers after half a
	// minute.
	sendLimit = 45 * time.Second
	// othersMargin is how much longer the server without the duty leaves it to the other than one attempt takes there.
	othersMargin = gather + 5*time.Second
	// The pauses between two attempts: the first, each twice the one before, up to the longest; an outlet
	// that refuses for good is tried at the longest at once, for somebody may mend it.
	pauseFirst = 15 * time.Second
	pauseMost  = 10 * time.Minute
	// failing is how long an outlet fails before that is an alarm.
	failing = time.Minute
	// probeEach is how often an outlet is tried that has nothing to send, beginning a while after the start.
	probeEach  = time.Hour
	probeFirst = 30 * time.Second
)

// sender sends by one outlet. All but what is under its mutex is the running goroutine's.
type sender struct {
	Wanted
	post *Post
	name alarm.Outlet
	turn turn

	since  time.Time // there is something to send
	next   time.Time // it is tried again after a failure
	probed time.Time // it is tried without sending
	pause  time.Duration

	mu    sync.Mutex
	told  bool // that it fails is an alarm
	shown releve.Outlet
}

func (s *sender) run(ctx context.Context) {
	s.probed = time.Now().Add(probeFirst)
	look := time.NewTimer(releve.UntilBeat(time.Now(), lookEach))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			look.Reset(releve.UntilBeat(time.Now(), lookEach))
		}
		s.look(ctx)
	}
}

// look sends what there is to send, if it is this server's turn, or tries the outlet when that is due.
func (s *sender) look(ctx context.Context) {
	now := time.Now()
	due := s.post.Alarms.Due(s.name, s.Least)
	if len(due) == 0 {
		s.since = time.Time{}
		if !now.Before(s.probed) {
			s.attempt(ctx, s.Probe, well)
		}
		return
	}
	if s.since.IsZero() { // what was tried in vain before was no alarm
		s.since, s.next, s.pause = now, time.Time{}, 0
	}
	site := s.post.Site.View()
	wait := gather
	if site.Own().Duty != releve.Active {
		wait = s.limit() + othersMargin
	}
	if now.Sub(s.since) < wait || now.Before(s.next) {
		return
	}
	if s.takeTurn(ctx) {
		s.send(ctx, site)
		s.turn.end()
	}
}

// send sends what is due by now: the other server may have sent before it gave the turn.
func (s *sender) send(ctx context.Context, site view.Site) {
	due := s.post.Alarms.Due(s.name, s.Least)
	if len(due) == 0 {
		return
	}
	letter := s.post.Writer.Letter(due, site)
	if s.attempt(ctx, func(ctx context.Context) (bool, error) { return s.Notify(ctx, letter) }, sent) {
		s.post.Alarms.Sent(ctx, s.name, due)
	}
}

func well(o *releve.Outlet, at time.Time) { o.WellAt = at }
func sent(o *releve.Outlet, at time.Time) { o.SentAt, o.WellAt = at, at }

// taken says that an outlet took it, if not for everybody: that has the error say by Taken.
func taken(err error) bool {
	partly, is := errors.AsType[interface {
		error
		Taken() bool
	}](err)
	return err == nil || is && partly.Taken()
}

// attempt tries one thing, and plans the next. It says whether the outlet took it. What comes after one that
// was taken is not kept waiting.
func (s *sender) attempt(ctx context.Context, what func(context.Context) (again bool, err error), took func(*releve.Outlet, time.Time)) bool {
	again, err := s.try(ctx, what, took)
	now := time.Now()
	switch {
	case err == nil:
		s.pause, s.next, s.probed = 0, time.Time{}, now.Add(probeEach)
		return true
	case taken(err):
		s.pause, s.next, s.probed = 0, time.Time{}, now.Add(pauseMost)
		return true
	case again:
		s.pause = min(max(pauseFirst, 2*s.pause), pauseMost)
	default:
		s.pause = pauseMost
	}
	s.next = now.Add(s.pause)
	s.probed = s.next
	return false
}

// limit is how long one attempt may take: an outlet that needs longer than others says so.
func (s *sender) limit() time.Duration {
	if l, says := s.Outlet.(interface{ Limit() time.Duration }); says {
		return max(l.Limit(), sendLimit)
	}
	return sendLimit
}

// try tries one thing, and shows and tells what came of it. That it fails is told when it has for a while, or is refused.
func (s *sender) try(ctx context.Context, what func(context.Context) (again bool, err error), took func(*releve.Outlet, time.Time)) (again bool, err error) {
	limited, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	again, err = what(limited)
	if ctx.Err() != nil {
		return true, err // this server stops, and its outlet is not to blame
	}
	now := time.Now().UTC()
	s.mu.Lock()
	before := s.told
	if taken(err) {
		took(&s.shown, now)
	}
	if err == nil {
		s.shown.Since, s.shown.Failed, s.told = time.Time{}, nil, false
	} else {
		if s.shown.Failed == nil {
			s.shown.Since = now
		}
		why := releve.Say("event-unsent", "outlet", s.Name(), "why", releve.Reason(err))
		s.shown.Failed = &why
		s.told = s.told || !again || now.Sub(s.shown.Since) >= failing
	}
	after, why := s.told, s.shown.Failed
	s.mu.Unlock()
	switch {
	case before && !after:
		s.post.Front.Explain(releve.Say("event-sent-again", "outlet", s.Name()))
	case after && !before:
		s.post.Front.Explain(*why)
	case err != nil:
		s.post.Log.Warn("alarms could not be sent", "outlet", s.Name(), "err", err)
	}
	s.post.show()
	return again, err
}

// test sends a test, beside what is under way.
func (s *sender) test(ctx context.Context, dryRun bool) view.OutletTest {
	letter := s.post.Writer.Test(s.post.Site.View())
	result := view.OutletTest{Outlet: s.Name(), Subject: letter.Subject, Text: letter.Text}
	if dryRun {
		return result
	}
	_, err := s.try(ctx, func(ctx context.Context) (bool, error) { return s.Notify(ctx, letter) }, sent)
	if result.Sent = err == nil; !result.Sent {
		why := releve.Say("outlet-test-failed", "outlet", s.Name(), "why", releve.Reason(err))
		result.Failed = &why
	}
	return result
}

// is how the outlet is, for people.
func (s *sender) is() releve.Outlet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}
