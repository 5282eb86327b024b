//go:build race

package model

// raced: the detector makes the walk ten times slower, and there is one goroutine.
const raced = true
