package media

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/pion/rtp"
	"github.com/zaf/g711"
)

// joint is two telephones whose calls are joined here: what each of them is, and this server's end of it.
type joint struct {
	telephones, legs [2]*Stream
	part             func()
}

func join(t *testing.T, laws [2]bool, events [2]uint8) joint {
	t.Helper()
	e, others := startEngine(t), startEngine(t)
	var j joint
	for i := range j.legs {
		j.legs[i], j.telephones[i] = open(t, e), open(t, others)
		f := Format{PayloadType: payloadPCMU, ALaw: laws[i], DTMF: events[i]}
		if laws[i] {
			f.PayloadType = payloadPCMA
		}
		start(j.legs[i], j.telephones[i].conn.LocalAddr().(*net.UDPAddr).AddrPort(), f)
		start(j.telephones[i], j.legs[i].conn.LocalAddr().(*net.UDPAddr).AddrPort(), f)
	}
	one, other := Carry(j.legs[0], j.legs[1]), Carry(j.legs[1], j.legs[0])
	j.part = sync.OnceFunc(func() { one(); other() })
	t.Cleanup(j.part)
	return j
}

// Each telephone hears the other, sample by sample in the same law, and both at once. What a machine that is
// busy with other things swallows is said again.
func TestWhatOneHearsTheOtherSays(t *testing.T) {
	j := join(t, [2]bool{false, false}, [2]uint8{})
	var ears sync.WaitGroup
	for i, telephone := range j.telephones {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		run, last := 0, byte(0)
		telephone.Overhear(func(payload []byte, _ bool) {
			first := payload[0]
			if !bytes.Equal(payload, bytes.Repeat([]byte{first}, packetSamples)) {
				t.Errorf("telephone %d hears a packet of several", i)
			}
			if run++; first != last+1 {
				run = 0
			}
			if last = first; run == 15 {
				cancel()
			}
		})
		ears.Go(func() {
			for ctx.Err() == nil {
				_ = j.telephones[1-i].Play(ctx, numbered(20))
			}
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("telephone %d does not hear the other", i)
			}
		})
	}
	ears.Wait()
	j.part()
}

// Between the two laws each sample is that of the other law, as the tables of G.711 have it.
func TestBetweenTheLaws(t *testing.T) {
	for v := range 256 {
		sample := byte(v)
		if got := g711.DecodeUlawFrame(translated(sample, true, false)); abs(int(got)-int(g711.DecodeAlawFrame(sample))) > 1024 {
			t.Errorf("A-law %d is %d in µ-law", sample, got)
		}
		if translated(sample, true, true) != sample || translated(sample, false, false) != sample {
			t.Errorf("%d is changed within its law", sample)
		}
	}
	j := join(t, [2]bool{true, false}, [2]uint8{})
	var tone []int16
	for n := range 8000 {
		tone = append(tone, int16(8000*(2*(n/8%2)-1))) // a square wave of 500 Hz
	}
	loud := make(chan int, 64)
	j.telephones[1].Overhear(func(payload []byte, aLaw bool) {
		sum := 0
		for _, sample := range payload {
			if aLaw {
				return
			}
			sum += abs(int(g711.DecodeUlawFrame(sample)))
		}
		select {
		case loud <- sum / len(payload):
		default:
		}
	})
	again(t, j.telephones[0], FromPCM(tone), loud, func(level int) bool { return level > 7000 && level < 9000 })
}

// again says a clip until what is heard of it is as it is to be.
func again[T any](t *testing.T, by *Stream, clip Clip, heard <-chan T, right func(T) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	saying := make(chan struct{})
	go func() {
		defer close(saying)
		for ctx.Err() == nil {
			_ = by.Play(ctx, clip)
		}
	}()
	defer func() { cancel(); <-saying }()
	for {
		select {
		case got := <-heard:
			if right(got) {
				return
			}
		case <-ctx.Done():
			t.Fatal("it was not heard")
		}
	}
}

