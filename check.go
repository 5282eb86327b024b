package releve

import "time"

// CheckQuestion asks the server on duty whether it can take a call (SPEC H4).
type CheckQuestion struct {
	Nonce string `json:"nonce"` // drawn for this question; the answer repeats it
	Term  Term   `json:"term"`  // that the asker knows
	Call  bool   `json:"call"`  // a call waits for the answer: look at the binding itself
}

// CheckAnswer is what the server asked says of itself. It is a positive answer
// only as SPEC H4 says: Well, and the PBX answered after the question. It tells of the
// callers' tier alone: a call is answered without a database and without a page (RULES R13), and
// a takeover because of those would end conversations for nothing.
type CheckAnswer struct {
	Nonce       string        `json:"nonce,omitempty"`
	Seat        Seat          `json:"seat"`
	Term        Term          `json:"term"`
	Well        bool          `json:"well"`
	Busy        bool          `json:"busy"`           // all channels are busy: still in service
	Registered  bool          `json:"registered"`     // the reception user's binding is this server's
	PBXAnswered bool          `json:"pbx_answered"`   // an OPTIONS sent after the question
	LastInvite  time.Duration `json:"last_invite_ns"` // how long ago the last INVITE came; negative: none since the start
	Why         Sentence      `json:"why"`
}
