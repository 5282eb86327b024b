package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"releve"
	"releve/calls"
	"releve/config"
	"releve/takeover"
	"releve/verify"
	"releve/view"
)

const (
	// lessonAfter is how long a site is protected before its standby makes the first call: no
	// procedure is then about to prove itself by calls of its own.
	lessonAfter = 5 * time.Second
	// lessonLimit is how long a PBX may take to let a call overflow and to give it back.
	lessonLimit = 30 * time.Second
	// A lesson that showed nothing is made again after a pause that grows.
	lessonPauseFirst = time.Minute
	lessonPauseMost  = time.Hour
	// lessonAge is when what was seen is looked at again, in the night's hour.
	lessonAge = 20 * time.Hour
)

// giveBack is the order by which the standby has its next call refused, so that the PBX
// lets it overflow; lessonSeen tells the other what came of it.
const (
	giveBack   = "give-back"
	lessonSeen = "lesson-seen"
)

// lessons are the calls by which the standby sees, before it matters, that the PBX lets
// calls overflow to it, and how it shows that (SPEC H7, H8). What was seen is kept on both
// servers.
type lessons struct {
	*switchboard
	file  string
	tried int       // in vain, since one was seen
	next  time.Time // not before
	calm  time.Time // since when the site is protected
	kept  time.Time // of what is on this disk
	told  time.Time // of what the other server keeps

	orders  chan checkOrder // of an operator
	busy    chan struct{}   // held by the order that is carried out
	checked time.Time       // when the last was
}

func newLessons(s *switchboard) *lessons {
	l := &lessons{
		switchboard: s, file: sightingFile(s.config),
		orders: make(chan checkOrder), busy: make(chan struct{}, 1),
	}
	var seen calls.Sighting
	if text, err := os.ReadFile(l.file); err == nil && json.Unmarshal(text, &seen) == nil {
		s.calls.Learn(seen)
		l.kept = seen.At
	}
	return l
}

// sightingFile is where a server keeps what was seen.
func sightingFile(c config.Config) string { return filepath.Join(c.Site.Data, "overflow.json") }

func (l *lessons) run(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-l.orders:
			o.done <- l.check(ctx, o.emit)
			continue
		case <-look.C:
		}
		l.keep(ctx)
		if l.due(time.Now()) {
			l.give(ctx)
		}
	}
}

// stands says whether this is the standby of a protected site, while no procedure runs.
func (l *lessons) stands() bool {
	if stance, _ := l.agent.Stance(); stance != takeover.Verifying || l.config.Site.Level != releve.HighAvailability {
		return false
	}
	site := l.agent.View()
	running := site.Procedure != nil && site.Procedure.Finished.IsZero()
	return site.Word == view.Protected && !running
}

// due says whether a lesson is to be made now, when none was seen yet or it is night.
func (l *lessons) due(now time.Time) bool {
	switch {
	case !l.config.Takeover.OwnCalls || !l.stands():
		l.calm = time.Time{}
		return false
	case l.calm.IsZero():
		l.calm = now
	}
	if now.Sub(l.calm) < lessonAfter || now.Before(l.next) {
		return false
	}
	seen := l.calls.Sighted()
	return seen.At.IsZero() || now.Sub(seen.At).Abs() > lessonAge && nightly(now, l.config.Mirror.Verify)
}

// nightly says whether it is the hour after a time of the day.
func nightly(now time.Time, at config.Clock) bool {
	return now.Sub(verify.LastHour(now, at.SinceMidnight())) < time.Hour
}

// give makes a lesson. The second time in vain says why.
func (l *lessons) give(ctx context.Context) {
	o := l.lesson(ctx)
	if l.explainLesson(o) {
		l.tried, l.next = 0, time.Time{}
		return
	}
	l.next = time.Now().Add(min(lessonPauseFirst<<min(l.tried, 10), lessonPauseMost))
	if l.tried++; l.tried == 1 || l.tried%10 == 2 {
		l.explain("warning", view.Say("event-overflow-unseen", "why", o.why()))
	}
}

// explainLesson says what a lesson has shown, if it has shown anything.
func (l *lessons) explainLesson(o lessonOutcome) bool {
	if !o.came {
		return false
	}
	l.explain("info", view.Say("event-overflow-seen", "evidence", string(o.seen.Evidence), "to", o.seen.To))
	if o.err == nil {
		l.explain("info", view.Say("event-overflow-returned", "by", o.call.AnsweredBy))
	}
	return true
}

// errNotBack: what the main refused went elsewhere.
var errNotBack = view.Known("the call did not come back to this server", "cause-not-back")

// lesson has the main refuse the next call of the standby, and makes it.
func (l *lessons) lesson(ctx context.Context) (o lessonOutcome) {
	ctx, cancel := context.WithTimeout(ctx, lessonLimit)
	defer cancel()
	begun, before := time.Now(), l.calls.Sighted()
	id := rand.Text()
	if o.unasked = l.peer.Command(ctx, giveBack, asJSON(id), ignore); o.unasked != nil {
		return o
	}
	o.call, o.err = l.telephone.call(ctx, id, true)
	o.seen = l.calls.Sighted()
	o.came = o.seen.At.After(before.At)
	if s := l.calls.Snapshot(); s.UnacceptableAt.After(begun) {
		o.unfit = s.UnacceptableWhy
	}
	return o
}

// keep writes what was seen to this disk, and tells the other server, once each.
func (l *lessons) keep(ctx context.Context) {
	seen := l.calls.Sighted()
	if seen.At.IsZero() {
		return
	}
	text, err := json.Marshal(seen)
	if err != nil {
		return
	}
	if !seen.At.Equal(l.kept) && renameio.WriteFile(l.file, text, 0o600) == nil {
		l.kept = seen.At
	}
	if !seen.At.Equal(l.told) && l.hearsOther() {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if l.peer.Command(ctx, lessonSeen, text, ignore) == nil {
			l.told = seen.At
		}
	}
}

// hearsOther says that the other server is there to be told.
func (l *lessons) hearsOther() bool {
	site := l.agent.View()
	other := site.Main
	if l.config.Site.Seat == releve.Main {
		other = site.Secondary
	}
	return other.Heard
}

// pupil answers the other server's orders about lessons.
type pupil struct{ telephony telephony }

func (p *pupil) command(name string, args json.RawMessage) error {
	s, there := p.telephony.(*switchboard)
	if !there {
		return errMute
	}
	if name == giveBack {
		var id string
		if len(args) > 0 { // none from a server of the version before
			if err := json.Unmarshal(args, &id); err != nil {
				return err
			}
		}
		s.calls.GiveBack(id, lessonLimit)
		return nil
	}
	var seen calls.Sighting
	if err := json.Unmarshal(args, &seen); err != nil {
		return err
	}
	s.calls.Learn(seen)
	return renameio.WriteFile(sightingFile(s.config), args, 0o600) // the other says that it is kept here
}

// overflowNotice is what the screens say of how the PBX shows an overflow: a site that
// never saw one is not protected without a word (SPEC V2).
func overflowNotice(seen calls.Sighting, set config.Evidence) view.Sentence {
	switch {
	case seen.At.IsZero():
		return view.Say("notice-overflow-unseen")
	case !seen.Fits:
		return view.Say("notice-overflow-other", "set", string(set), "evidence", string(seen.Evidence), "to", seen.To)
	}
	return view.Say("notice-overflow-seen", "evidence", string(seen.Evidence), "at", seen.At.Local().Format("2006-01-02 15:04"))
}
