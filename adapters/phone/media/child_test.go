package media

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"testing"
)

// childTo names where a player's packets go.
const childTo = "RELEVE_MEDIA_TEST_TO"

// A child is this test program in another role. It ends when its input does, so that it
// never outlives the test, however that ends.
type child struct {
	*exec.Cmd
	in  io.Closer
	out io.Reader
}

func startChild(t testing.TB, role string, environment ...string) *child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(program)}
	c.Env = append(append(os.Environ(), childVariable+"="+role), environment...)
	c.Stderr = os.Stderr
	if c.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if c.out, err = c.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	return c
}

// player is a server of one call. It plays a clip of a hundred packets, and then silence.
func player() {
	remote := netip.MustParseAddrPort(os.Getenv(childTo))
	e, err := NewEngine(Options{Address: loopback(), First: 20000, Last: 21000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	s, err := e.Open()
	if err != nil {
		log.Fatal(err)
	}
	start(s, remote, Format{})
	go s.Play(context.Background(), numbered(100))
	io.Copy(io.Discard, os.Stdin)
}
