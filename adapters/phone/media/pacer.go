package media

import (
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tickTime is the loop's step. The calls are spread over the ticks of one packet's
	// time, so that a thousand of them never leave in one burst. Finer ticks would cost
	// more than they give: at 1 ms, waking the thread takes as long as sending what 200
	// calls have for it.
	tickTime    = 4 * time.Millisecond
	tickSamples = int64(sampleRate * tickTime / time.Second)
	slots       = int(packetTime / tickTime)

	// maxCatchUp is how late packets are still worth sending: about what the jitter
	// buffer of a telephone can take in. After a longer stall (a stopped process, a
	// frozen machine) the loop goes on in the present, the sound where it was.
	maxCatchUp = 200 * time.Millisecond
)

// A pacer sends the packets of all streams from one loop on a thread of its own. Only
// the loop sends; streams come and go through join and leave.
type pacer struct {
	log   *slog.Logger
	clock clock

	mu      sync.Mutex // held by those who change slots, never by the loop
	slots   [slots]atomic.Pointer[[]*Stream]
	streams atomic.Int64
	late    delay
	wake    chan struct{} // one token: look at streams again
	quit    chan struct{}
	done    chan struct{}
}

// startPacer returns when the thread has asked for its rights: who called may be about to
// give up those that it takes to ask.
func startPacer(log *slog.Logger) (*pacer, error) {
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	p := &pacer{
		log:   log,
		clock: c,
		wake:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	for i := range p.slots {
		p.slots[i].Store(&[]*Stream{})
	}
	asked := make(chan struct{})
	go p.run(asked)
	<-asked
	return p, nil
}

// stop ends the loop; its streams have left before.
func (p *pacer) stop() {
	close(p.quit)
	<-p.done
}

// join puts a stream into the slot with the fewest. The slot's list is replaced, not
// changed, so that the loop reads it without a lock.
func (p *pacer) join(s *Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	least := &p.slots[0]
	for i := range p.slots {
		if len(*p.slots[i].Load()) < len(*least.Load()) {
			least = &p.slots[i]
		}
	}
	list := append(slices.Clone(*least.Load()), s)
	least.Store(&list)
	p.streams.Add(1)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// leave takes a stream out. The loop may send to it once more, into a closed socket.
func (p *pacer) leave(s *Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.slots {
		list := *p.slots[i].Load()
		if at := slices.Index(list, s); at >= 0 {
			list = slices.Delete(slices.Clone(list), at, at+1)
			p.slots[i].Store(&list)
			p.streams.Add(-1)
			return
		}
	}
}

// run sleeps while there is no stream and paces while there is one.
func (p *pacer) run(asked chan<- struct{}) {
	defer close(p.done)
	// Never unlocked: a thread with these rights ends with its goroutine.
	runtime.LockOSThread()
	if class, err := preferThread(); err != nil {
		p.log.Info("media thread runs at ordinary priority; grant LimitRTPRIO (as the unit of `releve unit` does) or CAP_SYS_NICE for even sound on a loaded machine", "error", err)
	} else {
		p.log.Debug("media thread", "scheduling", class)
	}
	close(asked)
	for {
		select {
		case <-p.quit:
			return
		case <-p.wake:
			p.pace()
		}
	}
}

// pace sends, tick by tick, until the last stream has left.
func (p *pacer) pace() {
	defer p.late.due.Store(0)
	tick := int64(p.clock.now()/tickTime) + 1
	for ; p.streams.Load() > 0; tick++ {
		tick += stalled(p.clock.now() - time.Duration(tick)*tickTime)
		due := time.Duration(tick) * tickTime
		p.late.due.Store(int64(due))
		p.clock.sleepUntil(due)
		p.late.woke(tick, p.clock.now()-due)
		for _, s := range *p.slots[tick%int64(slots)].Load() {
			s.send(tick, p.clock.now()-due)
		}
	}
}

// delay is how late the loop was lately: the share of the processor that it gets.
type delay struct {
	due           atomic.Int64 // the next tick, by the loop's clock; 0: the loop sleeps
	worst, before atomic.Int64 // of this span of ticks and of the one before
}

// lately is a span of ticks: 100 ms.
const lately = 5 * int64(slots)

// woke takes in how late a tick was.
func (l *delay) woke(tick int64, late time.Duration) {
	if tick%lately == 0 {
		l.before.Store(l.worst.Swap(int64(late)))
	} else if int64(late) > l.worst.Load() {
		l.worst.Store(int64(late))
	}
}

// lately is how late the loop was in the last 100 to 200 ms, or is now; 0: it has nothing to send.
func (p *pacer) lately() time.Duration {
	due := p.late.due.Load()
	if due == 0 {
		return 0
	}
	return max(time.Duration(p.late.worst.Load()), time.Duration(p.late.before.Load()), p.clock.now()-time.Duration(due))
}

// stalled is how many ticks to leave out when the loop is late: none while the packets
// are still worth sending, else whole packets, so that each stream keeps its slot.
func stalled(late time.Duration) int64 {
	if late <= maxCatchUp {
		return 0
	}
	return int64(late/packetTime) * int64(slots)
}
