package spool

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"releve"
)

// The spool of a secondary that took over and was then killed, as the version before wrote it,
// beside the facts that it read there. This version reads the same, knows which run is over,
// and goes on behind it.
func TestASpoolOfTheVersionBefore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "version1", "disk"))))
	golden, err := os.ReadFile(filepath.Join("testdata", "version1", "facts.jsonl"))
	must(t, err)

	reopen := func() *Spool {
		s, err := Open(dir, releve.Secondary, Options{})
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s := reopen()
	if o := s.Opened(); o.Created || o.Records != 21 || o.CutBytes != 0 {
		t.Errorf("opened: %+v", o)
	}
	if over := s.Earlier(); !slices.Equal(over, []releve.RunID{"HMCVFLEQLDAG4LGP75RFK623ZT"}) {
		t.Errorf("the runs that are over: %q", over)
	}
	page, err := s.Read(0, 100)
	must(t, err)
	var facts bytes.Buffer
	for i, r := range page.Records {
		if r.Sequence != uint64(i)+1 {
			t.Errorf("the record behind %d bears %d", i, r.Sequence)
		}
		must(t, json.NewEncoder(&facts).Encode(r.Fact))
	}
	if page.Incarnation != "BS6TI7BA62CRSYVWNZUKOY4ZZZ" || !bytes.Equal(facts.Bytes(), golden) {
		t.Errorf("of %s is read\n%sexpected\n%s", page.Incarnation, &facts, golden)
	}

	must(t, s.Append(within(t), fact(t, "of this version")))
	must(t, s.Close())
	s = reopen()
	if got := calls(t, s, 20); len(got) != 2 || got[0] != string(page.Records[20].Fact.Call) || got[1] != "of this version" {
		t.Errorf("the last records are of %q", got)
	}
}
