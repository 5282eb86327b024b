package spool

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/alarm"
)

// A spool that is full is said and shown until it takes facts again; one whose disk failed, until
// the server is started anew (R14).
func TestASpoolThatTakesNothingIsSaid(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "spool"), releve.Main, Options{Bound: 2000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	said, shown, left := make(chan string, 10), make(chan string, 10), make(chan struct{})
	go func() {
		defer close(left)
		s.watch(ctx, func(what releve.Sentence) { said <- string(alarm.Of(releve.Main, what).Severity) + " " + what.Code },
			func(about string, what releve.Sentence) { shown <- about + " " + what.Code }, time.Millisecond)
	}()
	defer func() { cancel(); <-left }()
	expect := func(event, notice string) {
		t.Helper()
		for want, from := range map[string]chan string{event: said, notice: shown} {
			select {
			case got := <-from:
				if got != want {
					t.Fatalf("said %q, want %q", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("nobody is told %q", want)
			}
		}
	}
	fact := releve.Fact{ID: "a", Kind: releve.CallOffered, Call: releve.CallID(strings.Repeat("x", 1900))}
	if err := s.Append(ctx, fact); !errors.Is(err, ErrFull) {
		t.Fatalf("a full spool takes a fact: %v", err)
	}
	expect("critical event-spool-full", "spool event-spool-full")
	fact.Call = "short"
	if err := s.Append(ctx, fact); err != nil {
		t.Fatal(err)
	}
	expect("cleared event-spool-takes", "spool ")
	if err := s.file.Close(); err != nil { // as a disk that is gone
		t.Fatal(err)
	}
	if err := s.Append(ctx, fact); !errors.Is(err, ErrFailed) {
		t.Fatalf("a failed spool takes a fact: %v", err)
	}
	expect("critical event-spool-failed", "spool event-spool-failed")
}
