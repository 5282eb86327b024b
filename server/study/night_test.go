package study_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/alarm"
	rules "releve/rules/study"
	"releve/server/study"
)

// nightly is a server of a site that adopted a study in which all was well, in virtual time.
type nightly struct {
	t    *testing.T
	file string
	seat releve.Seat
	stop func()

	mu      sync.Mutex // of all below
	adopted *releve.Study
	wrong   map[string]releve.Measurement // what the instruments say in the place of what is well
	runs    releve.Level
	clock   time.Duration // of the other server, ahead of this one's
	cut     bool
	looked  int
	told    []string
	shown   map[string]releve.Sentence
}

var whole = releve.StudyQuestion{
	Main: "192.0.2.21", Secondary: "192.0.2.22", Channels: 30, Telephony: releve.TelephonySIP, PBX: "pbx.example:5060",
	SIPPort: 5060, PeerPort: 7443, DatabasePort: 5442, ConsolePort: 8080, RTPFirst: 10000, RTPLast: 10999,
}

// newNightly is such a server at noon.
func newNightly(t *testing.T, seat releve.Seat) *nightly {
	n := &nightly{t: t, seat: seat, file: filepath.Join(t.TempDir(), "replayed.json"), runs: releve.HighAvailability, wrong: map[string]releve.Measurement{}, shown: map[string]releve.Sentence{}}
	time.Sleep(time.Until(time.Date(2027, 1, 4, 12, 0, 0, 0, time.Local)))
	n.adopt()
	return n
}

func (n *nightly) adopt() {
	made := releve.Study{Format: releve.StudyFormat, At: time.Now(), Question: whole}
	made.Findings, made.Levels = rules.Judge(whole, n.measured(releve.Main, releve.Secondary))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.adopted = &made
}

// measured is all that an instrument could say of these seats, well but for what is wrong.
func (n *nightly) measured(seats ...releve.Seat) (all []releve.Measurement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	findings, _ := rules.Judge(whole, nil)
	for _, f := range findings {
		if !slices.Contains(seats, f.Seat) || f.Check == "clock-other" && len(seats) == 1 {
			continue
		}
		m := f.Measurement
		m.State, m.Value, m.Why = releve.Measured, f.Good, releve.Sentence{}
		switch m.Check {
		case "system":
			m.Text = "debian 12"
		case "virtual":
			m.Text = rules.Bare
		}
		if w, ok := n.wrong[m.Check]; ok {
			m.State, m.Value, m.Why = w.State, w.Value, w.Why
		}
		all = append(all, m)
	}
	return all
}

func (n *nightly) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

func (n *nightly) start() {
	night := study.NewNight(study.NightOptions{
		Seat: n.seat, Hour: 3 * time.Hour, File: n.file, Link: n, Front: n, Log: slog.New(slog.NewTextHandler(n.t.Output(), nil)),
		Adopted: func() *releve.Study { n.mu.Lock(); defer n.mu.Unlock(); return n.adopted },
		Runs:    func() releve.Level { n.mu.Lock(); defer n.mu.Unlock(); return n.runs },
		Look: func(_ context.Context, seat releve.Seat) []releve.Measurement {
			n.set(func() { n.looked++ })
			return n.measured(seat)
		},
		Services: func(context.Context, releve.StudyQuestion, releve.Seat) []releve.Measurement { return nil },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); night.Run(ctx) }()
	n.stop = sync.OnceFunc(func() { cancel(); <-done })
	n.t.Cleanup(n.stop)
	synctest.Wait()
}

// Command is the link to the other server, whose clock shows what a test says.
func (n *nightly) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	n.mu.Lock()
	cut, ahead := n.cut, n.clock
	n.mu.Unlock()
	if cut {
		return errors.New("nobody answers")
	}
	return study.Desk()[name](ctx, args, func(line json.RawMessage) error {
		var now time.Time
		if err := json.Unmarshal(line, &now); err != nil {
			return err
		}
		shifted, err := json.Marshal(now.Add(ahead))
		if err != nil {
			return err
		}
		return emit(shifted)
	})
}

func (n *nightly) Explain(what releve.Sentence) {
	n.set(func() {
		n.told = append(n.told, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code+" "+what.Args["check"])
	})
}

func (n *nightly) Notice(about string, what releve.Sentence) {
	n.set(func() {
		if n.shown[about] = what; what.Code == "" {
			delete(n.shown, about)
		}
	})
}

// alarms are those that stand, and what was told since they were asked for last.
func (n *nightly) alarms() (standing, told string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	standing, told = strings.Join(slices.Sorted(maps.Keys(n.shown)), ", "), strings.Join(n.told, ", ")
	n.told = nil
	return standing, told
}

// A prerequisite that was lost is an alarm from the night on, over a restart, until the night in which
// it is back. On a site on which nothing is missing nothing is invented, though it holds its own ports.
func TestAPrerequisiteThatWasLostIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNightly(t, releve.Main)
		n.start()
		night := func() { time.Sleep(24 * time.Hour); synctest.Wait() }
		expect := func(story, standing, told string) {
			t.Helper()
			if s, said := n.alarms(); s != standing || said != told {
				t.Errorf("%s: %q stand, told %q; not %q, %q", story, s, said, standing, told)
			}
		}
		night()
		expect("all is well", "", "")
		if n.looked != 1 {
			t.Errorf("in one night it looked %d times", n.looked)
		}
		n.set(func() { n.wrong["disk-space"] = releve.Measurement{State: releve.Measured, Value: 1} })
		expect("by day", "", "")
		night()
		expect("a disk is full", "study disk-space ", "major study-prerequisite-lost disk-space")
		night()
		expect("and stays so", "study disk-space ", "")
		n.stop()
		n.set(func() { clear(n.shown) })
		n.start()
		expect("over a restart", "study disk-space ", "")
		n.set(func() { n.wrong["disk-space"] = releve.Measurement{State: releve.Unmeasured} })
		night()
		expect("it could not be measured", "study disk-space ", "")
		n.set(func() { delete(n.wrong, "disk-space") })
		night()
		expect("it is back", "", "cleared study-prerequisite-back disk-space")
		n.set(func() { n.wrong["memory"] = releve.Measurement{State: releve.Measured, Value: 1} })
		night()
		expect("another is lost", "study memory ", "major study-prerequisite-lost memory")
		n.adopt() // a study that knows it so
		night()
		expect("a later study found it so", "", "cleared study-prerequisite-back memory")
		n.set(func() { n.adopted = nil })
		looked := n.looked
		if night(); n.looked != looked {
			t.Error("without a study something was measured")
		}
	})
}

// The secondary compares its clock with the main's; a main that is not heard has no wrong clock. What
// the level that runs does not need is nobody's loss.
func TestTheSecondarysClockIsReplayed(t *testing.T) {
	for story, c := range map[string]struct {
		clock time.Duration
		cut   bool
		runs  releve.Level
		lost  string
	}{
		"right":                         {2 * time.Second, false, releve.HighAvailability, ""},
		"an hour behind":                {time.Hour, false, releve.HighAvailability, "study clock-other "},
		"not heard":                     {time.Hour, true, releve.HighAvailability, ""},
		"a site of one server":          {time.Hour, false, releve.Base, ""},
		"ahead, and mirroring needs it": {-time.Hour, false, releve.Mirroring, "study clock-other "},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newNightly(t, releve.Secondary)
			n.clock, n.cut, n.runs = c.clock, c.cut, c.runs
			n.start()
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if standing, _ := n.alarms(); standing != c.lost {
				t.Errorf("%s: %q stand, not %q", story, standing, c.lost)
			}
		})
	}
}
