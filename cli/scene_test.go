package cli_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/cli"
	"releve/proof/practice"
	"releve/proof/practice/gateway"
	"releve/screen/console/client"
	"releve/screen/view"
)

// The establishment of the scripts.
const (
	domain            = "ipbx.test"
	number            = "9"
	receptionPassword = "reception-secret"
	standbyPassword   = "standby-secret"
	phonePassword     = "phone-secret"
	extension         = "1001"
	operator          = "1002"
)

// street is a /24 of the loopback, 127.61.N.x, that one script has for itself.
type street byte

// The houses of a street.
const (
	pbxHouse       = 10
	mainHouse      = 21
	secondaryHouse = 22
	phoneHouse     = 31
	operatorHouse  = 32
	callerHouse    = 90
	gatewayHouse   = 41
)

func (s street) house(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 61, byte(s), n}) }

func (s street) sip(n byte) netip.AddrPort { return netip.AddrPortFrom(s.house(n), 5060) }

var lastStreet atomic.Uint32

// freeStreet passes over the streets where another run of the tests lives.
func freeStreet() (street, error) {
	var err error
	for range 250 {
		s := street(lastStreet.Add(1) % 250)
		var socket net.PacketConn
		if socket, err = net.ListenPacket("udp", s.sip(mainHouse).String()); err == nil {
			return s, socket.Close()
		}
	}
	return 0, fmt.Errorf("no street of 127.61.0.0/16 is free: %w", err)
}

// scene is where one script plays.
type scene struct {
	t       *testing.T
	dir     string
	street  street
	caller  *practice.Caller
	servers map[string]*server
	trees   map[string]string // what directories held
	closers []func() error
	gateway *gateway.Gateway // of analogue lines
	session *http.Cookie     // of who logged in
}

// server is one `releve serve`.
type server struct {
	cmd  *exec.Cmd
	log  string
	gone chan struct{}
}

