package media

import (
	"context"
	"errors"
	"sync"

	"github.com/pion/rtp"
	"github.com/zaf/g711"
)

// What one call hears is said in another by the same loop that says prompts: its packets have a source, numbers and
// times of their own, so that neither end notices when the other one's change, stop or stumble.
const (
	// heldBack is what is gathered before it is said, in samples: two packets, for a network shuffles them.
	heldBack = 2 * packetSamples
	// behindMost is how far what is said may be behind what was heard. Beyond, as after a stall or by a clock that
	// goes faster than ours, it is caught up with.
	behindMost = 8 * packetSamples
	// passageSize is the ring of a passage, in samples: half a second, a power of two.
	passageSize = 1 << 12
)

// passage carries sound and keys from one stream to another.
type passage struct {
	keys chan byte // pressed here, to be pressed there

	mu     sync.Mutex
	ring   [passageSize]byte // G.711 of one law, by timestamps; silence where nothing came
	aLaw   bool
	source uint32 // SSRC of whose sound it is
	begun  bool
	flows  bool   // enough is gathered
	head   uint32 // timestamp behind the last sample that came
	next   uint32 // timestamp of the sample that is said next
}

func newPassage() *passage { return &passage{keys: make(chan byte, unreadDigits)} }

// put takes in a packet's sound.
func (p *passage) put(h *rtp.Header, sound []byte, aLaw bool) {
	if len(sound) == 0 || len(sound) > passageSize/4 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	jump := int32(h.Timestamp - p.head)
	if !p.begun || h.SSRC != p.source || aLaw != p.aLaw || jump > passageSize/2 || jump < -passageSize/2 {
		p.begin(h, aLaw)
	}
	if int32(h.Timestamp-p.next) < 0 {
		return // too late
	}
	for i, sample := range sound {
		p.ring[(h.Timestamp+uint32(i))%passageSize] = sample
	}
	if end := h.Timestamp + uint32(len(sound)); int32(end-p.head) > 0 {
		p.head = end
	}
	if behind := p.behind(); behind > behindMost {
		p.pass(behind - heldBack)
	}
}

// begin is the first packet of a source.
func (p *passage) begin(h *rtp.Header, aLaw bool) {
	p.begun, p.flows, p.aLaw, p.source = true, false, aLaw, h.SSRC
	p.next, p.head = h.Timestamp, h.Timestamp
	for i := range p.ring {
		p.ring[i] = silenceOf(aLaw)
	}
}

func (p *passage) behind() int { return int(int32(p.head - p.next)) }

// pass leaves samples out.
func (p *passage) pass(n int) {
	for range n {
		p.ring[p.next%passageSize] = silenceOf(p.aLaw)
		p.next++
	}
}

// take gives the sound to say next, in the law of whoever hears it. False: there is none, or not enough yet.
func (p *passage) take(into []byte, aLaw bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows = p.begun && (p.flows || p.behind() >= heldBack) && p.behind() >= len(into)
	if !p.flows {
		return false
	}
	for i := range into {
		into[i] = translated(p.ring[(p.next+uint32(i))%passageSize], p.aLaw, aLaw)
	}
	p.pass(len(into))
	return true
}

func silenceOf(aLaw bool) byte {
	if aLaw {
		return aLawSilence
	}
	return muLawSilence
}

// translated is a sample of one law in the other, or as it is.
func translated(sample byte, from, to bool) byte {
	switch {
	case from == to:
		return sample
	case from:
		return g711.Alaw2UlawFrame(sample)
	}
	return g711.Ulaw2AlawFrame(sample)
}

// Carry has what one stream hears said by another, in place of what that one plays, and keys pressed there too,
// until stopped or either is closed. While nothing comes, the other says what it plays, or silence. Keys that come meanwhile are no
// longer given by [Stream.Digits]. Sound that is no G.711 is left out, and keys where the other end agreed to none.
func Carry(from, to *Stream) (stop func()) {
	p := newPassage()
	from.mu.Lock()
	from.carries = p
	from.mu.Unlock()
	to.mu.Lock()
	to.relays = p
	to.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var pressing sync.WaitGroup
	pressing.Go(func() { p.pressOn(ctx, from, to) })
	return func() {
		cancel()
		pressing.Wait()
		from.mu.Lock()
		if from.carries == p {
			from.carries = nil
		}
		from.mu.Unlock()
		to.mu.Lock()
		if to.relays == p {
			to.relays = nil
		}
		to.mu.Unlock()
	}
}

// pressOn presses the keys that come, one after the other.
func (p *passage) pressOn(ctx context.Context, from, to *Stream) {
	for {
		select {
		case key := <-p.keys:
			if err := to.Press(ctx, key); err != nil && !errors.Is(err, ErrKeyless) {
				continue // nobody can hear it any more, and the next one finds out too
			}
		case <-from.closing:
			return
		case <-to.closing:
			return
		case <-ctx.Done():
			return
		}
	}
}

// passOn gives a packet's sound to the stream that says it. The stream is locked.
func (s *Stream) passOn(packet *rtp.Packet) {
	if s.carries == nil {
		return
	}
	switch packet.PayloadType {
	case s.format.PayloadType:
		s.carries.put(&packet.Header, packet.Payload, s.format.ALaw)
	case payloadPCMA, payloadPCMU:
		s.carries.put(&packet.Header, packet.Payload, packet.PayloadType == payloadPCMA)
	}
}
