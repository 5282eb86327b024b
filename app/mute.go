package app

import (
	"context"

	"releve"
	"releve/adapters/phone"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
	"releve/server/overflow"
)

// errMute is what a server without a telephone answers whoever asks for it.
var errMute = releve.Known("this server has no telephone at level mirroring", "cause-mute")

// mute is the side towards callers of a server that has none: the secondary at level
// mirroring opens no socket of SIP, registers nowhere and takes no call (SPEC §2).
type mute struct{}

func (mute) ports() (agent.Telephone, agent.Voice) {
	return agent.Absent{Why: errMute}, agent.Absent{Why: errMute}
}

func (mute) prove()                          {}
func (mute) serve(phone.Prompts)             {}
func (mute) run(func(func(context.Context))) {}
func (mute) leave(context.Context)           {}
func (mute) Known() []releve.Call            { return nil }
func (mute) desk() order.Desk                { return overflow.Closed(errMute) }
func (mute) CheckCalls(_ context.Context, emit func(view.Procedure)) error {
	return overflow.NoStandby(emit)
}
