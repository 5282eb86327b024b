package app

import (
	"context"
	"errors"
	"fmt"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/media"
	"releve/rules/attendant/prompts"
	"releve/server/calls"
)

// clips are the built-in prompts, ready to be sent, by language/name.
type clips map[string]media.Clip

func loadClips() (clips, error) {
	all := clips{}
	for _, language := range []releve.Language{releve.French, releve.English} {
		for _, name := range prompts.Names() {
			wav, err := prompts.WAV(language, name)
			if err != nil {
				return nil, err
			}
			clip, err := media.ParseWAV(wav)
			if err != nil {
				return nil, fmt.Errorf("prompt %s/%s: %w", language, name, err)
			}
			all[string(language)+"/"+name] = clip
		}
	}
	return all, nil
}

// incoming is a call of the phone as the calls need it.
type incoming struct {
	*phone.Incoming
	clips clips
	hold  media.Clip // for who waits for a transfer
}

func (in incoming) Answer(ctx context.Context) (calls.Leg, error) {
	leg, err := in.Incoming.Answer(ctx)
	if unfit, ok := errors.AsType[*phone.Unfit](err); ok {
		return nil, &calls.Unacceptable{Code: unfit.Code, Why: unfit.Why}
	}
	if err != nil {
		return nil, err
	}
	return answered{leg, in.clips, in.hold}, nil
}

// answered is a leg of the phone as the calls need it.
type answered struct {
	*phone.Leg
	clips clips
	hold  media.Clip
}

func (a answered) Transfer(ctx context.Context, user string) (int, error) {
	code, err := a.TransferOnHold(ctx, user, a.hold)
	if errors.Is(err, phone.ErrLost) {
		err = fmt.Errorf("%w: %w", calls.ErrLost, err)
	}
	return code, err
}

func (a answered) Play(ctx context.Context, prompt string) error {
	clip, known := a.clips[prompt]
	if !known {
		return fmt.Errorf("there is no prompt %q", prompt)
	}
	return a.Leg.Play(ctx, clip)
}
