package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"releve"
	"releve/adapters/survey/disk"
)

func TestADiskIsMeasuredAndLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	for _, m := range disk.Measure(t.Context(), filepath.Join(dir, "not", "there", "yet"), releve.Main) {
		if m.State != releve.Measured || m.Value <= 0 || m.Seat != releve.Main {
			t.Errorf("%+v", m)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestADirectoryThatCannotBeWrittenHasNoValue(t *testing.T) {
	for _, m := range disk.Measure(t.Context(), "/proc/1", releve.Main) { // nobody makes a file there, root neither
		if m.Check != "disk-space" && (m.State == releve.Measured || m.Why.Code == "") {
			t.Errorf("%+v", m)
		}
	}
}
