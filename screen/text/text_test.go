package text_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/text"
	"releve/screen/view"
	"releve/screen/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEveryStateOfTheGalleryCanBeDrawn looks at each state in both languages, in
// a narrow and in a wide terminal.
func TestEveryStateOfTheGalleryCanBeDrawn(t *testing.T) {
	for _, state := range gallery.States(time.Now()) {
		for _, lang := range []releve.Language{releve.English, releve.French} {
			for _, width := range []int{44, 80, 200} {
				drawn := text.Status(state.Site, lang, false, width)
				for _, want := range []string{
					words.Word(lang, state.Site.Word), state.Site.PBX.Address, words.MirrorState(lang, state.Site.Mirror.State),
					words.Say(lang, releve.Say("ui-main")), words.Say(lang, releve.Say("ui-secondary")),
				} {
					if !strings.Contains(drawn, want) {
						t.Errorf("%s in %s, %d wide, does not show %q:\n%s", state.Name, lang, width, want, drawn)
					}
				}
				fits(t, state.Name, drawn, min(width, 104))
			}
		}
	}
}

func fits(t *testing.T, name, drawn string, width int) {
	t.Helper()
	for line := range strings.Lines(drawn) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%s has a line of %d characters in %d: %q", name, n, width, line)
		}
	}
}

