package lines_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	rules "releve/rules/lines"
	"releve/screen/view"
	"releve/server/lines"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a server with two lines on a gateway and one on a card, in virtual time.
type site struct {
	t *testing.T

	mu    sync.Mutex
	view  view.Site
	ports map[string]map[int]releve.LineState // of each device; nil: it says nothing
	lines []releve.Line
	told  []string
}

const gateway = "192.0.2.31"

func (s *site) View() view.Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

func (s *site) Lines(all []releve.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = all
}

func (s *site) Explain(what releve.Sentence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	about := what.Args["number"] + what.Args["device"]
	s.told = append(s.told, strings.TrimPrefix(what.Code, "event-line-")+" "+about)
}

func (s *site) asked(device string) lines.Ports {
	return func(context.Context) (map[int]releve.LineState, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ports[device] == nil {
			return nil, &releve.Fault{Cause: errors.New("silent"), Why: releve.Say("lines-gateway-silent", "gateway", device, "why", "")}
		}
		ports := map[int]releve.LineState{}
		for port, state := range s.ports[device] {
			ports[port] = state
		}
		return ports, nil
	}
}

// play runs a story beside the keeper. Each act is followed by so many looks.
func play(t *testing.T, level releve.Level, story func(s *site, looks func(n int))) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, view: view.Site{
			Level: level, Seat: releve.Main, Owner: releve.Main,
			Main: view.Server{Seat: releve.Main, Heard: true}, Secondary: view.Server{Seat: releve.Secondary, Heard: true},
		}, ports: map[string]map[int]releve.LineState{
			gateway: {1: releve.LinePlugged, 2: releve.LinePlugged, 3: releve.LineDead}, rules.Card: {7: releve.LinePlugged},
		}}
		plan := rules.Plan([]string{gateway + "/1 01", gateway + "/2 02", "dahdi/7 03"})
		k := lines.New(lines.Options{
			Seat: releve.Main, Plan: plan, Site: s, Front: s,
			Devices: map[string]lines.Ports{gateway: s.asked(gateway), rules.Card: s.asked(rules.Card)},
		})
		ctx, stop := context.WithCancel(t.Context())
		var keeps sync.WaitGroup
		keeps.Go(func() { k.Run(ctx) })
		story(s, func(n int) {
			time.Sleep(time.Duration(n) * 2 * time.Second)
			synctest.Wait()
		})
		stop()
		keeps.Wait()
	})
}

func (s *site) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// are checks the verdicts, and what was told since it was last asked.
func (s *site) are(when, verdicts string, told ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, l := range s.lines {
		got = append(got, string(l.Verdict))
	}
	if strings.Join(got, " ") != verdicts {
		s.t.Errorf("%s: they are %v, and not %s", when, got, verdicts)
	}
	slices.Sort(s.told)
	if !slices.Equal(s.told, told) {
		s.t.Errorf("%s: it told %q, and not %q", when, s.told, told)
	}
	s.told = nil
}

func TestALineDiesAndIsBack(t *testing.T) {
	play(t, releve.HighAvailability, func(s *site, looks func(int)) {
		looks(4)
		s.are("all is well", "well well well")
		s.set(func() { s.ports[gateway][2] = releve.LineDead })
		looks(4)
		s.are("a line is dead", "well missing well", "missing 02")
		looks(10)
		s.are("it stays so", "well missing well")
		s.set(func() { s.ports[gateway][2] = releve.LinePlugged })
		looks(4)
		s.are("it is back", "well well well", "well 02")
		s.set(func() { delete(s.ports[rules.Card], 7) })
		looks(4)
		s.are("a card has no such channel", "well well unseen")
	})
}

// Of a gateway that says nothing, nothing is known: what was wrong is not well for that.
func TestAGatewayFallsSilent(t *testing.T) {
	play(t, releve.HighAvailability, func(s *site, looks func(int)) {
		s.set(func() { s.ports[gateway][1] = releve.LineDead })
		looks(4)
		s.are("a line is dead", "missing well well", "missing 01")
		s.set(func() { s.ports[gateway] = nil })
		looks(4)
		s.are("it is silent", "unseen unseen well", "device-silent "+gateway, "unseen 01")
		s.set(func() { s.ports[gateway] = map[int]releve.LineState{1: releve.LineDead, 2: releve.LinePlugged} })
		looks(4)
		s.are("it speaks again", "missing well well", "device-answers "+gateway, "missing 01")
	})
}

// A line has no feed for a moment when it is seized: that is nothing.
func TestAMomentWithoutAFeed(t *testing.T) {
	play(t, releve.HighAvailability, func(s *site, looks func(int)) {
		looks(4)
		for range 5 {
			s.set(func() { s.ports[gateway][1] = releve.LineDead })
			looks(1)
			s.set(func() { s.ports[gateway][1] = releve.LinePlugged })
			looks(2)
		}
		s.are("five moments", "well well well")
	})
}

// At level backup the site has one set of lines, and both servers say where each is.
func TestLinesAtTheWrongServer(t *testing.T) {
	play(t, releve.Backup, func(s *site, looks func(int)) {
		looks(4)
		s.are("at the main", "well well well")
		s.set(func() {
			s.ports[gateway][1] = releve.LineDead
			s.view.Secondary.Lines = []releve.Line{{Number: "01", State: releve.LinePlugged}}
		})
		looks(4)
		s.are("one is at the secondary", "elsewhere well well", "elsewhere 01")
		s.set(func() { s.view.Secondary.Heard = false })
		looks(4)
		s.are("the secondary is not heard", "missing well well", "missing 01")
		s.set(func() { s.view.Owner, s.view.Procedure = releve.Secondary, &view.Procedure{} })
		looks(4)
		s.are("the duty moves", "away stray stray")
		s.set(func() { s.view.Procedure.Finished = time.Now() })
		looks(4)
		s.are("it has moved, and two lines have not", "away stray stray", "away 01", "stray 02", "stray 03")
		s.set(func() { s.ports[gateway][2], s.ports[rules.Card][7] = releve.LineDead, releve.LineDead })
		looks(4)
		s.are("all have", "away away away", "away 02", "away 03")
	})
}

// Whoever has no line asks nobody, and does nothing.
func TestAServerWithoutLines(t *testing.T) {
	lines.New(lines.Options{}).Run(t.Context())
}
