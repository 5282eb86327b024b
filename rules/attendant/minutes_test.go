package attendant

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"releve"
	"releve/rules/attendant/prompts"
)

var update = flag.Bool("update", false, "write what the script says now into testdata/*.txt")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMinutes holds each conversation of testdata to its minutes: lines with >
// are what happens, the lines under it what the attendant does, and why.
func TestMinutes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no minutes in testdata: %v", err)
	}
	given := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := hold(t, string(want), given)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("the conversation went otherwise (-update writes it down):\n%s", got)
			}
		})
	}
	for _, r := range rules {
		if !given[r.why] {
			t.Errorf("no minutes show the row %q", r.why)
		}
	}
}

// hold goes through the events of minutes and writes the minutes anew.
func hold(t *testing.T, minutes string, given map[string]bool) string {
	var out strings.Builder
	var c *Conversation
	for line := range strings.Lines(minutes) {
		line = strings.TrimSuffix(line, "\n")
		switch happened, isEvent := strings.CutPrefix(line, "> "); {
		case strings.HasPrefix(line, "  "):
			continue
		case strings.HasPrefix(line, "site: "):
			c = New(siteOf(t, strings.TrimPrefix(line, "site: ")))
		case isEvent:
			if c == nil {
				t.Fatal("the minutes have no line with site:")
			}
			out.WriteString(line + "\n")
			events := eventsOf(t, happened)
			if events[0].What == Resumed {
				c = elsewhere(t, c)
			}
			tell(t, &out, c, events, given)
			continue
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// elsewhere is the conversation as another server has it, from what was told of it.
func elsewhere(t *testing.T, c *Conversation) *Conversation {
	told, err := json.Marshal(c.Place())
	if err != nil {
		t.Fatal(err)
	}
	var heard Place
	if err := json.Unmarshal(told, &heard); err != nil {
		t.Fatal(err)
	}
	return Resume(c.script, heard)
}

func tell(t *testing.T, out *strings.Builder, c *Conversation, events []Event, given map[string]bool) {
	last := ""
	for _, e := range events {
		actions, why := c.Step(e)
		given[why] = true
		if why == "" {
			why = "nothing changes"
		}
		if why != last {
			fmt.Fprintf(out, "  (%s)\n", why)
		}
		last = why
		for _, a := range actions {
			fmt.Fprintf(out, "  %s\n", sentence(a))
			checkPrompts(t, a)
		}
	}
}

// checkPrompts makes sure that what is said can be heard in both languages.
func checkPrompts(t *testing.T, a Action) {
	play, _ := a.(Play)
	for _, p := range play.Prompts {
		_, name, _ := strings.Cut(p, "/")
		for _, language := range []releve.Language{releve.French, releve.English} {
			if _, err := prompts.WAV(language, name); err != nil {
				t.Error(err)
			}
		}
	}
}

func sentence(a Action) string {
	switch a := a.(type) {
	case Play:
		return "says " + strings.Join(a.Prompts, ", ")
	case Collect:
		return "listens for " + a.Silence.String()
	case Transfer:
		return fmt.Sprintf("transfers to %s, the %s", a.User, a.As)
	case Await:
		return "waits for the end of the transfer"
	case Hangup:
		return fmt.Sprintf("hangs up: %s (%s)", a.Outcome, a.Detail)
	case Note:
		return strings.TrimSpace("records " + a.Name + " " + a.Detail)
	}
	return fmt.Sprintf("unknown action %T", a)
}

// siteOf reads, for example, "fr digits=4 operator=9 plan=1000-1999,9".
func siteOf(t *testing.T, line string) Script {
	var s Script
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "fr", "en":
			s.Language = releve.Language(name)
		case "digits":
			s.ExtensionDigits, _ = strconv.Atoi(value)
		case "operator":
			s.Operator = value
		case "plan":
			var err error
			if s.Plan, err = ParsePlan(strings.Split(value, ",")...); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("%q is no word of a site", word)
		}
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

func eventsOf(t *testing.T, happened string) []Event {
	switch happened {
	case "the caller is answered":
		return []Event{{What: Started}}
	case "another server goes on with the call":
		return []Event{{What: Resumed}}
	case "another server goes on with the call, and both sides of the talk":
		return []Event{{What: Resumed, Bridged: true}}
	case "the prompt ends":
		return []Event{{What: PromptDone}}
	case "the keys were somebody else's":
		return []Event{{What: Disowned}}
	case "silence":
		return []Event{{What: Silence}}
	case "the caller hangs up":
		return []Event{{What: CallerGone}}
	case "the PBX loses the call":
		return []Event{{What: CallerLost}}
	}
	if keys, ok := strings.CutPrefix(happened, "the caller presses "); ok {
		var events []Event
		for _, key := range []byte(keys) {
			events = append(events, Event{What: Digit, Key: key})
		}
		return events
	}
	if code, ok := strings.CutPrefix(happened, "the transfer ends with "); ok {
		code, here := strings.CutSuffix(code, ", joined here")
		status, err := strconv.Atoi(code)
		if err != nil {
			t.Fatalf("%q is no SIP status", code)
		}
		return []Event{{What: TransferResult, Code: status, Bridged: here}}
	}
	t.Fatalf("%q is nothing that happens", happened)
	return nil
}
