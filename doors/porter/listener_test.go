package porter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"releve/doors/porter"
)

// plenty is a limit for what must not take long, on the slowest machine.
const plenty = 20 * time.Second

func listen(t *testing.T, o porter.Options) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door := porter.Listen(l, o)
	t.Cleanup(func() { _ = door.Close() })
	return door
}

// joined is both ends of a connection through a door; the far one's window is bounded.
func joined(t *testing.T, o porter.Options) (near, far *net.TCPConn, through net.Conn) {
	t.Helper()
	door := listen(t, o)
	dialed, err := net.Dial("tcp", door.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far = dialed.(*net.TCPConn)
	if err := far.SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	through, err = door.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near = through.(*porter.Conn).Conn.(*net.TCPConn)
	t.Cleanup(func() { _, _ = through.Close(), far.Close() })
	return near, far, through
}

var roomy = porter.Rules{Most: 100, Each: 100, Kept: 1}

func TestWhoTakesNothingIsCutOff(t *testing.T) {
	const limit = 200 * time.Millisecond
	near, far, through := joined(t, porter.Options{Rules: roomy, Stuck: limit})
	began := time.Now()
	n, err := through.Write(make([]byte, 8<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 8<<20 {
		t.Errorf("%d bytes were written to nobody: %v", n, err)
	}
	if n > 1<<20 {
		t.Errorf("the system took %d bytes of what nobody reads", n)
	}
	if time.Since(began) < limit {
		t.Errorf("it was cut off after %v already", time.Since(began))
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection stays: %v", err)
	}
	_ = far.SetReadDeadline(time.Now().Add(plenty))
	if _, err := io.Copy(io.Discard, far); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the system still holds what nobody read: %v", err)
	}
}

// TestWhoIsSlowIsNeverCutOff: each pause of the reader is shorter than the limit, and all of
// them together are two limits.
func TestWhoIsSlowIsNeverCutOff(t *testing.T) {
	const limit, rounds = 3 * time.Second, 40
	_, far, through := joined(t, porter.Options{Rules: roomy, Stuck: limit})
	text := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // in one Write: several pieces, and more than the buffers take
	done := make(chan error, 1)
	go func() {
		_, err := through.Write(text)
		done <- errors.Join(err, through.Close())
	}()
	var got bytes.Buffer
	for range rounds {
		_, err := io.CopyN(&got, far, int64(len(text)/rounds/2))
		if err != nil {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
		time.Sleep(2 * limit / rounds)
	}
	if _, err := io.Copy(&got, far); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || !bytes.Equal(got.Bytes(), text) {
		t.Errorf("%d of %d bytes came: %v", got.Len(), len(text), err)
	}
}

// one is a listener with one connection.
type one struct{ conn chan net.Conn }

func (o one) Accept() (net.Conn, error) { return <-o.conn, nil }
func (one) Close() error                { return nil }
func (one) Addr() net.Addr              { return &net.TCPAddr{} }

// TestALetterAtATimeIsProgress: however small what is taken, and to the last letter of it.
// Who then takes nothing is cut off soon after the limit.
func TestALetterAtATimeIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * time.Second
		far, near := net.Pipe()
		conns := make(chan net.Conn, 1)
		conns <- near
		through, err := porter.Listen(one{conns}, porter.Options{Rules: roomy, Stuck: limit}).Accept()
		if err != nil {
			t.Fatal(err)
		}
		const letters = 100
		go func() {
			for range letters {
				time.Sleep(limit * 3 / 4)
				_, _ = far.Read(make([]byte, 1))
			}
		}()
		if n, err := through.Write(make([]byte, letters)); n != letters || err != nil {
			t.Errorf("%d letters were written: %v", n, err)
		}
		began := time.Now()
		if _, err := through.Write(make([]byte, letters)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("who takes nothing gets %v", err)
		}
		if waited := time.Since(began); waited < limit || waited > limit*5/4 {
			t.Errorf("he was cut off after %v", waited)
		}
		_ = far.Close()
	})
}

