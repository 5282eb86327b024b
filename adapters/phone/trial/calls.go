package trial

import (
	"context"
	"net/netip"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/rules/study"
)

// How long each thing is waited for: a PBX that takes longer does not do it, for a caller who waits.
const (
	soon     = 6 * time.Second
	overflow = 22 * time.Second
)

// refusals are the codes by which a standby may give a call back, the product's own first.
var refusals = []int{486, 480, 503, 603}

// calls is the main's share: it is the reception, on the port where it will be, and the standby
// too, on another. It says why nothing could be tried, where that is so.
func (t *trial) calls(ctx context.Context) (stopped releve.Sentence) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	main, err := t.desk(ctx, t.own)
	if err != nil {
		return releve.Say("study-unreadable", "what", t.own.String(), "cause", releve.Reason(err))
	}
	defer func() { _ = main.phone.Close() }()
	standby, err := t.desk(ctx, netip.AddrPortFrom(t.own.Addr(), 0))
	if err != nil {
		return releve.Say("study-unreadable", "what", t.own.Addr().String(), "cause", releve.Reason(err))
	}
	defer standby.phone.Close()
	for _, a := range []phone.Account{t.reception, t.standby} {
		if where := elsewhere(ctx, main.phone, a); where != "" {
			return releve.Say("study-pbx-in-use", "user", a.User, "contact", where)
		}
	}
	if !t.bind(ctx, main.phone, t.reception) {
		return releve.Say("study-pbx-register-first")
	}
	t.bindings(ctx, main, standby)
	if !t.bind(ctx, standby.phone, t.standby) {
		return releve.Say("study-pbx-register-first")
	}
	defer t.leave(standby, t.standby) // also where the study is given up
	t.busy(ctx, main, standby)
	t.keys(ctx, main, standby)
	t.refer(ctx, main, standby)
	t.moves(ctx, main, standby)
	main = t.silent(ctx, main, standby)
	t.leave(main, t.reception)
	t.unregistered(ctx, standby)
	t.leave(standby, t.standby) // before the PBX may hear no more
	t.userless(ctx, standby)
	return releve.Sentence{}
}

// leave lets a user go, also when the study is given up.
func (t *trial) leave(d *desk, a phone.Account) {
	ctx, done := context.WithTimeout(context.Background(), silence)
	defer done()
	_ = d.phone.Unregister(ctx, a)
}

// elsewhere is where the PBX shows a user bound that is not this server, "" where it shows none.
func elsewhere(ctx context.Context, p *phone.Phone, a phone.Account) string {
	ctx, done := context.WithTimeout(ctx, silence)
	defer done()
	all, err := p.Bindings(ctx, a)
	if err != nil {
		return ""
	}
	for _, b := range all {
		if !b.Own {
			return b.URI
		}
	}
	return ""
}

// shows counts the bindings of a user: all, and whether that of this telephone is among them.
func shows(ctx context.Context, p *phone.Phone, a phone.Account) (n int, own bool) {
	all, err := p.Bindings(ctx, a)
	for _, b := range all {
		own = own || b.Own
	}
	if err != nil {
		return 0, false
	}
	return len(all), own
}

// bindings tries what the registrar does with the bindings of the reception. In the end the main's
// is there.
func (t *trial) bindings(ctx context.Context, main, second *desk) {
	brief := t.reception
	brief.Expires = shortest
	if granted, err := main.phone.Register(ctx, brief); err == nil {
		t.has("pbx-expiry", "", granted.Expires.Seconds(), "")
	}
	defer func() { _, _ = main.phone.Register(ctx, t.reception) }()
	if _, own := shows(ctx, main.phone, t.reception); !own {
		t.has("pbx-bindings", "", 0, study.ShowsNone)
		return
	}
	t.has("pbx-bindings", "", 0, study.ShowsAll)
	if _, err := second.phone.Register(ctx, t.reception); err != nil {
		t.has("pbx-second", "", 0, study.SecondRefused)
		return
	}
	if n, _ := shows(ctx, second.phone, t.reception); n < 2 {
		t.has("pbx-second", "", 0, study.SecondReplaces)
		t.leaves("pbx-removal", releve.Say("study-pbx-one-binding"))
		_ = second.phone.Unregister(ctx, t.reception)
		return
	}
	t.has("pbx-second", "", 0, study.SecondBeside)
	if second.phone.Unregister(ctx, t.reception) != nil {
		return
	}
	if _, own := shows(ctx, main.phone, t.reception); own {
		t.has("pbx-removal", "", 0, study.RemovesOne)
	} else {
		t.has("pbx-removal", "", 0, study.RemovesAll)
	}
}

