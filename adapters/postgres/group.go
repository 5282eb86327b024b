package postgres

import (
	"strconv"
	"strings"
	"sync"
)

// groupMark is how far a program and its children have come. Each of our programs leads a
// process group of its own.
type groupMark struct {
	mu     sync.Mutex
	leader int
	line   string
}

func (g *groupMark) lead(pid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leader = pid
}

func (g *groupMark) say(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.line = line
}

func (g *groupMark) read() string {
	g.mu.Lock()
	leader, line := g.leader, g.line
	g.mu.Unlock()
	marks := []string{line}
	for _, pid := range allProcesses() {
		if fields := statFields(pid); len(fields) > 2 && fields[2] == strconv.Itoa(leader) {
			marks = append(marks, effort(pid))
		}
	}
	return strings.Join(marks, "\n")
}
