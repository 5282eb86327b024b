package acceptance

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve"
)

// earlier builds the product as one that says it is an earlier version: the number alone is other.
func earlier(t *testing.T, number string) string {
	t.Helper()
	program := filepath.Join(newDir(t), "releve-"+number)
	compile(t, filepath.Join("..", ".."), program, "-ldflags", "-X releve/rules/version.number="+number)
	return program
}

// runsAs starts the server again, as another version: the product where program is "".
func (s *site) runsAs(t *testing.T, server *server, program string) {
	t.Helper()
	server.stop()
	server.program = program
	server.start(t)
	s.waitNormal(t)
}

// besides is what `releve version --other --output json` says.
type besides struct {
	Number, Fits string
	Seat         releve.Seat
	PostgreSQL   int
	Why          []releve.Sentence
}

// besides asks until the other is heard: on a busy machine it may be silent for a moment.
func (s *server) besides(t *testing.T) (b besides) {
	t.Helper()
	eventually(t, 10*time.Second, "the version of the other, told by the "+s.name, func() error {
		asked := s.run("version", "--other", "--output", "json")
		if asked.code != 0 {
			return fmt.Errorf("exit code %d: %s%s", asked.code, asked.stdout, asked.stderr)
		}
		return json.Unmarshal([]byte(asked.stdout), &b)
	})
	return b
}

// A server that is too old is told so, on both screens, and what to do about it (SPEC L3): a level is
// refused before anything changes, and no call is lost. With the new version there all is as before.
func TestAServerThatIsTooOldIsToldWhatToDo(t *testing.T) {
	s := ownSite(t, plan{})
	term := s.main.mustView(t).Term
	if b := s.main.besides(t); b.Fits != "same" || b.Seat != releve.Secondary || b.PostgreSQL < 15 || b.Why != nil {
		t.Errorf("two servers of one version: %+v", b)
	}
	load := s.callIn(t, callsToPhone(0, 5))
	load.waitGreeted(t, 3, time.Time{})

	began := time.Now()
	s.runsAs(t, s.secondary, earlier(t, "0.2.0"))
	if e := s.main.eventSaid(t, "version-apart", began, 10*time.Second); e.Severity != releve.Major || e.Seat != releve.Main {
		t.Errorf("the alarm is %+v", e)
	}
	for _, teller := range []*server{s.main, s.secondary} {
		eventually(t, 10*time.Second, "what the "+teller.name+" says of the versions", func() error {
			if said := teller.mustRun(t, "status"); !strings.Contains(strings.Join(strings.Fields(said), " "), "runs version 0.2.0, which may not stand beside version 0.4.0") {
				return fmt.Errorf("its status says\n%s", said)
			}
			return nil
		})
		refused := teller.run("level", "use", "mirroring")
		if refused.code != 5 || !strings.Contains(refused.stdout+refused.stderr, "install version 0.4.0 there") {
			t.Errorf("asked of the %s, a level is answered %+v", teller.name, refused)
		}
	}
	for teller, want := range map[*server]string{s.main: "0.2.0", s.secondary: "0.4.0"} {
		if b := teller.besides(t); b.Fits != "apart" || b.Number != want || len(b.Why) != 1 || b.Why[0].Args["seat"] != "secondary" {
			t.Errorf("asked of the %s: %+v", teller.name, b)
		}
	}

	s.runsAs(t, s.secondary, earlier(t, "0.3.0"))
	if b := s.main.besides(t); b.Fits != "beside" || len(b.Why) != 1 || b.Why[0].Code != "version-differs" {
		t.Errorf("the version before: %+v", b)
	}
	s.main.eventSaid(t, "version-differs", began, 10*time.Second)
	s.main.mustRun(t, "level", "use", "mirroring", "--dry-run")

	s.runsAs(t, s.secondary, "")
	eventually(t, 10*time.Second, "servers of one version", func() error {
		if b := s.main.besides(t); b.Fits != "same" {
			return fmt.Errorf("%+v", b)
		}
		for _, n := range s.main.mustView(t).Main.Notices {
			if strings.HasPrefix(n.Code, "version-") {
				return fmt.Errorf("the page still says %v", n)
			}
		}
		return nil
	})
	load.waitGreeted(t, 3, time.Now())
	calls := load.finish(t)
	checkServed(t, calls, s.main)
	s.checkDuty(t, s.main, term)
	s.checkKept(t, calls)
}
