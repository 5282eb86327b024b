package practice

import (
	"time"

	"releve"
)

// Kind says what an [Event] of the practice PBX tells.
type Kind string

// The kinds of events. Those of a call come in this order, with as many tries of
// the main as it takes.
const (
	CallOffered         Kind = "call"              // a call to the published number
	TryMain             Kind = "try-main"          // offered to the contact of reception
	MainUnregistered    Kind = "main-unregistered" // reception has no contact
	MainNoReply         Kind = "main-noreply"      // not one SIP response in time
	MainNoAnswer        Kind = "main-noanswer"     // it rang too long
	MainRefused         Kind = "main-refused"
	Overflow            Kind = "overflow" // offered to the contact of standby
	StandbyUnregistered Kind = "standby-unregistered"
	StandbyNoReply      Kind = "standby-noreply"
	StandbyNoAnswer     Kind = "standby-noanswer"
	StandbyRefused      Kind = "standby-refused"
	BackToMain          Kind = "back-to-main"
	GiveUp              Kind = "give-up"   // 480 to the caller
	Answered            Kind = "answered"  // 2xx passed to the caller
	Refused             Kind = "refused"   // a refusal passed to the caller
	Cancelled           Kind = "cancel"    // the caller hung up before
	CallUser            Kind = "call-user" // a call to a telephone, or to standby itself
	Referred            Kind = "refer"
	Hangup              Kind = "bye"
	Registered          Kind = "register"
	Unregistered        Kind = "unregister"
	RegisterRefused     Kind = "register-refused"
)

// Event is one thing that the practice PBX did or saw.
type Event struct {
	At      time.Time
	Kind    Kind
	Call    releve.CallID // "" for a registration
	User    string        // who calls, or who registers
	Code    int           // SIP status, where one led to it
	Contact string        // the contact that was tried, took the call, or was bound
}
