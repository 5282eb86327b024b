package acceptance

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/diary"
	"releve/proof/replay"
	"releve/screen/words"
)

// replayAtTheEnd has the test end with a replay of both diaries (H14), and with what ended
// that nobody had ended. It is asked for whenever a test starts the site or takes it over from another test, and happens once.
func (s *site) replayAtTheEnd(t testing.TB) {
	if s.replayed == t {
		return
	}
	s.replayed = t
	t.Cleanup(func() {
		for _, server := range []*server{s.main, s.secondary} {
			server.checkReplay(t)
		}
		for _, told := range exits.take() {
			t.Error(told)
		}
		if t.Failed() {
			t.Log(s.logs())
		}
	})
}

// checkReplay feeds what a server's diary says went in back into the table, and fails
// the test for each decision that does not come out as the diary tells it.
func (s *server) checkReplay(t testing.TB) {
	t.Helper()
	entries, err := s.diaryOnDisk()
	if err != nil {
		t.Error(err)
		return
	}
	decisions, err := replay.Diary(entries)
	if err != nil {
		t.Errorf("the diary of the %s server is not what its table decides: %v", s.seat, err)
	}
	if decisions == 0 {
		t.Errorf("the diary of the %s server holds no decision to replay, of %d entries", s.seat, len(entries))
	}
	t.Logf("replayed %d decisions from the diary of the %s server", decisions, s.seat)
}

// diaryOnDisk is all that a server's diary holds, oldest first.
func (s *server) diaryOnDisk() ([]releve.Entry, error) {
	d, err := diary.Open(filepath.Join(s.data, "diary"), diary.Options{Seat: s.seat})
	if err != nil {
		return nil, err
	}
	entries, err := d.Read(time.Time{}, time.Time{}, math.MaxInt)
	return entries, errors.Join(err, d.Close())
}

// checkExplainedAt asks a server that took over what it decided at the moment when the
// wire first carried its answer to a call: for people in both languages, and for programs.
func (s *site) checkExplainedAt(t testing.TB, by *server, since time.Time, term releve.Term) {
	t.Helper()
	answers := s.ear.sentBy(by.host, since, answersCall)
	if len(answers) == 0 {
		t.Fatalf("the %s server answered no call", by.seat)
	}
	moment := answers[0].at.Format(time.RFC3339)
	var entries []releve.Entry
	if err := json.Unmarshal([]byte(by.mustRun(t, "explain", "--at", moment, "--output", "json")), &entries); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e releve.Entry) bool { return e.What.Code == s.ruleOfTakeover() && e.Term == term })
	if i < 0 {
		t.Errorf("releve explain --at %s tells nothing of the takeover in term %d, in %d entries", moment, term, len(entries))
		return
	}
	took := entries[i]
	if early := answers[0].at.Sub(took.At); early < 0 || early > decidedWithin { // the journal is on the disk in between
		t.Errorf("the takeover is explained %v before the first answer", early)
	}
	for _, language := range []releve.Language{releve.English, releve.French} {
		said := by.mustRun(t, "explain", "--at", moment, "--language", string(language))
		for _, want := range append([]releve.Sentence{took.What}, took.Evidence...) {
			if !strings.Contains(said, words.Say(language, want)) {
				t.Errorf("releve explain --at %s --language %s does not say %q:\n%s", moment, language, words.Say(language, want), said)
			}
		}
		if !strings.Contains(said, string(took.Call)) {
			t.Errorf("releve explain --at %s --language %s does not name the call %s", moment, language, took.Call)
		}
	}
}
