package media

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/rules/attendant/prompts"
)

func TestAClipIsHeardWholeOnceAndOnTheClock(t *testing.T) {
	for name, format := range map[string]Format{
		"A-law": {PayloadType: payloadPCMA, ALaw: true},
		"µ-law": {PayloadType: payloadPCMU},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := startSounding(t, startEngine(t), format)
			clip := numbered(50)
			before := time.Now()
			if err := s.Play(t.Context(), clip); err != nil {
				t.Fatal(err)
			}
			took := time.Since(before)
			heard := c.hearUntil(func(a arrival) bool { return a.Payload[0] == sound(clip, format)[49*packetSamples] })
			checkFlow(t, heard)
			checkHeard(t, heard, sound(clip, format))
			checkDuration(t, took, clip, s)
		})
	}
}

// checkDuration allows what the loop itself says it was late, and a machine that is busy
// elsewhere; never a clip that is over too early.
func checkDuration(t *testing.T, took time.Duration, clip Clip, s *Stream) {
	t.Helper()
	late := s.Stats().MaxLateness
	// The first packet leaves within one packet's time, the last one before the clip's end.
	if least := clip.Duration() - packetTime - late; took < least {
		t.Errorf("a clip of %v took %v", clip.Duration(), took)
	}
	if most := clip.Duration() + packetTime + late + patience/4; took > most {
		t.Errorf("a clip of %v took %v, at most %v late", clip.Duration(), took, late)
	}
}

func TestClipsFollowEachOtherAndSilenceFollowsThem(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{})
	for range 3 {
		if err := s.Play(t.Context(), numbered(4)); err != nil {
			t.Fatal(err)
		}
	}
	heard := c.hearPacket(0)
	for range 30 {
		heard = append(heard, c.hear())
	}
	checkFlow(t, heard)
	if last := heard[len(heard)-1]; last.Payload[0] != muLawSilence {
		t.Errorf("after the clips: % x", last.Payload)
	}
}

// A telephone with maxptime:10 hears all of a clip, in packets that long.
func TestPacketsAreNoLongerThanTheCallerTakes(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{Short: packetSamples / 2})
	if err := s.Play(t.Context(), numbered(20)); err != nil {
		t.Fatal(err)
	}
	heard := c.hearPacket(19)
	heard = append(heard, c.hear())
	for i, p := range heard {
		if len(p.Payload) != packetSamples/2 {
			t.Fatalf("packet %d has %d samples", i, len(p.Payload))
		}
		if i > 0 && (p.Timestamp != heard[i-1].Timestamp+packetSamples/2 || p.SequenceNumber != heard[i-1].SequenceNumber+1) {
			t.Fatalf("packet %d does not follow the one before: %d after %d", i, p.Timestamp, heard[i-1].Timestamp)
		}
	}
	checkHeard(t, heard, numbered(20).MuLaw)
}

func TestAClipOfHalfAPacketIsFilledUpWithSilence(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{})
	clip := Clip{MuLaw: bytes.Repeat([]byte{1}, 80), ALaw: bytes.Repeat([]byte{1}, 80)}
	if err := s.Play(t.Context(), clip); err != nil {
		t.Fatal(err)
	}
	heard := c.hearPacket(1)
	got := heard[len(heard)-1].Payload
	want := append(bytes.Clone(clip.MuLaw), bytes.Repeat([]byte{muLawSilence}, 80)...)
	if !bytes.Equal(got, want) {
		t.Errorf("heard % x", got)
	}
}

func TestAKeyStopsAPrompt(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{DTMF: payloadEvent})
	ctx, stop := context.WithCancelCause(t.Context())
	pressed := errors.New("a key was pressed")
	go func() {
		<-s.Digits()
		stop(pressed)
	}()
	c.say(s, eventPacket(1, report{timestamp: 1000, key: '1'}))
	if err := s.Play(ctx, numbered(250)); !errors.Is(err, pressed) {
		t.Errorf("play ended with %v, want the reason it was stopped for", err)
	}
	if err := s.Play(t.Context(), numbered(2)); err != nil {
		t.Errorf("the next clip: %v", err)
	}
}

func TestOneClipAtATime(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{})
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { s.Play(ctx, numbered(250)) })
	c.hearPacket(3)
	if err := s.Play(ctx, numbered(1)); !errors.Is(err, ErrPlaying) {
		t.Errorf("a second clip: %v", err)
	}
	stop()
	playing.Wait()
}

func TestAStreamThatWasNotStartedPlaysNothing(t *testing.T) {
	s := open(t, startEngine(t))
	if err := s.Play(t.Context(), numbered(1)); !errors.Is(err, ErrMute) {
		t.Errorf("got %v", err)
	}
}

func TestAClipWithoutSoundIsOverAtOnce(t *testing.T) {
	s, _ := startSounding(t, startEngine(t), Format{})
	if err := s.Play(t.Context(), Clip{}); err != nil {
		t.Error(err)
	}
}

// While a caller is on hold nothing is sent, and the clip waits; afterwards it goes on
// where it was, under timestamps that kept to the clock.
func TestAClipWaitsWhileTheCallerIsOnHold(t *testing.T) {
	e := startEngine(t)
	s, c := startSounding(t, e, Format{})
	_, other := startSounding(t, e, Format{})
	var playing sync.WaitGroup
	playing.Go(func() {
		if err := s.Play(t.Context(), numbered(40)); err != nil {
			t.Error(err)
		}
	})
	heard := c.hearPacket(10)
	start(s, c.address(), Format{Direction: RecvOnly})
	sent := s.Stats().Sent
	for range 15 {
		other.hear()
	}
	if got := s.Stats().Sent; got > sent+1 {
		t.Errorf("%d packets sent while on hold", got-sent)
	}
	start(s, c.address(), Format{})
	heard = append(heard, c.hearPacket(39)...)
	playing.Wait()
	checkFlow(t, heard)
	checkHeard(t, heard, numbered(40).MuLaw)
}