// openPBX starts a practice PBX, two telephones and somebody who calls.
func (s *scene) openPBX([]string) error {
	log := slog.New(slog.DiscardHandler)
	pbx, err := practice.NewPBX(practice.PBXOptions{
		Listen: s.street.sip(pbxHouse), Realm: domain, Number: number, Log: log,
		ReceptionPassword: receptionPassword, StandbyPassword: standbyPassword, PhonePassword: phonePassword,
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, pbx.Close)
	for house, user := range map[byte]string{phoneHouse: extension, operatorHouse: operator} {
		phone, err := practice.NewPhone(context.Background(), practice.PhoneOptions{
			Listen: s.street.sip(house), PBX: s.street.sip(pbxHouse), Domain: domain, User: user, Password: phonePassword, Log: log,
		})
		if err != nil {
			return err
		}
		s.closers = append(s.closers, phone.Close)
	}
	s.caller, err = practice.NewCaller(practice.CallerOptions{
		Listen: s.street.sip(callerHouse), PBX: s.street.sip(pbxHouse), Domain: domain, User: "1010", Password: phonePassword, Log: log,
	})
	if err == nil {
		s.closers = append(s.closers, s.caller.Close)
	}
	return err
}

// openGateway starts an analogue gateway of two ports, and writes its first lines into the main's configuration.
func (s *scene) openGateway([]string) (err error) {
	at := netip.AddrPortFrom(s.street.house(gatewayHouse), 161) // RFC 3417, 3.2
	s.gateway, err = gateway.New(gateway.Options{Agent: at, Community: "lines-secret", Ports: 2, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.gateway.Close)
	text, err := os.ReadFile(s.config("main"))
	if err != nil {
		return err
	}
	plugged := fmt.Sprintf("plugged = [%q, %q]", at.Addr().String()+"/1 0140200001", at.Addr().String()+"/2 0140200002")
	before, table, found := strings.Cut(string(text), "[lines]\n")
	if !found {
		return errors.New("there is no table [lines]")
	}
	set := strings.NewReplacer("plugged = []", plugged, `community = ""`, `community = "lines-secret"`)
	return os.WriteFile(s.config("main"), []byte(before+"[lines]\n"+set.Replace(table)), 0o600)
}

// feed PORT [dead] plugs a line into a port of the gateway, or takes it out.
func (s *scene) feed(args []string) error {
	port, err := strconv.Atoi(args[0])
	if err == nil {
		s.gateway.Feed(port, len(args) == 1)
	}
	return err
}

// fed SEAT N: that server sees N lines where they have to be, before long.
func (s *scene) fed(args []string) error {
	return s.becomes(func(ctx context.Context) error {
		v, err := s.client(args[0]).Site(ctx)
		if err != nil {
			return err
		}
		well := 0
		for _, l := range v.Own().Lines {
			if l.Verdict == releve.LineWell {
				well++
			}
		}
		if strconv.Itoa(well) != args[1] {
			return fmt.Errorf("%d lines are well: %v", well, v.Own().Lines)
		}
		return nil
	})
}

// serve SEAT [OPTION…] starts a server of $SITE; its log is $SITE/SEAT.log.
func (s *scene) serve(args []string) error {
	seat := args[0]
	file := filepath.Join(s.dir, seat+".log")
	log, err := os.Create(file)
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own
	cmd := exec.Command("releve", append([]string{"serve", "-c", s.config(seat)}, args[1:]...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	started := &server{cmd, file, make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(started.gone)
	}()
	s.servers[seat] = started
	return nil
}

func (s *scene) config(seat string) string { return filepath.Join(s.dir, seat+".toml") }

func (s *scene) client(seat string) *client.Client {
	data := map[string]string{"main": "m", "secondary": "s"}[seat]
	return client.New(filepath.Join(s.dir, data, "control.sock"))
}

// stopLimit is what PostgreSQL may take to end, on a machine that is busy.
const stopLimit = 30 * time.Second

// stopServer, as shut-down SEAT in the scripts, ends a server as an operator does;
// it must end well.
func (s *scene) stopServer(args []string) error {
	server := s.servers[args[0]]
	delete(s.servers, args[0])
	_ = server.cmd.Process.Signal(syscall.SIGTERM) // one that has ended is judged by its exit code
	select {
	case <-server.gone:
	case <-time.After(stopLimit):
		_ = server.cmd.Process.Kill()
		<-server.gone
		return fmt.Errorf("the %s server did not stop within %s:\n%s", args[0], stopLimit, tail(server.log))
	}
	if !server.cmd.ProcessState.Success() {
		return fmt.Errorf("the %s server ended with %s:\n%s", args[0], server.cmd.ProcessState, tail(server.log))
	}
	return nil
}

// clear ends everything and finds out whether anything was left behind.
func (s *scene) clear() {
	for seat, server := range s.servers {
		s.t.Logf("the last words of the %s server:\n%s", seat, tail(server.log))
		if err := s.stopServer([]string{seat}); err != nil {
			s.t.Error(err)
		}
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil {
			s.t.Error(err)
		}
	}
	for _, pid := range below(s.dir) {
		s.t.Errorf("process %d was left behind in %s", pid, s.dir)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

// below are the living processes that work below a directory.
func below(dir string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, cwd := range all {
		if where, err := os.Readlink(cwd); err == nil && strings.HasPrefix(where, dir+"/") {
			var pid int
			if _, err := fmt.Sscanf(cwd, "/proc/%d/cwd", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// protectLimit is for two databases to be made, on a machine that is busy.
const protectLimit = 90 * time.Second

// protected OWNER waits until both servers say so, with that seat on duty.
func (s *scene) protected(args []string) error {
	return s.becomes(func(ctx context.Context) error { return s.notProtected(ctx, releve.Seat(args[0])) })
}

// ready waits until both servers say that the standby could take over.
func (s *scene) ready([]string) error {
	return s.becomes(func(ctx context.Context) error {
		for seat := range s.servers {
			v, err := s.client(seat).Site(ctx)
			if err != nil {
				return err
			}
			if v.Readiness == nil || !v.Readiness.Ready {
				return fmt.Errorf("the %s says: %v", seat, v.Readiness.Wrong())
			}
		}
		return nil
	})
}

// alarm SEAT ALARM STATE: that server lists the alarm in that state, before long; state gone: not at all.
func (s *scene) alarm(args []string) error {
	return s.becomes(func(ctx context.Context) error {
		v, err := s.client(args[0]).Site(ctx)
		if err != nil {
			return err
		}
		state := "gone"
		for _, a := range v.Alarms {
			if a.Alarm == args[1] {
				state = a.State
			}
		}
		if state != args[2] {
			return fmt.Errorf("at the %s server, %s is %s", args[0], args[1], state)
		}
		return nil
	})
}

// account SEAT NAME ROLE: that server knows the account with that role before long, or that it is gone.
func (s *scene) account(args []string) error {
	return s.becomes(func(ctx context.Context) error {
		all, err := s.client(args[0]).Accounts(ctx)
		if err != nil {
			return err
		}
		role := "gone"
		for _, a := range all {
			if a.Name == args[1] {
				role = a.Role
			}
		}
		if role != args[2] {
			return fmt.Errorf("at the %s server, %s is %s", args[0], args[1], role)
		}
		return nil
	})
}

// diary waits until a server's diary has an entry with that code: diary SEAT CODE.
func (s *scene) diary(args []string) error {
	return s.becomes(func(ctx context.Context) error {
		entries, err := s.client(args[0]).Diary(ctx, time.Time{}, time.Time{}, 1000)
		if err == nil && !slices.ContainsFunc(entries, func(e releve.Entry) bool { return e.What.Code == args[1] }) {
			err = fmt.Errorf("the diary of the %s server has no %s", args[0], args[1])
		}
		return err
	})
}

// becomes waits until nothing keeps the site from being so.
func (s *scene) becomes(not func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), protectLimit)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		err := not(ctx)
		if err == nil {
			return nil
		}
		for seat, server := range s.servers {
			select {
			case <-server.gone:
				return fmt.Errorf("the %s server ended: %s\n%s", seat, server.cmd.ProcessState, tail(server.log))
			default:
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", protectLimit, err)
		}
	}
}

func (s *scene) notProtected(ctx context.Context, owner releve.Seat) error {
	for seat := range s.servers {
		v, err := s.client(seat).Site(ctx)
		if err != nil {
			return err
		}
		if v.Word != view.Protected || v.Owner != owner {
			return fmt.Errorf("the %s says: %s (%s %v), %s on duty", seat, v.Word, v.Why.Code, v.Why.Args, v.Owner)
		}
	}
	return nil
}

// call has somebody dial the published number and ask for an extension; the call
// must be put through.
func (s *scene) call([]string) error {
	talks := 50 * time.Millisecond // to the telephone: the product is no longer in the call
	result := s.caller.Call(context.Background(), practice.CallOptions{Number: number, Digits: extension, Hold: talks})
	if !result.Heard() || !result.Transferred {
		return fmt.Errorf("the caller lived through this: %+v", result)
	}
	return nil
}

// take NETWORK ADDRESS is somebody else who has that port.
func (s *scene) take(args []string) error {
	if args[0] == "udp" {
		socket, err := net.ListenPacket("udp", args[1])
		if err == nil {
			s.closers = append(s.closers, socket.Close)
		}
		return err
	}
	listener, err := net.Listen(args[0], args[1])
	if err == nil {
		s.closers = append(s.closers, listener.Close)
	}
	return err
}

// meanwhile PROCEDURE CODE ARGUMENT…: while the main server carries the procedure
// out, releve with these arguments ends with that code, and the procedure ends well.
// The command runs in this process: the procedure would not wait for another one.
func (s *scene) meanwhile(args []string) error {
	code, said := -1, ""
	err := s.client("main").Procedure(context.Background(), args[0], false, func(p view.Procedure) {
		running := false
		for _, step := range p.Steps {
			running = running || step.State == "running"
		}
		if running && code < 0 {
			var out bytes.Buffer
			code = cli.Run(args[2:], &out, &out)
			said = out.String()
		}
	})
	if fmt.Sprint(code) != args[1] {
		err = errors.Join(err, fmt.Errorf("exit code %d, want %s; it said: %s", code, args[1], said))
	}
	return err
}

// remember DIR, and later untouched DIR: nothing below it has changed.
func (s *scene) remember(args []string) (err error) {
	s.trees[args[0]], err = tree(args[0])
	return err
}

func (s *scene) untouched(args []string) error {
	found, err := tree(args[0])
	if err == nil && found != s.trees[args[0]] {
		err = fmt.Errorf("%s held\n%s\nand now holds\n%s", args[0], s.trees[args[0]], found)
	}
	return err
}

// tree lists all files below a directory, each with what it holds.
func tree(dir string) (string, error) {
	var list strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%s %s", entry.Type(), path)
		if entry.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&list, " %x", sha256.Sum256(text))
		}
		list.WriteByte('\n')
		return nil
	})
	return list.String(), err
}
