package phone_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaf/g711"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/media"
	"releve/rules/attendant"
	"releve/rules/pbx"
)

// desk is a site's telephone that puts callers through, and what it says of that.
type desk struct {
	phone.Speech
	said  chan releve.Sentence
	rooms atomic.Int32 // channels taken
	most  atomic.Int32
}

func newDesk(t *testing.T, way pbx.Handover) *desk {
	t.Helper()
	prompts, err := phone.LoadPrompts()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := attendant.ParsePlan("1000-1999")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{said: make(chan releve.Sentence, 8)}
	d.most.Store(1)
	d.Speech = phone.Speech{Prompts: prompts, Hold: "fr/transfer", Handover: &phone.Handover{
		Way: way, As: reception(), Plan: plan, Explain: func(what releve.Sentence) { d.said <- what },
		Room: func(must bool) (func(), bool) {
			if d.rooms.Load() >= d.most.Load() && !must {
				return func() {}, false
			}
			d.rooms.Add(1)
			return func() { d.rooms.Add(-1) }, true
		},
	}}
	return d
}

// hearsOn is closed once a leg hears a a tone of so many hertz.
func hearsOn(l *phone.Leg, hertz int) <-chan struct{} {
	heard := make(chan struct{})
	var run int
	l.Overhear(func(payload []byte, aLaw bool) {
		if run = run + 1; !hearsTone(payload, aLaw, hertz) {
			run = 0
		}
		if run == 10 {
			close(heard)
		}
	})
	return heard
}

// sounding is a tone of so many hertz.
func sounding(hertz int) media.Clip { return media.Cadence(float64(hertz), 5*time.Second, 0) }

// hearsTone says whether sound is of that pitch and little else (Goertzel's algorithm).
func hearsTone(payload []byte, aLaw bool, hertz int) bool {
	decode := g711.DecodeUlawFrame
	if aLaw {
		decode = g711.DecodeAlawFrame
	}
	turn := 2 * math.Cos(2*math.Pi*float64(hertz)/8000)
	var before, last, all float64
	for _, sample := range payload {
		v := float64(decode(sample))
		before, last = last, v+turn*last-before
		all += v * v
	}
	n := float64(len(payload))
	power := last*last + before*before - turn*last*before
	return all/n > 1e5 && 2*power/n > 0.7*all
}

// put has a caller put through, and gives the caller's telephone, his leg here, and that of whom he wanted.
type talk struct {
	desk             *desk
	caller, called   *phone.Leg // at their own telephones
	here             phone.Voice
	reception, other *phone.Phone
	code             chan int
}

