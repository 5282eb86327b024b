package takeover

import "time"

// At level backup a server that is gone leaves its registration at the PBX until that expires (SPEC
// B3). The other asks the PBX who is bound, in a switchover that an operator has ordered and at no other
// time, and reads two things from it: that the binding is gone, or that it was renewed since its owner
// fell silent, which then is not dead but cut off.

const (
	// leaseSlack is how much longer a dead server's binding may seem to last: what it sent with its last
	// breath, a PBX that counts in whole seconds, two clocks.
	leaseSlack = 3 * time.Second

	// lookFresh is for how long a look at the PBX says how it is there.
	lookFresh = 5 * time.Second
)

// Shown is what the PBX showed to a server that asked who has the reception.
type Shown struct {
	Silent bool          `json:"silent,omitempty"` // it did not answer, or would not say
	Any    bool          `json:"any,omitempty"`    // it showed a binding, this server's own among them
	There  bool          `json:"there,omitempty"`  // it showed one that is not this server's
	Left   time.Duration `json:"left,omitempty"`   // until the last of those expires, 0: it does not say
}

// Look is what the looks at the PBX have shown so far of the other server's binding.
type Look struct {
	Shown
	At     time.Duration `json:"at"`
	Shows  bool          `json:"shows,omitempty"`  // this PBX shows bindings
	Falls  bool          `json:"falls,omitempty"`  // the time that it shows runs out: it is that which is left
	Beyond bool          `json:"beyond,omitempty"` // more was left than a dead server's binding can have
}

// observeShown takes in a look at the PBX. A PBX that always shows the time that it once granted tells
// nothing by it: only one that was seen to run out is believed.
func (m *Machine) observeShown(s Shown) {
	was := m.Look
	if s.Silent {
		m.Look.Silent = true
		return
	}
	most, known := m.mayStand()
	m.Look = Look{
		Shown: s, At: m.Now, Shows: was.Shows || s.Any,
		Falls:  s.There && (was.Falls || was.There && 0 < s.Left && s.Left < was.Left),
		Beyond: s.There && (was.Beyond || known && s.Left > most+leaseSlack),
	}
}

// mayStand is how much longer the other's binding can stand if nobody renews it, as far as is known: by
// what it told while it was heard, and by what the PBX showed since.
func (m *Machine) mayStand() (most time.Duration, known bool) {
	if granted := m.Other.Line.Granted; m.OtherAt > 0 && granted > 0 {
		most, known = granted-(m.Now-m.OtherAt), true
	}
	if shown := m.Look.Left - (m.Now - m.Look.At); m.Look.There && m.Look.Left > 0 && (!known || shown < most) {
		most, known = shown, true
	}
	return max(most, 0), known
}

// Lease is how the other's registration stands, for whoever is to take its duty.
type Lease struct {
	Gone    bool          // the PBX, which shows bindings, shows none of it any more
	Renewed bool          // it was renewed since the other was last heard
	Hidden  bool          // the PBX was asked, and whether it shows bindings at all is not known
	Silent  bool          // the PBX was asked, and does not answer
	Stands  bool          // it may stand …
	Left    time.Duration // … for so long at most; 0: not known
}

// Lease is how the other's registration stands at level backup while it is not heard.
func (m *Machine) Lease() (l Lease) {
	if !m.backsUp() || m.otherHeard() {
		return Lease{}
	}
	fresh := m.Look.At > 0 && m.Now-m.Look.At < lookFresh
	shows := m.Look.Shows || m.OtherAt > 0 && m.Other.Line.Shown
	l.Silent = m.Look.Silent
	l.Gone = fresh && !l.Silent && !m.Look.There && shows
	l.Hidden = fresh && !l.Silent && !m.Look.There && !shows
	l.Renewed = m.Look.Falls && m.Look.Beyond
	if l.Gone {
		return l
	}
	left, known := m.mayStand()
	if l.Renewed {
		left = max(m.Look.Left-(m.Now-m.Look.At), 0)
	}
	if m.Look.There && m.Look.Left > 0 {
		left = max(left, time.Second) // it is still there
	}
	l.Left, l.Stands = left, m.Look.There || known && left > 0
	return l
}

// unbound: an operator moves the duty, and the PBX shows that the other, which nobody hears, has no
// registration any more.
func (m *Machine) unbound() bool {
	return m.canForce(Relieve) && m.Lease().Gone
}

// mayForce: the other is off, says an operator, or its registration has been seen gone.
func (m *Machine) mayForce() bool { return m.canForce(Take) || m.unbound() }

// MayDisplace says that this server may bind the reception although the PBX shows another's binding and not
// its own; heard: the other was heard this moment. At level backup one that is on duty may have been
// relieved without knowing it, and one that relieved the other by what the PBX showed may find it alive: it
// displaces nobody but a server that is off, on an operator's word, or whose telephone is closed and stays so.
func (m *Machine) MayDisplace(heard bool) bool {
	if m.backsUp() {
		return m.Displaces || heard && m.Other.Mute && m.Other.Line.Closed
	}
	return m.Vote || heard
}

// unproven: it went on with a duty that it remembers, and waits for its peer to confirm it. What the peer
// says by itself may be from before an operator gave it the duty: only an answer to a question proves
// something, or a later term.
func (m *Machine) unproven(said Status, unasked bool) bool {
	return unasked && m.unconfirmed() && said.Term <= m.Term
}
