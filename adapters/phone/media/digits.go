package media

import "github.com/pion/rtp"

// keys are the events of RFC 4733 §3.2 that are keys of a telephone, by their code.
const keys = "0123456789*#ABCD"

const (
	eventSize       = 4      // bytes of one event's report
	longestDuration = 0xFFFF // where a held key goes on as a new segment (RFC 4733 §2.5.1.3)
	remembered      = 8      // events told apart from late copies of their packets
	maxMisorder     = 100    // how far back in a sequence a packet is a late one (RFC 3550 §A.1)

	// closeBy is how many packets on an event may go on under another timestamp. A new
	// press is further away: the end of the old one, sent three times, would lie between.
	closeBy = 3
)

// A keypad finds the keys pressed in the event packets of one call.
//
// By the book an event has one timestamp, the time of its beginning, and a press is told
// by whichever of its packets comes first: senders repeat the last one three times and all
// three can be lost, and some begin with a duration of zero. Not all senders keep to the
// book. What holds for every one of them decides, in this order:
//
//   - A packet that overtook nobody and was sent before what was heard last is a late copy.
//   - Under a timestamp that was told, the same key is pressed anew only where its report
//     begins anew.
//   - The same key under another timestamp goes on where a new press is impossible: no key
//     is pressed again before it was let go.
//   - Everything else is a press.
type keypad struct {
	told [remembered]event
	last int // the event heard last
}

// event is what was heard last of one key press.
type event struct {
	valid     bool
	source    uint32 // SSRC
	number    uint16 // of the RTP packet
	timestamp uint32
	marked    bool
	key       byte
	end       bool
	duration  uint16
	first     uint16 // duration when it was first heard
	began     bool   // heard before its end
}

// readEvent reads an event packet; false: it reports no key.
func readEvent(p *rtp.Packet) (event, bool) {
	if len(p.Payload) < eventSize || int(p.Payload[0]) >= len(keys) {
		return event{}, false
	}
	end, duration := p.Payload[1]&0x80 != 0, uint16(p.Payload[2])<<8|uint16(p.Payload[3])
	return event{
		valid: true, source: p.SSRC, number: p.SequenceNumber, timestamp: p.Timestamp, marked: p.Marker,
		key: keys[p.Payload[0]], end: end, duration: duration, first: duration, began: !end,
	}, true
}

// press takes in one packet and returns the key that it is the first to tell.
func (k *keypad) press(p *rtp.Packet) (byte, bool) {
	e, ok := readEvent(p)
	if !ok {
		return 0, false
	}
	last := k.told[k.last]
	known := k.find(e)
	late := last.valid && last.source == e.source && e.isLate(last)
	switch {
	case known < 0 && late && !e.after(last):
		return 0, false
	case known < 0:
		goesOn := !late && e.goesOn(last)
		if goesOn {
			e.first, e.began = last.first, last.began || e.began
		}
		k.note(e)
		return e.key, !goesOn
	case late || !e.anew(k.told[known], known == k.last, last):
		if known == k.last && !late {
			k.told[known] = e.furtherThan(last)
		}
		return 0, false
	}
	k.forget(known)
	k.note(e)
	return e.key, true
}

// find is the place of the same key at the same time, -1 for none.
func (k *keypad) find(e event) int {
	for i, told := range k.told {
		if told.valid && told.source == e.source && told.timestamp == e.timestamp && told.key == e.key {
			return i
		}
	}
	return -1
}

// note remembers an event as the one heard last.
func (k *keypad) note(e event) {
	k.last = (k.last + 1) % remembered
	k.told[k.last] = e
}

func (k *keypad) forget(at int) { k.told[at] = event{} }

// step is how many packets after another this one was sent.
func (e event) step(other event) int { return int(int16(e.number - other.number)) }

// apart is how far two timestamps are from each other.
func (e event) apart(other event) int {
	d := int(int32(e.timestamp - other.timestamp))
	return max(d, -d)
}

// isLate: the packet was sent before the last, or is the last itself.
func (e event) isLate(last event) bool {
	step := e.step(last)
	return step <= 0 && step > -maxMisorder
}

// after: the time at which the event began lies behind the end of the last. It is a new
// press then, even of a sender whose numbers cannot be trusted.
func (e event) after(last event) bool {
	return int32(e.timestamp-last.timestamp) > int32(last.duration)
}

// goesOn says whether the same key, under another timestamp, is still the last press: a
// segment of a key that is held, or the work of a relay that writes timestamps anew.
func (e event) goesOn(last event) bool {
	if !last.valid || e.source != last.source || e.key != last.key {
		return false
	}
	if e.timestamp-last.timestamp == longestDuration {
		return true
	}
	if last.end {
		// Its end once more: a new press cannot have begun before the old one was over, nor,
		// of a sender that told of its beginning, with its end.
		return e.end && e.duration >= last.duration && (e.apart(last) <= int(last.duration) || last.began && e.step(last) == 1)
	}
	if e.apart(last) <= int(last.duration) {
		return true
	}
	grown := int(e.duration) - int(last.duration)
	return e.step(last) <= closeBy && e.apart(last) <= grown
}

// anew says whether a key that was told under this very timestamp is pressed once more,
// as senders do that never change it: the duration falls back, after an end to what it was
// at first, and else the packet is marked as a first one, or the first ones were lost.
func (e event) anew(told event, isLast bool, last event) bool {
	lostSome := e.step(last) > 1
	switch {
	case e.end:
		return false
	case !isLast:
		return e.duration <= told.duration // another key was pressed meanwhile
	case told.end && e.marked:
		return e.duration <= told.duration
	case told.end && told.began && e.duration <= told.first && e.duration < told.duration/2:
		return true
	}
	return (e.marked || lostSome) && e.duration < told.duration/2
}

// furtherThan is the packet with what the ones before it have shown: an end is final.
func (e event) furtherThan(before event) event {
	e.end = e.end || before.end
	e.duration = max(e.duration, before.duration)
	e.first, e.began = before.first, before.began || e.began
	return e
}
