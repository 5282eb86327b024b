package media

import (
	"time"

	"golang.org/x/sys/unix"
)

// A clock counts from its start on CLOCK_MONOTONIC, which is the clock under Go's
// own time.Since: the two are read interchangeably here.
type clock struct {
	start  time.Time
	origin int64 // CLOCK_MONOTONIC at start, nanoseconds
}

func newClock() (clock, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return clock{start: time.Now(), origin: now.Nano()}, err
}

func (c clock) now() time.Duration { return time.Since(c.start) }

// sleepUntil puts the thread to sleep until an absolute time. The kernel's timer is used
// because Go's share one queue and wake their goroutine through the scheduler: half a
// millisecond of jitter where this has a twentieth.
func (c clock) sleepUntil(t time.Duration) {
	wake := unix.NsecToTimespec(c.origin + int64(t))
	for c.now() < t {
		if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &wake, nil); err != nil && err != unix.EINTR {
			time.Sleep(t - c.now())
		}
	}
}

const (
	realTimePriority = 10  // above every ordinary process, below the kernel's own threads
	niceValue        = -15 // where real time is not allowed
)

// preferThread asks the kernel to run the calling thread before others: as SCHED_FIFO,
// else with a better nice value. Both need a right (CAP_SYS_NICE) that the server may
// not have; it works without, and is late more often on a loaded machine.
func preferThread() (string, error) {
	fifo := unix.SchedAttr{
		Policy:   unix.SCHED_FIFO,
		Flags:    unix.SCHED_FLAG_RESET_ON_FORK,
		Priority: realTimePriority,
	}
	err := unix.SchedSetAttr(0, &fifo, 0)
	if err == nil {
		return "SCHED_FIFO", nil
	}
	if unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceValue) == nil {
		return "nice", nil
	}
	return "ordinary", err
}
