package app

import (
	"context"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/app/outlets"
	"releve/app/voice"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
	"releve/server/overflow"
	"releve/server/succession"
	"releve/server/telephone"
)

// mute is the side towards callers of a server whose file says nothing of a telephone: it has none
// at its level, and cannot be given one while it runs (SPEC §2).
type mute struct{}

func (mute) ports() (agent.Telephone, agent.Voice) {
	return agent.Absent{Why: telephone.ErrClosed}, agent.Absent{Why: telephone.ErrClosed}
}

func (mute) people() outlets.Telephone       { return voice.Closed{Why: telephone.ErrClosed} }
func (mute) prove()                          {}
func (mute) serve(phone.Prompts)             {}
func (mute) run(func(func(context.Context))) {}
func (mute) leave(context.Context)           {}
func (mute) heir() *succession.Succession    { return nil }
func (mute) Known() []releve.Call            { return nil }
func (mute) Seen() time.Time                 { return time.Time{} }
func (mute) Desk() order.Desk                { return overflow.Closed(telephone.ErrClosed) }
func (mute) CheckCalls(_ context.Context, emit func(view.Procedure)) error {
	return overflow.NoStandby(emit)
}
