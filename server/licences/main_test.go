package licences_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/alarm"
	"releve/rules/licence"
	"releve/rules/study"
	"releve/screen/view"
	"releve/server/licences"
	"releve/server/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ours = licence.DemonstrationSite + "ABC"

// machine is a server of a site in virtual time, on a real disk.
type machine struct {
	t    *testing.T
	seat releve.Seat
	dir  string
	log  *slog.Logger

	stop   func()
	other  *machine
	faller licences.Faller

	mu      sync.Mutex       // of what a test changes while the machine runs
	keeper  *licences.Keeper // nil: it is off
	cut     bool
	foreign bool          // of a version that knows no licences
	clock   time.Duration // of the machine's clock, ahead of the truth
	runs    releve.Level

	asked   atomic.Int64 // how often the other was
	shown   atomic.Pointer[view.Licences]
	told    []string // severities and codes, in order
	notices map[string]releve.Sentence
	changed chan struct{}
}

// play tells a story in virtual time, which begins on a Monday at noon.
func play(t *testing.T, story func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2027, 1, 4, 12, 0, 0, 0, time.UTC)))
		story(t)
	})
}

// pass lets time pass, and everybody do what is to be done then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// newPair is a site of two machines, both off.
func newPair(t *testing.T) (main, secondary *machine) {
	main, secondary = newMachine(t, releve.Main), newMachine(t, releve.Secondary)
	main.other, secondary.other = secondary, main
	return main, secondary
}

func newMachine(t *testing.T, seat releve.Seat) *machine {
	m := newBare(t, seat)
	m.studied(signedStudy(time.Now()))
	return m
}

// here is what a study of this site is of.
var here = study.Place{Main: "192.0.2.21", Secondary: "192.0.2.22", Channels: 30}

// signedStudy is one of this site that both parties signed, and that found each level feasible.
func signedStudy(at time.Time, changes ...func(*releve.Study)) releve.Study {
	made := releve.Study{
		Format: releve.StudyFormat, At: at, Question: releve.StudyQuestion{Main: here.Main, Secondary: here.Secondary, Channels: here.Channels},
		Findings: []releve.Finding{{Verdict: releve.StudyOK}},
	}
	for _, level := range licence.Levels {
		made.Levels = append(made.Levels, releve.StudyLevel{Level: level, Verdict: releve.Feasible})
	}
	for _, change := range changes {
		change(&made)
	}
	made = study.Sign(made, releve.Establishment, "Marie Duval", at)
	return study.Sign(made, releve.Integrator, "Paul Roy", at)
}

// studied has a study lie in the directory, as it was adopted once.
func (m *machine) studied(made releve.Study) {
	m.t.Helper()
	raw, err := json.Marshal(study.Papers{Adopted: made.At, Study: &made})
	if err != nil {
		m.t.Fatal(err)
	}
	m.put("study.json", raw)
}

// newBare is a machine that nothing was handed to yet.
func newBare(t *testing.T, seat releve.Seat) *machine {
	return &machine{
		t: t, seat: seat, faller: nobody{}, dir: filepath.Join(t.TempDir(), "licences"), runs: releve.HighAvailability, notices: map[string]releve.Sentence{}, changed: make(chan struct{}, 1),
		log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("seat", seat),
	}
}

// start starts its keeper; whatever happens, the end of the test stops it.
func (m *machine) start() *machine {
	began := time.Now()
	keeper := licences.New(licences.Options{
		Dir: m.dir, Site: ours, Issuers: licence.Built(), Link: m, Front: m, Log: m.log, Place: here, Faller: m.faller,
		Runs: func() licence.Running { return licence.Running{Level: m.now().runs, Channels: 30} },
		Wall: func() time.Time { return time.Now().Add(m.now().clock) },
		Boot: func() time.Duration { return time.Since(began) + time.Hour },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keeper.Run(ctx)
	}()
	m.mu.Lock()
	m.keeper = keeper
	m.stop = sync.OnceFunc(func() {
		m.mu.Lock()
		m.keeper = nil
		m.mu.Unlock()
		cancel()
		<-done
	})
	m.mu.Unlock()
	m.t.Cleanup(m.stop)
	synctest.Wait()
	return m
}

// set changes the machine while it runs.
func (m *machine) set(change func(*machine)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// state is what a test changes of a machine.
type state struct {
	keeper       *licences.Keeper
	cut, foreign bool
	clock        time.Duration
	runs         releve.Level
}

func (m *machine) now() state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return state{m.keeper, m.cut, m.foreign, m.clock, m.runs}
}

func (m *machine) Explain(what releve.Sentence) {
	m.set(func(m *machine) { m.told = append(m.told, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code) })
}

func (m *machine) Notice(about string, what releve.Sentence) {
	m.set(func(m *machine) { m.notices[about] = what })
}

func (m *machine) Licensed(l view.Licences) { m.shown.Store(&l) }

func (m *machine) OtherHeard() bool {
	own := m.now()
	return !own.cut && !own.foreign && m.other != nil && m.other.now().keeper != nil
}

// Changed brings what [machine.runsAt] tells.
func (m *machine) Changed(context.Context) <-chan struct{} { return m.changed }

// runsAt is a change of the level while it runs.
func (m *machine) runsAt(level releve.Level) {
	m.set(func(m *machine) { m.runs = level })
	m.changed <- struct{}{}
	synctest.Wait()
}

func cut(m *machine)  { m.cut = true }
func mend(m *machine) { m.cut = false }

// Command is the link to the other machine. What travels is JSON, as on the real one.
func (m *machine) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	m.asked.Add(1)
	if !m.OtherHeard() {
		return errors.New("nobody answers")
	}
	if len(args) > 512<<10 {
		return fmt.Errorf("a message of %d bytes", len(args))
	}
	desk := order.Desk{}
	if there := m.other.now(); !there.foreign {
		desk = there.keeper.Desk()
	}
	carried, known := desk[name]
	if !known {
		return errors.New("no such order")
	}
	return carried(ctx, args, emit)
}

