package phone_test

import (
	"strings"
	"testing"

	"releve/phone"
)

// What a call requires that this telephone has not is told to whoever shows it.
func TestACallThatIsRefusedForWhatItRequiresIsTold(t *testing.T) {
	told := make(chan string, 1)
	caller := newPeer(t)
	p, _ := newPhone(t, caller.addr, func(o *phone.Options) { o.OnUnsupported = func(required string) { told <- required } })
	caller.invite(p.Addr(), map[string]string{"Require": "timer"})
	if required := <-told; required != "timer" {
		t.Errorf("told of %q", required)
	}
}

// A description without telephone events is one of a call without keys.
func TestWithoutEventsNoKeyIsHeard(t *testing.T) {
	for _, with := range []bool{true, false} {
		caller := newPeer(t)
		p, calls := newPhone(t, caller.addr)
		description := caller.sdp()
		if !with {
			var kept []string
			for line := range strings.SplitSeq(description, "\r\n") {
				if !strings.Contains(line, "telephone-event") {
					kept = append(kept, line)
				}
			}
			description = strings.Join(kept, "\r\n")
		}
		caller.invite(p.Addr(), map[string]string{"body": description})
		leg, err := next(t, calls).Answer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if leg.HearsKeys() != with {
			t.Errorf("events offered %v, keys heard %v", with, leg.HearsKeys())
		}
	}
}
