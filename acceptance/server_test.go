package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"releve"
	"releve/view"
)

// server is one of the two, as `releve serve` runs it.
type server struct {
	seat    releve.Seat
	host    string
	data    string // its directory
	file    string // its configuration
	said    string // file with its log
	process *part  // nil before its first start
	frozen  bool
}

func newServer(seat releve.Seat, dir, host string) *server {
	name := string(seat)
	return &server{seat: seat, host: host, data: filepath.Join(dir, name), file: filepath.Join(dir, name+".toml"),
		said: filepath.Join(dir, name+".log")}
}

func (s *server) log() string { return s.said }

// start starts the server, as an operator or systemd would.
func (s *server) start(t testing.TB) {
	t.Helper()
	var err error
	if s.process, err = launch(s.said, exec.Command(product(), "serve", "-c", s.file)); err != nil {
		t.Fatal(err)
	}
}

// stop ends the server politely, if it runs, and whatever it left.
func (s *server) stop() {
	if s.process == nil {
		return
	}
	s.thaw()
	s.process.signal(syscall.SIGTERM)
	if _, err := s.process.wait(10 * time.Second); err != nil {
		fmt.Fprintf(os.Stderr, "the %s server did not stop: %v\n%s\n", s.seat, err, tail(s.said, 10))
	}
	_ = s.kill()
}

// members are the server's processes: the agent, its PostgreSQL and what they
// started, also those that have lost their parent.
func (s *server) members() []process {
	root := 0
	if s.process != nil && s.process.running() {
		root = s.process.cmd.Process.Pid
	}
	return family(root, s.data)
}

// postgres are the server's PostgreSQL processes.
func (s *server) postgres() []process { return family(0, filepath.Join(s.data, "postgres")) }

// kill takes the power from the whole server: agent and PostgreSQL at one moment.
func (s *server) kill() error {
	killAll(freeze(s.members))
	return await(10*time.Second, func() error {
		if left := s.members(); len(left) > 0 {
			return fmt.Errorf("%d processes of the %s server are left: %v", len(left), s.seat, left)
		}
		return nil
	})
}

// freeze stops every process of the server at one moment, as a machine that hangs.
func (s *server) freeze() {
	s.frozen = true
	freeze(s.members)
}

// thaw lets the server go on where it was.
func (s *server) thaw() {
	thaw(s.members())
	s.frozen = false
}

// thawPostgres lets only its PostgreSQL go on.
func (s *server) thawPostgres() { thaw(s.postgres()) }

// answers says whether the server can be asked at all.
func (s *server) answers() bool { return s.process.running() && !s.frozen }

// kill9 is kill, for a test that relies on it.
func (s *server) kill9(t testing.TB) time.Time {
	t.Helper()
	at := time.Now()
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	return at
}

// view is the site as this server's page shows it.
func (s *server) view() (view.Site, error) {
	var v view.Site
	console, err := s.console()
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, console+"/api/site", nil)
	if err != nil {
		return v, err
	}
	answer, err := oneShot.Do(request)
	if err != nil {
		return v, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return v, errors.New(answer.Status)
	}
	return v, json.NewDecoder(answer.Body).Decode(&v)
}

// oneShot keeps no connection: a frozen server must not hold the next question.
var oneShot = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (s *server) console() (string, error) {
	c, err := s.settings()
	return "http://" + c.Console.Listen.String(), err
}

// settings are what the tests need of a server's configuration file.
type settings struct {
	SIP struct {
		RTPFirst int `toml:"rtp_first"`
		RTPLast  int `toml:"rtp_last"`
	} `toml:"sip"`
	Peer     struct{ Listen netip.AddrPort }
	Database struct{ Listen netip.AddrPort }
	Console  struct{ Listen netip.AddrPort }
}

// settings are what the server's file says.
func (s *server) settings() (settings, error) {
	var c settings
	raw, err := os.ReadFile(s.file)
	if err != nil {
		return c, err
	}
	return c, toml.Unmarshal(raw, &c)
}

// mustView is view, for a test that relies on an answer.
func (s *server) mustView(t testing.TB) view.Site {
	t.Helper()
	v, err := s.view()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// result is what a command of ours answered.
type result struct {
	code           int
	stdout, stderr string
}

// runReleve runs the product's command line, for a minute and a half at most.
func runReleve(args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, product(), args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return result{code: -1, stderr: err.Error()}
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: said.String()}
}

// run runs a command against this server.
func (s *server) run(command string, args ...string) result {
	return runReleve(append([]string{command, "-c", s.file}, args...)...)
}

// mustRun is run, where only success will do.
func (s *server) mustRun(t testing.TB, command string, args ...string) string {
	t.Helper()
	r := s.run(command, args...)
	if r.code != 0 {
		t.Fatalf("releve %s %s: exit code %d\n%s%s\n--- log of the %s server:\n%s",
			command, strings.Join(args, " "), r.code, r.stdout, r.stderr, s.seat, tail(s.said, 25))
	}
	return r.stdout
}

// explain is the server's diary since a moment.
func (s *server) explain(t testing.TB, since time.Time) []view.Entry {
	t.Helper()
	var all, found []view.Entry
	if err := json.Unmarshal([]byte(s.mustRun(t, "explain", "--output", "json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if !e.At.Before(since) {
			found = append(found, e)
		}
	}
	return found
}

// eventSaid waits until the server's page has an event whose code holds a word.
func (s *server) eventSaid(t testing.TB, word string, since time.Time, limit time.Duration) view.Event {
	t.Helper()
	var found view.Event
	eventually(t, limit, fmt.Sprintf("event %q at the %s server", word, s.seat), func() error {
		v, err := s.view()
		if err != nil {
			return err
		}
		var codes []string
		for _, e := range v.Events {
			if strings.Contains(e.What.Code, word) && !e.At.Before(since) {
				found = e
				return nil
			}
			codes = append(codes, e.What.Code)
		}
		return fmt.Errorf("events: %v", codes)
	})
	return found
}
