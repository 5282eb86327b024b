// Package attendant is the rule book of what a caller lives through (SPEC C2,
// C3): greeted, asked for a number, put through, and never dropped.
//
// It has no clock, no sound and no telephone. A [Conversation] is told what
// happened and says what to do next; whoever drives it does it and comes back
// with what came of it. One action is under way at a time, and the next one
// takes its place: that is how a key stops a prompt.
//
// Every conversation ends, and with an [Outcome], whatever happens and in
// whatever order: each road that leads back to the menu is counted.
package attendant

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"releve"
)

// Script is what a site decides about its conversations.
type Script struct {
	Language        releve.Language
	ExtensionDigits int    // how many digits an extension has, 1 to 15
	Operator        string // SIP user of the operator; "" where nobody takes calls

	// Plan is what may be dialled, the operator's number too, and nothing else (SPEC K7).
	Plan Plan
}

// maxExtensionDigits is the longest number of the public network (E.164).
const maxExtensionDigits = 15

// Check says what is wrong with a script before the first caller finds out.
func (s Script) Check() error {
	var wrong []error
	if s.Language != releve.French && s.Language != releve.English {
		wrong = append(wrong, fmt.Errorf("the attendant's language is %q: set it to fr or en", s.Language))
	}
	if s.ExtensionDigits < 1 || s.ExtensionDigits > maxExtensionDigits {
		wrong = append(wrong, fmt.Errorf("extensions of %d digits: set extension_digits between 1 and %d",
			s.ExtensionDigits, maxExtensionDigits))
	}
	if len(s.Plan) == 0 {
		wrong = append(wrong, errors.New("no number may be dialled: set extensions"))
	}
	if s.Operator != "" && !s.Plan.Holds(s.Operator) {
		wrong = append(wrong, fmt.Errorf("the operator %q is not among the extensions: add the number", s.Operator))
	}
	return errors.Join(wrong...)
}

// Kind is the kind of a thing that happened.
type Kind string

// What can happen in a conversation.
const (
	Started        Kind = "started"         // the caller was answered
	Resumed        Kind = "resumed"         // another server answered him, and this one goes on with the call
	PromptDone     Kind = "prompt-done"     // the last prompt of a Play was said to its end
	Digit          Kind = "digit"           // a key was pressed: Event.Key
	Disowned       Kind = "disowned"        // the keys so far were pressed by somebody else
	Silence        Kind = "silence"         // the time of a Collect passed without a key
	TransferResult Kind = "transfer-result" // a Transfer was settled: Event.Code
	CallerGone     Kind = "caller-gone"     // the caller hung up
	CallerLost     Kind = "caller-lost"     // nobody did, and yet the PBX has the call no more
)

// Event is one thing that happened.
type Event struct {
	What Kind
	Key  byte // with Digit: one of 0-9 * # A-D
	Code int  // with TransferResult: the last SIP status heard of the new call; 0 when there was none
	Lost bool // with TransferResult: nobody is on the call any more
	// Unreported, with TransferResult and a 2xx: the transfer was accepted and the leg let
	// go, and how it ended was never said.
	Unreported bool
	// Bridged, with TransferResult and a 2xx, or with Resumed: the caller talks to somebody by way of this
	// server, which is not done with the call.
	Bridged bool
}

// Action is one thing to do: [Play], [Collect], [Transfer], [Await], [Hangup] or [Note].
// All but Note take the place of the one before.
type Action interface{ action() }

// Play is prompts to say one after the other, each as language/name, for example
// fr/greeting. Ends in PromptDone.
type Play struct{ Prompts []string }

// Collect is to listen for a key. Ends in Digit, or in Silence after that time.
type Collect struct{ Silence time.Duration }

// Transfer is to put the caller through, by REFER or as the PBX allows (SPEC
// C3). Ends in TransferResult.
type Transfer struct {
	User string      `json:"user"` // in clear: never to be recorded
	As   Destination `json:"as"`
}

// Await is to wait for the end of a transfer that another server asked for. Ends in TransferResult.
type Await struct{}

// Destination is whom a transfer is for.
type Destination string

// The destinations.
const (
	Extension Destination = "extension"
	Operator  Destination = "operator"
)

// Hangup is the end. The caller may already be gone.
type Hangup struct {
	Outcome Outcome
	Detail  string // where the caller was, or why nobody could be had
}

// Outcome is how a conversation ended.
type Outcome string

// The outcomes.
const (
	Transferred Outcome = "transferred" // someone took the call
	Abandoned   Outcome = "abandoned"   // the caller hung up
	Unanswered  Outcome = "unanswered"  // nobody could be had, and the caller was told
	Lost        Outcome = "lost"        // the PBX lost the call, or the caller in a transfer
)

// Note is a step to record. Digits in it are masked (SPEC C8).
type Note struct{ Name, Detail string }

func (Play) action()     {}
func (Collect) action()  {}
func (Transfer) action() {}
func (Await) action()    {}
func (Hangup) action()   {}
func (Note) action()     {}

// Mask hides a number but for its first half, two digits at most: enough to see
// which department was wanted, not whom (SPEC C8).
func Mask(number string) string {
	kept := min(2, len(number)/2)
	return number[:kept] + strings.Repeat("*", len(number)-kept)
}
