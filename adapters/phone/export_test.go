package phone

import (
	"time"

	"releve/adapters/phone/media"
)

// SetT1 shortens the patience with a missing ACK, which is 64*T1.
func (p *Phone) SetT1(t1 time.Duration) { p.timers = timers{t1: t1, t2: 8 * t1} }

// SetSilence shortens the silence after which the PBX is asked about a call.
func (p *Phone) SetSilence(d time.Duration) { p.silence = d }

// Life is what the call's sound shows of its other end.
func (l *Leg) Life() media.Life { return l.stream.Life() }
