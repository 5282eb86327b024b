package acceptance

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// anyProtocol is ETH_P_ALL in the byte order of the network: what leaves is shown to nobody else.
const anyProtocol = 0x0300

// pace hears when a server sends the sound of its calls with the callers of the PBX: by the kernel's
// time stamps, as each packet leaves. What comes late at a receiver may be the machine's fault, which
// makes the load too; what leaves late is the server's.
type pace struct {
	mu      sync.Mutex
	streams map[netip.AddrPort][]sent // by the server's port
}

// sent is a packet of sound.
type sent struct {
	at    time.Time
	clock uint32 // of its samples, 8,000 a second (RFC 3551 §4.5.14)
}

// hearPace hears until the test ends.
func hearPace(t testing.TB, server string) *pace {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // nothing before the filter is there
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	for _, err := range []error{
		filter(fd, soundOf(netip.MustParseAddr(server))),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: anyProtocol}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := &pace{streams: map[netip.AddrPort][]sent{}}
	ctx, stop := context.WithCancel(context.Background())
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			p.hear(fd)
		}
	})
	t.Cleanup(func() {
		stop()
		reader.Wait()
		_ = unix.Close(fd)
	})
	return p
}

// soundOf lets UDP pass that leaves a server for the callers of the PBX, which have addresses in
// 127.0.9.0/24.
func soundOf(server netip.Addr) []bpf.Instruction {
	from := server.As4()
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType}, // of the packet: to whom it goes
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 7},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 5},
		bpf.LoadAbsolute{Off: 12, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(from[:]), SkipTrue: 3},
		bpf.LoadAbsolute{Off: 16, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 127 << 8, SkipTrue: 1},
		bpf.RetConstant{Val: 64},
		bpf.RetConstant{Val: 0},
	}
}

func filter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	lines := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		lines[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(lines)), Filter: &lines[0]})
}

func (p *pace) hear(fd int) {
	data, control := make([]byte, 64), make([]byte, 64)
	n, c, _, _, err := unix.Recvmsg(fd, data, control, 0)
	if err != nil || n < 20+8+8 || c < 32 || data[18] != 9 {
		return
	}
	at := time.Unix(int64(binary.NativeEndian.Uint64(control[16:])), int64(binary.NativeEndian.Uint64(control[24:])))
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[12:16])), binary.BigEndian.Uint16(data[20:]))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[from] = append(p.streams[from], sent{at, binary.BigEndian.Uint32(data[28+4:])})
}

// timely is how the sound of the calls that were there all the while left between two moments.
type timely struct {
	calls, packets int
	onTime         float64         // the share that left within 5 ms of its time
	p99, worst     time.Duration   // lateness
	whole          float64         // packets, of those that the time asks for
	each           []time.Duration // lateness, ascending
}

// between judges the packets of each stream against its own best one.
func (p *pace) between(since, until time.Time) (w timely) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, all := range p.streams {
		if len(all) == 0 || all[0].at.After(since) || all[len(all)-1].at.Before(until) {
			continue
		}
		w.calls++
		best := time.Duration(1<<63 - 1)
		for _, s := range all {
			best = min(best, s.late(all[0]))
		}
		for _, s := range all {
			if !s.at.Before(since) && s.at.Before(until) {
				w.each = append(w.each, s.late(all[0])-best)
			}
		}
	}
	slices.Sort(w.each)
	if w.packets = len(w.each); w.packets == 0 {
		return w
	}
	n, _ := slices.BinarySearch(w.each, 5*time.Millisecond+1)
	w.onTime = 100 * float64(n) / float64(w.packets)
	w.p99, w.worst = w.each[w.packets*99/100], w.each[w.packets-1]
	w.whole = float64(w.packets) / (float64(w.calls) * until.Sub(since).Seconds() * 50)
	return w
}

// late is how much later a packet left than the first of its stream, less the sound between them.
func (s sent) late(first sent) time.Duration {
	return s.at.Sub(first.at) - time.Duration(int32(s.clock-first.clock))*time.Second/8000
}

func (w timely) String() string {
	return fmt.Sprintf("%d calls, %d packets (%.1f %%), %.2f %% within 5 ms, p99 %v, worst %v", w.calls, w.packets, 100*w.whole, w.onTime, w.p99, w.worst)
}
