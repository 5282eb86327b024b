// Package witness is the register of a site on a third machine (RULES R5), and
// the servers' way to it: HTTP/1.1 over mutual TLS 1.3.
//
//	GET  /register  the register                 asked by a server, which is then heard
//	POST /claim     one compare-and-set          granted, or refused with the register as it is
//	GET  /status    the register and around it   for a person
//
// What a claim may change is takeover's rule (Register.Apply). This package gives
// it what a rule cannot have: one order of all claims, a record that is on the
// disk before the answer leaves, and certificates that say who claims.
//
// It decides nothing, watches nobody and calls nobody. A claim is one request
// and one answer; there is no lease and no session, so nothing here depends on
// a clock (R19).
package witness

import (
	"time"

	"releve"
	"releve/rules/takeover"
)

var (
	// ErrNotHeard says that no verdict came from the witness. A claim may have
	// been granted all the same: only a later Read tells.
	ErrNotHeard = releve.Known("the witness is not heard", "cause-witness-silent")
	// ErrForeign says that what answers is not the witness of this site, or does
	// not accept this server. A claim was not granted.
	ErrForeign = releve.Known("it is not this server's witness", "cause-witness-foreign")
)

const (
	pathRegister = "/register"
	pathClaim    = "/claim"
	pathStatus   = "/status"
)

// maxMessage bounds a request and an answer, in bytes; a register has about 300.
const maxMessage = 16 << 10

// Status is the register and what the witness knows around it, for a person.
// The times are by the witness's own clock; nothing is decided by them.
type Status struct {
	Register takeover.Register         `json:"register"`
	By       releve.Seat               `json:"by,omitempty"` // who made this version
	At       time.Time                 `json:"at,omitzero"`  // when; zero: the register is empty
	Now      time.Time                 `json:"now"`
	Started  time.Time                 `json:"started"` // the witness's process
	Heard    map[releve.Seat]time.Time `json:"heard"`   // since then, by server
	// Generations are those of the certificates by which each was heard last.
	Generations map[releve.Seat]string `json:"generations"`
}

// problem is what is said instead of an answer.
type problem struct {
	Error string          `json:"error"`
	Why   releve.Sentence `json:"why,omitzero"` // of package identity
	// Register, when a claim was refused, is how it stays.
	Register *takeover.Register `json:"register,omitempty"`
}
