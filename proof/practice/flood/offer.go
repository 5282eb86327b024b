package flood

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// t1 is T1 of RFC 3261 §17.1.1.2, and most how many INVITEs a telephone that hears nothing sends.
const (
	t1   = 500 * time.Millisecond
	most = 7
)

// flood is the calls of one run.
type flood struct {
	Options
	conn  *ipv4.PacketConn
	to    *net.UDPAddr
	words words

	mu       sync.Mutex
	calls    []call
	answered []leave // in the order in which they are to end
}

type call struct {
	Call
	tag   []byte // of the answer
	heard bool   // a response, maybe a provisional one
	next  time.Time
	left  bool
}

// leave is a call that is to be ended.
type leave struct {
	call int
	at   time.Time
}

const step = time.Millisecond

// offer sends the INVITEs at their rate, and again those that nobody answers, and ends what was answered.
func (f *flood) offer(ctx context.Context) error {
	tick := time.NewTicker(step)
	defer tick.Stop()
	began := time.Now()
	end := began.Add(time.Duration(f.Calls)*time.Second/time.Duration(f.Rate) + f.Patience)
	made, look := 0, 0
	for time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		due := min(f.Calls, int(time.Since(began)*time.Duration(f.Rate)/time.Second))
		var out []ipv4.Message
		f.mu.Lock()
		for ; made < due; made++ {
			out = append(out, f.invite(made))
		}
		if look++; look%20 == 0 {
			out = append(out, f.again()...)
		}
		out = append(out, f.byes()...)
		f.mu.Unlock()
		if err := f.send(out); err != nil {
			return err
		}
	}
	return nil
}

func (f *flood) send(all []ipv4.Message) error {
	for len(all) > 0 {
		n, err := f.conn.WriteBatch(all, 0)
		if err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (f *flood) message(text []byte) ipv4.Message {
	return ipv4.Message{Buffers: [][]byte{text}, Addr: f.to}
}

func (f *flood) invite(n int) ipv4.Message {
	c, now := &f.calls[n], time.Now()
	if c.Sent == 0 {
		c.Offered = now
	}
	c.next = now.Add(t1 << c.Sent)
	c.Sent++
	return f.message(of(f.words.invite, n, nil))
}

// again are the INVITEs whose first response is overdue (timer A).
func (f *flood) again() (out []ipv4.Message) {
	now := time.Now()
	for n := range f.calls {
		if c := &f.calls[n]; c.Sent > 0 && !c.heard && c.Sent < most && now.After(c.next) {
			out = append(out, f.invite(n))
		}
	}
	return out
}

func (f *flood) byes() (out []ipv4.Message) {
	for now := time.Now(); len(f.answered) > 0 && now.After(f.answered[0].at); f.answered = f.answered[1:] {
		n := f.answered[0].call
		c := &f.calls[n]
		if c.left {
			continue
		}
		out = append(out, f.message(of(f.words.bye, n, c.tag)))
		f.answered = append(f.answered, leave{n, now.Add(t1)}) // until it is answered
	}
	return out
}

const batch = 64

// listen takes in what comes until the socket's deadline.
func (f *flood) listen() error {
	in := make([]ipv4.Message, batch)
	for i := range in {
		in[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 4096)}, OOB: make([]byte, 64)}
	}
	for {
		n, err := f.conn.ReadBatch(in, 0)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		var out []ipv4.Message
		f.mu.Lock()
		for _, m := range in[:n] {
			if r, ok := f.words.read(m.Buffers[0][:m.N]); ok && r.call < len(f.calls) {
				out = append(out, f.hear(r, stamped(m.OOB[:m.NN]))...)
			}
		}
		f.mu.Unlock()
		if err := f.send(out); err != nil {
			return err
		}
	}
}

// stamped is when the kernel had a datagram (cmsg(3): a header of 16 bytes, then a timespec).
func stamped(oob []byte) time.Time {
	if len(oob) < 32 {
		return time.Now()
	}
	return time.Unix(int64(binary.NativeEndian.Uint64(oob[16:])), int64(binary.NativeEndian.Uint64(oob[24:])))
}

func (f *flood) hear(r response, at time.Time) (out []ipv4.Message) {
	c := &f.calls[r.call]
	if !r.invite {
		c.left = true
		return nil
	}
	c.heard = true
	if r.code < 200 {
		return nil
	}
	if c.Ended++; c.Ended == 1 {
		c.Code, c.Answered, c.tag = r.code, at.Sub(c.Offered), append([]byte(nil), r.tag...)
		if r.code < 300 {
			f.answered = append(f.answered, leave{r.call, at.Add(f.Hold)})
		}
	}
	ack := of(f.words.ack, r.call, c.tag)
	if r.code >= 300 { // of the same transaction (RFC 3261 §17.1.1.3)
		ack = f.words.ofRefusal(ack)
	}
	return []ipv4.Message{f.message(ack)}
}

// ofRefusal makes an ACK one of the INVITE's own transaction.
func (w words) ofRefusal(ack []byte) []byte {
	if i := bytes.Index(ack, w.branch); i >= 0 {
		ack[i+len(w.branch)] = 'i'
	}
	return ack
}

func (f *flood) told() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Call, 0, len(f.calls))
	for _, c := range f.calls {
		if c.Sent > 0 {
			all = append(all, c.Call)
		}
	}
	return all
}
