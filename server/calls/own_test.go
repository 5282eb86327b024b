package calls

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/takeover"
)

// backToBack is a call as a PBX of the back-to-back kind brings it to the standby: with a
// To of its own, and nothing that tells an overflow.
func backToBack(id, from string) *caller {
	c := newCaller(id)
	c.invite.From, c.invite.To, c.invite.Target = from, "standby", "standby"
	return c
}

// newStandby is a server beside a main whose verdict is that it is well.
func newStandby(t *testing.T) *server {
	s := newServer(t, takeover.Verifying, 2)
	s.profile.Evidence = releve.EvidenceAuto
	close(s.post.verdict)
	return s
}

// The call that the standby made itself comes back: that is proof, and it shows how this
// PBX brings an overflow. From then on callers who come so are verified too (SPEC H7, H8).
func TestOurOwnCallThatComesBackIsProofAndALesson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandby(t)
		before := backToBack("before", "0612345678")
		s.offer(t, before)
		if len(s.post.asked) != 0 {
			t.Fatal("a call that dialled the standby is verified")
		}
		done := s.Place("id", false)
		s.offer(t, backToBack("own", "standby"))
		done()
		if len(s.post.asked) != 1 || !s.post.asked[0].Overflowed {
			t.Fatalf("our own call that came back: verified %+v", s.post.asked)
		}
		if seen := s.Sighted(); seen.Evidence != releve.EvidenceNone || seen.To != "standby" || !seen.Fits {
			t.Errorf("seen: %+v", seen)
		}
		s.offer(t, backToBack("after", "0612345678"))
		if len(s.post.asked) != 2 {
			t.Error("a caller whom this PBX let overflow is not verified")
		}
		s.flushed(t)
	})
}

// A lesson is looked at, refused so that the PBX takes it back, and asks nobody.
func TestALessonIsRefusedAndVerifiesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandby(t)
		defer s.Place("id", true)()
		own := backToBack("own", "standby")
		own.invite.To = "8000"
		s.offer(t, own)
		if !slices.Equal(own.refused, []int{profile.RefusalCode}) || len(s.post.asked) != 0 {
			t.Errorf("refused with %v, verified %v", own.refused, s.post.asked)
		}
		if seen := s.Sighted(); seen.Evidence != releve.EvidenceTo || s.Snapshot().Refused != 0 {
			t.Errorf("seen %+v, %d callers refused", seen, s.Snapshot().Refused)
		}
		s.flushed(t)
	})
}

// What a stranger writes makes no call ours, and none stays out of the statistics.
func TestNobodyElsesCallIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, elsewhere := newStandby(t), newOwn("another site", time.Now)
		old := s.Seal("id")
		time.Sleep(2 * signedFor)
		for story, testID := range map[string]string{
			"none": "", "the bare id": "id", "of another site": elsewhere.seal("id"), "an old one": old,
			"another id under our signature": "di" + s.Seal("id")[2:], "dots": "..", "no signature": "id.1.",
		} {
			done := s.Place("id", false)
			c := backToBack(story, "0612345678")
			c.invite.TestID = testID
			s.offer(t, c)
			done()
			if len(s.post.asked) != 0 || !s.Sighted().At.IsZero() {
				t.Errorf("%s: taken for our own call", story)
			}
			if s.test(c.invite) {
				t.Errorf("%s: kept out of the statistics", story)
			}
		}
		late := backToBack("late", "standby") // of ours, and none is in progress
		s.offer(t, late)
		if len(s.post.asked) != 0 {
			t.Error("a call by the standby's user is proof while we make none")
		}
		s.flushed(t)
	})
}

// offerBrief offers a call whose caller hangs up at once.
func (s *server) offerBrief(t *testing.T, id, from, seal string) *caller {
	c := newCaller(id)
	c.invite.From, c.invite.TestID = from, seal
	close(c.bye)
	s.offer(t, c)
	return c
}

// A lesson whose call never comes does not cost the next call of our own, such as the one by
// which a return shows that callers reach the main.
func TestTheCallOfTheLessonIsGivenBackAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 4)
		s.GiveBack("lesson", time.Minute)
		offer := func(id, seal string) *caller { return s.offerBrief(t, id, "standby", seal) }
		other, lesson := offer("one", s.Seal("another")), offer("two", s.Seal("lesson"))
		if !other.answered || !slices.Equal(lesson.refused, []int{elsewhere}) {
			t.Errorf("another call answered %v, the lesson's refused %v", other.answered, lesson.refused)
		}
		s.GiveBack("lesson", time.Minute)
		if bare := offer("three", ""); !slices.Equal(bare.refused, []int{elsewhere}) {
			t.Errorf("one whose id the PBX took away is refused %v", bare.refused)
		}
		s.flushed(t)
	})
}

// Asked to, the server on duty refuses one call of the site's own, and no caller.
func TestOneCallOfOurOwnIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 4)
		s.GiveBack("", time.Minute)
		offer := func(id, from string) *caller { return s.offerBrief(t, id, from, "") }
		caller, first, second := offer("caller", "0612345678"), offer("first", "standby"), offer("second", "standby")
		if !caller.answered || !slices.Equal(first.refused, []int{elsewhere}) || !second.answered {
			t.Errorf("caller answered %v, the first refused %v, the second answered %v",
				caller.answered, first.refused, second.answered)
		}
		s.GiveBack("", time.Minute)
		time.Sleep(2 * time.Minute)
		if late := offer("late", "standby"); !late.answered {
			t.Error("a call of our own is refused long after it was asked for")
		}
		s.flushed(t)
	})
}
