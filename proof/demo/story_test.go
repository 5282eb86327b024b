package demo

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"releve"
)

// story is a show of the product itself, built from this tree, on real PostgreSQL.
type story struct {
	t   *testing.T
	dir string // of the site
	Options
}

func newStory(t *testing.T, language releve.Language) *story {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "releve")
	build := exec.Command("go", "build", "-o", binary, "releve/cmd/releve")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the product does not build: %v\n%s", err, text)
	}
	s := &story{t: t, Options: Options{Releve: binary, Language: language}}
	s.MakeSite = func(ctx context.Context, p Plan) (Site, error) {
		s.dir = p.Dir
		return initSite(ctx, binary, p)
	}
	return s
}

// nothingLeft looks for processes that still work in the site's directory.
func (s *story) nothingLeft() {
	s.t.Helper()
	if s.dir == "" {
		s.t.Fatal("there was no site")
	}
	if pids := family(0, s.dir); len(pids) > 0 {
		s.t.Errorf("processes left behind: %v", pids)
	}
}

func TestTheWholeStory(t *testing.T) {
	s := newStory(t, releve.French)
	var out bytes.Buffer
	s.Out = &out
	f, err := play(t.Context(), s.Options)
	t.Log("\n" + out.String())
	s.nothingLeft()
	if err != nil {
		t.Fatal(err)
	}
	if f.offered == 0 || f.lost != 0 || f.refused != 0 || f.heard != f.offered {
		t.Errorf("calls: %+v", f)
	}
	if f.ackedBefore == 0 || f.foundAfter == nil || *f.foundAfter != f.ackedBefore {
		t.Errorf("rows after the takeover: %+v", f)
	}
	if f.foundAll == nil || *f.foundAll != f.ackedAll {
		t.Errorf("rows at the end: %+v", f)
	}
	if f.answered.IsZero() || f.voice.IsZero() || f.firstRow.IsZero() || f.returned == 0 {
		t.Errorf("times: %+v", f)
	}
}

// Ctrl-C in the worst moment: the main has just been killed and a call is on its
// way to the secondary.
func TestInterruptedStoryLeavesNothing(t *testing.T) {
	s := newStory(t, releve.English)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &watched{word: "kill -9", seen: interrupt}
	s.Out = out
	if _, err := play(ctx, s.Options); ctx.Err() == nil {
		t.Fatalf("the story did not come to the crash: %v\n%s", err, out.text.String())
	}
	s.nothingLeft()
}

// watched is an output that tells when a word is written.
type watched struct {
	text bytes.Buffer
	word string
	seen func()
}

func (w *watched) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.word) {
		w.seen()
	}
	return w.text.Write(p)
}
