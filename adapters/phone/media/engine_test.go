package media

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestEachCallHasAnEvenPortOfTheRange(t *testing.T) {
	e, err := NewEngine(Options{Address: loopback(), First: 20001, Last: 20009, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	taken := map[int]bool{}
	for range 4 {
		taken[open(t, e).Port()] = true
	}
	for _, port := range []int{20002, 20004, 20006, 20008} {
		if !taken[port] {
			t.Errorf("ports %v, want 20002 to 20008", taken)
		}
	}
	if _, err := e.Open(); !errors.Is(err, ErrNoPort) || !strings.Contains(err.Error(), "widen the range") {
		t.Errorf("a fifth call: %v", err)
	}
	for s := range e.streams {
		s.Close()
		break
	}
	open(t, e)
}

func TestAProcessThatMayOpenNoMoreFilesSaysSo(t *testing.T) {
	e := startEngine(t)
	// The lowest free number is the next file's; none above it may be opened.
	lowest, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer lowest.Close()
	limit(t, uint64(lowest.Fd())+1)
	if _, err := e.Open(); !errors.Is(err, ErrNoPort) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v, want ErrNoPort because of EMFILE", err)
	}
}

// limit sets how many files the process may have open, until the test's end.
func limit(t *testing.T, files uint64) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
}

// A server that fences itself says and hears nothing any more (RULES R9).
func TestClosingTheEngineSilencesEveryCall(t *testing.T) {
	e := startEngine(t)
	played := make(chan error, 20)
	var ports []int
	for range cap(played) {
		s, _ := startSounding(t, e, Format{})
		ports = append(ports, s.Port())
		go func() { played <- s.Play(t.Context(), numbered(250)) }()
	}
	e.Close()
	e.Close()
	for range ports {
		if err := <-played; !errors.Is(err, ErrClosed) {
			t.Errorf("play ended with %v", err)
		}
	}
	for _, port := range ports {
		again, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.options.Address, uint16(port))))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		again.Close()
	}
	if _, err := e.Open(); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after the end: %v", err)
	}
}

func TestAnEngineRefusesWhatItCannotServe(t *testing.T) {
	stories := map[string]Options{
		"not 0.0.0.0":  {Address: netip.IPv4Unspecified(), First: 20000, Last: 20100},
		"not invalid":  {First: 20000, Last: 20100},
		"no even port": {Address: loopback(), First: 20001, Last: 20001},
		"20100 to 200": {Address: loopback(), First: 20100, Last: 200},
		"to 70000":     {Address: loopback(), First: 20100, Last: 70000},
	}
	for want, options := range stories {
		if e, err := NewEngine(options); err == nil {
			e.Close()
			t.Errorf("%+v was accepted", options)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v does not say %q", options, err, want)
		}
	}
}

func TestTheLoopWakesUpForEachCallAfterARest(t *testing.T) {
	e := startEngine(t)
	for range 3 {
		s, _ := startSounding(t, e, Format{})
		if err := s.Play(t.Context(), numbered(2)); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
}
