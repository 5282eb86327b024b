package media

import (
	"syscall"
	"testing"
	"time"

	"releve/proof/practice/freeze"
)

// A server that stands still for a moment sends what it missed, and is back in time: its
// sound never stretches.
func TestAShortStallIsCaughtUpWith(t *testing.T) {
	before, after := hearThrough(t, maxCatchUp/2)
	checkSameClock(t, before, after)
}

// After a long one the missed packets would only be thrown away by the telephone. The
// clip goes on where it was, under timestamps that kept to the clock.
func TestAfterALongStallTheClipGoesOnInThePresent(t *testing.T) {
	const stall = 5 * maxCatchUp
	before, after := hearThrough(t, stall)
	checkSameClock(t, before, after)
	all := append(before, after...)
	checkHeard(t, all, numbered(100).MuLaw)
	var longest time.Duration
	for i := 1; i < len(all); i++ {
		longest = max(longest, soundTime(all[i].Timestamp-all[i-1].Timestamp))
	}
	if longest < stall-maxCatchUp {
		t.Errorf("the timestamps pass over %v at most, of %v that were missed", longest, stall)
	}
}

// hearThrough listens to a server that is stopped in the middle of a clip.
func hearThrough(t *testing.T, stall time.Duration) (before, after []arrival) {
	t.Helper()
	c := newCaller(t, loopback())
	server := startChild(t, "player", childTo+"="+c.address().String())
	before = c.hearPacket(20)
	freeze.Stop(t, server.Process.Pid)
	<-time.After(stall)
	signal(t, server, syscall.SIGCONT)
	after = c.hearPacket(99)
	checkFlow(t, append(before, after...))
	return before, after
}

func signal(t *testing.T, c *child, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// checkSameClock checks that the sender's time goes on as before: the packet that was
// least late of each part tells, so that a busy machine does not.
func checkSameClock(t *testing.T, before, after []arrival) {
	t.Helper()
	start := before[0]
	shift := leastLate(start, after) - leastLate(start, before)
	if shift < -packetTime || shift > maxCatchUp/4 {
		t.Errorf("the sound is %v later than its timestamps say", shift)
	}
}

// leastLate is how late packets came, against their timestamps, at best.
func leastLate(start arrival, packets []arrival) time.Duration {
	least := time.Duration(1<<63 - 1)
	for _, p := range packets {
		least = min(least, p.at.Sub(start.at)-soundTime(p.Timestamp-start.Timestamp))
	}
	return least
}

// soundTime is how long a number of samples lasts.
func soundTime(samples uint32) time.Duration {
	return time.Duration(samples) * time.Second / sampleRate
}
