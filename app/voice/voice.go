// Package voice joins the telephone to the conversations on it.
package voice

import (
	"context"
	"errors"

	"releve/adapters/phone"
	"releve/server/calls"
)

// Incoming is a call of the phone as the calls need it.
type Incoming struct {
	*phone.Incoming
	Speech phone.Speech
}

// Answer is [phone.Incoming.Answer]; a call that cannot be agreed to says with which code it is refused.
func (in Incoming) Answer(ctx context.Context) (calls.Leg, error) {
	leg, err := in.Incoming.Answer(ctx)
	if unfit, ok := errors.AsType[*phone.Unfit](err); ok {
		return nil, &calls.Unacceptable{Code: unfit.Code, Why: unfit.Why}
	}
	if err != nil {
		return nil, err
	}
	return in.Speech.On(leg), nil
}
