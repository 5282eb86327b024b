package snmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"releve"
	"releve/adapters/snmp"
	"releve/rules/alarm"
)

// letter tells of an alarm that began, of one that nobody has in hand, and of one that ended.
var letter = alarm.Letter{
	ID: "S x", Site: "Hôpital Saint-Luc", Seat: releve.Main, At: time.Date(2026, 11, 30, 3, 12, 5, 0, time.UTC),
	Alarms: []alarm.Item{
		item("disk-low", releve.Main, "/srv", releve.Major, alarm.Began, "Le disque\nest presque plein."),
		item("server-silent", releve.Secondary, "", releve.Critical, alarm.Waits, "Le serveur secondaire ne se fait plus entendre."),
		item("mirror-away", "", "", releve.Critical, alarm.Ended, "Le miroir manque."),
	},
}

func item(code alarm.Code, seat releve.Seat, about string, severity releve.Severity, message alarm.Message, what string) alarm.Item {
	return alarm.Item{What: what, Callers: "Rien.", First: "Voyez.", Notice: alarm.Notice{Message: message, Entry: alarm.Entry{
		Key: alarm.Key{Code: code, Seat: seat, About: about}, Severity: severity, Since: time.Date(2026, 11, 30, 3, 9, 1, 0, time.UTC),
	}}}
}

// station is a real receiver, Debian's snmptrapd, which knows our MIB and writes what it understood.
type station struct {
	t       *testing.T
	dir     string
	address string
	stop    func()
}

const users = `
createUser releve SHA-256 "for our name" AES "for our words"
createUser -e %s releve SHA-256 "for our name" AES "for our words"
authUser log releve priv
authCommunity log hospital
disableAuthorization no
doNotRetainNotificationLogs yes
format2 %%W|%%v\n
`

func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// newStation is one that knows an engine.
func newStation(t *testing.T, engine string) *station {
	t.Helper()
	s := &station{t: t, dir: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), stop: func() {}}
	if err := os.WriteFile(filepath.Join(s.dir, "conf"), fmt.Appendf(nil, users, engine), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Log(s.read())
		}
	})
	return s
}

// start starts it, as often as it was stopped, and waits until it listens.
func (s *station) start() {
	s.t.Helper()
	own, others := paths(s.t)
	cmd := exec.Command("snmptrapd", "-f", "-Lf", filepath.Join(s.dir, "read"), "-A", "-C", "-c", filepath.Join(s.dir, "conf"),
		"-M", own+":"+others, "-m", "RELEVE-MIB", "-p", filepath.Join(s.dir, "pid"), "udp:"+s.address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+filepath.Join(s.dir, "kept"))
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		s.stop = func() {}
	}
	await(s.t, "it listens", func() bool {
		c, err := net.ListenPacket("udp", s.address)
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.EADDRINUSE)
	})
}

// read is what it understood.
func (s *station) read() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "read")) // there is none before it began
	return string(text)
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

// sender is one that the station knows.
func sender(t *testing.T, version snmp.Version, inform bool) snmp.Sender {
	return snmp.Sender{Options: snmp.Options{
		Server: "", Version: version, Inform: inform, Community: "hospital", User: "releve", Password: "for our name", Privacy: "for our words",
		SiteID: "S", Engine: snmp.NewEngine("S", releve.Main, filepath.Join(t.TempDir(), "engine.json")),
	}}
}

