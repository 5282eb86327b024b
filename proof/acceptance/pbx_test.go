package acceptance

import (
	"embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"releve"
)

//go:embed testdata/kamailio/kamailio.cfg testdata/sipp/*.xml
var testdata embed.FS

// The PBX's numbers and passwords.
const (
	domain            = "ipbx.test"
	receptionNumber   = "9"
	receptionPassword = "recep-pw"
	standbyPassword   = "stand-pw"
	phonePassword     = "phone-pw"
)

// pbx is a Kamailio that plays the establishment's switch.
type pbx struct {
	dir      string
	settings map[string]string
	kamailio *part
}

// pbxDefaults are what the tests do not choose. The calls come from callers that
// need no password: what they prove is the reception, not the PBX's guard.
func pbxDefaults() map[string]string {
	return map[string]string{
		"IPBX_REALM": domain, "IPBX_NUMBER": receptionNumber,
		"IPBX_RECEPTION_PASSWORD": receptionPassword, "IPBX_STANDBY_PASSWORD": standbyPassword,
		"IPBX_PHONE_PASSWORD": phonePassword,
		"IPBX_MIN_EXPIRES":    "5", "IPBX_MAX_EXPIRES": "3600", "IPBX_DEFAULT_EXPIRES": "60",
		"IPBX_NONCE_EXPIRE": "300", "IPBX_INTERVAL_TOO_BRIEF": "0",
		"IPBX_REGISTER_EXTRA": "replace", "IPBX_REGISTER_REFUSE_CODE": "403", "IPBX_BAD_PASSWORD_CODE": "403",
		"IPBX_AUTH_CALLS": "0", "IPBX_STRICT_FROM": "0", "IPBX_TRUNK_IP": "", "IPBX_TRUNK_PORT": "5060",
		"IPBX_MAIN_NOREPLY_MS": "1000", "IPBX_MAIN_NOANSWER_MS": "5000",
		"IPBX_STANDBY_NOREPLY_MS": "3000", "IPBX_STANDBY_NOANSWER_MS": "8000",
		"IPBX_BACK_NOANSWER_MS": "30000", "IPBX_BACK_DELAY_MS": "1000", "IPBX_BACK_MAX": "3",
		"IPBX_OVERFLOW_ON": `^(408|480|486|5[0-9][0-9])$`, "IPBX_DIVERSION": "0", "IPBX_SKIP_MAIN": "0",
	}
}

// startPBX starts Kamailio below a directory. Settings replace the defaults.
func startPBX(dir string, settings map[string]string) (*pbx, error) {
	p := &pbx{dir: filepath.Join(dir, "pbx"), settings: pbxDefaults()}
	for name, value := range settings {
		p.settings[name] = value
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	cfg, err := testdata.ReadFile("testdata/kamailio/kamailio.cfg")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "kamailio.cfg"), cfg, 0o644); err != nil {
		return nil, err
	}
	return p, p.start()
}

// start runs Kamailio, as an account without rights, until it answers kamcmd.
func (p *pbx) start() error {
	nobody, err := accountOf("nobody")
	if err != nil {
		return err
	}
	if err := os.Chown(p.dir, int(nobody.Uid), int(nobody.Gid)); err != nil {
		return err
	}
	listen := pbxHost + ":5060"
	cmd := exec.Command("kamailio", "-DD", "-E", "-f", filepath.Join(p.dir, "kamailio.cfg"), "-w", p.dir, "-Y", p.dir,
		"-P", filepath.Join(p.dir, "pid"), "-m", "64", "-M", "8", "-l", "udp:"+listen, "-l", "tcp:"+listen)
	cmd.Env = append(os.Environ(), "IPBX_CTL=unix:"+p.control())
	for name, value := range p.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	if p.kamailio, err = launch(p.log(), cmd); err != nil {
		return err
	}
	err = await(10*time.Second, func() error { _, err := p.command("core.uptime"); return err })
	if err != nil {
		p.close()
		return fmt.Errorf("the PBX does not start: %w\n%s", err, tail(p.log(), 20))
	}
	return nil
}

