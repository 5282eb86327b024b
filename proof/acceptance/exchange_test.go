package acceptance

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed testdata/asterisk
var asteriskFiles embed.FS

// asterisk is an Asterisk 22 that plays the establishment's switch. What concerns the two servers is what
// `releve pbx guide` writes for the site, as it stands.
type asterisk struct {
	dir     string
	program string
	process *part
}

// startAsterisk starts one for a site that is laid out.
func startAsterisk(s *site) (exchange, error) {
	if why := os.Getenv(envNoAsterisk); why != "" {
		return nil, errors.New(why)
	}
	from := os.Getenv(envAsterisk)
	a := &asterisk{dir: filepath.Join(s.dir, "asterisk"), program: filepath.Join(from, "usr", "sbin", "asterisk")}
	if err := a.layOut(from); err != nil {
		return nil, err
	}
	if r := runReleve("pbx", "guide", "-c", s.main.file, "--save", a.path("etc", "releve")); r.code != 0 {
		return nil, fmt.Errorf("releve pbx guide: exit code %d: %s", r.code, r.stderr)
	}
	s.ear.relays = true
	if err := a.own(); err != nil {
		return nil, err
	}
	return a, a.start()
}

func (a *asterisk) path(names ...string) string {
	return filepath.Join(append([]string{a.dir}, names...)...)
}
func (a *asterisk) log() string { return a.path("log", "full") }
func (a *asterisk) close()      { a.process.stop() }

// layOut writes what an establishment has beside Relève's users.
func (a *asterisk) layOut(from string) error {
	for _, dir := range []string{"etc", "lib", "log", "run", "spool"} {
		if err := os.MkdirAll(a.path(dir), 0o755); err != nil {
			return err
		}
	}
	pages, err := template.ParseFS(asteriskFiles, "testdata/asterisk/*.conf")
	if err != nil {
		return err
	}
	for _, page := range pages.Templates() {
		var out bytes.Buffer
		err := page.Execute(&out, map[string]any{
			"Dir": a.dir, "Package": from, "Callers": callersNet, "Phones": []string{"1001", "1002"}, "PhonePassword": phonePassword,
		})
		if err != nil {
			return err
		}
		if err := os.WriteFile(a.path("etc", page.Name()), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// own gives all of it to an account without rights.
func (a *asterisk) own() error {
	nobody, err := accountOf("nobody")
	if err != nil {
		return err
	}
	return filepath.WalkDir(a.dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, int(nobody.Uid), int(nobody.Gid)))
	})
}

// start runs it until it says that it is up.
func (a *asterisk) start() error {
	nobody, err := accountOf("nobody")
	if err != nil {
		return err
	}
	cmd := exec.Command(a.program, "-f", "-C", a.path("etc", "asterisk.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	cmd.Dir = a.dir
	if a.process, err = launch(a.path("console"), cmd); err != nil {
		return err
	}
	err = await(20*time.Second, func() error {
		said, err := a.command("core waitfullybooted")
		if err == nil && !strings.Contains(said, "fully booted") {
			err = errors.New(said)
		}
		return err
	})
	if err != nil {
		a.close()
		return fmt.Errorf("Asterisk does not start: %w\n%s\n%s", err, tail(a.path("console"), 20), tail(a.log(), 20))
	}
	return nil
}

// restart ends it at once, as a power cut does, and starts it again after a while. What it knew of who is
// registered is lost with its disk's copy.
func (a *asterisk) restart(t testing.TB, away time.Duration) {
	t.Helper()
	a.process.signal(syscall.SIGKILL)
	if _, err := a.process.wait(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(a.path("lib", "astdb.sqlite3")); err != nil {
		t.Fatal(err)
	}
	<-time.After(away) // what the story asks
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
}

func (a *asterisk) command(words string) (string, error) {
	out, err := exec.Command(a.program, "-C", a.path("etc", "asterisk.conf"), "-rx", words).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asterisk -rx %q: %w: %s", words, err, out)
	}
	return string(out), nil
}

// registered says whether the contact of a user is at a host.
func (a *asterisk) registered(user, host string) error {
	said, err := a.command("pjsip show contacts")
	if err != nil {
		return err
	}
	if !strings.Contains(said, " "+user+"/sip:"+user+"@"+host+":") {
		return fmt.Errorf("Asterisk has no contact of %s at %s:\n%s", user, host, said)
	}
	return nil
}

// checkUnderstood fails the test for a line of what was written for it that Asterisk does not take as it was meant.
func (a *asterisk) checkUnderstood(t testing.TB) {
	t.Helper()
	raw, err := os.ReadFile(a.log())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if warned := strings.Contains(line, "] WARNING[") || strings.Contains(line, "] ERROR["); warned && ofTheGuide.MatchString(line) {
			t.Errorf("Asterisk says: %s", line)
		}
	}
}

// ofTheGuide are the parts of Asterisk that read what the guide writes.
var ofTheGuide = regexp.MustCompile(` (func_\w+|pbx|pbx_config|app_dial|res_pjsip/config_\w+|res_pjsip_registrar)\.c: `)

// leg is one thing that Asterisk did with a user, by its own log and clock.
type leg struct {
	at   time.Time
	user string
	what string // Called, or answered
}

var (
	legLine = regexp.MustCompile(`^\[(\d+)\.(\d{6})\d*\].*\[(C-[0-9a-f]+)\].* (?:(Called) PJSIP/(\w+)|PJSIP/(\w+)-[0-9a-f]+ (answered))`)
	outside = regexp.MustCompile(`\[(C-[0-9a-f]+)\].*PJSIP/line-`)
)

// legs are those of one user and kind since a moment, for callers from outside: the servers call by themselves too.
func (a *asterisk) legs(t testing.TB, since time.Time, user, what string) (found []leg) {
	t.Helper()
	raw, err := os.ReadFile(a.log())
	if err != nil {
		t.Fatal(err)
	}
	callers := map[string]bool{}
	for _, m := range outside.FindAllStringSubmatch(string(raw), -1) {
		callers[m[1]] = true
	}
	for line := range strings.Lines(string(raw)) {
		m := legLine.FindStringSubmatch(line)
		if m == nil || !callers[m[3]] {
			continue
		}
		seconds, _ := strconv.ParseInt(m[1], 10, 64)
		micros, _ := strconv.ParseInt(m[2], 10, 64)
		l := leg{time.Unix(seconds, micros*1000), m[5] + m[6], m[4] + m[7]}
		if l.user == user && l.what == what && !l.at.Before(since) {
			found = append(found, l)
		}
	}
	return found
}
