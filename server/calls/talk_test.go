package calls

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"releve"

	"releve/rules/attendant"
	"releve/rules/takeover"
)

// conversation runs one call on duty and returns its steps and its end.
func conversation(t *testing.T, c *caller, meanwhile func()) releve.Call {
	t.Helper()
	s := newServer(t, takeover.OnDuty, 1)
	done := make(chan struct{})
	go func() { s.offer(t, c); close(done) }()
	meanwhile()
	<-done
	if c.overlapped.Load() {
		t.Error("two things were done on one leg at a time")
	}
	return s.Recent(1)[0]
}

func nothing() {}

// What the caller hears for each way that a transfer can end.
func TestTransferOutcomes(t *testing.T) {
	for _, row := range []struct {
		story   string
		codes   []int
		said    string // after the greeting
		outcome string
	}{
		{"taken", []int{200}, "transfer", "transferred"},
		{"busy, then the operator", []int{486, 200}, "transfer busy again operator", "transferred"},
		{"busy everywhere, then the operator", []int{600, 200}, "transfer busy again operator", "transferred"},
		{"no answer, then the operator", []int{408, 200}, "transfer noanswer again operator", "transferred"},
		{"not there, then the operator", []int{480, 200}, "transfer noanswer again operator", "transferred"},
		{"declined, then the operator", []int{603, 200}, "transfer failed again operator", "transferred"},
		{"no such number, then the menu, then the operator", []int{404, 200},
			"transfer invalid again menu operator", "transferred"},
		{"nobody, and no operator", []int{480, 486, 503},
			"transfer noanswer again operator busy again operator failed closing", "unanswered"},
	} {
		t.Run(row.story, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCaller("a@pbx").press("1001")
				c.codes = row.codes
				call := conversation(t, c, nothing)
				said := strings.ReplaceAll(strings.Join(c.said, " "), "fr/", "")
				if said != "greeting "+row.said || call.Outcome != row.outcome || !c.hungUp {
					t.Errorf("said %s; outcome %s, hung up %v", said, call.Outcome, c.hungUp)
				}
			})
		})
	}
}

// A key stops the prompt at once: the next is not said, the number is taken.
func TestBargeIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller("a@pbx")
		c.codes = []int{200}
		c.promptFor = 10 * time.Second
		c.ringFor = 0
		call := conversation(t, c, func() {
			time.Sleep(2 * time.Second)
			c.press("1001")
		})
		if !slices.Equal(c.said, []string{"fr/greeting", "fr/transfer"}) || call.Duration != 12*time.Second {
			t.Errorf("said %v in %v", c.said, call.Duration)
		}
	})
}

// A silent caller hears the menu twice, five seconds of silence each, and is
// given the operator.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller("a@pbx")
		c.codes = []int{200}
		call := conversation(t, c, nothing)
		if want := (2 + 5 + 1 + 5 + 1 + 3) * time.Second; call.Duration != want || c.transferred[0] != "9" {
			t.Errorf("transferred to %v after %v, want the operator after %v", c.transferred, call.Duration, want)
		}
	})
}

// The PBX hangs up in the same breath as it reports success: the caller was put
// through, he did not give up.
func TestByeBeforeTheResult(t *testing.T) {
	for _, row := range []struct {
		story   string
		code    int
		after   time.Duration // from the BYE to the result
		outcome string
	}{
		{"success just after", 200, 500 * time.Millisecond, "transferred"},
		{"failure just after", 486, 500 * time.Millisecond, "abandoned"},
		{"success too late", 200, 2 * time.Second, "abandoned"},
	} {
		t.Run(row.story, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCaller("a@pbx").press("0")
				c.codes = []int{row.code}
				call := conversation(t, c, func() {
					time.Sleep(time.Second + c.ringFor - row.after) // the announcement lasts a second
					close(c.bye)
				})
				if call.Outcome != row.outcome || c.hungUp {
					t.Errorf("outcome %s, BYE sent %v", call.Outcome, c.hungUp)
				}
			})
		})
	}
}

// Where the end of an action and the hang-up are there together, the hang-up is
// what counts, unless the action put the caller through.
func TestHangUpComesFirst(t *testing.T) {
	for _, row := range []struct {
		doing attendant.Action
		event attendant.Event
		want  attendant.Kind
	}{
		{attendant.Play{}, attendant.Event{What: attendant.PromptDone}, attendant.CallerGone},
		{attendant.Collect{}, attendant.Event{What: attendant.Silence}, attendant.CallerGone},
		{attendant.Transfer{}, attendant.Event{What: attendant.TransferResult, Code: 200}, attendant.TransferResult},
	} {
		c := newCaller("a@pbx")
		close(c.bye)
		for range 100 { // select chooses by chance
			talk := &talk{leg: &leg{c}, last: row.doing, doing: make(chan attendant.Event, 1)}
			talk.doing <- row.event
			if got := talk.next(t.Context()); got.What != row.want {
				t.Fatalf("after %T and a hang-up: %s, want %s", row.doing, got.What, row.want)
			}
		}
	}
}

