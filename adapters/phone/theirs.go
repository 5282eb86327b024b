package phone

import (
	"context"

	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
	"releve/rules/takeover"
)

// AskBindings asks the PBX once who has a user, for a server whose telephone is closed (SPEC
// B3). Its address of SIP is bound for that one question, for many PBXs answer no other; what else comes
// there meanwhile is left without an answer, as it is while nothing is bound.
func AskBindings(ctx context.Context, o Options, a Account) (takeover.Shown, error) {
	endpoint, err := sip.Listen(sip.Options{
		Listen: o.Listen, Log: o.Log, Sources: o.sources(nil), Transport: o.Transport, PBX: o.PBX, Certificates: o.Certificates,
		Handle:  func(*sip.Request, *sip.Transaction) {},
		OnPanic: func(string) {}, Stray: func(*sip.Response) {},
	})
	if err != nil {
		return takeover.Shown{}, err
	}
	defer endpoint.Close()
	endpoint.Serve()
	all, err := register.NewClient(endpoint, o.PBX, o.Domain).Bindings(ctx, a)
	return OfOthers(all), err
}

// OfOthers is what a list of bindings says of servers other than this one.
func OfOthers(all []Binding) takeover.Shown {
	s := takeover.Shown{Any: len(all) > 0}
	for _, b := range all {
		if !b.Own {
			s.There, s.Left = true, max(s.Left, b.Expires)
		}
	}
	return s
}
