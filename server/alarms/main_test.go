package alarms_test

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
	"releve/server/alarms"
	"releve/server/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs a story in virtual time, with the files of both servers in directories of their own.
func play(t *testing.T, story func(t *testing.T, main, secondary *server)) {
	t.Helper()
	dirs := map[releve.Seat]string{releve.Main: t.TempDir(), releve.Secondary: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		main, secondary := newServer(t, releve.Main, dirs), newServer(t, releve.Secondary, dirs)
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

// server is one of a pair: what its keeper looks at, tells, and reaches the other by.
type server struct {
	t     *testing.T
	seat  releve.Seat
	file  string
	other *server

	mu     sync.Mutex
	site   view.Site
	keeper *alarms.Keeper
	stop   func()
	cut    bool
	old    bool // of a version that knows no alarms
	asked  int  // how often the other server was told
	told   []string
	shown  int
}

func newServer(t *testing.T, seat releve.Seat, dirs map[releve.Seat]string) *server {
	s := &server{t: t, seat: seat, file: filepath.Join(dirs[seat], "alarms.json")}
	well := releve.Tier{State: releve.TierWell}
	of := func(seat releve.Seat) view.Server {
		return view.Server{Seat: seat, Heard: true, Duty: releve.Passive, Data: well, Interfaces: well, Processing: well}
	}
	s.site = view.Site{
		Seat: seat, Level: releve.HighAvailability, Owner: releve.Main, Word: view.Protected, Main: of(releve.Main), Secondary: of(releve.Secondary),
		Mirror: view.Mirror{State: view.MirrorInSync}, PBX: view.PBX{Heard: true},
	}
	return s
}

// start begins a life of the server, with what its disk has.
func (s *server) start() {
	k := alarms.New(alarms.Options{Seat: s.seat, File: s.file, Log: slog.New(slog.DiscardHandler)})
	k.Join(s, s, s)
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

// looks changes what there is to see at both servers.
func looks(change func(*view.Site), servers ...*server) {
	for _, s := range servers {
		s.set(func() { change(&s.site) })
	}
}

// severed cuts the link between both, or mends it, and has both see that.
func severed(cut bool, main, secondary *server) {
	for _, s := range []*server{main, secondary} {
		s.set(func() { s.cut = cut })
	}
	looks(func(v *view.Site) { v.Secondary.Heard = !cut }, main)
	looks(func(v *view.Site) { v.Main.Heard = !cut }, secondary)
}

func (s *server) View() (v view.Site) {
	s.set(func() { v = s.site })
	return v
}

func (s *server) Explain(what releve.Sentence) {
	s.set(func() { s.told = append(s.told, what.Code) })
	s.keeper.Tell(what)
}

func (s *server) Alarmed() { s.set(func() { s.shown++ }) }

var errCut, errUnknown = errors.New("the link is cut"), errors.New("this version knows no such order")

// Command carries an order to the other server.
func (s *server) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	var cut bool
	s.set(func() { s.asked, cut = s.asked+1, s.cut })
	var keeper *alarms.Keeper
	var old bool
	s.other.set(func() { keeper, old = s.other.keeper, s.other.old })
	switch {
	case cut || keeper == nil:
		return errCut
	case old:
		return errUnknown
	}
	return keeper.Desk()[name](ctx, args, emit)
}

var _ order.Link = (*server)(nil)

// says is the list as a line.
func (s *server) says() string {
	var all []string
	for _, a := range s.keeper.Shown() {
		line := a.State + " " + a.Alarm
		if a.By != "" {
			line += " by " + a.By
		}
		if a.Under != "" {
			line += " under " + a.Under
		}
		all = append(all, line)
	}
	return strings.Join(all, "; ")
}

func (s *server) want(want string) {
	s.t.Helper()
	if got := s.says(); got != want {
		s.t.Fatalf("the %s says\n     %q\nwant %q", s.seat, got, want)
	}
}

// both have the same.
func both(main, secondary *server, want string) {
	main.t.Helper()
	main.want(want)
	secondary.want(want)
}

func (s *server) does(act, alarm string) error {
	return s.keeper.Handle(s.t.Context(), view.Handling{Act: act, Alarm: alarm, By: "Durand", Remark: "I see to it"})
}

func (s *server) kept() string {
	raw, err := os.ReadFile(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}