func TestARealStationUnderstandsAlarms(t *testing.T) {
	for story, by := range map[string]snmp.Sender{
		"informs of version 3": sender(t, snmp.V3, true), "traps of version 3": sender(t, snmp.V3, false),
		"informs of version 2c": sender(t, snmp.V2c, true), "traps of version 2c": sender(t, snmp.V2c, false),
	} {
		t.Run(story, func(t *testing.T) {
			s := newStation(t, by.Engine.String())
			s.start()
			by.Server = s.address
			if again, err := by.Probe(t.Context()); err != nil {
				t.Error(again, err)
			}
			if again, err := by.Notify(t.Context(), letter); err != nil {
				t.Fatal(again, err)
			}
			for _, want := range []string{
				"RELEVE-MIB::releveAlarmActive\tRELEVE-MIB::releveNotificationId.0",
				"releveSite.0 = STRING: Hôpital Saint-Luc\tRELEVE-MIB::releveSender.0 = STRING: main\tRELEVE-MIB::releveAlarm.0 = STRING: disk-low/main:/srv",
				"releveAlarmKind.0 = STRING: disk-low\tRELEVE-MIB::releveAlarmResource.0 = STRING: main:/srv\tRELEVE-MIB::releveAlarmSeverity.0 = INTEGER: major(4)",
				"releveAlarmSince.0 = STRING: 2026-11-30,3:9:1.0,+0:0\tRELEVE-MIB::releveAlarmWhat.0 = STRING: Le disque est presque plein.",
				"releveAlarmCallers.0 = STRING: Rien.\tRELEVE-MIB::releveAlarmFirst.0 = STRING: Voyez.",
				"RELEVE-MIB::releveAlarmUnattended\t", "releveAlarm.0 = STRING: server-silent/secondary\t",
				"RELEVE-MIB::releveAlarmClear\t", "releveAlarmSeverity.0 = INTEGER: cleared(1)",
			} {
				await(t, want, func() bool { return strings.Contains(s.read(), want) })
			}
			if again, err := by.Notify(t.Context(), alarm.Letter{ID: "S test y", Subject: "[Site] Essai"}); err != nil {
				t.Error(again, err)
			}
			await(t, "a test", func() bool {
				return strings.Contains(s.read(), "RELEVE-MIB::releveTest\t") && strings.Contains(s.read(), "[Site] Essai")
			})
		})
	}
}

// What a station does not believe is no success where it answers, and its reason is told.
func TestAStationThatDoesNotKnowUs(t *testing.T) {
	change := func(how func(*snmp.Options)) snmp.Sender {
		by := sender(t, snmp.V3, true)
		how(&by.Options)
		return by
	}
	s := newStation(t, "0x8000000001")
	s.start()
	var all sync.WaitGroup
	for story, c := range map[string]struct {
		by   snmp.Sender
		want string
	}{
		"another password": {change(func(o *snmp.Options) { o.Password = "for our nose" }), "snmp-refused"},
		"another user":     {change(func(o *snmp.Options) { o.User = "nobody" }), "snmp-refused"},
		"another key":      {change(func(o *snmp.Options) { o.Privacy = "for our worms" }), "snmp-unreached"},
		"another group":    {change(func(o *snmp.Options) { o.Version, o.Community = snmp.V2c, "public" }), "snmp-unreached"},
	} {
		all.Go(func() {
			c.by.Server = s.address
			again, err := c.by.Notify(t.Context(), letter)
			fault, is := errors.AsType[*releve.Fault](err)
			if !is || fault.Why.Code != c.want || again != (c.want == "snmp-unreached") {
				t.Errorf("%s: again %t, %v", story, again, err)
			}
			if again, err := c.by.Probe(t.Context()); (err == nil) != (c.want == "snmp-unreached") {
				t.Errorf("%s, asked: again %t, %v", story, again, err)
			}
		})
	}
	all.Wait()
	if strings.Contains(s.read(), "releveAlarm") {
		t.Error("it believed one of them")
	}
}

func TestAStationThatIsAway(t *testing.T) {
	by := sender(t, snmp.V3, true)
	s := newStation(t, by.Engine.String())
	by.Server = s.address
	fails := func(how string) {
		t.Helper()
		for _, what := range []func() (bool, error){
			func() (bool, error) { return by.Notify(t.Context(), letter) }, func() (bool, error) { return by.Probe(t.Context()) },
		} {
			again, err := what()
			if fault, is := errors.AsType[*releve.Fault](err); !is || !again || fault.Why.Code != "snmp-unreached" {
				t.Errorf("%s: again %t, %v", how, again, err)
			}
		}
	}
	fails("not there")
	s.start()
	if again, err := by.Notify(t.Context(), letter); err != nil {
		t.Error("it is there:", again, err)
	}
	s.stop()
	fails("gone")
	s.start() // its engine began anew, and has another time
	if again, err := by.Notify(t.Context(), letter); err != nil {
		t.Error("it is back:", again, err)
	}
	by.Server = "nobody.invalid:162"
	fails("no such name")
}

