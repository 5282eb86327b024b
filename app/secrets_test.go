package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve/view"
)

// A file that others can read is said while it is so, and withdrawn when it is closed.
func TestAFileThatOthersCanReadIsSaidUntilItIsClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.toml")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said []string
		standing := map[string]string{}
		explain := func(severity string, what view.Sentence) { said = append(said, severity+" "+what.Code) }
		notice := func(about string, what view.Sentence) { standing[about] = what.Code }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go noticeSecrets(ctx, []string{file, "/nonexistent"}, explain, notice)
		time.Sleep(time.Minute)
		synctest.Wait()
		if standing["secret "+file] != "event-secret-open" {
			t.Errorf("it is not said: %v", standing)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []string{"warning event-secret-open", "cleared event-secret-closed"}; standing["secret "+file] != "" || !slices.Equal(said, want) {
			t.Errorf("%v, %v; want %v", said, standing, want)
		}
	})
}
