package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/media"
	"releve/config"
	"releve/rules/attendant/prompts"
	"releve/rules/takeover"
	"releve/server/agent"
	"releve/server/calls"
)

// duty is the agent as the calls need it.
type duty struct{ agent *agent.Agent }

var stances = map[takeover.StanceKind]calls.StanceKind{
	takeover.OnDuty:       calls.OnDuty,
	takeover.NoDuty:       calls.WithoutDuty,
	takeover.Verifying:    calls.Passive,
	takeover.VerifyingAll: calls.Unsure,
	takeover.Closed:       calls.Closed,
}

func (d duty) Stance() calls.Stance {
	kind, term := d.agent.Stance()
	return calls.Stance{Kind: stances[kind], Term: term}
}

func (d duty) Verify(ctx context.Context, o calls.Offer) calls.Decision {
	v := d.agent.Verify(ctx, o.Invite.Call, o.Reason, o.Own)
	return calls.Decision{Answer: v.Answer, Code: v.Code, WithoutDuty: v.WithoutDuty, Took: v.Took}
}

// voice is the calls as the agent needs them.
type voice struct {
	calls  *calls.Calls
	config config.Config
}

func (v voice) Drop()       { v.calls.Drop("the duty was lost") }
func (v voice) Well() error { return v.calls.Healthy() }

func (v voice) Load() agent.Load {
	s := v.calls.Snapshot()
	return agent.Load{
		Busy: s.Busy, Channels: s.Channels, Offered: s.Offered, Answered: s.Answered, Refused: s.Refused, LastInvite: s.LastInvite,
		Notices: v.notices(),
	}
}

// notices are what the screens say of this server's calls beside their numbers.
func (v voice) notices() (all []releve.Sentence) {
	if v.config.Site.Level == releve.HighAvailability {
		all = append(all, overflowNotice(v.calls.Sighted(), v.config.PBX.Evidence))
	}
	s := v.calls.Snapshot()
	if s.Keyless > 0 {
		all = append(all, releve.Say("notice-keyless", "calls", strconv.Itoa(s.Keyless), "at", s.KeylessAt.Local().Format(time.TimeOnly)))
	}
	if s.Unacceptable > 0 {
		all = append(all, releve.Say("notice-unacceptable", "calls", strconv.Itoa(s.Unacceptable),
			"at", s.UnacceptableAt.Local().Format(time.TimeOnly), "why", s.UnacceptableWhy))
	}
	return all
}

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
	hold  string // the prompt for who waits for a transfer
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
	hold  string
}

// holdPeriod is how long a caller whose transfer takes its time hears nothing.
const holdPeriod = 8 * time.Second

// Transfer also tells the caller now and then that he is not forgotten.
func (a answered) Transfer(ctx context.Context, user string) (int, error) {
	waiting, over := context.WithCancel(ctx)
	var said sync.WaitGroup
	said.Go(func() { a.soothe(waiting) })
	code, err := a.Leg.Transfer(ctx, user)
	over()
	said.Wait() // a leg plays one prompt at a time
	if errors.Is(err, phone.ErrLost) {
		err = fmt.Errorf("%w: %w", calls.ErrLost, err)
	}
	return code, err
}

func (a answered) soothe(ctx context.Context) {
	tick := time.NewTicker(holdPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = a.Play(ctx, a.hold) // the transfer says how the call stands
		}
	}
}

func (a answered) Play(ctx context.Context, prompt string) error {
	clip, known := a.clips[prompt]
	if !known {
		return fmt.Errorf("there is no prompt %q", prompt)
	}
	return a.Leg.Play(ctx, clip)
}
