package app

import (
	"context"
	"errors"

	"releve/adapters/phone"
	"releve/server/calls"
)

// incoming is a call of the phone as the calls need it.
type incoming struct {
	*phone.Incoming
	speech phone.Speech
}

func (in incoming) Answer(ctx context.Context) (calls.Leg, error) {
	leg, err := in.Incoming.Answer(ctx)
	if unfit, ok := errors.AsType[*phone.Unfit](err); ok {
		return nil, &calls.Unacceptable{Code: unfit.Code, Why: unfit.Why}
	}
	if err != nil {
		return nil, err
	}
	return in.speech.On(leg), nil
}
