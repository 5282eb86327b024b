package account

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"releve"
	"releve/rules/alarm"
)

// A file that others can read is said while it is so, and withdrawn when it is closed.
func TestAFileThatOthersCanReadIsSaidUntilItIsClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.toml")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var said []string
		standing := map[string]string{}
		explain := func(what releve.Sentence) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, string(alarm.Of(releve.Main, what).Severity)+" "+what.Code)
		}
		notice := func(about string, what releve.Sentence) {
			mu.Lock()
			defer mu.Unlock()
			standing[about] = what.Code
		}
		look := func() ([]string, string) {
			time.Sleep(time.Minute)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(said), standing["secret "+file]
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go WatchSecrets(ctx, []string{file, "/nonexistent"}, explain, notice)
		if _, stands := look(); stands != "event-secret-open" {
			t.Errorf("it is not said, but %q", stands)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		want := []string{"warning event-secret-open", "cleared event-secret-closed"}
		if told, stands := look(); stands != "" || !slices.Equal(told, want) {
			t.Errorf("%v, and %q stands; want %v", told, stands, want)
		}
	})
}
