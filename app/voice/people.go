package voice

import (
	"context"
	"sync"

	"releve/adapters/phone"
	"releve/config"
	"releve/server/calls"
	"releve/server/oncall"
	"releve/server/telephone"
)

// People is how a server calls people: as its reception, numbers of its plan alone, on a channel of its calls, whether one is
// free or not.
type People struct {
	Config    config.Config
	Reception phone.Account
	Phone     func() *phone.Phone // the one that was opened last; nil: none was
	Calls     *calls.Calls
	PBX       interface {
		Options(ctx context.Context) error
	}
}

// spoken is what is said to them, read when the first is called.
var spoken = sync.OnceValues(phone.LoadSpoken)

// Options asks the PBX whether it is there.
func (p People) Options(ctx context.Context) error { return p.PBX.Options(ctx) }

// Dial calls a number, and returns when somebody answers.
func (p People) Dial(ctx context.Context, number string) (oncall.Leg, error) {
	prompts, err := spoken()
	if err != nil {
		return nil, err
	}
	script, err := p.Config.Attendant.Script()
	if err != nil {
		return nil, err
	}
	by := p.Phone()
	if by == nil {
		return nil, telephone.ErrClosed
	}
	leave, _ := p.Calls.Room(true)
	leg, err := by.Dial(ctx, phone.Dialling{As: p.Reception, Number: number, Plan: script.Plan, Name: "Releve"})
	if err != nil {
		leave()
		return nil, err
	}
	go func() {
		<-leg.Gone()
		leave()
	}()
	return phone.Speech{Prompts: prompts}.On(leg), nil
}

// Closed is a server without a telephone.
type Closed struct{ Why error }

// Options says so.
func (c Closed) Options(context.Context) error { return c.Why }

// Dial says so.
func (c Closed) Dial(context.Context, string) (oncall.Leg, error) { return nil, c.Why }
