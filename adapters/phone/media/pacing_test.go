package media

import (
	"encoding/gob"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	benchStreams = 200
	benchPackets = 150 // of each: three seconds
	sinkSockets  = 20  // enough that none overflows while the sink waits for a processor
)

// BenchmarkPacing200 plays to 200 callers at a time and has another process measure, by
// the kernel's clock, how late each packet comes; beside it, in the same run, the
// obvious way: a goroutine with a time.Ticker for each call.
//
//	go test ./adapters/phone/media -run '^$' -bench Pacing200
//
// Reported for both, as medians and worst of the runs: the share of packets at most 5 ms
// late (SPEC asks for 99.9 %), the 99th percentile of lateness, and processor time for each
// packet. Lateness is against the best packet of the same stream.
func BenchmarkPacing200(b *testing.B) {
	var engine, ticker pacings
	for b.Loop() {
		engine = append(engine, measure(b, playThroughEngine))
		ticker = append(ticker, measure(b, playByTicker))
	}
	engine.report(b, "")
	ticker.report(b, "ticker-")
	var ratios []float64
	for i := range engine {
		ratios = append(ratios, engine[i].cpuPerPacket()/ticker[i].cpuPerPacket())
	}
	b.ReportMetric(middle(ratios), "cpu-ratio")
}

// BenchmarkIdle tells what an engine without calls costs, in per cent of a core.
func BenchmarkIdle(b *testing.B) {
	startEngine(b)
	before, start := processorTime(b), time.Now()
	for b.Loop() {
		<-time.After(time.Second)
	}
	b.ReportMetric(100*float64(processorTime(b)-before)/float64(time.Since(start)), "%core")
}

// pacing is what was measured in one run.
type pacing struct {
	lateness []time.Duration // of each packet, in ascending order
	cpu      time.Duration
}

// tolerance is how late a packet may leave before it counts as late.
const tolerance = 5 * time.Millisecond

// onTime is the share of packets within the tolerance, in per cent.
func (p pacing) onTime() float64 {
	n, _ := slices.BinarySearch(p.lateness, tolerance+1)
	return 100 * float64(n) / float64(len(p.lateness))
}

// p99 is the lateness that one packet in a hundred exceeds, in milliseconds.
func (p pacing) p99() float64 {
	return float64(p.lateness[len(p.lateness)*99/100].Microseconds()) / 1000
}

// cpuPerPacket is in microseconds.
func (p pacing) cpuPerPacket() float64 {
	return float64(p.cpu.Microseconds()) / float64(len(p.lateness))
}

type pacings []pacing

func (all pacings) report(b *testing.B, prefix string) {
	var onTime, p99, cpu []float64
	for _, p := range all {
		onTime, p99, cpu = append(onTime, p.onTime()), append(p99, p.p99()), append(cpu, p.cpuPerPacket())
	}
	b.ReportMetric(middle(onTime), prefix+"on-time-median-%")
	b.ReportMetric(slices.Min(onTime), prefix+"on-time-worst-%")
	b.ReportMetric(middle(p99), prefix+"p99-median-ms")
	b.ReportMetric(slices.Max(p99), prefix+"p99-worst-ms")
	b.ReportMetric(middle(cpu), prefix+"cpu-median-µs")
	b.ReportMetric(slices.Max(cpu), prefix+"cpu-worst-µs")
}

