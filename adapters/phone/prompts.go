package phone

import (
	"context"
	"errors"
	"fmt"

	"releve"
	"releve/adapters/phone/media"
	"releve/rules/attendant/prompts"
)

// Prompts are the built-in prompts, ready to be sent, by language/name.
type Prompts map[string]media.Clip

// LoadPrompts reads all of them.
func LoadPrompts() (Prompts, error) {
	all := Prompts{}
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

// Voice is a leg on which prompts are said by their names.
type Voice struct {
	*Leg
	Prompts Prompts
	Hold    string // what is said to who waits for a transfer
}

// Play says a prompt.
func (v Voice) Play(ctx context.Context, prompt string) error {
	clip, known := v.Prompts[prompt]
	if !known {
		return fmt.Errorf("there is no prompt %q", prompt)
	}
	return v.Leg.Play(ctx, clip)
}

// Transfer is [Leg.TransferOnHold]. A call that is gone is [releve.ErrLost].
func (v Voice) Transfer(ctx context.Context, user string) (int, error) {
	code, err := v.TransferOnHold(ctx, user, v.Prompts[v.Hold])
	if errors.Is(err, ErrLost) {
		err = fmt.Errorf("%w: %w", releve.ErrLost, err)
	}
	return code, err
}