// begin calls the reception through a PBX and has the caller put through to 1002, who takes the call.
func begin(t *testing.T, way pbx.Handover) *talk {
	t.Helper()
	ctx := limit(t, 30*time.Second)
	kamailio := startKamailio(t)
	k := &talk{desk: newDesk(t, way), code: make(chan int, 1)}
	var calls, rung <-chan *phone.Incoming
	k.reception, calls = newPhone(t, kamailio.addr)
	callers, _ := newPhone(t, kamailio.addr)
	k.other, rung = newPhone(t, kamailio.addr)
	if _, err := k.reception.Register(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.other.Register(ctx, phone.Account{User: "1002", Password: "1002-pw", Expires: time.Minute}); err != nil {
		t.Fatal(err)
	}
	made := make(chan *phone.Leg, 1)
	go func() {
		l, err := callers.Call(ctx, phone.Account{User: "1001", Password: "1001-pw", Expires: time.Minute}, "9", "x")
		if err != nil {
			t.Errorf("the call: %v", err)
		}
		made <- l
	}()
	k.here = k.desk.On(answer(t, next(t, calls)))
	if k.caller = <-made; k.caller == nil {
		t.FailNow()
	}
	go func() {
		code, err := k.here.Transfer(ctx, "1002")
		if err != nil {
			t.Errorf("putting through: %v", err)
		}
		k.code <- code
	}()
	in := next(t, rung)
	if from := in.Invite(); from.From != "reception" {
		t.Errorf("whoever is called sees %+v", from)
	}
	k.called = answer(t, in)
	return k
}

func (k *talk) joined(t *testing.T) {
	t.Helper()
	select {
	case code := <-k.code:
		if code != 200 || !k.here.Bridged() {
			t.Fatalf("put through with %d, joined: %t", code, k.here.Bridged())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not put through within 10 s")
	}
}

// hear has both say a tone, and waits until each hears the other's.
func (k *talk) hear(t *testing.T) {
	t.Helper()
	atCaller, atCalled := hearsOn(k.caller, 700), hearsOn(k.called, 500)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = k.caller.Play(ctx, sounding(500)) }()
	go func() { _ = k.called.Play(ctx, sounding(700)) }()
	closes(t, "the caller hears 700 Hz", atCaller)
	closes(t, "whom he wanted hears 500 Hz", atCalled)
}

// Through a real PBX: both hear each other and their keys, either one's BYE ends both, the channel is given back.
func TestTwoCallsAreJoined(t *testing.T) {
	for name, hangsUp := range map[string]func(*talk) *phone.Leg{
		"the caller hangs up": func(k *talk) *phone.Leg { return k.caller },
		"the other hangs up":  func(k *talk) *phone.Leg { return k.called },
		"this server does":    func(k *talk) *phone.Leg { return k.here.Leg },
	} {
		t.Run(name, func(t *testing.T) {
			k := begin(t, pbx.Bridge)
			k.joined(t)
			k.hear(t)
			if err := k.caller.Press(limit(t, 5*time.Second), '7'); err != nil {
				t.Fatal(err)
			}
			if got := keys(t, k.called, 1); got != "7" {
				t.Errorf("the key 7 is heard as %s", got)
			}
			if k.desk.rooms.Load() != 1 {
				t.Errorf("%d channels beside the caller's", k.desk.rooms.Load())
			}
			if err := hangsUp(k).Hangup(limit(t, 5*time.Second)); err != nil {
				t.Error(err)
			}
			for _, l := range []*phone.Leg{k.caller, k.called, k.here.Leg} {
				closes(t, "each call ends", l.Gone())
			}
			eventually(t, "the channel is given back", func() bool { return k.desk.rooms.Load() == 0 })
		})
	}
}

// One side changes its call, as a telephone does that puts another on hold and comes back: both hear each other again.
func TestAJoinedCallThatOneSideChanges(t *testing.T) {
	k := begin(t, pbx.Bridge)
	k.joined(t)
	k.hear(t)
	for range 2 { // each changes the session
		if err := k.called.Reinvite(limit(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	k.hear(t)
}

// A PBX that refuses REFER has its callers joined here, and is not asked again.
func TestAPBXWithoutREFER(t *testing.T) {
	for _, code := range []int{405, 501, 603} {
		peer := newPeer(t)
		p, calls := newPhone(t, peer.addr)
		d := newDesk(t, pbx.Auto)
		for try := range 2 {
			c := peer.invite(p.Addr(), nil)
			leg := answer(t, next(t, calls))
			c.answered()
			ended := make(chan int, 1)
			go func() {
				got, _ := d.On(leg).Transfer(limit(t, 10*time.Second), "1002")
				ended <- got
			}()
			if try == 0 {
				peer.send(p.Addr(), peer.reply(peer.incoming("REFER"), code, ""))
			}
			invite := peer.await("INVITE, and no REFER", func(m text) bool {
				if m.method() == "REFER" {
					t.Errorf("asked again after %d", code)
				}
				return m.method() == "INVITE"
			})
			if !strings.HasPrefix(string(invite), "INVITE sip:1002@") || !strings.Contains(invite.header("From"), "<sip:reception@") {
				t.Errorf("called with\n%s", invite)
			}
			peer.send(p.Addr(), peer.reply(invite, 486, ""))
			if got := <-ended; got != 486 {
				t.Errorf("whom the caller wanted is busy, and he is told %d", got)
			}
			if leg.Bridged() || d.rooms.Load() != 0 {
				t.Errorf("joined %t, channels %d", leg.Bridged(), d.rooms.Load())
			}
			peer.send(p.Addr(), c.inside("BYE", 2, nil))
		}
		if what := <-d.said; what.Code != "event-no-refer" || len(d.said) != 0 {
			t.Errorf("said %v and %d more", what, len(d.said))
		}
	}
}

// Without a channel for a second call the PBX is asked after all; a number outside of the plan is neither called nor joined.
func TestWhereTwoCallsCannotBeJoined(t *testing.T) {
	peer := newPeer(t)
	p, calls := newPhone(t, peer.addr)
	d := newDesk(t, pbx.Bridge)
	d.most.Store(0)
	c := peer.invite(p.Addr(), nil)
	leg := answer(t, next(t, calls))
	c.answered()
	ended := make(chan int, 1)
	go func() {
		got, _ := d.On(leg).Transfer(limit(t, 10*time.Second), "1002")
		ended <- got
	}()
	peer.send(p.Addr(), peer.reply(peer.incoming("REFER"), 480, ""))
	if got := <-ended; got != 480 {
		t.Errorf("the PBX refuses with 480, and the caller is told %d", got)
	}
	d.most.Store(1)
	if code, err := d.On(leg).Transfer(limit(t, 10*time.Second), "15"); !errors.Is(err, phone.ErrOutsidePlan) || code != 0 {
		t.Errorf("an emergency number: %d, %v", code, err)
	}
	if d.rooms.Load() != 0 {
		t.Errorf("%d channels are still taken", d.rooms.Load())
	}
}

// The caller hears the tone of ringing until there is an answer, and whom he wanted is not called any more once he hangs up.
func TestACallerWhoDoesNotWait(t *testing.T) {
	peer := newPeer(t)
	p, calls := newPhone(t, peer.addr)
	d := newDesk(t, pbx.Bridge)
	sound, err := net.ListenUDP("udp", &net.UDPAddr{IP: peer.addr.Addr().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer sound.Close()
	port := portOf(sound.LocalAddr().(*net.UDPAddr).AddrPort())
	c := peer.invite(p.Addr(), map[string]string{"body": strings.Replace(peer.sdp(), "40000", port, 1)})
	leg := answer(t, next(t, calls))
	c.answered()
	ended := make(chan error, 1)
	go func() {
		_, err := d.On(leg).Transfer(limit(t, 20*time.Second), "1002")
		ended <- err
	}()
	invite := peer.incoming("INVITE")
	peer.send(p.Addr(), strings.Replace(peer.reply(invite, 180, ""), "To: "+invite.header("To"), "To: "+invite.header("To")+";tag=r", 1))
	buf := make([]byte, 1500)
	for rings := 0; rings < 5; {
		if err := sound.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := sound.Read(buf)
		if err != nil {
			t.Fatalf("no tone of ringing: %v", err)
		}
		if hearsTone(buf[12:n], false, 440) {
			rings++
		}
	}
	peer.send(p.Addr(), c.inside("BYE", 2, nil))
	peer.send(p.Addr(), peer.reply(peer.incoming("CANCEL"), 200, ""))
	peer.send(p.Addr(), peer.reply(invite, 487, ""))
	if err := <-ended; !errors.Is(err, phone.ErrGone) {
		t.Errorf("it ended with %v", err)
	}
}

// Another server goes on with both calls of a talk: both are brought over, and both hear each other again.
func TestATalkIsTakenUp(t *testing.T) {
	k := begin(t, pbx.Bridge)
	k.joined(t)
	k.hear(t)
	written := k.here.Written()
	var heir *phone.Phone
	heir, _ = newPhone(t, netip.MustParseAddrPort(strings.TrimPrefix(k.addr(), "sip:")))
	if err := k.reception.Close(); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, pbx.Bridge)
	v, err := d.TakeUp(heir, json.RawMessage(written))
	if err != nil {
		t.Fatal(err)
	}
	if !v.Bridged() || d.rooms.Load() != 1 {
		t.Fatalf("joined %t, channels %d", v.Bridged(), d.rooms.Load())
	}
	if err := v.Reach(limit(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	k.hear(t)
	if err := k.called.Hangup(limit(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	closes(t, "the caller's call ends", k.caller.Gone())
	closes(t, "the call here ends", v.Gone())
	eventually(t, "the channel is given back", func() bool { return d.rooms.Load() == 0 })
}

// addr is the PBX's.
func (k *talk) addr() string { return k.here.Dialog().Source.String() }
