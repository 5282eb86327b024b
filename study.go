package releve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// A study says, before anything is installed, whether a site can have a level of protection
// (SPEC §9). What it asks, takes and finds are values: they are judged in rules/study, stand in
// a file that both parties sign, and are compared with those of a later one.

// StudyFormat counts the ways in which studies have been written.
const StudyFormat = 1

// StudyQuestion is all that a study is told.
type StudyQuestion struct {
	Establishment string `json:"establishment"`
	Integrator    string `json:"integrator"`

	Main      string `json:"main"`                // address
	Secondary string `json:"secondary,omitempty"` // address; "": one server alone is studied

	Channels  int    `json:"channels"`
	Telephony string `json:"telephony"` // sip or analogue
	SIPPort   uint16 `json:"sip_port"`
	RTPFirst  int    `json:"rtp_first"`
	RTPLast   int    `json:"rtp_last"`
	PeerPort  uint16 `json:"peer_port"`
	// DatabasePort is that of the mirror, ConsolePort that of the page.
	DatabasePort uint16 `json:"database_port"`
	ConsolePort  uint16 `json:"console_port"`

	PBX             string `json:"pbx,omitempty"`    // host:port
	Domain          string `json:"domain,omitempty"` // of its SIP users
	ReceptionNumber string `json:"reception_number,omitempty"`
	ReceptionUser   string `json:"reception_user,omitempty"`
	StandbyUser     string `json:"standby_user,omitempty"`

	NTP     string `json:"ntp,omitempty"`     // host
	Mail    string `json:"mail,omitempty"`    // host:port
	SNMP    string `json:"snmp,omitempty"`    // host:port of the manager
	Witness string `json:"witness,omitempty"` // host:port
}

// StudySecrets are the passwords of the SIP users. They stand in no file of a study.
type StudySecrets struct {
	Reception string `json:"reception,omitempty"`
	Standby   string `json:"standby,omitempty"`
}

// The two kinds of telephony.
const (
	TelephonySIP      = "sip"
	TelephonyAnalogue = "analogue"
)

// MeasureState is what came of measuring.
type MeasureState string

// Measured has a value, Broken was seen not to work, Unmeasured could not be looked at.
const (
	Measured   MeasureState = "measured"
	Broken     MeasureState = "broken"
	Unmeasured MeasureState = "unmeasured"
)

// Measurement is what one server found of one thing.
type Measurement struct {
	Check string       `json:"check"`           // by its name in rules/study
	Seat  Seat         `json:"seat,omitempty"`  // the server that it is about
	About string       `json:"about,omitempty"` // which of several: "tcp 7443", a name
	State MeasureState `json:"state"`
	Value float64      `json:"value"` // in the unit of the check
	Text  string       `json:"text,omitempty"`
	Why   Sentence     `json:"why"` // what is broken, or why it was not measured
	Who   Party        `json:"who,omitempty"`
}

// StudyVerdict is how a measured thing is for what is wanted.
type StudyVerdict string

// The verdicts. What is poor can be lived with.
const (
	StudyOK         StudyVerdict = "ok"
	StudyPoor       StudyVerdict = "poor"
	StudyFailed     StudyVerdict = "failed"
	StudyUnmeasured StudyVerdict = "not-measured"
)

// Party is who has to change something.
type Party string

// The three parties of a site.
const (
	Establishment Party = "establishment"
	Integrator    Party = "integrator"
	PBXMaintainer Party = "pbx-maintainer"
)

// Finding is a measurement with its verdict. A finding of no level is advice.
type Finding struct {
	Measurement
	Unit    string       `json:"unit,omitempty"`
	Good    float64      `json:"good,omitempty"`  // from here on it is ok
	Least   float64      `json:"least,omitempty"` // beyond it has failed
	Verdict StudyVerdict `json:"verdict"`
	Levels  []Level      `json:"levels,omitempty"` // that need it
}

// Feasibility is the verdict for a level.
type Feasibility string

// The verdicts for a level: all that it needs is there, something is not, or something was not
// measured and nothing is known to be missing.
const (
	Feasible    Feasibility = "feasible"
	NotFeasible Feasibility = "not-feasible"
	NotDecided  Feasibility = "not-decided"
)

// StudyResource is what a level takes of one server, in processors and bytes.
type StudyResource struct {
	Seat       Seat  `json:"seat"`
	Processors int   `json:"processors"`
	Memory     int64 `json:"memory_bytes"`
	Disk       int64 `json:"disk_bytes"`
	Users      int   `json:"sip_users"` // at the PBX
}

// StudyLevel is what a study found of one level.
type StudyLevel struct {
	Level     Level           `json:"level"`
	Verdict   Feasibility     `json:"verdict"`
	Resources []StudyResource `json:"resources"`
	Failed    []int           `json:"failed,omitempty"`     // findings, by their place
	Unknown   []int           `json:"unmeasured,omitempty"` // that would have to be measured
	Poor      []int           `json:"poor,omitempty"`
}

// Study is a whole study.
type Study struct {
	Format   int           `json:"format"`
	Version  string        `json:"version"` // of the program
	At       time.Time     `json:"at"`
	Question StudyQuestion `json:"question"`
	Findings []Finding     `json:"findings"`
	Levels   []StudyLevel  `json:"levels"`

	Signed []StudySignature `json:"signed,omitempty"`
}

// Digest is what is signed of a study: all of it but the signatures.
func (s Study) Digest() string {
	s.Signed = nil
	raw, err := json.Marshal(s)
	if err != nil {
		panic("a study cannot be written as JSON: " + err.Error()) // a value is no number: none is kept
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// StudySignature says that a party signed a study, and which: what is changed later is signed by
// nobody. The signature itself stands on paper, beside the same digest.
type StudySignature struct {
	Party  Party     `json:"party"`
	Name   string    `json:"name"` // of who signed for it
	At     time.Time `json:"at"`
	Digest string    `json:"digest"` // of the study without its signatures, SHA-256 in hexadecimal
}

// StudyChange is a prerequisite that two studies found differently.
type StudyChange struct {
	Before, Now Finding
}
