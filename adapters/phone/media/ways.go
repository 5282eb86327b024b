package media

import "time"

// way is how a key comes: as a telephone event, within SIP, or as sound. Some PBXs send one key by two of them.
type way byte

const (
	byEvent way = 1 << iota
	byInfo
	byTone
)

// oneKey is for how long two ways may tell of one press: longer than a PBX takes to make the one of the other.
const oneKey = 2 * time.Second

// presses tells a key that is pressed from one that was told already, by another way.
type presses struct{ lately []toldKey }

// toldKey is a key that was told, and the ways by which it has come.
type toldKey struct {
	key  byte
	at   time.Time
	ways way
}

// fresh takes in a key that came, and says whether it is a press of its own. One that comes by a way belongs to the oldest
// press of that key which has not come by it: so 5 and 5 again are two, in whichever order both ways tell them.
func (p *presses) fresh(key byte, by way, now time.Time) bool {
	for len(p.lately) > 0 && now.Sub(p.lately[0].at) > oneKey {
		p.lately = p.lately[1:]
	}
	for i := range p.lately {
		if l := &p.lately[i]; l.key == key && l.ways&by == 0 {
			l.ways |= by
			return false
		}
	}
	if len(p.lately) == unreadDigits {
		p.lately = p.lately[1:]
	}
	p.lately = append(p.lately, toldKey{key, now, by})
	return true
}

// Told takes in a key that the other end told within SIP.
func (s *Stream) Told(key byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed() {
		s.came(key, byInfo, time.Now())
	}
}

// came hands a key on, unless it was pressed once and came by another way before. The stream is locked.
func (s *Stream) came(key byte, by way, now time.Time) {
	if s.in.presses.fresh(key, by, now) {
		s.press(key)
	}
}

// listen hears keys as sound, in a call whose other end cannot send events. While what is heard is said in another call, the
// tones go there as they are.
func (s *Stream) listen(payload []byte, aLaw bool, now time.Time) {
	if s.format.DTMF != 0 || s.carries != nil {
		return
	}
	if key, pressed := s.in.ear.Hear(payload, aLaw); pressed {
		s.came(key, byTone, now)
	}
}
