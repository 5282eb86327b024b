package sim

import "time"

// session is a mirror's connection to the owner's PostgreSQL, under the mirror's name.
type session struct {
	up         bool
	connecting bool
	pumping    bool

	// Who is cut off without a word believes in the connection until a timeout.
	ownerBelieves  time.Duration
	mirrorBelieves time.Duration

	deaf     bool // nothing reaches this copy, until it is made anew
	tooOld   bool // its owner no longer keeps the log that it needs, and knows it
	halfOpen bool // the owner goes on believing in it, whatever became of it
}

// streamTimeout is wal_sender_timeout and wal_receiver_timeout.
const streamTimeout = 2 * time.Second

// connects says whether rows could reach this mirror now.
func (v *server) connects() bool {
	m, o := &v.database, &v.other().database
	return m.follows && !m.session.deaf && !m.session.tooOld &&
		m.lives(standby) && o.lives(primary) && v.network.both() && m.follower(o)
}

// follower says whether PostgreSQL would let c stream from o: by timelines and
// positions alone, for it does not know what lies in the logs (R10).
func (c *cluster) follower(o *cluster) bool {
	if c.timeline == o.timeline {
		return len(c.log) <= len(o.log)
	}
	for _, f := range o.history {
		if f.timeline == c.timeline {
			return len(c.log) <= f.at
		}
	}
	return false
}

// review sees to what a change of the world does to the two mirrors' connections.
// The caller holds the lock.
func (s *site) review() {
	for _, v := range s.servers {
		if v == nil {
			continue
		}
		switch x := &v.database.session; {
		case x.up && !v.connects():
			v.disconnected()
		case !x.up && !x.connecting && v.connects():
			x.connecting = true
			s.later(s.dice.of(v.seat, ofStream).between(2*time.Millisecond, 200*time.Millisecond), v.connect)
		case x.up:
			v.pump()
		}
	}
}

// disconnected: the end of a process is noticed at once if it can be told, silence
// only after a timeout.
func (v *server) disconnected() {
	x, now := &v.database.session, v.elapsed()
	x.up = false
	x.ownerBelieves, x.mirrorBelieves = 0, 0
	if m := &v.database; !v.network.both() || m.paused() {
		x.ownerBelieves = now + streamTimeout
	}
	if o := &v.other().database; !v.network.both() || o.paused() {
		x.mirrorBelieves = now + streamTimeout
	}
}

func (v *server) connect() {
	v.mu.Lock()
	defer v.mu.Unlock()
	x := &v.database.session
	x.connecting = false
	if x.up || !v.connects() {
		return
	}
	x.up = true
	v.report(len(v.database.log))
	v.pump()
}

// sends says what an owner sees of its mirror's session, receives what a mirror sees.
func (v *server) sends() bool {
	x := &v.other().database.session
	return v.database.runs == primary && (x.up || x.halfOpen || v.elapsed() < x.ownerBelieves)
}

func (v *server) receives() bool {
	x := &v.database.session
	return v.database.follows && (x.up || v.elapsed() < x.mirrorBelieves)
}

// pump brings the next rows to the mirror. The caller holds the lock.
func (v *server) pump() {
	x := &v.database.session
	if x.pumping || len(v.database.log) >= len(v.other().database.log) {
		return
	}
	x.pumping = true
	v.later(v.dice.of(v.seat, ofStream).between(200*time.Microsecond, 4*time.Millisecond), v.flush)
}

// flush puts some of what the mirror lacks on its disk.
func (v *server) flush() {
	v.mu.Lock()
	defer v.mu.Unlock()
	x, m, o := &v.database.session, &v.database, &v.other().database
	x.pumping = false
	lacks := len(o.log) - len(m.log)
	if !x.up || lacks <= 0 {
		return
	}
	m.receive(o, len(m.log)+1+v.dice.of(v.seat, ofStream).below(lacks))
	v.report(len(m.log))
	v.pump()
}

// receive appends what o has up to a position. Where the logs differ before it,
// nobody notices.
func (c *cluster) receive(o *cluster, upTo int) {
	have := len(c.log)
	if upTo <= have {
		return
	}
	c.timeline, c.history = o.timeline, o.history
	c.mixed = c.mixed || o.mixed || have > 0 && c.log[have-1] != o.log[have-1]
	if c.mixed {
		c.log = append(c.log[:have:have], o.log[have:upTo]...)
	} else {
		c.log = o.log[:upTo:upTo]
	}
}

// report tells the owner how far its mirror has flushed, and releases whoever waited
// for that. The caller holds the lock.
func (v *server) report(position int) {
	v.later(v.dice.of(v.seat, ofStream).between(100*time.Microsecond, 3*time.Millisecond), func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if x, o := &v.database.session, v.other(); x.up && o.database.reported < position {
			o.database.reported = position
			o.release()
		}
	})
}

// release acknowledges the commits that the mirror has. The caller holds the lock.
func (v *server) release() {
	c := &v.database
	kept := c.waiting[:0]
	for _, w := range c.waiting {
		if w.position <= c.reported {
			v.ledger.acknowledge(v, w.commit)
			w.done <- nil
		} else {
			kept = append(kept, w)
		}
	}
	c.waiting = kept
}
