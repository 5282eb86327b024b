package calls

import (
	"testing"
	"testing/synctest"
	"time"

	"releve/rules/takeover"
)

// An INVITE that the PBX went on repeating while nobody was there, and that it takes back as
// soon as it hears of us or knows nothing of any more, is no caller: its caller has been with
// the other server for long. Whoever is there is one, however soon he hangs up.
func TestARepetitionOfACallGivenUpIsNoCaller(t *testing.T) {
	for _, c := range []struct {
		what      string
		after     time.Duration // since this server could first be reached
		withdrawn bool
		acked     bool
		callers   int
	}{
		{what: "taken back", after: 5 * time.Second, withdrawn: true, acked: true},
		{what: "taken back and never acknowledged", after: 5 * time.Second, withdrawn: true},
		{what: "taken back, of a server long there", after: time.Hour, withdrawn: true, acked: true},
		{what: "forgotten by the PBX", after: repeatedFor - time.Second},
		{what: "there, and gone at once", after: 5 * time.Second, acked: true, callers: 1},
		{what: "never acknowledged, of a server long there", after: repeatedFor, callers: 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, takeover.OnDuty, 1)
				s.began = time.Now()
				time.Sleep(c.after)
				k := unacknowledged("a@pbx")
				if k.withdrawn = c.withdrawn; c.acked {
					close(k.acked)
				}
				close(k.bye)
				s.offer(t, k)
				facts := s.flushed(t).of(t, "a@pbx")
				if figures := s.Snapshot(); len(s.Known()) != c.callers || int(figures.Answered) != c.callers ||
					figures.Busy > 0 || len(facts) > 0 != (c.callers > 0) {
					t.Errorf("%d calls are shown, %d were answered, %d channels are busy, recorded is %q",
						len(s.Known()), figures.Answered, figures.Busy, facts)
				}
			})
		})
	}
}
