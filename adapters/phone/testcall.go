package phone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"releve"

	"releve/adapters/phone/sip"
)

// enoughPackets is how many packets of sound prove a call: one could be a stray.
const enoughPackets = 5

// TestCall calls a number as a user of the PBX, waits for the answer and for sound, and
// hangs up. The call bears testID in X-Releve-Test. What was seen before a failure is
// returned with it; a refusal is a [*register.StatusError]. Bound it with ctx: a PBX may let a
// call ring for ever.
func (p *Phone) TestCall(ctx context.Context, a Account, number, testID string) (seen releve.TestCall, err error) {
	if strings.ContainsAny(testID, "\r\n") {
		return seen, errors.New("the test's id must be one line")
	}
	begin := time.Now()
	l, err := p.Call(ctx, a, number, testID)
	if err != nil {
		return seen, err
	}
	defer func() { _ = l.Hangup(ctx) }() // the test is over, and BYE goes on without us
	seen.AnsweredAfter = time.Since(begin)
	target, err := sip.ParseURI(l.Dialog().RemoteTarget)
	if err != nil {
		return seen, err
	}
	seen.AnsweredBy = hostPort(target)
	select {
	case <-l.stream.Received():
		seen.SoundAfter = time.Since(begin)
	case <-l.Gone():
		return seen, releve.Because(context.Cause(l.ctx), "the call was answered and no sound came", "cause-no-sound")
	case <-ctx.Done():
		return seen, releve.Because(context.Cause(ctx), "the call was answered and no sound came", "cause-no-sound")
	}
	return seen, l.hear(ctx)
}

// only is the plan of a call of the site to itself: one number, which its configuration names.
type only string

// Holds says whether a number is that one.
func (o only) Holds(number string) bool { return number == string(o) }

// Call calls a number as a user of the PBX, and gives the call when it is answered. It bears testID
// as [Phone.TestCall]'s does.
func (p *Phone) Call(ctx context.Context, a Account, number, testID string) (*Leg, error) {
	return p.Dial(ctx, Dialling{As: a, Number: number, Plan: only(number), Headers: []string{testHeader, testID}})
}

// hear waits for enough packets.
func (l *Leg) hear(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond) // that of the packets
	defer tick.Stop()
	for {
		heard := int(l.Stats().Received)
		if heard >= enoughPackets {
			return nil
		}
		select {
		case <-tick.C:
		case <-l.Gone():
			return soundStopped(l.ctx, heard)
		case <-ctx.Done():
			return soundStopped(ctx, heard)
		}
	}
}

func soundStopped(ctx context.Context, heard int) error {
	return releve.Because(context.Cause(ctx), fmt.Sprintf("the sound stopped after %d packets", heard), "cause-sound-stopped")
}

func hostPort(u sip.URI) string {
	if u.Port == 0 {
		return u.Host + ":5060"
	}
	return u.Host + ":" + strconv.Itoa(u.Port)
}
