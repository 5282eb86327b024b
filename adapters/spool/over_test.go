package spool

import (
	"fmt"
	"testing"
	"time"

	"releve"
)

// A run is over once, however often that is told.
func TestARunIsOverOnce(t *testing.T) {
	first, err := runsOver([]releve.RunID{"a", ""}, "b", releve.Main, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again, err := runsOver([]releve.RunID{"a", ""}, "c", releve.Main, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if first[0].ID != again[0].ID || first[1].ID == again[1].ID || first[0].ID == first[1].ID {
		t.Errorf("%+v, then %+v", first, again)
	}
	for i, f := range first {
		want := fmt.Sprintf(`{"run":%q,"by":"b"}`, []releve.RunID{"a", ""}[i])
		if f.Kind != releve.RunOver || f.Seat != releve.Main || f.Call != "" || string(f.Body) != want {
			t.Errorf("recorded is %+v with %s, expected %s", f, f.Body, want)
		}
	}
}