func middle(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// measure has a sink listen to a way of sending.
func measure(b *testing.B, play func(b *testing.B, to []netip.AddrPort)) pacing {
	b.Helper()
	child := startChild(b, "sink")
	reports := gob.NewDecoder(child.out)
	var to []netip.AddrPort
	if err := reports.Decode(&to); err != nil {
		b.Fatal(err)
	}
	before := processorTime(b)
	play(b, to)
	cpu := processorTime(b) - before
	child.in.Close()
	heard := map[netip.AddrPort][]stamped{}
	if err := reports.Decode(&heard); err != nil {
		b.Fatal(err)
	}
	result := pacing{cpu: cpu}
	for _, packets := range heard {
		result.lateness = append(result.lateness, lateness(packets)...)
	}
	if got := len(result.lateness); got < benchStreams*benchPackets {
		b.Fatalf("%d packets arrived of %d", got, benchStreams*benchPackets)
	}
	slices.Sort(result.lateness)
	return result
}

func playThroughEngine(b *testing.B, to []netip.AddrPort) {
	e := startEngine(b)
	defer e.Close()
	clip := numbered(benchPackets)
	var calls sync.WaitGroup
	for i := range benchStreams {
		s := open(b, e)
		calls.Go(func() {
			start(s, to[i%len(to)], Format{})
			if err := s.Play(b.Context(), clip); err != nil {
				b.Error(err)
			}
		})
	}
	calls.Wait()
}

func playByTicker(b *testing.B, to []netip.AddrPort) {
	address := loopback()
	var calls sync.WaitGroup
	for i := range benchStreams {
		calls.Go(func() {
			<-time.After(packetTime * time.Duration(i) / benchStreams)
			if err := tick(address, to[i%len(to)]); err != nil {
				b.Error(err)
			}
		})
	}
	calls.Wait()
}

// tick is one call's sending as it is usually written.
func tick(from netip.Addr, to netip.AddrPort) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return err
	}
	defer conn.Close()
	out := newOutgoing(nil)
	ticker := time.NewTicker(packetTime)
	defer ticker.Stop()
	for range benchPackets {
		<-ticker.C
		out.header.Timestamp += packetSamples
		out.header.SequenceNumber++
		if _, err := out.header.MarshalTo(out.packet[:]); err != nil {
			return err
		}
		if _, err := conn.WriteToUDPAddrPort(out.packet[:], to); err != nil {
			return err
		}
	}
	return nil
}

// stamped is one packet at the sink.
type stamped struct {
	Timestamp uint32
	At        int64 // nanoseconds, of the kernel's clock
}

// lateness compares a stream's packets with the best of them.
func lateness(packets []stamped) []time.Duration {
	first := packets[0]
	late := make([]time.Duration, len(packets))
	for i, p := range packets {
		late[i] = time.Duration(p.At-first.At) - soundTime(p.Timestamp-first.Timestamp)
	}
	best := slices.Min(late)
	for i := range late {
		late[i] -= best
	}
	return late
}

// sink tells where it listens, collects packets until its input ends, and tells what came.
func sink() {
	reports := gob.NewEncoder(os.Stdout)
	conns, addresses := listenMany(loopback())
	if err := reports.Encode(addresses); err != nil {
		log.Fatal(err)
	}
	heard := make([]map[netip.AddrPort][]stamped, len(conns))
	var readers sync.WaitGroup
	for i, conn := range conns {
		readers.Go(func() { heard[i] = collect(conn) })
	}
	io.Copy(io.Discard, os.Stdin)
	for _, conn := range conns {
		conn.SetReadDeadline(time.Now().Add(time.Second)) // for what is still in the sockets
	}
	readers.Wait()
	all := map[netip.AddrPort][]stamped{}
	for _, part := range heard {
		for from, packets := range part {
			all[from] = packets
		}
	}
	if err := reports.Encode(all); err != nil {
		log.Fatal(err)
	}
}

func listenMany(address netip.Addr) (conns []*net.UDPConn, addresses []netip.AddrPort) {
	for range sinkSockets {
		conn, err := listenStamped(address)
		if err != nil {
			log.Fatal(err)
		}
		conns = append(conns, conn)
		addresses = append(addresses, conn.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return conns, addresses
}

// collect reads packets, by the stream that sent them, until the socket's deadline.
func collect(conn *net.UDPConn) map[netip.AddrPort][]stamped {
	heard := map[netip.AddrPort][]stamped{}
	for {
		a, err := readStamped(conn)
		if err != nil {
			return heard
		}
		heard[a.from] = append(heard[a.from], stamped{Timestamp: a.Timestamp, At: a.at.UnixNano()})
	}
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
