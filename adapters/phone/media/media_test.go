package media

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen; a well machine needs a
// hundredth of it.
const patience = 20 * time.Second

// The test program starts itself again where a process of its own is needed: to be
// stopped as a whole, or so that its work is not counted as ours.
const childVariable = "RELEVE_MEDIA_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "player":
		player()
	case "sink":
		sink()
	default:
		goleak.VerifyTestMain(m)
	}
}

// loopback draws an address that no other test uses.
func loopback() netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(250)), byte(1 + rand.IntN(250))})
}

func startEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := NewEngine(Options{
		Address: loopback(), First: 20000, Last: 21000,
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func open(t testing.TB, e *Engine) *Stream {
	t.Helper()
	s, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// numbered is a clip whose packets can be told apart: the n-th is made of bytes n.
func numbered(packets int) Clip {
	var c Clip
	for n := range packets {
		for range packetSamples {
			c.MuLaw = append(c.MuLaw, byte(n))
			c.ALaw = append(c.ALaw, ^byte(n))
		}
	}
	return c
}

// eventually waits for a condition that nothing announces.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// start agrees on a format with a caller who has acknowledged the call.
func start(s *Stream, remote netip.AddrPort, f Format) {
	s.Agree(remote, f)
	s.Speak()
}
