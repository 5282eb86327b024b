package media

import (
	"time"

	"github.com/pion/rtp"
)

const (
	// A pause of sound is one of the caller's own when both clocks show it and no packet is
	// missing: the numbers go on, the timestamps have left out so much, and so much passed.
	ownPause = 100 * time.Millisecond
	// longPause is one that no network makes of a flow that goes on, and steadyAfter how long
	// a flow without one must have lasted to be known for one that goes on.
	longPause   = time.Second
	steadyAfter = 3 * time.Second

	// payloadNoise is comfort noise where no number is given to it (RFC 3551 §6, RFC 3389).
	payloadNoise = 13
)

// Life is what a stream tells of whether somebody is at its other end.
type Life struct {
	// Sign is when the other end last showed itself, by a packet of sound or of RTCP or by
	// what was agreed on. The zero time: no sound ever came, so that none is missing.
	Sign time.Time
	// Sound is when its last packet of sound came since what was agreed on last. RTCP goes on
	// where a PBX has lost the caller and keeps the leg.
	Sound time.Time
	// Held says that one end wants no sound or sends none, by its description.
	Held bool
	// Suppresses says that the other end was seen to send nothing while it is silent: it
	// listens, and its silence means nothing.
	Suppresses bool
	// Steady says that sound comes without a pause and has done so for three seconds, whether
	// somebody spoke or not: when it stops, something stopped it.
	Steady bool
}

// Life tells what the stream shows now.
func (s *Stream) Life() Life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Life{
		Sign: s.life.sign, Sound: s.life.last, Held: s.format.held(), Suppresses: s.life.suppresses || s.format.Suppresses,
		Steady: s.life.steady(time.Now()) && !s.format.held() && !s.format.Suppresses,
	}
}

// held says that sound does not flow both ways by what was agreed on.
func (f Format) held() bool { return f.Direction != "" && f.Direction != SendRecv }

// comforts says whether packets of a type are comfort noise, which stands for silence.
func (f Format) comforts(payloadType uint8) bool {
	return payloadType == payloadNoise || f.Noise != 0 && payloadType == f.Noise
}

// life is what the packets of a stream have shown of its other end.
type life struct {
	sign       time.Time // see Life.Sign
	since      time.Time // the first sound since what was agreed on last
	last       time.Time // the last sound, not before since
	header     rtp.Header
	samples    int  // of the last packet of sound; 0: it was none, as a key is
	paused     bool // sound stopped and came back
	suppresses bool // see Life.Suppresses
}

// agreed begins anew: what is agreed on may have stopped the sound, or begun it.
func (l *life) agreed(now time.Time) {
	if !l.sign.IsZero() {
		l.sign = now
	}
	l.since, l.last, l.samples = time.Time{}, time.Time{}, 0
}

// control takes in a packet of RTCP. Alone it begins nothing.
func (l *life) control(now time.Time) {
	if !l.sign.IsZero() {
		l.sign = now
	}
}

// sound takes in a packet of RTP. A description that stops the sound stops the judging.
func (l *life) sound(p *rtp.Packet, f Format, now time.Time) {
	l.sign = now
	samples := len(p.Payload)
	if f.reports(p.PayloadType) {
		samples = 0 // a key has a clock of its own
	}
	if f.comforts(p.PayloadType) {
		samples, l.suppresses = 0, true
	}
	if !l.last.IsZero() && !f.held() {
		l.paused = l.paused || now.Sub(l.last) >= longPause
		l.suppresses = l.suppresses || l.stopped(&p.Header, samples, now)
	}
	if l.since.IsZero() {
		l.since = now
	}
	l.last, l.header, l.samples = now, p.Header, samples
}

// stopped says whether the sender paused by himself between the last packet and this one.
func (l *life) stopped(h *rtp.Header, samples int, now time.Time) bool {
	if samples == 0 || l.samples == 0 || h.SSRC != l.header.SSRC || h.SequenceNumber != l.header.SequenceNumber+1 {
		return false
	}
	left := int32(h.Timestamp-l.header.Timestamp) - int32(l.samples)
	return time.Duration(left)*time.Second/sampleRate >= ownPause && now.Sub(l.last) >= ownPause
}

func (l *life) steady(now time.Time) bool {
	return !l.paused && !l.suppresses && !l.since.IsZero() &&
		l.last.Sub(l.since) >= steadyAfter && now.Sub(l.last) < longPause
}
