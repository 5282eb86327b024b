package syslog_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/syslog"
	"releve/proof/practice/relay"
	"releve/rules/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// letter tells of an alarm that began, at a server whose name has all that has to be escaped, and of one
// that ended.
var letter = alarm.Letter{
	Site: `Hôpital "Saint-Luc" [1]\`, At: time.Date(2026, 11, 30, 3, 12, 5, 0, time.UTC),
	Alarms: []alarm.Item{
		{Notice: alarm.Notice{Entry: alarm.Entry{Key: alarm.Key{Code: "server-silent", Seat: releve.Main}, Severity: releve.Major}, Message: alarm.Began},
			What: "Le serveur principal\nne se fait plus entendre.", First: "Voyez s'il fonctionne."},
		{Notice: alarm.Notice{Entry: alarm.Entry{Key: alarm.Key{Code: "mirror-away"}, Severity: releve.Critical}, Message: alarm.Ended}, What: "Le miroir manque."},
	},
}

// server is a real one, Debian's rsyslog, which writes what it understood into a file.
type server struct {
	address, ca, file string
}

const rsyslog = `
global(workDirectory="DIR" parser.escapeControlCharactersOnReceive="off" defaultNetstreamDriverCAFile="DIR/relay.pem"
  defaultNetstreamDriverCertFile="DIR/relay.pem" defaultNetstreamDriverKeyFile="DIR/relay.key")
template(name="read" type="string" string="%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\n")
INPUT
action(type="omfile" file="DIR/read" template="read")
`

var inputs = map[syslog.Transport]string{
	syslog.UDP: `module(load="imudp") input(type="imudp" address="127.0.0.1" port="PORT")`,
	syslog.TCP: `module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="PORT")`,
	syslog.TLS: `module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="PORT")`,
}

func startServer(t *testing.T, by syslog.Transport, port int) server {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rlv-log-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ca := relay.Certify(t, dir)
	text := strings.NewReplacer("INPUT", inputs[by]).Replace(rsyslog)
	text = strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port)).Replace(text)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("rsyslogd", "-n", "-f", filepath.Join(dir, "conf"), "-i", filepath.Join(dir, "pid"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return server{fmt.Sprintf("127.0.0.1:%d", port), ca, filepath.Join(dir, "read")}
}

// read are the lines of what it understood.
func (s server) read() string {
	text, _ := os.ReadFile(s.file) // there is none before the first message
	return string(text)
}

func to(address string, by syslog.Transport) syslog.Options {
	return syslog.Options{Server: address, Transport: by, Facility: "local3", Host: "main.hopital.test"}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for end := time.Now().Add(20 * time.Second); !is(); <-ticks.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestARealServerUnderstandsAlarms(t *testing.T) {
	for _, by := range []syslog.Transport{syslog.UDP, syslog.TCP, syslog.TLS} {
		t.Run(string(by), func(t *testing.T) {
			s := startServer(t, by, relay.FreePort(t))
			o := to(s.address, by)
			o.CA = s.ca
			sender := syslog.Sender{Options: o}
			await(t, "a test comes", func() bool {
				_, err := sender.Notify(t.Context(), alarm.Letter{Subject: "[Site] Essai", At: letter.At})
				return err == nil && strings.Contains(s.read(), "[Site] Essai")
			})
			if again, err := sender.Probe(t.Context()); err != nil {
				t.Error(again, err)
			}
			if again, err := sender.Notify(t.Context(), letter); err != nil {
				t.Fatal(again, err)
			}
			for _, want := range []string{
				`154|2026-11-30T03:12:05`, `|main.hopital.test|releve|server-silent|[alarm resource="Hôpital \"Saint-Luc\" [1\]\\/main" probableCause="other" perceivedSeverity="major"]|`,
				"Le serveur principal ne se fait plus entendre. Voyez s'il fonctionne.\n",
				`157|`, `|mirror-away|[alarm resource="Hôpital \"Saint-Luc\" [1\]\\" probableCause="other" perceivedSeverity="cleared"]|`,
			} {
				await(t, want, func() bool { return strings.Contains(s.read(), want) })
			}
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	nobody := fmt.Sprintf("127.0.0.1:%d", relay.FreePort(t))
	for story, o := range map[string]syslog.Options{
		"down":                         to(nobody, syslog.TCP),
		"down, over TLS":               to(nobody, syslog.TLS),
		"certificates that are not so": {Server: nobody, Transport: syslog.TLS, CA: "syslog_test.go"},
		"no such name":                 to("nobody.invalid:514", syslog.UDP),
	} {
		again, err := syslog.Sender{Options: o}.Notify(t.Context(), letter)
		if fault, is := errors.AsType[*releve.Fault](err); !is || !again || fault.Why.Code != "syslog-unreached" {
			t.Errorf("%s: again %t, %v", story, again, err)
		}
	}
}

// One that takes connections and closes them unread has not heard; one that keeps silent holds nobody.
func TestAServerThatDoesNotRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := syslog.Sender{Options: to(l.Addr().String(), syslog.TCP)}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Notify(t.Context(), letter)
		ended <- err
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()); err != nil { // as a server that is killed
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("that is taken for an answer")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := s.Notify(ctx, letter)
		ended <- err
	}()
	if c, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if err := <-ended; err == nil {
		t.Error("the end of this server is no error")
	}
}
