package sim

import (
	"time"

	"releve/screen/view"
	"releve/server/agent"
)

// clocks are those of one machine. They agree with those of no other (R19).
type clocks struct {
	ahead  time.Duration // of CLOCK_BOOTTIME: how long before the story the machine was started
	drift  int           // parts of a million by which it goes too fast
	missed time.Duration // in which the machine stood still and its clocks with it
	stood  time.Duration // since then they stand, 0: they go
	wall   time.Duration // by which the time of day is wrong
}

// driftMost is what a quartz without NTP may be off.
const driftMost = 200

func newClocks(d die) clocks {
	c := clocks{ahead: d.between(time.Minute, 1000*time.Hour), drift: d.below(2*driftMost) - driftMost}
	if d.one(4) {
		c.wall = d.between(-time.Hour, time.Hour)
	}
	return c
}

// boot is CLOCK_BOOTTIME at a moment of the story.
func (c *clocks) boot(at time.Duration) time.Duration {
	at -= c.missed
	return c.ahead + at + at*time.Duration(c.drift)/1_000_000
}

// stand stops the clocks, as those of a virtual machine whose host halts it.
func (c *clocks) stand(at time.Duration) { c.stood = at }

// run lets them go on, with no idea of what they missed.
func (c *clocks) run(at time.Duration) (missed time.Duration) {
	if c.stood > 0 {
		missed = at - c.stood
		c.missed, c.stood = c.missed+missed, 0
	}
	return missed
}

// dated is a message as it is read by one whose time of day is right: what its sender
// wrote by its own.
func (c *clocks) dated(m agent.Message) agent.Message {
	if c.wall == 0 {
		return m
	}
	m.Server.HeardAt = c.wrong(m.Server.HeardAt)
	events := make([]view.Event, len(m.Events))
	for i, e := range m.Events {
		e.At = c.wrong(e.At)
		events[i] = e
	}
	m.Events, m.Procedure, m.Proof = events, c.procedure(m.Procedure), c.procedure(m.Proof)
	return m
}

func (c *clocks) procedure(p *view.Procedure) *view.Procedure {
	if p == nil {
		return nil
	}
	told := *p
	told.Started, told.Finished = c.wrong(p.Started), c.wrong(p.Finished)
	return &told
}

// wrong is a time of day by a clock that is off. None stays none.
func (c *clocks) wrong(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(c.wall)
}
