package postgres

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// When memory runs out the kernel ends a process (proc(5), oom_score_adj): the telephone is
// to be the last, and a session goes before the postmaster, for it is a session that takes
// much. Each step is a tenth of the machine's memory.
const (
	ownScore        = "/proc/self/oom_score_adj"
	postmasterScore = 100 // above ours
	sessionScore    = 200
	mostScore       = 1000
)

// score is ours with a step on it.
func score(step int) string {
	raw, err := os.ReadFile(ownScore)
	own, wrong := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || wrong != nil {
		own = 0
	}
	return strconv.Itoa(min(own+step, mostScore))
}

// sessionsFirst is what a postmaster puts on each process that it makes (manual §18.4.4).
func sessionsFirst() []string {
	return []string{"PG_OOM_ADJUST_FILE=" + ownScore, "PG_OOM_ADJUST_VALUE=" + score(sessionScore)}
}

// goesBefore puts a step on a child. One that has ended needs none.
func goesBefore(pid, step int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(score(step)), 0o644)
}
