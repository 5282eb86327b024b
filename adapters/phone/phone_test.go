package phone_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"releve/adapters/phone"
)

// setup is what a telephone is made of, and who takes what comes.
type setup struct {
	phone.Options
	phone.Handler
}

// newPhone opens a telephone that gives its calls to the test.
func newPhone(t *testing.T, pbx netip.AddrPort, change ...func(*setup)) (*phone.Phone, <-chan *phone.Incoming) {
	t.Helper()
	calls := make(chan *phone.Incoming, 16)
	o := setup{Options: phone.Options{
		Listen: netip.AddrPortFrom(ownIP(), 0), PBX: pbx, Domain: pbx.String(),
		RTPFirst: 30000, RTPLast: 30201, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}}
	o.Invite = func(in *phone.Incoming) {
		calls <- in
		<-in.Gone()
	}
	for _, f := range change {
		f(&o)
	}
	p, err := phone.New(o.Options)
	if err != nil {
		t.Fatal(err)
	}
	p.Serve(o.Handler)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing the telephone: %v", err)
		}
	})
	return p, calls
}

// next is the next call that a telephone is offered.
func next(t *testing.T, calls <-chan *phone.Incoming) *phone.Incoming {
	t.Helper()
	select {
	case in := <-calls:
		return in
	case <-time.After(10 * time.Second):
		t.Fatal("no call within 10 s")
		return nil
	}
}

// closes waits for a channel to close.
func closes(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: not within 10 s", what)
	}
}

func reception() phone.Account {
	return phone.Account{User: "reception", Password: "reception-pw", Expires: time.Minute}
}

func answer(t *testing.T, in *phone.Incoming) *phone.Leg {
	t.Helper()
	l, err := in.Answer(context.Background())
	if err != nil {
		t.Fatalf("answering: %v", err)
	}
	return l
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