// An engine that has begun again is believed by who heard it before: its count outlives it. One whose count
// was lost with its disk is, too.
func TestAnEngineThatBeganAgain(t *testing.T) {
	by := sender(t, snmp.V3, false)
	s := newStation(t, by.Engine.String())
	s.start()
	by.Server = s.address
	file := filepath.Join(t.TempDir(), "engine.json")
	last := uint32(0)
	for n, before := range []func(){
		func() {}, func() {},
		func() { // the clock stood ahead
			text := fmt.Sprintf(`{"engine":%q,"boots":%d}`, by.Engine, time.Now().Unix()/60+1000)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		func() {},
	} {
		before()
		by.Engine = snmp.NewEngine("S", releve.Main, file)
		by.SiteID = fmt.Sprint(n) // for another number
		if again, err := by.Notify(t.Context(), letter); err != nil {
			t.Fatal(again, err)
		}
		await(t, fmt.Sprintf("start %d is believed", n+1), func() bool { return strings.Count(s.read(), "releveAlarmActive\t") == n+1 })
		if boots := count(t, file); boots <= last {
			t.Errorf("start %d counts %d after %d", n+1, boots, last)
		} else {
			last = boots
		}
	}
	if ahead := uint32(time.Now().Unix()/60 + 1000); last <= ahead {
		t.Errorf("it counts %d after %d", last, ahead)
	}
	s2 := newStation(t, by.Engine.String())
	s2.start()
	by.Server, by.Engine = s2.address, snmp.NewEngine("S", releve.Main, filepath.Join(t.TempDir(), "none", "engine.json"))
	again, err := by.Notify(t.Context(), letter)
	if fault, is := errors.AsType[*releve.Fault](err); !is || !again || fault.Why.Code != "snmp-engine" {
		t.Errorf("without a disk: again %t, %v", again, err)
	}
}

// count is how often an engine has begun, as its file says.
func count(t *testing.T, file string) uint32 {
	t.Helper()
	var kept struct{ Boots uint32 }
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kept.Boots
}

func TestTheEnginesOfASite(t *testing.T) {
	main, secondary := snmp.NewEngine("S", releve.Main, ""), snmp.NewEngine("S", releve.Secondary, "")
	if main.String() == secondary.String() || main.String() != snmp.NewEngine("S", releve.Main, "elsewhere").String() {
		t.Errorf("%s and %s", main, secondary)
	}
	if want := "0x80007ed905"; !strings.HasPrefix(main.String(), want) || len(main.String()) != len(want)+24 {
		t.Errorf("it is %s", main)
	}
}

// The end of a server ends what it is about, whoever keeps silent.
func TestAStationThatKeepsSilent(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	by := sender(t, snmp.V3, true)
	by.Server = c.LocalAddr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := by.Notify(ctx, letter)
		ended <- err
	}()
	if _, _, err := c.ReadFrom(make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	begun := time.Now()
	if err := <-ended; err == nil || time.Since(begun) > time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

// A text is as long as the MIB says, and no character is cut.
func TestALongText(t *testing.T) {
	by := sender(t, snmp.V2c, true)
	s := newStation(t, by.Engine.String())
	s.start()
	by.Server = s.address
	long := letter
	long.Alarms = []alarm.Item{item("mirror-away", "", "", releve.Major, alarm.Began, "x"+strings.Repeat("é", 300))}
	if again, err := by.Notify(t.Context(), long); err != nil {
		t.Fatal(again, err)
	}
	await(t, "it comes, cut", func() bool { return strings.Contains(s.read(), " x"+strings.Repeat("é", 199)+"\t") })
}
