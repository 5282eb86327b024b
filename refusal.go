package releve

import "errors"

// The five causes for which a request is refused, whatever room refuses it, for errors.Is.
// What is none of them has failed.
var (
	ErrBusy        = errors.New("something of the kind is being done already")
	ErrForbidden   = errors.New("this may not be done now")
	ErrUnknown     = errors.New("there is nothing of that name")
	ErrNotOnDuty   = Known("no server is on duty with its database", "cause-nobody-on-duty")
	ErrUnreachable = errors.New("no server answers")
)

// What several rooms tell apart within a cause.
var (
	ErrNoSalvage      = Refused(ErrUnknown, "there is no salvage of that number")
	ErrSalvageDecided = Refused(ErrForbidden, "the salvage was applied: its rows are in the database")
	ErrNoVote         = Refused(ErrForbidden, "this server has no vote to give back")
	ErrVoteAsked      = Refused(ErrForbidden, "the vote was asked of the witness and is no longer given back by word")
)

// Refused is a cause in the words of the room that refuses.
func Refused(cause error, text string) error { return &refusal{text, cause} }

type refusal struct {
	text  string
	cause error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.cause }