// A transfer that nobody settles is given up, and the caller is not.
func TestTransferNeverSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller("a@pbx").press("1001")
		call := conversation(t, c, func() {
			time.Sleep(transferMax + 5*time.Second)
			close(c.bye)
		})
		if !slices.Contains(c.said, "fr/noanswer") || call.Outcome != "abandoned" {
			t.Errorf("said %v, outcome %s", c.said, call.Outcome)
		}
	})
}

// A prompt that cannot be said does not end the call.
func TestPromptsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller("a@pbx").press("1001")
		c.promptErr = errors.New("no such prompt")
		c.codes = []int{200}
		if call := conversation(t, c, nothing); call.Outcome != "transferred" {
			t.Errorf("outcome %s", call.Outcome)
		}
	})
}

// The telephone may close the digits before it says that the leg is gone.
func TestDigitsClosedBeforeTheLegIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCaller("a@pbx")
		call := conversation(t, c, func() {
			close(c.keys)
			time.Sleep(500 * time.Millisecond)
			close(c.bye)
		})
		if call.Outcome != "abandoned" || call.Duration != 500*time.Millisecond {
			t.Errorf("outcome %s after %v", call.Outcome, call.Duration)
		}
	})
}

// The end of Offer's context drops the call: the caller has his BYE.
func TestOfferContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 1)
		c := newCaller("a@pbx")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the server stops"))
		defer cancel()
		s.Offer(ctx, c)
		if call := s.Recent(1)[0]; call.Outcome != string(Dropped) || call.Duration != time.Second || !c.hungUp {
			t.Errorf("outcome %s after %v, BYE sent %v", call.Outcome, call.Duration, c.hungUp)
		}
	})
}

// The conversation begins at the ACK: what is said and every silence counts from there.
func TestNothingCountsBeforeTheAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := unacknowledged("a@pbx")
		call := conversation(t, c, func() {
			time.Sleep(20 * time.Second) // four silences of a caller who is there
			if said := c.heard(); len(said) > 0 {
				t.Errorf("said %v to nobody", said)
			}
			close(c.acked)
			time.Sleep(1500 * time.Millisecond)
			if said := c.heard(); !slices.Equal(said, []string{"fr/greeting", "fr/menu"}) {
				t.Errorf("said %v after the ACK", said)
			}
			close(c.bye)
		})
		if call.Outcome != string(attendant.Abandoned) {
			t.Errorf("ended as %s", call.Outcome)
		}
	})
}

func TestACallThatIsNeverAcknowledgedIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := unacknowledged("a@pbx")
		call := conversation(t, c, func() {
			time.Sleep(32 * time.Second)
			close(c.bye) // by the telephone, which gave it up
		})
		if len(c.said) > 0 || call.Outcome != string(attendant.Abandoned) {
			t.Errorf("said %v, ended as %s", c.said, call.Outcome)
		}
	})
}

// The leg is gone in the same moment as the transfer ends: what the transfer says of the
// caller counts, and not that he seems to have hung up.
func TestACallerIsNotLostToChance(t *testing.T) {
	for _, row := range []struct {
		code    int
		err     error
		outcome attendant.Outcome
		detail  string
	}{
		{202, errors.New("the other side hung up"), attendant.Transferred, "extension, end unknown"},
		{481, releve.ErrLost, attendant.Lost, "transfer 481"},
		{503, releve.ErrLost, attendant.Lost, "transfer 503"},
		{0, errors.New("the other side hung up"), attendant.Abandoned, "transferring"},
	} {
		for range 20 { // select chooses by chance
			synctest.Test(t, func(t *testing.T) {
				c := newCaller("a@pbx").press("1001")
				c.codes, c.transferErr = []int{row.code}, row.err
				call := conversation(t, c, nothing)
				if call.Outcome != string(row.outcome) {
					t.Fatalf("%d, %v: %s", row.code, row.err, call.Outcome)
				}
				if slices.Contains(c.said, "fr/closing") {
					t.Error("a caller who is gone is told something")
				}
			})
		}
	}
}

// A call that the PBX lost was not given up by its caller, whatever was being done.
func TestACallThatThePBXLost(t *testing.T) {
	for _, keys := range []string{"", "10", "1001"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCaller("a@pbx").press(keys)
			c.lost = true
			call := conversation(t, c, func() {
				time.Sleep(3 * time.Second)
				close(c.bye)
			})
			if call.Outcome != string(attendant.Lost) {
				t.Errorf("after %q it ended as %s", keys, call.Outcome)
			}
		})
	}
}

// What a neighbour in the network had pressed is no part of the caller's number.
func TestKeysThatWereDisownedAreNotDialled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, takeover.OnDuty, 2)
		c := newCaller("a@pbx").press("12\x001001")
		c.codes = []int{200}
		s.offer(t, c)
		if !slices.Equal(c.transferred, []string{"1001"}) {
			t.Errorf("transferred to %v, not 1001", c.transferred)
		}
		s.flushed(t)
	})
}
