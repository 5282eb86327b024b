package trial_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone"
)

// registered is a server that runs: it has the reception, until it is told to leave.
func registered(t *testing.T, q releve.StudyQuestion) (leave func()) {
	t.Helper()
	p, err := phone.New(phone.Options{
		Listen: netip.AddrPortFrom(home, q.SIPPort), PBX: netip.MustParseAddrPort(q.PBX), Domain: q.Domain,
		RTPFirst: q.RTPFirst, RTPLast: q.RTPLast, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Serve(phone.Handler{Invite: func(in *phone.Incoming) { _ = in.Refuse(480) }})
	if _, err := p.Register(t.Context(), phone.Account{User: q.ReceptionUser, Password: secrets.Reception, Expires: time.Minute}); err != nil {
		t.Fatal(err)
	}
	return func() { _ = p.Close() }
}
