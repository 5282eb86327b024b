package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"releve"
	"releve/adapters/phone/dialog"
	"releve/adapters/phone/media"
	"releve/rules/alarm/spoken"
	"releve/rules/attendant/prompts"
)

// Prompts are the built-in prompts, ready to be sent, by language/name.
type Prompts map[string]media.Clip

// LoadPrompts reads all that callers hear.
func LoadPrompts() (Prompts, error) { return load(prompts.Names(), prompts.WAV) }

// LoadSpoken reads all that people hear who are called about an alarm.
func LoadSpoken() (Prompts, error) { return load(spoken.Names(), spoken.WAV) }

func load(names []string, file func(releve.Language, string) ([]byte, error)) (Prompts, error) {
	all := Prompts{}
	for _, language := range []releve.Language{releve.French, releve.English} {
		for _, name := range names {
			wav, err := file(language, name)
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

// Speech is what this server says on legs.
type Speech struct {
	Prompts Prompts
	Hold    string // what is said to who waits for a transfer
	*Handover
}

// Voice is a leg on which prompts are said by their names.
type Voice struct {
	*Leg
	Speech
}

// On speaks on a leg.
func (s Speech) On(l *Leg) Voice { return Voice{l, s} }

// TakeUp speaks on a call from what another telephone wrote down of it ([Leg.Written]). One that cannot be taken
// up is ended with BYE, as far as it can be read.
func (s Speech) TakeUp(p *Phone, written json.RawMessage) (Voice, error) {
	state, err := dialog.Read(written)
	if err != nil {
		return Voice{}, err
	}
	l, err := p.TakeUp(state)
	if err != nil {
		p.forsake(state)
		return Voice{}, err
	}
	s.adopt(l)
	return s.On(l), nil
}

// Play says a prompt.
func (v Voice) Play(ctx context.Context, prompt string) error {
	clip, known := v.Prompts[prompt]
	if !known {
		return fmt.Errorf("there is no prompt %q", prompt)
	}
	return v.Leg.Play(ctx, clip)
}

// Transfer puts the caller through by the way that the PBX has ([Handover]). While the PBX does it, the caller is told now
// and then that he is not forgotten. A call that is gone is [releve.ErrLost].
func (v Voice) Transfer(ctx context.Context, user string) (int, error) {
	return known(v.put(ctx, v.Leg, user, v.Prompts[v.Hold]))
}

// Await is [Leg.AwaitOnHold], in the same way.
func (v Voice) Await(ctx context.Context) (int, error) {
	return known(v.AwaitOnHold(ctx, v.Prompts[v.Hold]))
}

func known(code int, err error) (int, error) {
	if errors.Is(err, ErrLost) {
		err = fmt.Errorf("%w: %w", releve.ErrLost, err)
	}
	return code, err
}
