package view

import (
	"net/netip"

	"releve"
)

// Deed is what people have the product do, as the one door for orders knows it (SPEC P1).
type Deed string

// The deeds. What each takes of whoever orders it, the door says.
const (
	HandleAlarm       Deed = "alarm"
	Maintain          Deed = "maintenance"
	ChangeAccount     Deed = "account"
	ChangeOwnPassword Deed = "own-password"
	Rehearse          Deed = "rehearse" // whatever is said with --dry-run: nothing changes
	RunProcedure      Deed = "procedure"
	MakeDrill         Deed = "drill"
	Abdicate          Deed = "abdicate"
	VerifyMirror      Deed = "verify"
	CheckCalls        Deed = "telephone"
	LookForSalvage    Deed = "salvage-extract"
	ApplySalvage      Deed = "salvage-apply"
	DiscardSalvage    Deed = "salvage-discard"
	InstallLicence    Deed = "licence"
	AdoptStudy        Deed = "study"
	TestOutlets       Deed = "notify-test"
	AbortProcedure    Deed = "abort"
)

// Caller is who orders something, and from where: somebody on the machine itself, or with a session.
type Caller struct {
	Unix string // on the machine: the unix user, as the kernel names him; "" where the order came over the network
	Name string // … and as he calls himself
	// Phone is the number at which this server called somebody, who ordered it by a key; Name is his.
	Phone string
	// Session and From are of who came over the network.
	Session string
	From    netip.Addr
}

// Order is what somebody wants done, as it comes to the door.
type Order struct {
	By   Caller
	Deed Deed
	What releve.Sentence // with its words: both diaries have it
}

// Why the door carries nothing out.
var (
	ErrNobody  = releve.Refused(releve.ErrForbidden, "nobody is logged in")
	ErrNoRight = releve.Refused(releve.ErrForbidden, "the role has not the right")
)

// Refusal is why nothing was changed, nil where something was.
func (i Installed) Refusal() *releve.Sentence { return i.Refused }

// Refusal is why nothing was changed, nil where something was.
func (a Adoption) Refusal() *releve.Sentence { return a.Refused }

// Refusal is why nothing was sent, nil where something was.
func (t OutletTests) Refusal() *releve.Sentence { return t.Refused }
