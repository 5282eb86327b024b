package locate

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// unbound is a real name server, for one test.
type unbound struct {
	t    *testing.T
	dir  string
	addr string
	cmd  *exec.Cmd
}

// startUnbound runs one that knows these records, and answers nobody where it is to refuse.
func startUnbound(t *testing.T, refuses bool, records ...string) *unbound {
	t.Helper()
	dir, err := os.MkdirTemp("", "dns")
	if err != nil {
		t.Fatal(err)
	}
	u := &unbound{t: t, dir: dir, addr: free(t)}
	t.Cleanup(func() { u.stop(); os.RemoveAll(dir) })
	u.start(refuses, records...)
	return u
}

// free is an address that nobody holds, for datagrams and connections.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (u *unbound) start(refuses bool, records ...string) {
	u.t.Helper()
	program, err := exec.LookPath("unbound")
	if err != nil {
		u.t.Fatal("this test runs unbound: install it (apt-get install unbound)")
	}
	host, port, _ := net.SplitHostPort(u.addr)
	access := map[bool]string{false: "allow", true: "refuse"}[refuses]
	text := "server:\n username: \"\"\n chroot: \"\"\n directory: \"" + u.dir + "\"\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n" +
		" num-threads: 1\n interface: " + host + "\n port: " + port + "\n access-control: 127.0.0.0/8 " + access + "\n" +
		" do-not-query-localhost: yes\n local-zone: \"pbx.test.\" static\n local-zone: \"other.test.\" static\n"
	for _, record := range records {
		text += " local-data: '" + record + "'\n"
	}
	text += "remote-control:\n control-enable: no\n"
	file := filepath.Join(u.dir, "unbound.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.cmd = exec.Command(program, "-d", "-c", file)
	if err := u.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", u.addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			u.t.Fatalf("unbound does not answer: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (u *unbound) stop() {
	_ = u.cmd.Process.Kill()
	_ = u.cmd.Wait()
}

// where asks a name server about the PBX and writes what it says, or why not.
func where(t *testing.T, servers []string, w Where) (string, time.Duration, error) {
	t.Helper()
	r := Resolver{Servers: servers, Patience: 300 * time.Millisecond}
	ctx, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	a, err := r.Locate(ctx, w)
	var all []string
	for _, at := range a.Targets {
		all = append(all, at.String())
	}
	return strings.Join(all, " "), a.TTL, err
}
