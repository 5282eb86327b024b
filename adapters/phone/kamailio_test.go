package phone_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// kamailio is a real PBX that runs for one test.
type kamailio struct {
	t    *testing.T
	addr netip.AddrPort // UDP and TCP
	over netip.AddrPort // TLS; not valid without certificates
	ctl  string
	env  []string
	args []string
	p    *process
}

// startKamailio runs Kamailio on a free address, as nobody when the tests run as root.
func startKamailio(t *testing.T) *kamailio { return startKamailioWith(t, "", "") }

// startKamailioWith runs it with a certificate and its key, PEM, for TLS.
func startKamailioWith(t *testing.T, certificate, key string) *kamailio {
	t.Helper()
	dir, err := os.MkdirTemp("", "pbx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg, err := os.ReadFile("testdata/kamailio.cfg")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(path, cfg, 0o644); err != nil {
		t.Fatal(err)
	}
	k := &kamailio{t: t, addr: freeAddr(t), ctl: "unix:" + filepath.Join(dir, "ctl")}
	args := []string{tool(t, "kamailio", "kamailio"), "-DD", "-E", "-f", path, "-w", dir, "-Y", dir,
		"-P", filepath.Join(dir, "pid"), "-m", "32", "-l", "udp:" + k.addr.String(), "-l", "tcp:" + k.addr.String()}
	if certificate != "" {
		k.over = freeAddr(t)
		k.writeTLS(dir, certificate, key)
		args = append(args, "-l", "tls:"+k.over.String(), "-A", "WITH_TLS")
	}
	if os.Getuid() == 0 {
		giveToNobody(t, dir)
		args = append([]string{tool(t, "setpriv", "util-linux"), "--reuid=nobody", "--regid=nogroup", "--clear-groups"}, args...)
	}
	k.env, k.args = append(os.Environ(), "CTL="+k.ctl), args
	k.start()
	k.awaitAnswer(k.p)
	return k
}

func (k *kamailio) start() { k.p = start(k.t, k.env, k.args...) }

// kill ends the PBX as a power cut does, with all its processes.
func (k *kamailio) kill() {
	_ = syscall.Kill(-k.p.cmd.Process.Pid, syscall.SIGKILL)
	<-k.p.done
}

// writeTLS writes the settings of Kamailio's TLS.
func (k *kamailio) writeTLS(dir, certificate, key string) {
	k.t.Helper()
	for file, text := range map[string]string{
		"cert.pem": certificate, "key.pem": key,
		"tls.cfg": "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n" +
			"private_key = " + filepath.Join(dir, "key.pem") + "\ncertificate = " + filepath.Join(dir, "cert.pem") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			k.t.Fatal(err)
		}
	}
}

func giveToNobody(t *testing.T, dir string) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// awaitAnswer asks until the PBX answers an OPTIONS.
func (k *kamailio) awaitAnswer(p *process) {
	k.t.Helper()
	peer := newPeer(k.t)
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if p.ended() {
			k.t.Fatalf("kamailio ended:\n%s", p.output())
		}
		peer.send(k.addr, peer.request("OPTIONS", "sip:"+k.addr.String(), map[string]string{}))
		if _, ok := peer.tryReceive(100 * time.Millisecond); ok {
			return
		}
	}
	k.t.Fatalf("kamailio does not answer after 20 s:\n%s", p.output())
}

// set changes the PBX's behaviour for the next registration.
func (k *kamailio) set(name string, value int) {
	k.t.Helper()
	out, err := exec.Command(tool(k.t, "kamcmd", "kamailio"),
		"-s", k.ctl, "htable.seti", "cfg", name, strconv.Itoa(value)).CombinedOutput()
	if err != nil {
		k.t.Fatalf("kamcmd: %v: %s", err, out)
	}
}

// tool finds a program, and fails with what to install where it is not.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test runs %s: install it (apt-get install %s)", name, pkg)
	}
	return path
}

// process is a program that runs beside a test and is stopped with it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  bytes.Buffer
}

// Write collects what the program says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// start runs a program in a process group of its own, and stops the whole group at
// the end of the test.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.done
}

// freeAddr is a UDP address that nobody holds: the kernel's choice of port on an
// address of the loopback network that is this process's own.
func freeAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: ownIP().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func ownIP() netip.Addr {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, byte(80 + pid>>14&0x1f), byte(pid >> 7 & 0x7f), byte(1 + pid&0x7f)})
}

// limit bounds a step of a test.
func limit(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("this step of the test took more than %s", d))
	t.Cleanup(cancel)
	return ctx
}