func abs(n int) int { return max(n, -n) }

// Keys go through as keys, and are not those of the attendant any more; afterwards they are again.
func TestKeysGoThrough(t *testing.T) {
	j := join(t, [2]bool{true, true}, [2]uint8{101, 96})
	for _, key := range []byte("19#") {
		if err := j.telephones[0].Press(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if got := <-j.telephones[1].Digits(); got != key {
			t.Errorf("%c goes through as %c", key, got)
		}
	}
	if n := len(j.legs[0].Digits()); n != 0 {
		t.Errorf("%d keys were given to the attendant as well", n)
	}
	j.part()
	if err := j.telephones[0].Press(t.Context(), '7'); err != nil {
		t.Fatal(err)
	}
	if got := <-j.legs[0].Digits(); got != '7' {
		t.Errorf("after the end %c is heard", got)
	}
}

// A side that hears nothing of the other hears what is played to it: the tone of ringing.
func TestWhileNothingComesTheOtherSaysWhatItPlays(t *testing.T) {
	e, others := startEngine(t), startEngine(t)
	caller, called, telephone := open(t, e), open(t, e), open(t, others)
	start(caller, telephone.conn.LocalAddr().(*net.UDPAddr).AddrPort(), Format{})
	start(telephone, caller.conn.LocalAddr().(*net.UDPAddr).AddrPort(), Format{})
	defer Carry(called, caller)()
	heard := make(chan byte, 4096)
	telephone.Overhear(func(payload []byte, _ bool) { heard <- payload[0] })
	again(t, caller, numbered(10), heard, func(sample byte) bool { return sample == 7 })
}

// packets of a source, in order or not.
func put(p *passage, source uint32, numbers ...uint32) {
	for _, n := range numbers {
		p.put(&rtp.Header{SSRC: source, Timestamp: 1000 + n*packetSamples}, bytes.Repeat([]byte{byte(n)}, packetSamples), false)
	}
}

func taken(p *passage) (all []int) {
	for range 20 {
		into := make([]byte, packetSamples)
		if !p.take(into, false) {
			all = append(all, -1)
			break
		}
		all = append(all, int(into[0]))
	}
	return all
}

func TestThePassageOfSound(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(*passage)
		want []int
	}{
		"one packet is not enough yet":           {func(p *passage) { put(p, 1, 1) }, []int{-1}},
		"two are":                                {func(p *passage) { put(p, 1, 1, 2) }, []int{1, 2, -1}},
		"shuffled":                               {func(p *passage) { put(p, 1, 1, 3, 2, 4) }, []int{1, 2, 3, 4, -1}},
		"one is lost":                            {func(p *passage) { put(p, 1, 1, 2, 4) }, []int{1, 2, muLawSilence, 4, -1}},
		"what came before the first is too late": {func(p *passage) { put(p, 1, 5, 4, 6) }, []int{5, 6, -1}},
		"another source begins anew":             {func(p *passage) { put(p, 1, 1, 2, 3); put(p, 2, 50, 51) }, []int{50, 51, -1}},
		"too far behind is caught up with":       {func(p *passage) { put(p, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9) }, []int{8, 9, -1}},
		"a jump of the same source begins anew":  {func(p *passage) { put(p, 1, 1, 2, 900, 901) }, []int{900 & 0xff, 901 & 0xff, -1}},
		"the number of the timestamp overflows":  {func(p *passage) { put(p, 1, 1<<32/packetSamples-8, 1<<32/packetSamples-7, 1<<32/packetSamples-6) }, nil},
		"a packet without sound, or with too much": {func(p *passage) {
			p.put(&rtp.Header{}, nil, false)
			p.put(&rtp.Header{}, make([]byte, passageSize), false)
		}, []int{-1}},
	} {
		p := newPassage()
		c.put(p)
		got := taken(p)
		if c.want == nil { // three packets in a row
			if len(got) != 4 || got[1] != got[0]+1 || got[2] != got[1]+1 {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
				break
			}
		}
	}
}
