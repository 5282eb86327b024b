// Package local says who on this machine is at the other end of a unix socket: the kernel's word of who opened
// it (SO_PEERCRED, unix(7)), which nobody can forge.
package local

import (
	"context"
	"net"
	"net/http"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"releve/doors/porter"
)

type key struct{}

// Attach has a server's requests know who opened their connection. It goes after whatever else sets ConnContext.
func Attach(s *http.Server) {
	before := s.ConnContext
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, conn)
		}
		return context.WithValue(ctx, key{}, userOf(conn))
	}
}

// User is the name of the unix user who asks, "" for a request that did not come by a socket of this machine.
func User(ctx context.Context) string {
	name, _ := ctx.Value(key{}).(string)
	return name
}

// userOf is who opened a connection. One whom the machine has no name for is called by his number: he was let in
// all the same.
func userOf(conn net.Conn) string {
	if admitted, ok := conn.(*porter.Conn); ok {
		conn = admitted.Conn
	}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return ""
	}
	id := "?" // the kernel does not say
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if who, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				id = strconv.FormatUint(uint64(who.Uid), 10)
			}
		})
	}
	if who, err := user.LookupId(id); err == nil {
		return who.Username
	}
	return "uid " + id
}
