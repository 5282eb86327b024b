package accounts_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/screen/view"
	"releve/server/accounts"
	"releve/server/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const good = "a horse, a battery, a staple"

// play runs a story in virtual time, with the files of both servers in directories of their own.
func play(t *testing.T, story func(t *testing.T, main, secondary *server)) {
	t.Helper()
	dirs := map[releve.Seat]string{releve.Main: t.TempDir(), releve.Secondary: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		main, secondary := &server{t: t, seat: releve.Main, dir: dirs[releve.Main]}, &server{t: t, seat: releve.Secondary, dir: dirs[releve.Secondary]}
		main.other, secondary.other = secondary, main
		main.start()
		secondary.start()
		pass(15 * time.Second)
		story(t, main, secondary)
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// server is one of a pair: what its keeper tells, and reaches the other by.
type server struct {
	t     *testing.T
	seat  releve.Seat
	dir   string
	other *server

	mu     sync.Mutex
	keeper *accounts.Keeper
	stop   func()
	cut    bool
	asked  int // how often the other server was told
	told   []string
	acts   []string // of the diary
	had    []view.Handling
}

// start begins a life of the server, with what its disk has.
func (s *server) start() {
	k := accounts.New(accounts.Options{Seat: s.seat, Dir: s.dir, Site: "Hôpital Sud", Link: s, Front: s, Alarms: ward{s}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Run(ctx)
	}()
	s.set(func() {
		s.keeper = k
		s.stop = sync.OnceFunc(func() {
			cancel()
			<-done
			s.set(func() { s.keeper = nil })
		})
	})
	s.t.Cleanup(s.stop)
	synctest.Wait()
}

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) Explain(what releve.Sentence) { s.set(func() { s.told = append(s.told, what.Code) }) }

func (s *server) Audit(e releve.Entry) {
	who := e.Evidence[0].Args
	s.set(func() {
		s.acts = append(s.acts, strings.Join([]string{string(e.Seat), e.What.Code, who["by"], who["role"], who["from"], e.Evidence[1].Code}, " "))
	})
}

// ward is where alarms are.
type ward struct{ *server }

func (w ward) Maintained() []view.Maintenance { return nil }

func (w ward) Maintain(context.Context, view.Work) error { return nil }

func (w ward) Shown() []view.Alarm { return nil }

func (w ward) Story(string) (view.AlarmStory, error) { return view.AlarmStory{}, releve.ErrUnknown }

func (w ward) Handle(_ context.Context, h view.Handling) error {
	w.set(func() { w.had = append(w.had, h) })
	if h.Alarm == "nothing" {
		return &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("alarm-not-there", "alarm", h.Alarm)}
	}
	return nil
}

func (s *server) OtherHeard() (heard bool) {
	s.set(func() { heard = !s.cut })
	return heard
}

var errCut = errors.New("the link is cut")

// Command carries an order to the other server.
func (s *server) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	var cut bool
	s.set(func() { s.asked, cut = s.asked+1, s.cut })
	var keeper *accounts.Keeper
	s.other.set(func() { keeper = s.other.keeper })
	if cut || keeper == nil {
		return errCut
	}
	return keeper.Desk()[name](ctx, args, emit)
}

var _ order.Link = (*server)(nil)

func (s *server) does(o view.AccountOrder) {
	s.t.Helper()
	if _, err := s.keeper.Change(s.t.Context(), view.Caller{Unix: "root"}, o); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) file() string { return filepath.Join(s.dir, "accounts.json") }

func (s *server) kept() string {
	raw, err := os.ReadFile(s.file())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

func severed(cut bool, servers ...*server) {
	for _, s := range servers {
		s.set(func() { s.cut = cut })
	}
}

func want(t *testing.T, want string, servers ...*server) {
	t.Helper()
	for _, s := range servers {
		var all []string
		for _, a := range s.keeper.Accounts() {
			all = append(all, a.Name+" "+a.Role)
		}
		if got := strings.Join(all, "; "); got != want {
			t.Fatalf("the %s has %q, not %q", s.seat, got, want)
		}
	}
}

func add(name, role string) view.AccountOrder {
	return view.AccountOrder{Act: "add", Name: name, Role: role, Password: good, By: "root"}
}

// What was ordered on one server is on both, and on both disks, when the order is answered.
func TestBothServersKnowAnAccountAtOnce(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "administrator"))
		want(t, "anna administrator", main, secondary)
		if main.kept() != secondary.kept() {
			t.Errorf("the disks differ:\n%s\n%s", main.kept(), secondary.kept())
		}
		if strings.Contains(main.kept(), good) {
			t.Error("the password stands in the file")
		}
		info, err := os.Stat(secondary.file())
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		secondary.does(view.AccountOrder{Act: "role", Name: "anna", Role: "auditor", By: "root"})
		want(t, "anna auditor", main, secondary)
		if got := strings.Join(main.told, " "); got != "event-user-add" {
			t.Errorf("told %q", got)
		}
	})
}

func TestACutARestartAndALostDiskLoseNoAccount(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "administrator"))
		main.does(add("zoe", "keeper"))
		severed(true, main, secondary)
		main.does(add("bruno", "operator"))
		secondary.does(add("carla", "screen"))
		secondary.does(view.AccountOrder{Act: "remove", Name: "zoe", By: "root"})
		main.does(view.AccountOrder{Act: "role", Name: "zoe", Role: "administrator", By: "root"})
		pass(time.Minute)
		main.stop()
		secondary.stop()
		main.start()
		secondary.start()
		want(t, "anna administrator; bruno operator; zoe administrator", main)
		want(t, "anna administrator; carla screen", secondary)
		severed(false, main, secondary)
		pass(30 * time.Second)
		want(t, "anna administrator; bruno operator; carla screen", main, secondary)
		main.stop()
		if err := os.WriteFile(main.file(), []byte(`{"accounts": torn`), 0o600); err != nil {
			t.Fatal(err)
		}
		main.start()
		pass(30 * time.Second)
		main.does(add("dora", "screen"))
		want(t, "anna administrator; bruno operator; carla screen; dora screen", main, secondary)
	})
}

// An idle pair says nothing.
func TestAnIdlePairIsSilent(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "administrator"))
		pass(time.Minute)
		asked := func() (n int) {
			for _, s := range []*server{main, secondary} {
				s.set(func() { n += s.asked })
			}
			return n
		}
		before := asked()
		pass(3 * time.Hour)
		if n := asked() - before; n != 0 {
			t.Errorf("%d times something was said in three hours", n)
		}
	})
}

// What the disk does not take is said, and nobody is told that it was done.
func TestADiskThatDoesNotKeep(t *testing.T) {
	play(t, func(t *testing.T, main, _ *server) {
		if err := os.RemoveAll(main.dir); err != nil {
			t.Fatal(err)
		}
		_, err := main.keeper.Change(t.Context(), view.Caller{Unix: "root"}, add("anna", "administrator"))
		if fault, is := errors.AsType[*releve.Fault](err); !is || fault.Why.Code != "user-unkept" {
			t.Errorf("got %v", err)
		}
		if len(main.told) > 0 {
			t.Errorf("told %v", main.told)
		}
	})
}