// busy refuses a call at the reception and sees it overflow; then refuses it at the standby, by
// each code, and sees it return.
func (t *trial) busy(ctx context.Context, main, standby *desk) {
	for i, refusal := range refusals {
		back := t.refused(ctx, main, standby, refusal, i == 0)
		if !back {
			return // the PBX did not bring the call where it can be refused: nor will it by another code
		}
	}
}

// refused makes one such call; false where it did not come to the standby.
func (t *trial) refused(ctx context.Context, main, standby *desk, refusal int, first bool) bool {
	c := t.call(ctx, standby)
	defer c.stop()
	o, came := main.next(ctx, c.at, soon)
	if !came {
		if first {
			t.lacks("pbx-busy", "", releve.Say("study-pbx-no-call", "number", t.q.ReceptionNumber))
		}
		return false
	}
	at := time.Now()
	_ = o.in.Refuse(486)
	over, came := standby.next(ctx, at, soon)
	if !came {
		if first {
			t.lacks("pbx-busy", "", releve.Say("study-pbx-no-busy"))
		}
		return false
	}
	if first {
		t.has("pbx-busy", "", over.at.Sub(at).Seconds(), "")
		t.has("pbx-origin", "", 0, string(marks(over.in.Invite(), t.q.ReceptionNumber)))
	}
	t.returns(ctx, main, over, refusal)
	return true
}

// returns refuses a call at the standby and waits for it at the reception.
func (t *trial) returns(ctx context.Context, main *desk, over offer, refusal int) {
	check := "pbx-return"
	if refusal != refusals[0] {
		check = "pbx-return-other"
	}
	at := time.Now()
	_ = over.in.Refuse(refusal)
	again, came := main.next(ctx, at, soon)
	if !came {
		t.lacks(check, code(refusal), releve.Say("study-pbx-no-return", "code", code(refusal)))
		return
	}
	t.has(check, code(refusal), again.at.Sub(at).Seconds(), "")
	_ = again.in.Refuse(603)
}

// silent has the main hang while a call comes, and gives a desk that works again.
func (t *trial) silent(ctx context.Context, main, standby *desk) *desk {
	_ = main.phone.Close()
	unmute, err := mute(t.own)
	if err == nil {
		c := t.call(ctx, standby)
		if over, came := standby.next(ctx, c.at, overflow); came {
			t.has("pbx-silence", "", over.at.Sub(c.at).Seconds(), "")
			_ = over.in.Refuse(486)
		} else {
			t.lacks("pbx-silence", "", releve.Say("study-pbx-no-silence"))
		}
		c.stop()
		unmute()
	}
	again, err := t.desk(ctx, t.own)
	if err != nil {
		return main
	}
	return again
}

// unregistered calls a reception that nobody is.
func (t *trial) unregistered(ctx context.Context, standby *desk) {
	c := t.call(ctx, standby)
	defer c.stop()
	over, came := standby.next(ctx, c.at, soon)
	if !came {
		t.lacks("pbx-unregistered", "", releve.Say("study-pbx-no-unregistered"))
		return
	}
	t.has("pbx-unregistered", "", over.at.Sub(c.at).Seconds(), "")
	_ = over.in.Refuse(603)
}
