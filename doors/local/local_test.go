package local_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve/doors/local"
	"releve/doors/porter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked is whom a server behind its door takes the one for who asks it on a network.
func asked(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	door := porter.Listen(l, porter.Options{
		Rules: porter.Rules{Most: 4, Each: 4, Kept: 4}, Stuck: time.Second, Known: func(netip.Addr) bool { return true },
	})
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, local.User(r.Context())) })}
	porter.Attach(s, slog.New(slog.DiscardHandler))
	local.Attach(s)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(door) }()
	defer func() { _ = s.Close(); <-done }()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := client.Get("http://door/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheKernelSaysWhoAsks(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := asked(t, "unix", filepath.Join(t.TempDir(), "s")); got != me.Username {
		t.Errorf("by the socket it is %q, not %q", got, me.Username)
	}
	if got := asked(t, "tcp", "127.0.0.1:0"); got != "" {
		t.Errorf("by the network it is %q", got)
	}
}
