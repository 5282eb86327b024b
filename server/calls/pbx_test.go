package calls

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/proof/practice"
	"releve/rules/pbx"
	"releve/rules/takeover"
)

// behaves is how a type of PBX treats an overflowed call where the type asks for a setting of its own; and where
// none does, the ways that "auto" has to find its way in.
var behaves = map[pbx.Type][]func(*practice.PBXOptions){
	"asterisk": {func(o *practice.PBXOptions) { o.Rewrites, o.Diversion = true, true }},
	"kamailio": {func(*practice.PBXOptions) {}},
	pbx.Generic: {
		func(o *practice.PBXOptions) { o.Rewrites, o.Diversion = true, true },
		func(o *practice.PBXOptions) { o.Rewrites, o.History = true, true },
		func(*practice.PBXOptions) {},
	},
}

// With what a profile sets, a PBX that behaves so has its overflowed calls told from those dialled to the standby
// itself, and takes them back by the code with which they are refused.
func TestTheSettingsOfAProfileFitAPBXThatBehavesSo(t *testing.T) {
	for _, p := range pbx.All() {
		ways, known := behaves[p.Type]
		if !known && len(p.Settings) > 0 {
			t.Errorf("no practice PBX behaves as %s", p.Type)
		}
		for _, way := range ways {
			t.Run(string(p.Type), func(t *testing.T) {
				x := newExchange(t, way)
				profile := profileOf(t, p)
				x.call(t, x.number)
				if overflow := x.next(t); !profile.offer(overflow.Invite(), takeover.Verifying).Overflowed {
					t.Errorf("with evidence %q an overflow is none: %+v", profile.Evidence, overflow.Invite())
				} else if err := overflow.Refuse(profile.RefusalCode); err != nil {
					t.Error(err)
				}
				x.awaits(t, practice.StandbyRefused)
				x.awaits(t, practice.GiveUp)
				x.call(t, practice.StandbyUser)
				direct := x.next(t)
				if profile.offer(direct.Invite(), takeover.Verifying).Overflowed {
					t.Errorf("with evidence %q a call to the standby itself overflowed: %+v", profile.Evidence, direct.Invite())
				}
				if err := direct.Refuse(profile.RefusalCode); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The setting of one type is no setting of another: else nothing would be proven above.
func TestEvidenceOfAnotherTypeIsNotSeen(t *testing.T) {
	for evidence, way := range map[releve.Evidence]func(*practice.PBXOptions){
		releve.EvidenceTo:        func(o *practice.PBXOptions) { o.Rewrites, o.Diversion = true, true },
		releve.EvidenceDiversion: func(o *practice.PBXOptions) { o.History = true },
		releve.EvidenceHistory:   func(o *practice.PBXOptions) { o.Diversion = true },
	} {
		x := newExchange(t, way)
		profile := profileOf(t, pbx.Profile{})
		profile.Evidence = evidence
		x.call(t, x.number)
		overflow := x.next(t)
		if profile.offer(overflow.Invite(), takeover.Verifying).Overflowed {
			t.Errorf("%s is seen in %+v", evidence, overflow.Invite())
		}
		if err := overflow.Refuse(486); err != nil {
			t.Error(err)
		}
	}
}

func profileOf(t *testing.T, p pbx.Profile) Profile {
	t.Helper()
	profile := Profile{
		Evidence: releve.EvidenceAuto, ReceptionUser: practice.ReceptionUser, ReceptionNumber: "9", StandbyUser: practice.StandbyUser, RefusalCode: 486, BusyCode: 486,
	}
	for _, s := range p.Settings {
		if s.Key == "pbx.overflow_evidence" {
			profile.Evidence = releve.Evidence(strings.Trim(s.Value, `"`))
		}
	}
	if err := profile.Check(); err != nil {
		t.Fatal(err)
	}
	return profile
}

// exchange is a practice PBX whose standby is a telephone of ours, and whose main is nobody's.
type exchange struct {
	number string
	caller *practice.Caller
	calls  chan *phone.Incoming
	events chan practice.Kind
}

var here = netip.MustParseAddrPort("127.0.0.1:0")

func newExchange(t *testing.T, way func(*practice.PBXOptions)) *exchange {
	t.Helper()
	x := &exchange{number: "9", calls: make(chan *phone.Incoming, 1), events: make(chan practice.Kind, 100)}
	o := practice.PBXOptions{
		Listen: here, Realm: "pbx.test", Number: x.number, ReceptionPassword: "a", StandbyPassword: "b", PhonePassword: "c",
		BackMax: 1, BackDelay: time.Millisecond, Log: slog.New(slog.DiscardHandler),
		OnEvent: func(e practice.Event) { x.events <- e.Kind },
	}
	way(&o)
	p, err := practice.NewPBX(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	standby := phone.Account{User: practice.StandbyUser, Password: "b", Expires: time.Minute}
	tel, err := phone.New(phone.Options{
		Listen: here, PBX: p.Addr(), Domain: o.Realm, RTPFirst: 20000, RTPLast: 20099, Unacknowledged: 1, User: standby,
		Explain: func(releve.Sentence) {}, Log: o.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Close() })
	tel.Serve(phone.Handler{Invite: func(in *phone.Incoming) { x.calls <- in; <-in.Gone() }})
	if _, err := tel.Register(t.Context(), standby); err != nil {
		t.Fatal(err)
	}
	x.caller, err = practice.NewCaller(practice.CallerOptions{
		Listen: here, PBX: p.Addr(), Domain: o.Realm, User: "1001", Password: "c", Log: o.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.caller.Close() })
	return x
}

// call dials; what becomes of the call is for others to see.
func (x *exchange) call(t *testing.T, number string) {
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = x.caller.Call(ctx, practice.CallOptions{Number: number})
	}()
	t.Cleanup(func() { stop(); <-ended })
}

const soonEnough = 20 * time.Second

func (x *exchange) next(t *testing.T) *phone.Incoming {
	t.Helper()
	select {
	case in := <-x.calls:
		return in
	case <-time.After(soonEnough):
		t.Fatal("no call comes to the standby")
		return nil
	}
}

func (x *exchange) awaits(t *testing.T, kind practice.Kind) {
	t.Helper()
	for late := time.After(soonEnough); ; {
		select {
		case k := <-x.events:
			if k == kind {
				return
			}
		case <-late:
			t.Fatalf("the PBX tells of no %s", kind)
		}
	}
}
