package trial

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"releve"
	"releve/adapters/phone"
)

// offer is a call that the PBX brought to one of the two.
type offer struct {
	in *phone.Incoming
	at time.Time
}

// desk is where the calls of one user come to, and are held until somebody says what becomes of
// them.
type desk struct {
	phone *phone.Phone
	calls chan offer
	infos chan byte // keys that came by INFO, in whatever call
}

// waiting is how many calls may lie on a desk.
const waiting = 16

func (t *trial) desk(ctx context.Context, at netip.AddrPort) (*desk, error) {
	d := &desk{calls: make(chan offer, waiting), infos: make(chan byte, unheard)}
	var err error
	d.phone, err = t.open(at, t.asker(), phone.Handler{Info: d.told, Invite: func(in *phone.Incoming) {
		select {
		case d.calls <- offer{in, time.Now()}:
		default: // who floods a study is none of its calls
			refuse(in)
			return
		}
		select {
		case <-in.Gone():
		case <-ctx.Done():
		}
	}})
	return d, err
}

// next is the call that comes in time, after what brings it. What a call before left behind, as a
// transfer that still looks for somebody, is refused.
func (d *desk) next(ctx context.Context, since time.Time, limit time.Duration) (offer, bool) {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		select {
		case o := <-d.calls:
			if !o.at.Before(since) {
				return o, true
			}
			refuse(o.in)
		case <-late.C:
			return offer{}, false
		case <-ctx.Done():
			return offer{}, false
		}
	}
}

// placed is a call of the standby to the published number.
type placed struct {
	at   time.Time
	leg  <-chan *phone.Leg // once it is answered
	stop func()
}

// testID marks the calls of a study. Where it reaches the reception, the PBX passes on what it does
// not know.
const testID = "study"

// call makes one. It is ended by its stop and not before.
func (t *trial) call(ctx context.Context, from *desk) placed {
	ctx, stop := context.WithCancel(ctx)
	answered := make(chan *phone.Leg, 1)
	c := placed{at: time.Now(), leg: answered}
	var ended sync.WaitGroup
	ended.Go(func() {
		leg, err := from.phone.Call(ctx, t.standby, t.q.ReceptionNumber, testID)
		if err != nil {
			return // refused, or given up: what was to be seen was seen by those who were called
		}
		answered <- leg
		select {
		case <-ctx.Done():
		case <-leg.Gone():
		}
		last, done := context.WithTimeout(context.Background(), silence)
		defer done()
		_ = leg.Hangup(last)
	})
	c.stop = func() { stop(); ended.Wait() }
	return c
}

// mute is a server that is there and says nothing, as one that hangs: the PBX is not even told
// that nobody listens.
func mute(at netip.AddrPort) (close func(), err error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return func() { _ = conn.Close() }, nil
}

func code(n int) string { return fmt.Sprint(n) }

// marks says by what an overflowed call shows where it was to go, as the product reads it (H7).
func marks(in releve.Invite, number string) releve.Evidence {
	switch {
	case in.To == number:
		return releve.EvidenceTo
	case len(in.Diversion) > 0:
		return releve.EvidenceDiversion
	case len(in.History) > 0:
		return releve.EvidenceHistory
	case in.Target == number:
		return releve.EvidenceRequestURI
	}
	return ""
}
