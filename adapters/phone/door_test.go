package phone

import (
	"net/netip"
	"testing"
	"time"
)

// Strangers are told of when they begin, not for each of thousands, and when it is over.
func TestStrangersAreToldOfOnce(t *testing.T) {
	var k strangers
	from, at := netip.MustParseAddr("192.0.2.66"), time.Unix(0, 0)
	for _, step := range []struct {
		after time.Duration
		count int64
		want  string
	}{
		{0, 0, ""}, {time.Second, 5, "event-strangers"}, {time.Second, 9000, ""}, {doorQuiet - time.Second, 9000, ""},
		{time.Second, 9001, ""}, {doorQuiet, 9001, "event-no-strangers"},
		{time.Hour, 9001, ""}, {time.Second, 9002, "event-strangers"},
	} {
		at = at.Add(step.after)
		what := k.judge(step.count, from, at)
		got := ""
		if what != nil {
			got = what.Code
		}
		if got != step.want {
			t.Errorf("at %s with %d: said %q, not %q", at.UTC().Format(time.TimeOnly), step.count, got, step.want)
		}
	}
}
