package media

import "slices"

// keys are the events of RFC 4733 §3.2 that are keys of a telephone, by their code.
const keys = "0123456789*#ABCD"

const (
	eventSize       = 4      // bytes of one event's report
	longestDuration = 0xFFFF // where a held key goes on as a new segment (RFC 4733 §2.5.1.3)
	remembered      = 8      // events told apart from late copies of their packets
)

// A keypad finds the keys pressed in the event packets of one RTP source.
//
// A key is told once for each RTP timestamp, by whichever packet of its event comes
// first. Waiting for a certain packet would lose keys: senders repeat the last one
// three times and all three can be lost, and some begin with a duration of zero.
type keypad struct {
	told [remembered]event
	next int
}

// event is one key press; its packets all carry the time at which it began.
type event struct {
	source    uint32 // SSRC
	timestamp uint32
	valid     bool // false: nothing told yet
}

// key reads the payload of an event packet and returns the key that it is the first to tell.
func (k *keypad) key(source, timestamp uint32, payload []byte) (byte, bool) {
	if len(payload) < eventSize || int(payload[0]) >= len(keys) {
		return 0, false
	}
	begun := event{source: source, timestamp: timestamp, valid: true}
	if slices.Contains(k.told[:], begun) {
		return 0, false
	}
	// A segment begins 65 535 samples after the one before; packets of 20 ms never put
	// two presses that far apart.
	held := begun
	held.timestamp -= longestDuration
	goesOn := slices.Contains(k.told[:], held)
	k.told[k.next] = begun
	k.next = (k.next + 1) % remembered
	return keys[payload[0]], !goesOn
}
