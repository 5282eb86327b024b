package phone

import (
	"context"
	"net/netip"

	"releve/adapters/phone/register"
	"releve/adapters/phone/sip"
	"releve/rules/takeover"
)

// AskBindings asks the PBX once who has a user, for a server whose telephone is closed (SPEC
// B3). Its address of SIP is bound for that one question, for many PBXs answer no other; what else comes
// there meanwhile is left without an answer, as it is while nothing is bound. Where its name stands for several, all are asked:
// the other server may be bound at any.
func AskBindings(ctx context.Context, o Options, a Account) (takeover.Shown, error) {
	targets := []netip.AddrPort{o.PBX}
	if o.PBXName != "" {
		found, err := o.Resolver.Locate(ctx, o.where())
		if err != nil {
			return takeover.Shown{}, err
		}
		targets = found.Targets
	}
	var all takeover.Shown
	for _, at := range targets {
		shown, err := askBindingsAt(ctx, o, at, a)
		if err != nil {
			return takeover.Shown{}, err // whoever says nothing may have the user
		}
		all.Any, all.There, all.Left = all.Any || shown.Any, all.There || shown.There, max(all.Left, shown.Left)
	}
	return all, nil
}

// askBindingsAt asks one of them.
func askBindingsAt(ctx context.Context, o Options, pbx netip.AddrPort, a Account) (takeover.Shown, error) {
	at := []netip.AddrPort{pbx}
	endpoint, err := sip.Listen(sip.Options{
		Listen: o.Listen, Log: o.Log, Sources: o.sources(nil, at), Transport: o.Transport, PBX: pbx, Certificates: o.Certificates,
		Handle:  func(*sip.Request, *sip.Transaction) {},
		OnPanic: func(string) {}, Stray: func(*sip.Response) {},
	})
	if err != nil {
		return takeover.Shown{}, err
	}
	defer endpoint.Close()
	endpoint.Serve()
	all, err := register.NewClient(endpoint, func() netip.AddrPort { return pbx }, func(a netip.Addr) bool { return a == pbx.Addr().Unmap() }, o.Domain).
		Bindings(ctx, a)
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
