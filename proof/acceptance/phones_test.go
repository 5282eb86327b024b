package acceptance

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// phone is a telephone of the establishment: a SIPp that rings briefly, answers
// and gives back the sound it hears.
type phone struct {
	user, host string
	dir        string
	sipp       *part
}

// startPhone starts a telephone and registers it.
func startPhone(dir, user, host string) (*phone, error) {
	p := &phone{user: user, host: host, dir: filepath.Join(dir, "phone"+user)}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if p.sipp, err = startUAS(p.dir, "phone", host, "-d", "100"); err != nil {
		return nil, err
	}
	if err := p.register(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *phone) close() { p.sipp.stop() }

// register tells the PBX where the telephone is.
func (p *phone) register() error {
	return registerAt(p.dir, p.user, phonePassword, p.host)
}

// scenarioFile writes one of our SIPp scenarios where SIPp can read it.
func scenarioFile(dir, name string) (string, error) {
	text, err := testdata.ReadFile("testdata/sipp/" + name + ".xml")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, name+".xml")
	return file, os.WriteFile(file, text, 0o644)
}

// startUAS starts a called party on port 5060 of a host.
func startUAS(dir, scenario, host string, args ...string) (*part, error) {
	file, err := scenarioFile(dir, scenario)
	if err != nil {
		return nil, err
	}
	args = append([]string{"-sf", file, "-nostdin", "-max_recv_loops", "1", "-i", host, "-p", "5060", "-bind_local",
		"-mi", host, "-mp", "6000", "-rtp_echo", "-trace_err", "-error_file", filepath.Join(dir, "errors")}, args...)
	p, err := launch(filepath.Join(dir, "screen"), exec.Command("sipp", args...))
	if err != nil {
		return nil, err
	}
	if err := await(5*time.Second, func() error { return listensAt(host, 5060) }); err != nil {
		p.stop()
		return nil, fmt.Errorf("%w\n%s", err, tail(filepath.Join(dir, "errors"), 5))
	}
	return p, nil
}

// listensAt says whether somebody has bound a UDP port, from /proc/net/udp.
func listensAt(host string, port uint16) error {
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return err
	}
	ip := netip.MustParseAddr(host).As4()
	slices.Reverse(ip[:]) // the kernel prints it in its own byte order
	if entry := fmt.Sprintf(" %X:%04X ", ip, port); !strings.Contains(string(table), entry) {
		return fmt.Errorf("nobody listens on %s:%d", host, port)
	}
	return nil
}

// registerAt registers a user's contact on a host for an hour.
func registerAt(dir, user, password, host string) error {
	file, err := scenarioFile(dir, "register")
	if err != nil {
		return err
	}
	registration, err := launch(filepath.Join(dir, "register"), exec.Command("sipp", pbxHost+":5060", "-sf", file, "-m", "1",
		"-nostdin", "-i", host, "-p", "5070", "-mp", "17000", "-s", user, "-au", user, "-ap", password, "-key", "realm", domain,
		"-key", "contact", fmt.Sprintf("sip:%s@%s:5060", user, host), "-key", "expires", "3600"))
	if err != nil {
		return err
	}
	code, err := registration.wait(10 * time.Second)
	if err == nil && code != 0 {
		err = errors.New(tail(filepath.Join(dir, "register"), 10))
	}
	if err != nil {
		registration.stop()
		return fmt.Errorf("%s does not register: %w", user, err)
	}
	return nil
}