func TestColourIsForWhatIsNotWell(t *testing.T) {
	for name, coloured := range map[string]bool{"protected": false, "taken-over": true, "stopped": true} {
		state, err := gallery.Find(name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		state.Site.Events = nil
		drawn := text.Status(state.Site, releve.English, true, 100)
		if got := strings.Contains(drawn, "33m") || strings.Contains(drawn, "31m"); got != coloured {
			t.Errorf("%s: coloured %v", name, got)
		}
		if got := strings.Contains(drawn, "32m"); got == coloured {
			t.Errorf("%s: the word is green: %v", name, got)
		}
		if strings.ContainsRune(text.Status(state.Site, releve.English, false, 100), '\x1b') {
			t.Errorf("%s is coloured although no colour was asked for", name)
		}
	}
}

func TestTheArrowPointsWhereTheCopyGoes(t *testing.T) {
	for name, arrow := range map[string]string{"protected": "───▶", "returning": "◀╌╌╌", "taken-over": "◀╌ ╌ ╌ ✖"} {
		state, err := gallery.Find(name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if drawn := text.Status(state.Site, releve.English, false, 90); !strings.Contains(drawn, arrow) {
			t.Errorf("%s has no %s:\n%s", name, arrow, drawn)
		}
	}
}

// TestNothingOldIsShownOfASilentServer: what a server last said of its users, its channels
// and its vote is withdrawn with it, and so is what an owner said of its copy.
func TestNothingOldIsShownOfASilentServer(t *testing.T) {
	state, err := gallery.Find("main-away", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	main := &state.Site.Main
	main.Registered, main.ChannelsBusy, main.Vote = []string{"desk"}, 29, true
	state.Site.Secondary.Vote = false
	drawn := text.Status(state.Site, releve.French, false, 90)
	for _, old := range []string{"desk", "29/30", "◆"} {
		if strings.Contains(drawn, old) {
			t.Errorf("%q is still shown:\n%s", old, drawn)
		}
	}
	for _, state := range gallery.States(time.Now()) {
		owner := state.Site.Main
		if state.Site.Owner == releve.Secondary {
			owner = state.Site.Secondary
		}
		if m := state.Site.Mirror.State; !owner.Heard && m != view.MirrorAway {
			t.Errorf("%s shows a mirror %s of a server that is not heard", state.Name, m)
		}
	}
}

// TestNoStateSpeaksEnglishToAFrenchReader: what is not French is the text of others, in
// quotation marks, or typed.
func TestNoStateSpeaksEnglishToAFrenchReader(t *testing.T) {
	apart := regexp.MustCompile("«[^»]*»|`[^`]*`")
	english := regexp.MustCompile(`(?i)\b(the|is|are|was|not|of|cannot|could|` +
		`its|this|that|with|from|has|killed|failed|no space)\b`)
	for _, state := range gallery.States(time.Now()) {
		drawn := strings.Join(strings.Fields(text.Status(state.Site, releve.French, false, 104)), " ")
		if word := english.FindString(apart.ReplaceAllString(drawn, "")); word != "" {
			t.Errorf("%s says %q:\n%s", state.Name, word, drawn)
		}
	}
}

// A server without a telephone has no line to the PBX, and a dash for what it has not.
func TestAServerWithoutATelephoneHasNoLine(t *testing.T) {
	for name, want := range map[string]struct{ end, plugs string }{"protected": {"┐", "╧┴"}, "mirroring": {"┘", "╧"}} {
		state, err := gallery.Find(name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(text.Status(state.Site, releve.English, false, 90), "\n")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "┌──") })
		if i < 0 || !strings.HasSuffix(lines[i], want.end) {
			t.Fatalf("%s has no wire that ends with %s:\n%s", name, want.end, strings.Join(lines, "\n"))
		}
		plugs := strings.Map(func(r rune) rune {
			if strings.ContainsRune("╧┴", r) {
				return r
			}
			return -1
		}, lines[i+1])
		if none := strings.Count(strings.Join(lines, "\n"), " – "); plugs != want.plugs || (none > 0) != (name == "mirroring") {
			t.Errorf("%s is plugged %q, want %q, and has %d dashes:\n%s",
				name, plugs, want.plugs, none, strings.Join(lines, "\n"))
		}
	}
}

func TestACallShowsWhatSetsItApart(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.Local)
	table := text.Calls([]releve.Call{
		{Call: "a", At: at, Seat: releve.Secondary, From: "0612••", Overflowed: true, WithoutDuty: true,
			Steps: []releve.Step{{Name: "greeting"}, {Name: "digits", Detail: "2••"}}},
		{Call: "b", At: at, Seat: releve.Main, From: "0493••", Outcome: "transferred", Duration: 12 * time.Second, Stored: true},
	}, releve.English)
	for _, want := range []string{
		"in progress, overflowed, without the duty, not stored yet", "greeting › dialled 2••", "put through  ", "12\u00a0s",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if got := text.Calls(nil, releve.French); got != "Aucun appel encore.\n" {
		t.Errorf("no calls are %q", got)
	}
}

func TestADecisionShowsItsEvidence(t *testing.T) {
	got := text.Entries([]releve.Entry{{
		At: time.Date(2026, 11, 24, 3, 0, 0, 250e6, time.Local), Seat: releve.Secondary, Term: 8, Kind: "decision",
		What: releve.Say("rule-takeover", "seat", "secondary", "other", "main", "term", "8"), Call: "a@pbx",
		Evidence: []releve.Sentence{
			releve.Say("evidence-control-answered", "took", "12ms"),
			releve.Say("evidence-silent", "path", "sip", "why", ""),
		},
	}}, releve.English)
	want := `2026-11-24 03:00:00.250  secondary, term 8, decided
    The main server failed its checks and the PBX answers: the secondary server answers the calls and takes over, in term 8.
    call a@pbx
      - the PBX answered this server (round of 12 ms)
      - by telephone (SIP): silent
`
	if strings.ReplaceAll(got, "\u00a0", " ") != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatAVerificationFoundStandsUnderItsStep(t *testing.T) {
	p := view.Procedure{Name: "verify", Started: time.Now(), Steps: []view.ProcedureStep{
		{What: releve.Say("step-verify-tables"), State: "running"},
		{What: releve.Say("step-verify-pages", "other", "secondary"), State: "waiting"},
	}}
	p.Steps[0].Findings = []releve.Sentence{releve.Say("difference-column",
		"table", "public.call", "key", "abc", "column", "caller",
		"seat", "main", "other", "secondary", "own", `"1010"`, "theirs", `"1011"`)}
	lines := text.Steps(p, releve.English)
	if want := `    ✖ public.call, row abc, caller: the main server has "1010", the secondary server "1011".`; len(lines) != 3 ||
		lines[2] != want {
		t.Fatalf("got %q", lines)
	}
	p.Finished = time.Now()
	lines = text.Steps(p, releve.French)
	if want := "✖ 1 anomalie trouvée : `releve mirror rebuild` refait la copie."; lines[len(lines)-1] != want {
		t.Errorf("the end is %q", lines[len(lines)-1])
	}
}

func TestAProcedureShowsEachStepOnceForEachState(t *testing.T) {
	state, err := gallery.Find("returning", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := *state.Site.Procedure
	first := text.Steps(p, releve.English)
	p.Steps = append([]view.ProcedureStep(nil), p.Steps...)
	p.Steps[0].Progress = &releve.Progress{Done: 2_990_000_000, Total: 4_700_000_000}
	if second := text.Steps(p, releve.English); strings.Join(first, "\n") != strings.Join(second, "\n") {
		t.Errorf("a copy that went on a little changed the lines:\n%v\n%v", first, second)
	}
	failed := releve.Say("step-failed", "step", "step-copy", "why", "no space left on device")
	p.Failed = &failed
	lines := text.Steps(p, releve.English)
	if want := "✖ The procedure stopped there: no space left on device. " +
		"Run it again: it goes on from where it was."; lines[len(lines)-1] != want {
		t.Errorf("the end is %q", lines[len(lines)-1])
	}
}

// Whatever a stranger wrote, a screen shows it and does not obey it (SPEC K9).
func TestAStrangersTextDoesNotReachTheTerminal(t *testing.T) {
	const evil = "a\x1b[2J\r\n\u009b1m\u202e"
	calls := []releve.Call{{Call: evil, From: evil, Steps: []releve.Step{{Name: "digits", Detail: evil}}}}
	entries := []releve.Entry{{Call: evil, What: releve.Say("event-own-call-failed", "cause", evil),
		Evidence: []releve.Sentence{releve.Say("nothing-is-called-so", "cause", evil)}}}
	for name, shown := range map[string]string{
		"calls": text.Calls(calls, releve.English), "explain": text.Entries(entries, releve.French),
		"status": text.Status(view.Site{Events: []view.Event{{What: releve.Say("event-own-call-failed", "cause", evil)}}},
			releve.English, false, 80),
	} {
		if strings.ContainsAny(shown, "\x1b\r\u009b\u202e") {
			t.Errorf("%s shows %q", name, shown)
		}
	}
}
