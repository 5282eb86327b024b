package trial

import (
	"context"
	"fmt"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/media"
	"releve/rules/study"
)

// heard is a key that reached the reception, and by which way.
type heard struct {
	key byte
	way string // of rules/study
}

// A key is waited for that long after it was pressed: a PBX that makes an event of another way's key
// hears a tone to its end first. unheard bounds the keys that nobody waits for.
const (
	arrives = time.Second
	unheard = 32
)

// keys presses one in each way, and sees by which it arrives at the reception. Where that is another, the PBX
// turns the one into the other.
func (t *trial) keys(ctx context.Context, main, standby *desk) {
	caller, leg, end := t.talking(ctx, main, standby)
	defer end()
	if caller == nil {
		return
	}
	came := make(chan heard, unheard)
	listen, stop := context.WithCancel(ctx)
	defer stop()
	go main.listen(listen, leg, came)
	info := infoKey('5')
	tone, _ := media.KeyTone('9')
	byEvent := pressed(ctx, came, '1', func(ctx context.Context) error { return caller.Press(ctx, '1') })
	byInfo := pressed(ctx, came, '5', func(ctx context.Context) error {
		_, err := caller.Info(ctx, phone.DTMFRelay, info) // who refuses it may have told the reception all the same
		return err
	})
	byTone := pressed(ctx, came, '9', func(ctx context.Context) error { return caller.Play(ctx, tone) })
	switch {
	case !leg.HearsKeys() || !caller.HearsKeys():
		t.lacks("pbx-keys", "", releve.Say("study-pbx-no-keys"))
	case byEvent == "":
		t.lacks("pbx-keys", "", releve.Say("study-pbx-keys-lost"))
	default:
		t.has("pbx-keys", "", 0, byEvent)
	}
	t.arrived("pbx-keys-info", byInfo)
	t.arrived("pbx-keys-tone", byTone)
	hung, over := context.WithTimeout(ctx, soon)
	defer over()
	_ = leg.Hangup(hung)
}

// arrived tells of a way that no level needs.
func (t *trial) arrived(check, way string) {
	if way == "" {
		t.lacks(check, "", releve.Say("study-pbx-keys-gone"))
		return
	}
	t.has(check, "", 0, way)
}

// talking is a call of the standby that the reception has answered, from both ends; nil where none came.
func (t *trial) talking(ctx context.Context, main, standby *desk) (caller, called *phone.Leg, end func()) {
	c := t.call(ctx, standby)
	o, came := main.next(ctx, c.at, soon)
	if !came {
		return nil, nil, c.stop
	}
	leg, err := o.in.Answer(ctx)
	if err != nil {
		return nil, nil, c.stop
	}
	select {
	case caller = <-c.leg:
	case <-leg.Gone():
	case <-time.After(soon):
	case <-ctx.Done():
	}
	hears(ctx, leg)
	return caller, leg, c.stop
}

// pressed presses a key in one way, and gives that by which it arrived; "" where it did not. An event counts
// before all else that the key has become.
func pressed(ctx context.Context, came <-chan heard, key byte, press func(context.Context) error) (way string) {
	bounded, done := context.WithTimeout(ctx, soon)
	_ = press(bounded) // whatever it says: what arrives counts
	done()
	late := time.NewTimer(arrives)
	defer late.Stop()
	for {
		select {
		case h := <-came:
			if h.key != key {
				continue
			}
			if way = h.way; way == study.KeysEvent {
				return way
			}
		case <-late.C:
			return way
		case <-ctx.Done():
			return way
		}
	}
}

// listen passes on what the reception hears of a call, until that ends.
func (d *desk) listen(ctx context.Context, leg *phone.Leg, came chan<- heard) {
	tell := func(key byte, way string) {
		select {
		case came <- heard{key, way}:
		default:
		}
	}
	var ear media.ToneEar
	leg.Overhear(func(payload []byte, aLaw bool) {
		if key, is := ear.Hear(payload, aLaw); is {
			tell(key, study.KeysTone)
		}
	})
	for {
		select {
		case key, more := <-leg.Digits():
			if !more {
				return
			}
			tell(key, study.KeysEvent)
		case key := <-d.infos:
			tell(key, study.KeysInfo)
		case <-ctx.Done():
			return
		}
	}
}

func infoKey(key byte) []byte { return fmt.Appendf(nil, "Signal=%c\r\nDuration=160\r\n", key) }

// told takes what a call says by INFO.
func (d *desk) told(contentType string, body []byte) (code int) {
	key := phone.KeyOf(contentType, body)
	if key == 0 {
		return 415
	}
	select {
	case d.infos <- key:
	default: // nobody listens
	}
	return 200
}
