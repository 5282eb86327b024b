package journal

import (
	"testing"

	"releve"
	"releve/rules/takeover"
)

// What a server knew of its duty it knows after a restart, and a new one knows nothing.
func TestWhatATakeoverMustNotForget(t *testing.T) {
	dir := t.TempDir()
	open := func() Takeover {
		j, err := Open(dir, "SITE", releve.Main)
		if err != nil {
			t.Fatal(err)
		}
		return Takeover{j}
	}
	if d, known, err := open().Load(); known || err != nil || d != (takeover.Durable{}) {
		t.Errorf("a new server knows %+v, %v, %v", d, known, err)
	}
	want := takeover.Durable{Seat: releve.Main, Owner: releve.Main, Term: 7, Vote: true}
	if err := open().Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if d, known, err := open().Load(); !known || err != nil || d != want {
		t.Errorf("it knows %+v, %v, %v; want %+v", d, known, err, want)
	}
}
