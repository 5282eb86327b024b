package systemd

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// manager listens as systemd does (sd_notify(3)): one datagram a message.
func manager(t *testing.T, within time.Duration) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(within.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", "")
	heard := make(chan string, 1024)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 1024); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			heard <- string(buf[:n])
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	return heard
}

func hear(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	select {
	case got := <-heard:
		if got != want {
			t.Fatalf("the manager heard %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the manager did not hear %q", want)
	}
}

func TestTheManagerIsFedWhileTheLoopTurns(t *testing.T) {
	const within = 90 * time.Millisecond
	heard := manager(t, within)
	s := New(slog.New(slog.DiscardHandler))
	s.Ready()
	hear(t, heard, "READY=1")
	var hangs atomic.Bool
	looked := make(chan struct{}, 1024)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Feed(ctx, func() time.Duration {
			looked <- struct{}{}
			if hangs.Load() {
				return within
			}
			return 0
		})
	}()
	for range 3 {
		hear(t, heard, "WATCHDOG=1")
	}
	hangs.Store(true)
	for range len(looked) + 1 { // the looks that began before, and may still have spoken
		<-looked
	}
	for len(heard) > 0 {
		<-heard
	}
	for range 5 {
		<-looked
	}
	cancel()
	<-ended
	if len(heard) > 1 { // one look may have been between its question and its word
		t.Errorf("a loop that hangs was reported alive %d times", len(heard))
	}
}

func TestWithoutAManagerNothingIsSaid(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	s := New(slog.New(slog.DiscardHandler))
	s.Ready()
	s.Feed(t.Context(), func() time.Duration {
		t.Error("a watchdog that nobody set looked at the loop")
		return 0
	})
}
