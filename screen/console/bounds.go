package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"releve/doors/porter"
)

// Bounds of both faces (SPEC K4).
const (
	headerLimit = 5 * time.Second
	headerMost  = 16 << 10
	bodyLimit   = 5 * time.Second  // a body is one packet or two, or does not come
	bodyMost    = 1 << 16          // bytes
	stuckLimit  = 10 * time.Second // whoever takes nothing for so long is let go; slowly is never too slow
)

// The rooms. A browser opens six connections; a proxy opens those of a whole hospital from
// one address.
var (
	connections = porter.Rules{Most: 256, Each: 96}
	commands    = porter.Rules{Kept: 64}
	screens     = porter.Rules{Most: 64, Each: 48} // many more than a site has walls
	ledgers     = porter.Rules{Most: 8, Each: 4}
)

func publicDoor(l net.Listener) net.Listener {
	return porter.Listen(l, porter.Options{Rules: connections, Stuck: stuckLimit, Refusal: full()})
}

// controlDoor: whoever may open the socket is the operator, who may have stopped his
// terminal in the middle of what it prints.
func controlDoor(l net.Listener) net.Listener {
	return porter.Listen(l, porter.Options{Rules: commands, Stuck: stuckLimit, Known: func(netip.Addr) bool { return true }})
}

// full is said to whoever finds the door full.
func full() []byte {
	p := problem{Type: problemPrefix + "too-many-connections", Title: http.StatusText(http.StatusServiceUnavailable),
		Status: http.StatusServiceUnavailable,
		Detail: "too many connections are open already, to this server or from your address: close some"}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // four texts
	}
	return fmt.Appendf(nil,
		"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"+
			"Content-Length: %d\r\nRetry-After: 5\r\nConnection: close\r\n\r\n%s", len(body), body)
}

// bodied reads what a request carries before it is answered, so that nothing waits for a
// body that does not come, and no answer that lasts is cut off by the limit for it.
func bodied(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		asked := porter.Unasked(r.Context())
		out := http.NewResponseController(w)
		err := out.SetReadDeadline(time.Now().Add(bodyLimit))
		var body []byte
		if err == nil {
			body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMost))
		}
		if err == nil {
			err = out.SetReadDeadline(time.Time{})
			asked()
		}
		if err != nil {
			w.Header().Set("Connection", "close")
			refuse(w, bodyStatus(err), "bad-body", fmt.Errorf("the body of this request was not read: %w", err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func bodyStatus(err error) int {
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// lasting gives an answer that lasts one of a room's places, until leave. Its context ends
// when it has to give way to somebody who holds fewer.
func lasting(r *http.Request, room *porter.Room) (ctx context.Context, leave func(), ok bool) {
	ctx, cancel := context.WithCancel(r.Context())
	var from netip.Addr // none, on the control socket
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		from = at.Addr()
	}
	guest, ok := room.Enter(from, false, cancel)
	if !ok {
		cancel()
		return nil, nil, false
	}
	guest.Rest(false)
	return ctx, func() { guest.Leave(); cancel() }, true
}

// names are those by which a browser may have come here. An address is always ours: it is a
// name that another page can have turned around to point here (DNS rebinding).
func (o Options) names() map[string]bool {
	all := map[string]bool{"": true, "localhost": true}
	machine, _ := os.Hostname() // unknown, it is called by its address
	for _, name := range append([]string{machine, hostOf(o.Listen), hostOf(o.OtherConsole)}, o.Names...) {
		all[plainName(name)] = true
	}
	return all
}

func hostOf(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

func plainName(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// addressed refuses what was asked of another name.
func (s *Server) addressed(next http.Handler) http.Handler {
	ours := s.options.names()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		if _, err := netip.ParseAddr(host); err != nil && !ours[plainName(host)] {
			refuse(w, http.StatusMisdirectedRequest, "unknown-host",
				fmt.Errorf("this server does not know itself as %q: "+
					"ask it by its address, or name it in [console] names of its configuration", host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// array writes a list as JSON while it is read, a page at a time: the whole of it is never
// in memory.
type array struct {
	w    http.ResponseWriter
	page bytes.Buffer
	n    int
}

// add writes one page. An error says that nobody reads any more.
func add[T any](a *array, page []T) error {
	a.page.Reset()
	lines := json.NewEncoder(&a.page)
	for _, v := range page {
		a.page.WriteByte("[,"[min(a.n, 1)])
		if err := lines.Encode(v); err != nil {
			return err
		}
		a.n++
	}
	_, err := a.w.Write(a.page.Bytes())
	return err
}

func (a *array) end() {
	text := "]\n"
	if a.n == 0 {
		text = "[]\n"
	}
	_, _ = io.WriteString(a.w, text) // a reader that left is no error of ours
}
