package acceptance

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve"
)

// Exit codes of the product, by cause.
const (
	exitUsage         = 2
	exitConfiguration = 3
	exitMissing       = 4
	exitPrecondition  = 5
	exitUnreachable   = 6
)

// A server that cannot start says why in a sentence, with the right exit code, and
// destroys nothing (U4).
func TestMistakesOfWhoInstallsIt(t *testing.T) {
	closeSharedSite()
	for name, m := range map[string]struct {
		make func(*testing.T, *site)
		code int
		says []string // each in what it says
	}{
		"two mistakes in the configuration": {twoMistakes, exitConfiguration, []string{"main.toml:", "rounds", "lisen"}},
		"the telephone's port is in use":    {sipPortTaken, exitMissing, []string{mainHost + ":5060", "ss -"}},
		"PostgreSQL is missing":             {postgresMissing, exitMissing, []string{"apt install postgresql", "/nonexistent"}},
		"the data are another site's":       {dataOfAnotherSite, exitPrecondition, []string{"site"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosedSite(t)
			m.make(t, s)
			before := fingerprints(t, s.main.data)
			r := s.main.run("serve")
			if r.code != m.code {
				t.Errorf("exit code %d, want %d", r.code, m.code)
			}
			for _, words := range m.says {
				if !strings.Contains(r.stderr, words) {
					t.Errorf("it does not say %q", words)
				}
			}
			checkUntouched(t, before, s.main.data)
			t.Logf("it says: %s", r.stderr)
		})
	}
}

// newClosedSite is laid out and has never been started.
func newClosedSite(t *testing.T) *site {
	t.Helper()
	if err := productError(); err != nil {
		t.Fatal(err)
	}
	dir := newDir(t)
	s := &site{dir: dir, main: newServer(releve.Main, dir, mainHost), secondary: newServer(releve.Secondary, dir, secondaryHost)}
	if err := s.layOut(plan{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) set(t *testing.T, key, value string) {
	t.Helper()
	if err := setInFile(s.main.file, key, value); err != nil {
		t.Fatal(err)
	}
}

func twoMistakes(t *testing.T, s *site) {
	s.set(t, "takeover.rounds", "-1")
	s.set(t, "console.lisen", `"127.0.0.21:8080"`)
	checked := s.main.run("check")
	if checked.code != exitConfiguration || !strings.Contains(checked.stdout+checked.stderr, "lisen") {
		t.Errorf("releve check: exit code %d\n%s%s", checked.code, checked.stdout, checked.stderr)
	}
}

func sipPortTaken(t *testing.T, _ *site) {
	socket, err := net.ListenPacket("udp", mainHost+":5060")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
}

func postgresMissing(t *testing.T, s *site) { s.set(t, "database.binaries", `"/nonexistent"`) }

// dataOfAnotherSite gives the server a directory that another site's main has used.
func dataOfAnotherSite(t *testing.T, s *site) {
	other := newClosedSite(t)
	other.startBoth(t)
	t.Cleanup(other.close)
	eventually(t, 60*time.Second, "the other site's database", func() error {
		_, err := other.main.query("select 'there'")
		return err
	})
	other.close()
	s.set(t, "site.data", fmt.Sprintf("%q", other.main.data))
	s.main.data = other.main.data
}

// fingerprints tell the content of each file below a directory.
func fingerprints(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) && file == dir {
			return nil // nothing yet
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(file)
		found[file] = fmt.Sprintf("%x", sha256.Sum256(raw))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checkUntouched fails the test for each file that is not as it was. New ones, such
// as a log of the refusal, destroy nothing.
func checkUntouched(t *testing.T, before map[string]string, dir string) {
	t.Helper()
	after := fingerprints(t, dir)
	for file, content := range before {
		if after[file] != content {
			t.Errorf("%s was changed", file)
		}
	}
}

// The password is mended at the PBX, by somebody else, some day: the server keeps
// asking, ever more rarely, and says so meanwhile.
func TestAWrongPasswordAtThePBX(t *testing.T) {
	closeSharedSite()
	s, err := newSite(newDir(t), plan{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if _, err := s.pbx.command("htable.sets", "cred", "reception", "another-password"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s.startBoth(t)
	first := s.main.eventSaid(t, "regist", start, 60*time.Second).At // said when it has ended
	var tries []time.Time
	eventually(t, 60*time.Second, "four refused registrations", func() error {
		tries = append([]time.Time{first}, attempts(s.pbx.events(first, "register-unauthorized"), s.main.host)...)
		if len(tries) < 4 {
			return fmt.Errorf("%d", len(tries))
		}
		return nil
	})
	var pauses []time.Duration
	for i := 1; i < 4; i++ {
		pauses = append(pauses, tries[i].Sub(tries[i-1]))
	}
	t.Logf("between two attempts %v", pauses)
	// A busy machine makes each of them longer by something.
	if pauses[1] <= pauses[0] || pauses[2] <= pauses[1] || pauses[2] < 2*pauses[0] {
		t.Errorf("the attempts do not become rarer: a PBX that counts failures shuts such an address out: %v", pauses)
	}
	if _, err := s.pbx.command("htable.sets", "cred", "reception", receptionPassword); err != nil {
		t.Fatal(err)
	}
	s.waitNormal(t)
}

// attempts are when each attempt of a server began: what follows within half a second belongs
// to it, for the shortest pause is a second. The other server's are its own: each asks once, two
// seconds after its start, for what an earlier life of it may have left, if it is not on duty by
// then.
func attempts(events []pbxEvent, of string) []time.Time {
	var began []time.Time
	var last time.Time
	for _, e := range events {
		if source, _, _ := strings.Cut(e.args["src"], ":"); source != of {
			continue
		}
		if e.at.Sub(last) > 500*time.Millisecond {
			began = append(began, e.at)
		}
		last = e.at
	}
	return began
}

func TestCommandsThatCannotBeCarriedOutSayWhy(t *testing.T) {
	s := newClosedSite(t)
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"no such command":      {[]string{"switchovr", "-c", s.main.file}, exitUsage},
		"no such file":         {[]string{"status", "-c", filepath.Join(s.dir, "absent.toml")}, exitConfiguration},
		"the server is not up": {[]string{"status", "-c", s.main.file}, exitUnreachable},
		"nothing is overwritten": {[]string{"init", "--dir", s.dir, "--name", "Other", "--pbx", pbxHost + ":5060", "--domain", domain,
			"--main-host", mainHost, "--secondary-host", secondaryHost, "--reception-number", receptionNumber,
			"--reception-password", "x", "--standby-password", "y"}, exitPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			before := fingerprints(t, s.dir)
			r := runReleve(c.args...)
			if r.code != c.code || strings.TrimSpace(r.stderr) == "" {
				t.Errorf("exit code %d, want %d; it says: %q", r.code, c.code, r.stderr)
			}
			checkUntouched(t, before, s.dir)
		})
	}
}

func TestSwitchoverIsRehearsedThenDoneFromTheOtherServer(t *testing.T) {
	s := normalSite(t)
	term := s.main.mustView(t).Term
	s.secondary.mustRun(t, "switchover", "--dry-run")
	s.checkDuty(t, s.main, term)

	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 5, time.Time{})
	s.secondary.mustRun(t, "switchover")
	s.waitProtected(t, s.secondary)
	load.waitGreeted(t, 10, time.Now())
	checkServed(t, load.finish(t))
	s.checkLedger(t, s.secondary)

	if r := s.main.run("return", "--dry-run"); r.code != 0 {
		t.Errorf("the rehearsal of the return: exit code %d: %s", r.code, r.stderr)
	}
	s.returnToNormal(t)
}
