package cli

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// placesBeside is how many goroutines may run, in the runtime's eyes, beside one a processor.
	placesBeside = 4
	// garbage is how much of it may lie about before it is collected, in per cent of what is in use.
	garbage = 300
	// before is the nice value of a server: three times an ordinary process's share of a busy processor.
	before = -5
)

// takePrecedence has callers come before whatever else runs on the machine, and before this program's own
// housekeeping. It is called before anything runs, and before root is given up.
//
// The loop that sends all sound has a thread that the kernel prefers, but when that comes back from
// its sleep it needs a place in Go's runtime too. With one place a processor it waited, in a flood of calls,
// up to 50 ms for those who compute; with some to spare the kernel decides who runs, and it knows what is
// urgent. A collection of garbage takes all places and stops everybody twice: it comes less often. Whoever
// sets GOMAXPROCS or GOGC is obeyed.
func takePrecedence(log *slog.Logger) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + placesBeside)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	threads, err := os.ReadDir("/proc/self/task") // each has a value of its own, and hands it on to those that it starts
	for _, thread := range threads {
		if id, bad := strconv.Atoi(thread.Name()); bad == nil && err == nil {
			err = unix.Setpriority(unix.PRIO_PROCESS, id, before)
		}
	}
	if err != nil {
		log.Info("this server runs at ordinary priority; give it LimitNICE (as the unit of `releve unit` does) or CAP_SYS_NICE", "error", err)
	}
}
