//go:build race

package sim

// raced: the race detector has the scheduler draw lots, so that no seed replays.
const raced = true
