package app

import (
	"context"

	"releve"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/server/agent"
	"releve/server/order"
	"releve/server/overflow"
)

// errMute is what a server without a telephone answers whoever asks for it.
var errMute = releve.Known("this server has no telephone at level mirroring", "cause-mute")

// mute is the side towards callers of a server that has none: the secondary at level
// mirroring opens no socket of SIP, registers nowhere and takes no call (SPEC §2). It
// hears no PBX either, so that nothing is ever concluded from one.
type mute struct{}

func (m mute) ports() (agent.Telephone, agent.Voice) { return m, m }

func (mute) serve()                                 {}
func (mute) run(clips, func(func(context.Context))) {}
func (mute) leave(context.Context)                  {}
func (mute) Known() []releve.Call                   { return nil }
func (mute) desk() order.Desk                       { return overflow.Closed(errMute) }
func (mute) CheckCalls(_ context.Context, emit func(view.Procedure)) error {
	return overflow.NoStandby(emit)
}

// The telephone that is not there.

func (mute) Options(context.Context) error { return errMute }
func (mute) CheckOther(context.Context, agent.CheckQuestion) (takeover.Reply, error) {
	return takeover.Reply{}, errMute
}
func (mute) Keep(takeover.Users)                        {} // the table asks for none at this level
func (mute) Bound() takeover.Users                      { return takeover.Users{} }
func (mute) RegisterNow()                               {}
func (mute) BindingThere(context.Context) (bool, error) { return false, errMute }
func (mute) TestCall(context.Context, string) (agent.TestCall, error) {
	return agent.TestCall{}, errMute
}

// The calls that are not there are not ill.

func (mute) Drop()            {}
func (mute) Well() error      { return nil }
func (mute) Load() agent.Load { return agent.Load{} }
