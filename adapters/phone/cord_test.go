package phone_test

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// cord is the way between a telephone and its PBX, which a test can cut: whatever is connected through it is broken, and
// who connects anew is let through.
type cord struct {
	addr     netip.AddrPort
	to       netip.AddrPort
	listener net.Listener
	work     sync.WaitGroup
	mu       sync.Mutex
	closed   bool
	all      []net.Conn
}

func newCord(t *testing.T, to netip.AddrPort) *cord {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ownIP().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	c := &cord{addr: listener.Addr().(*net.TCPAddr).AddrPort(), to: to, listener: listener}
	c.work.Go(c.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.cut()
		c.work.Wait()
	})
	return c
}

func (c *cord) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to.String())
		if err != nil {
			_ = near.Close()
			continue
		}
		c.mu.Lock()
		c.all = append(c.all, near, far)
		c.mu.Unlock()
		c.work.Go(func() { carry(near, far) })
		c.work.Go(func() { carry(far, near) })
		if c.isClosed() {
			c.cut()
		}
	}
}

func (c *cord) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
}

// cut breaks every connection.
func (c *cord) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		_ = conn.Close()
	}
	c.all = nil
}