// install installs a licence, and what is refused is said by its code.
func (m *machine) install(file []byte) (view.Installed, string) {
	return m.try(file, false)
}

func (m *machine) try(file []byte, dryRun bool) (view.Installed, string) {
	m.t.Helper()
	return m.hand(file, view.Installing{DryRun: dryRun})
}

func (m *machine) hand(file []byte, how view.Installing) (view.Installed, string) {
	m.t.Helper()
	answer, err := m.keeper.InstallLicence(m.t.Context(), file, how)
	if err != nil {
		m.t.Fatal(err)
	}
	synctest.Wait()
	if answer.Refused != nil {
		return answer, answer.Refused.Code
	}
	return answer, ""
}

// sees is what the machine shows of licences, events what it has told, and notice what it shows of
// its disk.
func (m *machine) sees() view.Licences { return *m.shown.Load() }

func (m *machine) events() (told []string) {
	m.set(func(m *machine) { told = slices.Clone(m.told) })
	return told
}

func (m *machine) notice(about string) (what releve.Sentence) {
	m.set(func(m *machine) { what = m.notices[about] })
	return what
}

// serials are what the machine holds, in order.
func (m *machine) serials() string {
	var all []string
	for _, l := range m.sees().All {
		all = append(all, l.Serial)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// said are the codes of what is shown of licences.
func (m *machine) said() string {
	var all []string
	for _, n := range m.sees().Notices {
		all = append(all, n.Code)
	}
	return strings.Join(all, " ")
}

// of is the file of a licence that holds for so many days from now on.
func of(t *testing.T, serial string, level releve.Level, days int, changes ...func(*licence.Licence)) []byte {
	t.Helper()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	l := licence.Licence{
		Serial: serial, Site: ours, IssuedTo: "Démonstration", Level: level, Channels: 30,
		From: today, Until: today.AddDate(0, 0, days), Issued: today,
	}
	for _, change := range changes {
		change(&l)
	}
	file, _, err := licence.Demonstrator().Sign(l)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// put is somebody who writes a file into the directory.
func (m *machine) put(name string, text []byte) {
	m.t.Helper()
	if err := errors.Join(os.MkdirAll(m.dir, 0o700), os.WriteFile(filepath.Join(m.dir, name), text, 0o600)); err != nil {
		m.t.Fatal(err)
	}
}

// disk is what is on it, but for what is remembered.
func (m *machine) disk() string {
	m.t.Helper()
	entries, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, e.Name()+"\n"+string(text))
	}
	return strings.Join(all, "\n")
}

// faller is who has the level of a pair fall: at the main, when it is ready.
type faller struct {
	main  *machine
	ready atomic.Bool
	fails atomic.Pointer[error]
	mu    sync.Mutex
	falls []fallen
}

// fallen is one fall that was ordered.
type fallen struct {
	to releve.Level
	at time.Time
}

func (f *faller) Ready() bool { return f.ready.Load() }

func (f *faller) Fall(_ context.Context, to releve.Level) error {
	f.mu.Lock()
	f.falls = append(f.falls, fallen{to, time.Now()})
	f.mu.Unlock()
	if err := f.fails.Load(); err != nil {
		return *err
	}
	for _, m := range []*machine{f.main, f.main.other} {
		m.set(func(m *machine) { m.runs = to })
		select {
		case m.changed <- struct{}{}:
		default:
		}
	}
	return nil
}

// ordered are the falls until now.
func (f *faller) ordered() []fallen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.falls)
}

// nobody has a level fall: this is not the server that acts.
type nobody struct{}

func (nobody) Ready() bool                              { return false }
func (nobody) Fall(context.Context, releve.Level) error { panic("a server acted that is not on duty") }
