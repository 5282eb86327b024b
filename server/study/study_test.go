package study_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"releve"
	rules "releve/rules/study"
	"releve/server/study"
)

// pipe is a wire within this process.
type pipe struct {
	net.Conn
	in  *json.Decoder
	out *json.Encoder
}

func (p pipe) Send(v any) error { return p.out.Encode(v) }

func (p pipe) Receive(v any, _ bool) error { return p.in.Decode(v) }

func wires() (a, b pipe) {
	x, y := net.Pipe()
	return pipe{x, json.NewDecoder(x), json.NewEncoder(x)}, pipe{y, json.NewDecoder(y), json.NewEncoder(y)}
}

var question = releve.StudyQuestion{
	Main: "192.0.2.21", Secondary: "192.0.2.22", Channels: 30, Telephony: releve.TelephonySIP, PBX: "pbx.example:5060",
	SIPPort: 5060, PeerPort: 7443, DatabasePort: 5442, ConsolePort: 8080, RTPFirst: 10000, RTPLast: 10999,
}

// held are the ports of an end in a story.
type held struct{ closed func() }

func (h held) Seen() map[string]int { return map[string]int{"udp 5060": 100} }
func (h held) Close()               { h.closed() }

// world is a site on which all is well, and how many ports are held there.
type world struct {
	mu   sync.Mutex
	held int
	late time.Duration // of the secondary's clock
	name map[releve.Seat]string
}

func (w *world) hands(own releve.Seat) *study.Hands {
	seen := func(check string) []releve.Measurement {
		return []releve.Measurement{{Check: check, Seat: own, State: releve.Measured, Value: 1}}
	}
	return &study.Hands{
		Look: func(context.Context, releve.Seat) []releve.Measurement { return seen("processors") },
		Services: func(context.Context, releve.StudyQuestion, releve.Seat) []releve.Measurement {
			return []releve.Measurement{{Check: "name", Seat: own, About: "pbx.example", State: releve.Measured, Text: w.name[own]}}
		},
		PBX: func(context.Context, releve.StudyQuestion, releve.StudySecrets, releve.Seat) []releve.Measurement {
			return seen("pbx-answers")
		},
		Listen: func(all []string, _ []byte) (study.Listening, map[string]releve.Measurement) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.held++
			opened := map[string]releve.Measurement{}
			for _, port := range all {
				opened[port] = releve.Measurement{About: port, State: releve.Measured}
			}
			if own == releve.Main {
				opened["tcp 8080"] = releve.Measurement{About: "tcp 8080", State: releve.Broken, Why: releve.Say("study-port-held")}
			}
			return held{func() { w.mu.Lock(); w.held--; w.mu.Unlock() }}, opened
		},
		Knock: func(_ context.Context, all []string, _ []byte) (probes []rules.Probe) {
			for _, port := range all {
				outcome := rules.Open
				if port == "udp 5060" && own == releve.Main {
					outcome = rules.Dropped
				}
				probes = append(probes, rules.Probe{Port: port, Outcome: outcome, Sent: 10, Back: 10, Median: time.Millisecond})
			}
			return probes
		},
		Now: func() time.Time {
			if own == releve.Secondary {
				return time.Now().Add(w.late)
			}
			return time.Now()
		},
	}
}

// run makes a study of a world, with the secondary's end behind a wire.
func (w *world) run(t *testing.T, cut string) (map[[2]string]releve.Measurement, error) {
	t.Helper()
	near, far := wires()
	ended := make(chan error, 1)
	go func() {
		defer far.Close()
		ended <- study.Answer(t.Context(), far, w.hands(releve.Secondary), func(o study.Order) {
			if o.Do == cut {
				_ = far.Close()
			}
		})
	}()
	steps := 0
	l := study.Lead{
		Question: question, Tell: func(study.Progress) { steps++ },
		Ends: map[releve.Seat]study.End{releve.Main: w.hands(releve.Main), releve.Secondary: study.Far{Wire: near}},
	}
	taken, err := l.Run(t.Context())
	_ = near.Close()
	if why := <-ended; why == nil {
		t.Error("the end that answers ended by itself")
	}
	all := map[[2]string]releve.Measurement{}
	for _, m := range taken {
		all[[2]string{m.Check + " " + string(m.Seat), m.About}] = m
	}
	if steps != 5 || w.held != 0 {
		t.Errorf("%d steps, %d ends hold their ports", steps, w.held)
	}
	return all, err
}

func TestTwoEndsMeasureTheSiteTogether(t *testing.T) {
	w := &world{late: -90 * time.Second, name: map[releve.Seat]string{releve.Main: "192.0.2.10", releve.Secondary: "192.0.2.11"}}
	all, err := w.run(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if m := all[[2]string{"clock-other secondary", ""}]; m.Value > -89.9 || m.Value < -90.1 {
		t.Errorf("a clock 90 s late: %+v", m)
	}
	if m := all[[2]string{"name-same secondary", "pbx.example"}]; m.State != releve.Broken || m.Why.Code != "study-name-differs" {
		t.Errorf("a name that means two things: %+v", m)
	}
	for key, want := range map[[2]string]string{
		{"port-free main", "tcp 8080"}: "study-port-held", {"port-page main", "tcp 8080"}: "study-port-not-opened",
		{"port-page secondary", "tcp 8080"}: "", {"port-telephone secondary", "udp 5060"}: "study-port-dropped-back",
		{"port-telephone main", "udp 5060"}: "", {"processors secondary", ""}: "", {"pbx-answers secondary", ""}: "",
	} {
		if m, there := all[key]; !there || m.Why.Code != want {
			t.Errorf("%v: %+v, want %q", key, m, want)
		}
	}
}

// What the end that is gone would have measured is not there, and the rest is.
func TestAnEndThatIsLostLeavesItsShareUnmeasured(t *testing.T) {
	w := &world{name: map[releve.Seat]string{}}
	all, err := w.run(t, "knock")
	if err == nil {
		t.Error("nobody is told that an end was lost")
	}
	var taken []releve.Measurement
	for _, m := range all {
		taken = append(taken, m)
	}
	findings, levels := rules.Judge(question, taken)
	i := slices.IndexFunc(findings, func(f releve.Finding) bool { return f.Check == "pbx-answers" && f.Seat == releve.Secondary })
	if findings[i].Verdict != releve.StudyUnmeasured || levels[3].Verdict == releve.Feasible {
		t.Errorf("%+v, %+v", findings[i], levels[3])
	}
	if _, there := all[[2]string{"pbx-answers main", ""}]; !there {
		t.Error("the main measured nothing more")
	}
}

func TestAStudyThatIsGivenUpEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	l := study.Lead{
		Question: question, Tell: func(study.Progress) { stop() },
		Ends: map[releve.Seat]study.End{releve.Main: (&world{}).hands(releve.Main)},
	}
	if _, err := l.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
