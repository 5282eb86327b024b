// Package voice joins the telephone to the conversations on it.
package voice

import (
	"context"
	"errors"
	"net/netip"

	"releve"
	"releve/adapters/phone"
	"releve/config"
	"releve/server/calls"
)

// Accounts are the two users that a server is at the PBX.
func Accounts(c config.PBX) (reception, standby phone.Account) {
	expires := c.Expires.Std()
	return phone.Account{User: c.ReceptionUser, Password: c.ReceptionPassword, Expires: expires},
		phone.Account{User: c.StandbyUser, Password: c.StandbyPassword, Expires: expires}
}

// Profile is what calls are told apart by.
func Profile(conf config.Config) calls.Profile {
	c := conf.PBX
	return calls.Profile{
		Evidence: c.Evidence, ReceptionUser: phone.Bare(c.ReceptionUser), ReceptionNumber: phone.Bare(c.ReceptionNumber),
		CountryCode: c.CountryCode, StandbyUser: phone.Bare(c.StandbyUser), RefusalCode: c.RefusalCode, BusyCode: c.BusyCode,
		Gateways: conf.Gateways(),
	}
}

// Speech is what a server says on calls, and how it puts callers through: to numbers of its plan, as its reception, on
// channels of its calls.
func Speech(c config.Config, reception phone.Account, prompts phone.Prompts, on *calls.Calls, explain func(releve.Sentence)) phone.Speech {
	script, _ := c.Attendant.Script() // it was checked
	return phone.Speech{
		Prompts: prompts, Hold: string(c.Attendant.Language) + "/transfer",
		Handover: &phone.Handover{Way: c.PBX.Transfer, As: reception, Plan: script.Plan, Room: on.Room, Explain: explain},
	}
}

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

// Doors are the addresses and names from which SIP is taken beside the PBX's (SPEC K1), and the networks to which sound may go
// (K4) where they are named. A gateway of analogue lines is a PBX of its own.
func Doors(c config.Config) (sources []netip.Prefix, names []string, networks []netip.Prefix) {
	sources, names = config.Networks(c.PBX.Sources)
	networks, _ = config.Networks(c.PBX.Networks)
	for _, at := range c.Gateways() {
		one := netip.PrefixFrom(at, at.BitLen())
		sources = append(sources, one)
		if len(networks) > 0 {
			networks = append(networks, one)
		}
	}
	return sources, names, networks
}
