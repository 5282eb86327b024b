package phone_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"releve/adapters/phone"
	"releve/adapters/phone/register"
	"releve/rules/takeover"
)

func TestRegisterAndQuery(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	ctx := limit(t, 20*time.Second)
	// The PBX shows nothing for a user without binding, or answers so.
	if bindings, err := p.Bindings(ctx, reception()); err != nil || len(bindings) != 0 {
		t.Fatalf("before: %v, %v", bindings, err)
	}
	got, err := p.Register(ctx, reception())
	if err != nil {
		t.Fatal(err)
	}
	if got.Expires != time.Minute || time.Since(got.At) > 20*time.Second {
		t.Errorf("granted %v at %v", got.Expires, got.At)
	}
	bindings, err := p.Bindings(ctx, reception())
	if err != nil || len(bindings) != 1 || !bindings[0].Own || bindings[0].Expires <= 0 {
		t.Fatalf("after: %v, %v", bindings, err)
	}
	if want := "sip:reception@" + p.Addr().String(); bindings[0].URI != want {
		t.Errorf("bound as %q, not %q", bindings[0].URI, want)
	}
	if _, err := p.Register(ctx, reception()); err != nil {
		t.Errorf("refreshing: %v", err)
	}
	if err := p.Unregister(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	if bindings, err := p.Bindings(ctx, reception()); err != nil || len(bindings) != 0 {
		t.Errorf("removed: %v, %v", bindings, err)
	}
}

func TestWrongPassword(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	a := reception()
	a.Password = "wrong"
	_, err := p.Register(limit(t, 20*time.Second), a)
	status, ok := errors.AsType[*register.StatusError](err)
	if !ok || status.Code != 401 || !strings.Contains(err.Error(), "password") {
		t.Errorf("says %v", err)
	}
}

func TestStaleNonce(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	pbx.set("stale", 1)
	if _, err := p.Register(limit(t, 20*time.Second), reception()); err != nil {
		t.Errorf("with a stale nonce: %v", err)
	}
}

func TestIntervalTooBrief(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	pbx.set("brief", 120)
	got, err := p.Register(limit(t, 20*time.Second), reception())
	if err != nil || got.Expires != 2*time.Minute {
		t.Errorf("granted %v, %v; the PBX wants 2 minutes at least", got.Expires, err)
	}
}

// A registration that is refused goes on, and says with which code and when it tries
// again.
func TestRefusedThenBound(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	pbx.set("refuse", 403)
	events := make(chan register.RegistrationEvent, 64)
	asked := make(chan []phone.Binding, 64)
	r := register.NewRegistration(p, reception(), register.RegistrationOptions{
		May: func(_ context.Context, b []phone.Binding) bool { asked <- b; return true },
		On:  func(e register.RegistrationEvent) { events <- e },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	r.Start()
	first := event(t, events)
	if first.Outcome != register.Refused || first.Code != 403 || !first.Next.After(first.At) {
		t.Errorf("refused: %+v", first)
	}
	if r.State().Bound(time.Now()) {
		t.Error("it believes to be bound")
	}
	pbx.set("refuse", 0)
	r.Now()
	if e := event(t, events); e.Outcome != register.Bound || e.Expires != time.Minute {
		t.Errorf("bound: %+v", e)
	}
	if !r.State().Bound(time.Now()) {
		t.Error("it does not believe to be bound")
	}
	if len(asked) < 2 {
		t.Errorf("May was asked %d times", len(asked))
	}
	if err := r.Stop(limit(t, 10*time.Second), true); err != nil {
		t.Fatal(err)
	}
	if bindings, err := p.Bindings(limit(t, 10*time.Second), reception()); err != nil || len(bindings) != 0 {
		t.Errorf("after Stop: %v, %v", bindings, err)
	}
}

func event(t *testing.T, events <-chan register.RegistrationEvent) register.RegistrationEvent {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(15 * time.Second):
		t.Fatal("no registration event within 15 s")
		return register.RegistrationEvent{}
	}
}

// Two servers and one user: whoever goes takes only his own binding with him.
func TestForeignBindingIsKept(t *testing.T) {
	pbx := startKamailio(t)
	pbx.set("many", 1)
	main, _ := newPhone(t, pbx.addr)
	other, _ := newPhone(t, pbx.addr)
	ctx := limit(t, 20*time.Second)
	for _, p := range []*phone.Phone{main, other} {
		if _, err := p.Register(ctx, reception()); err != nil {
			t.Fatal(err)
		}
	}
	bindings, err := main.Bindings(ctx, reception())
	if err != nil || len(bindings) != 2 || bindings[0].Own == bindings[1].Own {
		t.Fatalf("two servers: %v, %v", bindings, err)
	}
	if err := main.Unregister(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	// The second time there is nothing of its own, and nothing is sent.
	if err := main.Unregister(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	bindings, err = other.Bindings(ctx, reception())
	if err != nil || len(bindings) != 1 || !bindings[0].Own {
		t.Errorf("the other's binding: %v, %v", bindings, err)
	}
}

// One Call-ID for a user and a CSeq that only rises (RFC 3261 §10.2.4).
func TestRegistrationsFollowEachOther(t *testing.T) {
	registrar := newPeer(t)
	p, _ := newPhone(t, registrar.addr)
	var callID string
	for want := 1; want <= 3; want++ {
		done := make(chan error, 1)
		go func() { _, err := p.Register(limit(t, 10*time.Second), reception()); done <- err }()
		req := registrar.incoming("REGISTER")
		if got := req.header("CSeq"); got != fmt.Sprintf("%d REGISTER", want) {
			t.Errorf("CSeq %q, not %d", got, want)
		}
		if callID == "" {
			callID = req.header("Call-ID")
		}
		if req.header("Call-ID") != callID {
			t.Errorf("Call-ID %q after %q", req.header("Call-ID"), callID)
		}
		// Several contacts in one line, an old URI of ours among them.
		registrar.send(p.Addr(), registrar.reply(req, 200, fmt.Sprintf(
			"Contact: <sip:reception@192.0.2.1>;expires=7, <sip:reception@%s;transport=udp;ob>;expires=42\r\nExpires: 99\r\n",
			p.Addr())))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan phone.Registered, 1)
	go func() { r, _ := p.Register(limit(t, 10*time.Second), reception()); done <- r }()
	req := registrar.incoming("REGISTER")
	registrar.send(p.Addr(), registrar.reply(req, 200, fmt.Sprintf(
		"Contact: <sip:reception@192.0.2.1>;expires=7, <sip:reception@%s;transport=udp;ob>;expires=42\r\nExpires: 99\r\n",
		p.Addr())))
	got := <-done
	if got.Expires != 42*time.Second || len(got.Bindings) != 2 || got.Bindings[0].Own || !got.Bindings[1].Own {
		t.Errorf("read as %+v", got)
	}
}

// Between a challenge and its answer a server may sleep and lose its duty (H10): the user is
// not bound then.
func TestAChallengeIsAnsweredWhileTheUserIsWanted(t *testing.T) {
	registrar := newPeer(t)
	p, _ := newPhone(t, registrar.addr)
	var relieved atomic.Bool
	a := reception()
	a.Still = func() bool { return !relieved.Load() }
	done := make(chan error, 1)
	go func() { _, err := p.Register(limit(t, 10*time.Second), a); done <- err }()
	first := registrar.incoming("REGISTER")
	relieved.Store(true)
	registrar.send(p.Addr(), registrar.reply(first, 401, "WWW-Authenticate: Digest realm=\"registrar\", nonce=\"n\"\r\n"))
	if err := <-done; !errors.Is(err, register.ErrNotWanted) {
		t.Errorf("ends with %v", err)
	}
	go func() { _, err := p.Bindings(limit(t, 10*time.Second), a); done <- err }() // that binds nobody
	next := registrar.incoming("REGISTER")
	if next.header("Contact") != "" || next.header("CSeq") != "2 REGISTER" {
		t.Errorf("sent after it:\n%s", next)
	}
	registrar.send(p.Addr(), registrar.reply(next, 200, ""))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A proxy before the registrar asks for credentials too (401 and 407 in one request).
func TestTwoChallenges(t *testing.T) {
	registrar := newPeer(t)
	p, _ := newPhone(t, registrar.addr)
	done := make(chan error, 1)
	go func() { _, err := p.Register(limit(t, 10*time.Second), reception()); done <- err }()
	registrar.send(p.Addr(), registrar.reply(registrar.incoming("REGISTER"), 407,
		"Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"n1\", algorithm=MD5\r\n"))
	registrar.send(p.Addr(), registrar.reply(registrar.incoming("REGISTER"), 401,
		"WWW-Authenticate: Basic realm=\"x\"\r\n"+
			"WWW-Authenticate: Digest realm=\"registrar\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n"))
	both := registrar.incoming("REGISTER")
	if !strings.Contains(both.header("Proxy-Authorization"), `nonce="n1"`) ||
		!strings.Contains(both.header("Authorization"), "SHA-256") {
		t.Errorf("credentials:\n%s", both)
	}
	registrar.send(p.Addr(), registrar.reply(both, 200, ""))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A server whose telephone is closed asks the PBX once who is bound, and is itself bound nowhere.
func TestAClosedTelephoneAsksWhoIsBound(t *testing.T) {
	pbx := startKamailio(t)
	ctx := limit(t, 20*time.Second)
	closed := phone.Options{Listen: freeAddr(t), PBX: pbx.addr, Domain: pbx.addr.String(), Log: slog.New(slog.DiscardHandler)}
	ask := func() takeover.Shown {
		shown, err := phone.AskBindings(ctx, closed, reception())
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	if got := ask(); got != (takeover.Shown{}) {
		t.Errorf("nobody is bound: %+v", got)
	}
	main, _ := newPhone(t, pbx.addr)
	if _, err := main.Register(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !got.There || !got.Any || got.Left <= 50*time.Second || got.Left > time.Minute {
		t.Errorf("the other is bound for a minute: %+v", got)
	}
	if err := main.Unregister(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != (takeover.Shown{}) {
		t.Errorf("nobody is bound any more: %+v", got)
	}
	again, err := phone.New(phone.Options{Listen: closed.Listen, PBX: pbx.addr, Domain: pbx.addr.String(), RTPFirst: 40000, RTPLast: 40100, Log: closed.Log})
	if err != nil {
		t.Fatal("the address is not free afterwards:", err)
	}
	again.Serve(phone.Handler{})
	defer again.Close()
	if _, err := again.Register(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	all, err := again.Bindings(ctx, reception())
	if got := phone.OfOthers(all); err != nil || got.There || !got.Any {
		t.Errorf("its own is another's: %+v, %v", got, err)
	}
}
