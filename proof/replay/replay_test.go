package replay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/diary"
	"releve/proof/replay"
	"releve/rules/takeover"
	"releve/server/agent"
)

// formats are diaries of earlier versions: some step for nearly each row of the table, and one
// input in which no field is empty.
const formats = "testdata"

// What a version before this one decided, this one decides again on what that one wrote.
func TestADiaryOfTheVersionBeforeReplays(t *testing.T) {
	for seat, decided := range map[releve.Seat]int{releve.Main: 47, releve.Secondary: 43} {
		dir := filepath.Join(t.TempDir(), string(seat))
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(formats, "format-1", string(seat)))); err != nil {
			t.Fatal(err)
		}
		d, err := diary.Open(dir, diary.Options{Seat: seat})
		if err != nil {
			t.Fatal(err)
		}
		d.Write(releve.Entry{At: time.Now(), Seat: seat, Kind: "fact", What: releve.Say("after")})
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		entries, err := d.Read(time.Time{}, time.Time{}, math.MaxInt)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := replay.Diary(entries); n != decided || err != nil {
			t.Errorf("%d of the %d decisions of the %s replay: %v", n, decided, seat, err)
		}
		if first, last := entries[0], entries[len(entries)-1]; first.Format != 0 || last.Format != releve.EntryFormat {
			t.Errorf("the formats of the first and last entry are %d and %d", first.Format, last.Format)
		}
	}
}

// A field that was called otherwise would be read as empty, and nobody would hear of it.
func TestAnInputReadsAndWritesEachFieldOfItsFormat(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(formats, "format-1", "input.json"))
	if err != nil {
		t.Fatal(err)
	}
	strict := json.NewDecoder(bytes.NewReader(file))
	strict.DisallowUnknownFields()
	var in agent.Input
	if err := strict.Decode(&in); err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	was, is := values(t, file), values(t, written)
	for path, value := range was {
		if is[path] != value {
			t.Errorf("%s was %s and comes out as %q", path, value, is[path])
		}
	}
	for path := range is {
		if was[path] == "" {
			t.Errorf("%s is new: a format that has it is the next (releve.EntryFormat), with an input of its own here", path)
		}
	}
}

// values are those of a JSON text, each by the path to it.
func values(t *testing.T, text []byte) map[string]string {
	t.Helper()
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(path+"."+name, inner)
			}
		case []any:
			for i, inner := range v {
				walk(fmt.Sprint(path, i), inner)
			}
		default:
			all[path] = fmt.Sprint(v)
		}
	}
	walk("", tree)
	return all
}

func TestAnEntryOfALaterFormatIsNotGuessedAt(t *testing.T) {
	later := diaryOf(t, takeover.New(takeover.Settings{Seat: "main"}), takeover.Event{Now: 1, Boot: &takeover.Boot{Disk: takeover.DiskForeign}})
	if n, err := replay.Diary(later); n != 1 || err != nil {
		t.Fatalf("replayed %d: %v", n, err)
	}
	later[0].Format = releve.EntryFormat + 1
	if n, err := replay.Diary(later); n != 0 || err == nil {
		t.Errorf("replayed %d decisions of a later format: %v", n, err)
	}
}

// diaryOf is what a machine that takes in these events leaves in its diary.
func diaryOf(t *testing.T, m takeover.Machine, events ...takeover.Event) (entries []releve.Entry) {
	t.Helper()
	for _, e := range events {
		input, err := json.Marshal(agent.Input{Machine: m, Event: e})
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range replay.Told(m.Step(e)) {
			entries = append(entries, releve.Entry{Seat: m.Seat, Term: m.Term, Kind: "decision", Input: input, What: releve.Say("rule-"+rule,
				"term", fmt.Sprint(m.Term), "seat", string(m.Seat), "number", fmt.Sprint(m.Number), "cause", m.Cause)})
		}
	}
	return entries
}

// A diary that tells anything else than what the table decides is found out.
func TestTheReplayFindsADiaryThatTellsSomethingElse(t *testing.T) {
	alone := takeover.Durable{Seat: "main", Term: 3, Owner: "main", Vote: true, DataID: "data", Promotion: takeover.Promotion{Done: true}}
	told := func() []releve.Entry {
		return diaryOf(t, takeover.New(takeover.Settings{Seat: "main", Rounds: 3}),
			takeover.Event{Now: 1, Boot: &takeover.Boot{Known: true, Durable: alone, Disk: takeover.DiskOurs, DataID: "data"}},
			takeover.Event{Now: 2, Done: &takeover.Done{Job: takeover.JobStart, Turn: 1, Database: &takeover.Database{Up: true}}})
	}
	if n, err := replay.Diary(told()); n != 3 || err != nil {
		t.Fatalf("replayed %d decisions of a true diary, want 3: %v", n, err)
	}
	if n, err := replay.Diary(told()[:1]); n != 1 || err != nil {
		t.Errorf("replayed %d decisions of a diary whose writer was killed, want 1: %v", n, err)
	}
	dropped := releve.Entry{Kind: "fact", What: releve.Say(diary.Dropped)}
	if n, err := replay.Diary(append(told()[2:], dropped)); n != 1 || err != nil {
		t.Errorf("replayed %d decisions of a diary that a full disk kept a step from, want 1: %v", n, err)
	}
	for what, change := range map[string]func(all []releve.Entry) []releve.Entry{
		"another rule":      func(all []releve.Entry) []releve.Entry { all[0].What.Code = "rule-data-missing"; return all },
		"one rule too few":  func(all []releve.Entry) []releve.Entry { return slices.Delete(all, 1, 2) },
		"one rule too many": func(all []releve.Entry) []releve.Entry { return append(all, all[2]) },
		"half a step, and that one was dropped": func(all []releve.Entry) []releve.Entry {
			return append(slices.Delete(all, 1, 2), dropped)
		},
		"another order":  func(all []releve.Entry) []releve.Entry { all[0], all[1] = all[1], all[0]; return all },
		"another term":   func(all []releve.Entry) []releve.Entry { all[1].Term = 4; return all },
		"another number": func(all []releve.Entry) []releve.Entry { all[1].What.Args["number"] = "7"; return all },
		"another machine": func(all []releve.Entry) []releve.Entry {
			all[2].Input = []byte(strings.Replace(string(all[2].Input), `"vote":true`, `"vote":false`, 1))
			return all
		},
		"half an input":   func(all []releve.Entry) []releve.Entry { all[2].Input = all[2].Input[:40]; return all },
		"a verdict alone": func(all []releve.Entry) []releve.Entry { all[2].Kind = "non-decision"; return all },
	} {
		if _, err := replay.Diary(change(told())); err == nil {
			t.Errorf("%s: not found", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}
