package spool

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"releve"
)

// starts opens the spool as one run does, and ends it the way that do says.
func starts(t *testing.T, dir string, do func(*Spool)) (own releve.RunID, earlier []releve.RunID) {
	t.Helper()
	s, err := Open(dir, releve.Main, Options{})
	if err != nil {
		t.Fatal(err)
	}
	own, earlier = s.Run(), s.Earlier()
	do(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return own, earlier
}

// killed is a run that ends without a word.
func killed(*Spool) {}

func done(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

// The next run names each run before it, until that is recorded, and none that came to its
// end well.
func TestARunKnowsWhichRunsBeforeItAreOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	expect := func(what string, got, want []releve.RunID) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q are over, expected %q", what, got, want)
		}
	}
	first, earlier := starts(t, dir, killed)
	expect("on a new disk", earlier, []releve.RunID{""})
	second, earlier := starts(t, dir, killed)
	expect("nothing was recorded yet", earlier, []releve.RunID{"", first})
	third, earlier := starts(t, dir, func(s *Spool) { done(t, s.Recorded) })
	expect("nothing was recorded yet", earlier, []releve.RunID{"", first, second})
	fourth, earlier := starts(t, dir, func(s *Spool) { done(t, s.Finished) })
	expect("recorded, then killed", earlier, []releve.RunID{third})
	fifth, earlier := starts(t, dir, func(s *Spool) { done(t, s.Recorded); done(t, s.Finished) })
	expect("ended well, but its elders not recorded", earlier, []releve.RunID{third})
	_, earlier = starts(t, dir, killed)
	expect("ended well", earlier, []releve.RunID{})
	if all := []releve.RunID{first, second, third, fourth, fifth}; len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("runs have the same name: %q", all)
	}
}

// A file that was lost or spoilt keeps no server from starting, and says of no run that it
// goes on. With a spool that was lost the ends went of runs that had come to theirs.
func TestRunsThatAreNotKnownAreOverToo(t *testing.T) {
	for what, c := range map[string]struct {
		file  string
		spoil func(path string) error
		named bool // the run before is known all the same
	}{
		"of another version":  {"run", os.Remove, false},
		"spoilt":              {"run", func(path string) error { return os.WriteFile(path, []byte(`["AB`), 0o600) }, false},
		"whose spool is lost": {"spool", os.Remove, true},
	} {
		dir := filepath.Join(t.TempDir(), "spool")
		before, _ := starts(t, dir, func(s *Spool) { done(t, s.Recorded) })
		if err := c.spoil(filepath.Join(dir, c.file)); err != nil {
			t.Fatal(err)
		}
		want := []releve.RunID{""}
		if c.named {
			want = []releve.RunID{before, ""}
		}
		if _, earlier := starts(t, dir, killed); !slices.Equal(earlier, want) {
			t.Errorf("%s: %q are over, expected %q", what, earlier, want)
		}
	}
}
