package phone

import "time"

// SetT1 shortens the patience with a missing ACK, which is 64*T1.
func (p *Phone) SetT1(t1 time.Duration) { p.timers = timers{t1: t1, t2: 8 * t1} }