func accountOf(name string) (*syscall.Credential, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (p *pbx) control() string { return filepath.Join(p.dir, "ctl") }
func (p *pbx) log() string     { return filepath.Join(p.dir, "log") }
func (p *pbx) close()          { p.kamailio.stop() }

// restart ends the PBX and starts it again: it forgets all bindings.
func (p *pbx) restart(t testing.TB) {
	t.Helper()
	p.close()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

func (p *pbx) command(args ...string) (string, error) {
	out, err := exec.Command("kamcmd", append([]string{"-s", "unix:" + p.control()}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kamcmd %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// set changes the PBX's behaviour for the next call or registration.
func (p *pbx) set(t testing.TB, name, value string) {
	t.Helper()
	command := "htable.sets"
	if _, err := strconv.Atoi(value); err == nil {
		command = "htable.seti"
	}
	if _, err := p.command(command, "cfg", name, value); err != nil {
		t.Fatal(err)
	}
}

// change sets what the PBX does until the test ends.
func (p *pbx) change(t testing.TB, name, value string) {
	t.Helper()
	before := p.settings["IPBX_"+strings.ToUpper(name)]
	p.set(t, name, value)
	t.Cleanup(func() { p.set(t, name, before) })
}

var contactIn = regexp.MustCompile(`Address: (\S+)`)

// binding is the contact of a user, "" when none is registered.
func (p *pbx) binding(user string) string {
	out, err := p.command("ul.lookup", "location", user)
	if err != nil {
		return "" // kamcmd fails where the user has no binding
	}
	if found := contactIn.FindStringSubmatch(out); found != nil {
		return found[1]
	}
	return ""
}

// registered says whether the contact of a user is at a host.
func (p *pbx) registered(user, host string) error {
	if contact := p.binding(user); !strings.Contains(contact, host) {
		return fmt.Errorf("the PBX has %q as the contact of %s, not %s", contact, user, host)
	}
	return nil
}

// pbxEvent is one decision of the PBX, from its log, by its own clock.
type pbxEvent struct {
	at   time.Time
	kind string
	call releve.CallID
	args map[string]string
}

// events are the decisions of the PBX since a moment, of the kinds named, or all.
func (p *pbx) events(since time.Time, kinds ...string) []pbxEvent {
	file, err := os.Open(p.log())
	if err != nil {
		return nil
	}
	defer file.Close()
	raw, err := io.ReadAll(file)
	if err != nil {
		return nil
	}
	var found []pbxEvent
	for line := range strings.Lines(string(raw)) {
		_, text, ours := strings.Cut(line, ": IPBX ")
		if event := parsePBXEvent(text); ours && !event.at.Before(since) && (len(kinds) == 0 || slices.Contains(kinds, event.kind)) {
			found = append(found, event)
		}
	}
	return found
}

func parsePBXEvent(text string) pbxEvent {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return pbxEvent{}
	}
	e := pbxEvent{kind: fields[0], args: map[string]string{}}
	for _, field := range fields[1:] {
		name, value, _ := strings.Cut(field, "=")
		e.args[name] = value
	}
	e.call = releve.CallID(e.args["callid"])
	seconds, micros, _ := strings.Cut(e.args["at"], ".")
	s, _ := strconv.ParseInt(seconds, 10, 64)
	us, _ := strconv.ParseInt(micros, 10, 64)
	e.at = time.Unix(s, us*1000)
	return e
}

// lapses are the times between an event of one kind and the next of another, call
// by call.
func lapses(events []pbxEvent, from, to string) []time.Duration {
	began := map[releve.CallID]time.Time{}
	var found []time.Duration
	for _, e := range events {
		switch e.kind {
		case from:
			began[e.call] = e.at
		case to:
			if start, ok := began[e.call]; ok {
				found = append(found, e.at.Sub(start))
				delete(began, e.call)
			}
		}
	}
	return found
}
