package view

import (
	"encoding/json"
	"fmt"

	"releve"
)

// Wish is a guided procedure that an operator asks for, with what he says himself.
type Wish struct {
	Name       string
	DryRun     bool
	OtherIsOff bool // his word that the other server is off
	// WithoutStudy is his name, where he answers for a level that no study comes before.
	WithoutStudy string
	By           string      // his name, where his word is kept with it
	Ordered      string      // who ordered it, as the door knows him
	Abdication   *Abdication // the other's word, which he brought; nil: none
}

// Abdication is a mirror's signed word that it gave hand-over Number of Term back, for an
// operator to carry to the other server while the link is cut (RULES R3). It says by its
// number when it stops being so: a number is handed over once.
type Abdication struct {
	Site      string      `json:"site"`
	Seat      releve.Seat `json:"seat"` // whose word it is
	Term      releve.Term `json:"term"`
	Number    uint64      `json:"number"`
	Signature string      `json:"signature,omitempty"` // of Statement, base64url
}

// Statement is what is signed: the word without its signature, as JSON.
func (a Abdication) Statement() []byte {
	a.Signature = ""
	raw, err := json.Marshal(a)
	if err != nil {
		panic(fmt.Sprintf("plain values cannot be written as JSON: %v", err))
	}
	return raw
}

// Arbiter is by what a server decides, and what its witness last said.
type Arbiter struct {
	Arbiter     releve.Arbiter `json:"arbiter"`
	Incarnation uint64         `json:"incarnation"`       // counts the changes of the arbiter
	Witness     *Witness       `json:"witness,omitempty"` // nil: this server has no way to one
}

// Witness is the register of a witness as a server last read it.
type Witness struct {
	Heard       bool        `json:"heard"`
	Why         string      `json:"why,omitempty"` // it is not heard
	Incarnation uint64      `json:"incarnation"`   // 0: it remembers nothing
	Version     uint64      `json:"version"`
	Term        releve.Term `json:"term"`
	Owner       releve.Seat `json:"owner"`
	Alone       bool        `json:"alone"` // the owner decides alone; otherwise hand-over Number lies there
	Number      uint64      `json:"number"`
}