// TestADeadlineThatSomebodySetHolds: that of whoever writes, where it is sooner.
func TestADeadlineThatSomebodySetHolds(t *testing.T) {
	_, _, through := joined(t, porter.Options{Rules: roomy, Stuck: time.Hour})
	if err := through.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := through.Write(make([]byte, 8<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// hung serves what its handler does until the test ends.
func hung(t *testing.T, o porter.Options, h http.Handler) (address string) {
	t.Helper()
	door := listen(t, o)
	life, end := context.WithCancel(t.Context())
	s := &http.Server{Handler: h, ReadHeaderTimeout: plenty, BaseContext: func(net.Listener) context.Context { return life }}
	porter.Attach(s, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(door) }()
	t.Cleanup(func() { end(); _ = s.Close(); <-ended })
	return door.Addr().String()
}

func dial(t *testing.T, from, to string) (net.Conn, error) {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), Timeout: plenty}
	c, err := d.Dial("tcp", to)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		err = c.SetDeadline(time.Now().Add(plenty))
	}
	return c, err
}

func get(t *testing.T, from, to string) (string, error) {
	t.Helper()
	c, err := dial(t, from, to)
	if err != nil {
		return "", err
	}
	defer c.Close() //nolint:errcheck // it was read
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(c)
	return string(text), err
}

func TestWhoIsTurnedAwayHearsWhy(t *testing.T) {
	began := make(chan struct{}, 2)
	address := hung(t, porter.Options{Rules: porter.Rules{Most: 9, Each: 2}, Stuck: plenty, Refusal: []byte("HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")},
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { began <- struct{}{}; <-r.Context().Done() }))
	for range 2 {
		c, err := dial(t, "127.0.0.2", address)
		if err == nil {
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	<-began
	<-began
	for range 10 { // fewer than are told why at the same time
		if text, err := get(t, "127.0.0.2", address); err != nil || !strings.HasPrefix(text, "HTTP/1.1 503 Full") {
			t.Fatalf("%q, %v", text, err)
		}
	}
}

// TestAThousandConnectionsKeepNobodyOut: of one address and of two hundred, silent and in the
// middle of their request. Whoever else comes is served, and when they go nothing is left.
func TestAThousandConnectionsKeepNobodyOut(t *testing.T) {
	for name, from := range map[string]func(int) string{
		"one address":           func(int) string { return "127.0.1.1" },
		"two hundred addresses": func(n int) string { return fmt.Sprintf("127.0.1.%d", 1+n%200) },
	} {
		t.Run(name, func(t *testing.T) {
			const most = 64
			address := hung(t, porter.Options{Rules: porter.Rules{Most: most, Each: 16, Kept: 1}, Stuck: plenty},
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
			before := descriptors(t)
			held := make([]net.Conn, 1000)
			for i := range held {
				c, err := dial(t, from(i), address)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, "GET / HT"[:i%9]); err != nil && i < most {
					t.Fatal(err)
				}
				held[i] = c
			}
			if text, err := get(t, "127.0.0.2", address); err != nil || !strings.HasSuffix(text, "served") {
				t.Errorf("with a thousand strangers: %q, %v", text, err)
			}
			if within := descriptors(t) - before - len(held); within > most+1 {
				t.Errorf("the server holds %d connections", within)
			}
			for _, c := range held {
				_ = c.Close()
			}
			for end := time.Now().Add(plenty); descriptors(t) > before; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d descriptors stay open of a thousand connections that were closed", descriptors(t)-before)
				}
			}
		})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// A handler that panics is a fault of ours, and is told as one; whoever knocks without
// speaking HTTP is not.
func TestAPanicIsNoTalkOfTheDoor(t *testing.T) {
	told := make(chan slog.Record, 10)
	door := listen(t, porter.Options{Rules: roomy, Stuck: plenty})
	s := &http.Server{ReadHeaderTimeout: plenty, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("of ours") })}
	porter.Attach(s, slog.New(records(told)))
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(door) }()
	defer func() { _ = s.Close(); <-served }()
	s.ErrorLog.Print("http: TLS handshake error from 127.0.0.1: http: panic serving 127.0.0.1")
	if r := <-told; r.Level != slog.LevelDebug {
		t.Errorf("a stranger's is told as %s: %s", r.Level, r.Message)
	}
	_, _ = get(t, "127.0.0.1", door.Addr().String())
	if r := <-told; r.Level != slog.LevelError || !strings.Contains(r.Message, "of ours") || !strings.Contains(r.Message, "listener_test.go") {
		t.Errorf("the panic is told as %s: %s", r.Level, r.Message)
	}
}

// records is a log that passes on what it is told.
type records chan<- slog.Record

func (records) Enabled(context.Context, slog.Level) bool           { return true }
func (r records) Handle(_ context.Context, told slog.Record) error { r <- told; return nil }
func (r records) WithAttrs([]slog.Attr) slog.Handler               { return r }
func (r records) WithGroup(string) slog.Handler                    { return r }