func TestClosingAStreamEndsWhatItDoes(t *testing.T) {
	s, c := startSounding(t, startEngine(t), Format{})
	played := make(chan error, 1)
	go func() { played <- s.Play(t.Context(), numbered(250)) }()
	c.hearPacket(3)
	s.Close()
	s.Close()
	if err := <-played; !errors.Is(err, ErrClosed) {
		t.Errorf("play ended with %v", err)
	}
	if _, more := <-s.Digits(); more {
		t.Error("a key after the end")
	}
	if err := s.Play(t.Context(), numbered(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("playing on a closed stream: %v", err)
	}
	start(s, c.address(), Format{})
	if busy := s.engine.pacer.streams.Load(); busy != 0 {
		t.Errorf("the loop still runs for %d streams", busy)
	}
}

// Two hundred callers at a time: each hears all of its own, once, in order.
func TestTwoHundredCallersAreServedByOneLoop(t *testing.T) {
	e := startEngine(t)
	var calls sync.WaitGroup
	for range 200 {
		s, c := startSounding(t, e, Format{})
		calls.Go(func() {
			if err := s.Play(t.Context(), numbered(50)); err != nil {
				t.Error(err)
			}
		})
		calls.Go(func() {
			heard, err := c.tryHear(func(a arrival) bool { return a.Payload[0] == 49 })
			if err != nil {
				t.Errorf("a caller hears nothing: %v", err)
				return
			}
			checkFlow(t, heard)
			checkHeard(t, heard, numbered(50).MuLaw)
		})
	}
	calls.Wait()
	checkNoneFailed(t, e)
}

func checkNoneFailed(t *testing.T, e *Engine) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		if got := s.Stats(); got.Failed != 0 || got.Sent < 50 {
			t.Errorf("%+v", got)
		}
	}
}

// sox, which shares no code with us, hears in the packets what is in the file.
func TestAnotherDecoderHearsThePrompt(t *testing.T) {
	wav, err := prompts.WAV(releve.French, "greeting")
	if err != nil {
		t.Fatal(err)
	}
	clip, err := ParseWAV(wav)
	if err != nil {
		t.Fatal(err)
	}
	want := listen(t, wav, "-t", "wav")
	for encoding, format := range map[string]Format{
		"al": {PayloadType: payloadPCMA, ALaw: true},
		"ul": {PayloadType: payloadPCMU},
	} {
		t.Run(encoding, func(t *testing.T) {
			s, c := startSounding(t, startEngine(t), format)
			if err := s.Play(t.Context(), clip); err != nil {
				t.Fatal(err)
			}
			recording := c.record(sound(clip, format))
			got := listen(t, recording, "-t", encoding, "-r", "8000", "-c", "1")
			if got["Length s"] != want["Length s"] {
				t.Errorf("lasts %v s, the file %v", got["Length s"], want["Length s"])
			}
			for _, level := range []string{"Pk lev dB", "RMS lev dB"} {
				if difference := got[level] - want[level]; difference < -0.5 || difference > 0.5 {
					t.Errorf("%s is %v, in the file %v", level, got[level], want[level])
				}
			}
		})
	}
}

// record hears until all of a sound has come, and returns it as it was heard.
func (c *caller) record(whole []byte) []byte {
	c.t.Helper()
	var tape []byte
	for range 1000 {
		tape = append(tape, c.hear().Payload...)
		if at := bytes.Index(tape, whole); at >= 0 {
			return tape[at : at+len(whole)]
		}
	}
	c.t.Fatal("20 s of sound do not hold the prompt")
	return nil
}

// listen returns sox's statistics of a sound by their names.
func listen(t *testing.T, sound []byte, format ...string) map[string]float64 {
	t.Helper()
	sox := exec.CommandContext(t.Context(), "sox", append(format, "-", "-n", "stats")...)
	sox.Stdin = bytes.NewReader(sound)
	out, err := sox.CombinedOutput()
	if err != nil {
		t.Fatalf("sox (Debian's package sox is needed): %v: %s", err, out)
	}
	stats := map[string]float64{}
	for _, line := range regexp.MustCompile(`(?m)^(\S.*?)\s+(-?[0-9.]+)$`).FindAllStringSubmatch(string(out), -1) {
		value, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		stats[line[1]] = value
	}
	for _, name := range []string{"Length s", "Pk lev dB", "RMS lev dB"} {
		if _, ok := stats[name]; !ok {
			t.Fatalf("sox said nothing of %q:\n%s", name, out)
		}
	}
	return stats
}

// startSounding is a call whose caller already hears silence.
func startSounding(t testing.TB, e *Engine, f Format) (*Stream, *caller) {
	t.Helper()
	s := open(t, e)
	c := newCaller(t, loopback())
	start(s, c.address(), f)
	if first := c.hear(); !first.Marker || first.PayloadType != f.PayloadType {
		t.Errorf("the first packet is marked: %t, of type %d", first.Marker, first.PayloadType)
	}
	return s, c
}

// sound is a clip as one format sends it.
func sound(c Clip, f Format) []byte {
	if f.ALaw {
		return c.ALaw
	}
	return c.MuLaw
}

// checkHeard checks that a sound was heard whole and once, among silence.
func checkHeard(t testing.TB, packets []arrival, want []byte) {
	t.Helper()
	var tape []byte
	for _, p := range packets {
		tape = append(tape, p.Payload...)
	}
	if n := bytes.Count(tape, want); n != 1 {
		t.Errorf("the clip was heard %d times in %d packets", n, len(packets))
	}
}
