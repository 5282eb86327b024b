// Package study measures a site before anything is there: it leads two ends, one on each
// server, through what rules/study judges afterwards (SPEC E1). With what they measure, and
// over what they talk, it is handed.
package study

import (
	"context"
	"time"

	"releve"
	rules "releve/rules/study"
)

// End is the hands of a study on one server.
type End interface {
	// Do carries out one order. An error is that the end itself is gone: what cannot be
	// measured is said in the reply.
	Do(ctx context.Context, o Order) (Reply, error)
}

// Order is what an end is told: one of a few things, and with what the question names.
type Order struct {
	Do       string               `json:"do"`
	Seat     releve.Seat          `json:"seat"`
	Question releve.StudyQuestion `json:"question"`
	Ports    []string             `json:"ports,omitempty"`
	Secrets  releve.StudySecrets  `json:"secrets,omitzero"` // for the PBX alone
	Key      []byte               `json:"key,omitempty"`
}

// What an end can be told.
const (
	doLook     = "look"     // at the machine and its disk
	doServices = "services" // names and servers beside the site
	doClock    = "clock"
	doListen   = "listen" // on all ports of the order
	doKnock    = "knock"  // at all ports of the order, of the other end
	doSeen     = "seen"   // what came, and close them
	doPBX      = "pbx"
)

// Reply is what an end found.
type Reply struct {
	Taken  []releve.Measurement          `json:"taken,omitempty"`
	Now    time.Time                     `json:"now"`
	Opened map[string]releve.Measurement `json:"opened,omitempty"`
	Probes []rules.Probe                 `json:"probes,omitempty"`
	Seen   map[string]int                `json:"seen,omitempty"`
}

// Listening are the ports that an end holds.
type Listening interface {
	Seen() map[string]int
	Close()
}

// Hands are an end on this machine: its instruments.
type Hands struct {
	Look     func(ctx context.Context, seat releve.Seat) []releve.Measurement
	Services func(ctx context.Context, q releve.StudyQuestion, seat releve.Seat) []releve.Measurement
	PBX      func(ctx context.Context, q releve.StudyQuestion, s releve.StudySecrets, seat releve.Seat) []releve.Measurement
	Listen   func(ports []string, key []byte) (Listening, map[string]releve.Measurement)
	Knock    func(ctx context.Context, ports []string, key []byte) []rules.Probe
	Now      func() time.Time

	held Listening
}

// Do is one measurement. One goroutine calls it.
func (h *Hands) Do(ctx context.Context, o Order) (r Reply, err error) {
	switch o.Do {
	case doLook:
		r.Taken = h.Look(ctx, o.Seat)
	case doServices:
		r.Taken = h.Services(ctx, o.Question, o.Seat)
	case doPBX:
		r.Taken = h.PBX(ctx, o.Question, o.Secrets, o.Seat)
	case doListen:
		h.Close()
		h.held, r.Opened = h.Listen(o.Ports, o.Key)
	case doKnock:
		r.Probes = h.Knock(ctx, o.Ports, o.Key)
	case doSeen:
		if h.held != nil {
			r.Seen = h.held.Seen()
		}
		h.Close()
	}
	r.Now = h.Now()
	return r, nil
}

// Close frees the ports that are held.
func (h *Hands) Close() {
	if h.held != nil {
		h.held.Close()
		h.held = nil
	}
}
