package stranger

import (
	"net"
	"testing"
)

// Listen has somebody stand where the other server, or a service, should be: a filter that cuts or
// alters what passes, a proxy, a program that is not ours. He listens on a TCP address and does the
// same with each connection, one after the other, until the test ends. It gives the address.
func Listen(t testing.TB, address string, do func(net.Conn)) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			do(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().(*net.TCPAddr)
}
