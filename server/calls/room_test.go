package calls

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/alarm"
	"releve/rules/takeover"
)

// crowded has so many calls asked about at one moment, and gives the codes that they got.
func (s *server) crowded(n int, o releve.Opening) (codes map[int]int) {
	codes = map[int]int{}
	for range n {
		codes[s.Full(o)]++
	}
	return codes
}

// A busy day is no crowd: each call is taken up, and has its own record, whatever becomes of it.
func TestABusyDayIsNoCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		for range 20 {
			if codes := s.crowded(crowdCalls/2, releve.Opening{User: "reception", Late: time.Second, Waited: time.Second}); codes[0] != crowdCalls/2 {
				t.Fatalf("turned away: %v", codes)
			}
			time.Sleep(crowdSpan)
		}
	})
}

// Of a crowd those are turned away for whom there is nothing left, each with the code by which
// a PBX gives the call to who can take it.
func TestACrowd(t *testing.T) {
	own := func(s *server) releve.Opening {
		return releve.Opening{User: "standby", TestID: s.Seal("1"), Late: time.Second}
	}
	for name, c := range map[string]struct {
		stance   takeover.StanceKind
		channels int
		deciding int // calls
		opening  func(*server) releve.Opening
		code     int
	}{
		"there is room":                     {takeover.OnDuty, 50, 0, nil, 0},
		"every channel is spoken for":       {takeover.OnDuty, 2, 2, nil, profile.BusyCode},
		"too many are decided on":           {takeover.OnDuty, 50, decidedMost, nil, profile.BusyCode},
		"they are on their way here":        {takeover.OnDuty, 50, 0, func(*server) releve.Opening { return releve.Opening{Present: decidedMost} }, profile.BusyCode},
		"too many have not acknowledged":    {takeover.OnDuty, 50, 0, func(*server) releve.Opening { return releve.Opening{Unacknowledged: answeredMost} }, profile.BusyCode},
		"sound is late":                     {takeover.OnDuty, 50, 0, func(*server) releve.Opening { return releve.Opening{Late: lateMost + 1} }, profile.BusyCode},
		"it waited long":                    {takeover.OnDuty, 50, 0, func(*server) releve.Opening { return releve.Opening{Waited: waitedMost + 1} }, profile.BusyCode},
		"without the duty, room":            {takeover.NoDuty, 50, 0, nil, 0},
		"a call of our own":                 {takeover.OnDuty, 50, decidedMost, own, 0},
		"who waits for a verdict":           {takeover.Verifying, 5, waitingMost - 1, func(*server) releve.Opening { return releve.Opening{User: "standby", Late: time.Second} }, 0},
		"too many wait for it":              {takeover.Verifying, 5, waitingMost, func(*server) releve.Opening { return releve.Opening{User: "standby"} }, profile.RefusalCode},
		"as many as channels may":           {takeover.Verifying, 50, waitingMost, func(*server) releve.Opening { return releve.Opening{User: "standby"} }, 0},
		"fenced, dialled as the reception":  {takeover.Closed, 50, 0, func(*server) releve.Opening { return releve.Opening{User: profile.ReceptionUser} }, elsewhere},
		"fenced, overflowed to the standby": {takeover.Closed, 50, 0, func(*server) releve.Opening { return releve.Opening{User: "standby"} }, profile.RefusalCode},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, c.stance, c.channels)
				for range c.deciding {
					s.board.enter(&call{Calls: s.Calls})
				}
				o := releve.Opening{User: profile.ReceptionUser}
				if c.opening != nil {
					o = c.opening(s)
				}
				s.crowded(crowdCalls, o)
				before := s.Snapshot()
				if got := s.Full(o); got != c.code {
					t.Errorf("code %d, want %d", got, c.code)
				}
				after := s.Snapshot()
				if turned := after.TurnedAway - before.TurnedAway; turned != map[bool]int64{true: 1}[c.code != 0] || after.Refused != before.Refused+turned {
					t.Errorf("%d calls are counted as turned away", turned)
				}
			})
		})
	}
}

// One call that was verified and given back stands for those that come with it, and for none later.
func TestAVerdictIsForTheCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.Verifying, 50)
		close(s.post.verdict)
		s.post.decision = releve.Decision{Code: 486}
		o := releve.Opening{User: "standby"}
		if codes := s.crowded(2*crowdCalls, o); codes[0] != 2*crowdCalls {
			t.Errorf("turned away before any verdict: %v", codes)
		}
		s.offer(t, newCaller("a@pbx").overflowing(releve.ReasonNoAnswer))
		if codes := s.crowded(10, o); codes[486] != 10 {
			t.Errorf("beside the verdict: %v", codes)
		}
		time.Sleep(freshVerdict)
		if codes := s.crowded(1, o); codes[0] != 1 {
			t.Errorf("later: %v", codes)
		}
	})
}

// Many who are turned away have one row that counts them, each half second, and the operator hears when it
// begins and when it is over.
func TestACrowdHasOneRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		var told []string
		s.explain = func(what releve.Sentence) {
			told = append(told, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code+" "+what.Args["calls"])
		}
		s.board.enter(&call{Calls: s.Calls})
		var w turned
		for range 3 {
			s.crowded(200, releve.Opening{User: profile.ReceptionUser})
			w.look(s.Calls, s.Snapshot().TurnedAway, time.Now())
			time.Sleep(watchPeriod)
		}
		for range 5 {
			w.look(s.Calls, s.Snapshot().TurnedAway, time.Now())
			time.Sleep(watchPeriod)
		}
		if want := []string{"warning event-crowd ", "cleared event-crowd-over 480"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		counted := []string{}
		for _, c := range s.Known() {
			counted = append(counted, c.Outcome+" "+c.Detail)
		}
		if want := []string{"crowd 160", "crowd 160", "crowd 160"}; !slices.Equal(counted, want) {
			t.Errorf("rows %q, want %q", counted, want)
		}
		rows := 0
		for _, f := range s.flushed(t).facts {
			if f.Kind == releve.CallEnded && strings.HasPrefix(string(f.Call), "crowd-") {
				rows++
			}
		}
		if rows != 3 {
			t.Errorf("%d rows are recorded", rows)
		}
	})
}
