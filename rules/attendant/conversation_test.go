package attendant

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"releve"
)

// mostTurns is how often a conversation can act. The caller starts at the menu
// at most five times: at first, after a silence, after a mistake, after someone
// who could not be had, and after the operator could not. Each time he is asked,
// listened to, dials, is told, is put through and settled. Then comes the
// farewell.
func mostTurns(digits int) int { return 5*(5+digits) + 3 }

func scripts(t *rapid.T) Script {
	s := Script{
		Language:        rapid.SampledFrom([]releve.Language{releve.French, releve.English}).Draw(t, "language"),
		ExtensionDigits: rapid.IntRange(1, maxExtensionDigits).Draw(t, "digits"),
		Operator:        rapid.SampledFrom([]string{"", "9"}).Draw(t, "operator"),
	}
	s.Plan = plans(t, s)
	return s
}

// plans draws a number plan, in which the operator may be missing.
func plans(t *rapid.T, s Script) Plan {
	number := rapid.StringMatching(`[0-9]{1,4}|[*][0-9]`)
	entries := rapid.SliceOfN(number, 0, 4).Draw(t, "numbers")
	for n := range rapid.IntRange(1, min(4, s.ExtensionDigits)).Draw(t, "lengths") {
		entries = append(entries, strings.Repeat("2", n+1)+"-"+strings.Repeat("7", n+1))
	}
	if s.Operator != "" && rapid.Bool().Draw(t, "operator in the plan") {
		entries = append(entries, s.Operator)
	}
	plan, err := ParsePlan(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// mostAttempts is how often one caller can have something dialled, and how often he can
// key in what is no number: then the operator has him, or nobody.
const mostAttempts = returnsForOperator + mistakesForOperator + operatorAttempts + 1

// Whatever is pressed, and in whatever order things happen: nothing outside the plan is
// ever dialled, and the attempts of one caller come to an end (SPEC K7).
func TestNothingOutsideThePlanIsEverDialled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scripts(t)
		c := New(s)
		actions, _ := c.Step(Event{What: Started})
		attempts, invalid := 0, 0
		for doing := underway(actions); ; {
			for _, a := range actions {
				if x, ok := a.(Transfer); ok {
					if attempts++; !s.Plan.Holds(x.User) {
						t.Fatalf("%q is dialled, and the plan is %v", x.User, s.Plan)
					}
				}
				if n, ok := a.(Note); ok && n.Name == "invalid" {
					invalid++
				}
			}
			if _, over := doing.(Hangup); over {
				break
			}
			actions, _ = c.Step(answerTo(t, doing))
			if next := underway(actions); next != nil {
				doing = next
			}
		}
		if attempts > mostAttempts || invalid > mostAttempts {
			t.Fatalf("one caller had %d numbers dialled and %d refused", attempts, invalid)
		}
	})
}

// Each of these is refused whatever ends it: the rest of its digits, #, or silence. The
// caller is told that it is no number.
func TestShortNumbersAndCodesAreNoExtensions(t *testing.T) {
	plan, err := ParsePlan("1000-1999", "2345")
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"15", "112", "72", "1", "17", "18",
		"911", "0", "00", "9112", "0112", "2344", "2346", "199", "3000"} {
		for ending, last := range map[string]Event{"#": {What: Digit, Key: '#'}, "silence": {What: Silence}} {
			c := New(Script{Language: releve.English, ExtensionDigits: 10, Plan: plan})
			actions, _ := c.Step(Event{What: Started})
			for _, key := range []byte(number) {
				actions, _ = c.Step(Event{What: Digit, Key: key})
			}
			if len(c.dialled) > 0 {
				actions, _ = c.Step(last)
			}
			play, ok := underway(actions).(Play)
			if !ok || play.Prompts[0] != "en/invalid" {
				t.Errorf("%s, then %s: %v", number, ending, actions)
			}
		}
	}
}

func events(t *rapid.T) Event {
	return Event{
		What: rapid.SampledFrom([]Kind{Started, PromptDone, Digit, Digit, Digit, Disowned,
			Silence, TransferResult, CallerGone, "nonsense"}).Draw(t, "what"),
		Key: rapid.SampledFrom([]byte("0123456789*#ABCD\x00")).Draw(t, "key"),
		Code: rapid.SampledFrom([]int{0, 100, 200, 202, 302, 404, 408,
			480, 484, 486, 487, 500, 503, 600, 603, 604, 999}).Draw(t, "code"),
	}
}

// answerTo is how an action ends in a world that keeps its promises.
func answerTo(t *rapid.T, a Action) Event {
	e := events(t)
	switch a.(type) {
	case Play:
		e.What = PromptDone
	case Collect:
		e.What = rapid.SampledFrom([]Kind{Digit, Silence}).Draw(t, "caller")
	case Transfer:
		e.What = TransferResult
	}
	return e
}

// underway is the action that a step left under way.
func underway(actions []Action) Action {
	var last Action
	for _, a := range actions {
		if _, note := a.(Note); !note {
			last = a
		}
	}
	return last
}

// Whatever happens, and in whatever order, a conversation ends once, with an
// outcome, within the turns that its limits allow.
func TestEveryConversationEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scripts(t)
		c := New(s)
		actions, _ := c.Step(Event{What: Started})
		doing := underway(actions)
		for turns := 1; ; {
			if _, over := doing.(Hangup); over {
				return
			}
			// Things out of place may happen before what is under way ends.
			for range rapid.IntRange(0, 3).Draw(t, "noise") {
				actions, _ = c.Step(events(t))
				turns, doing = turn(t, s, turns, doing, actions)
			}
			if _, over := doing.(Hangup); !over {
				actions, _ = c.Step(answerTo(t, doing))
				turns, doing = turn(t, s, turns, doing, actions)
			}
			checkOver(t, c, doing)
		}
	})
}

func turn(t *rapid.T, s Script, turns int, doing Action, actions []Action) (int, Action) {
	if len(actions) == 0 {
		return turns, doing
	}
	if turns++; turns > mostTurns(s.ExtensionDigits) {
		t.Fatalf("the conversation is in its turn %d and has no end", turns)
	}
	if next := underway(actions); next != nil {
		return turns, next
	}
	t.Fatalf("after %v nothing is under way", actions)
	return 0, nil
}

func checkOver(t *rapid.T, c *Conversation, doing Action) {
	end, over := doing.(Hangup)
	if !over {
		return
	}
	if end.Outcome == "" {
		t.Fatal("the conversation ended without an outcome")
	}
	if actions, _ := c.Step(events(t)); len(actions) > 0 {
		t.Fatalf("after the end: %v", actions)
	}
}

// What is recorded of a call never holds a number that was dialled (SPEC C8).
func TestNotesAreMasked(t *testing.T) {
	const busy = "486"
	rapid.Check(t, func(t *rapid.T) {
		notTheCode := func(n string) bool { return n != busy } // which the note says, whoever was called
		number := rapid.StringMatching(`[1-9][0-9]{2,7}`).Filter(notTheCode).Draw(t, "number")
		plan, err := ParsePlan(number, "9")
		if err != nil {
			t.Fatal(err)
		}
		c := New(Script{Language: releve.French, ExtensionDigits: len(number), Operator: "9", Plan: plan})
		var steps []Event
		for _, key := range []byte(number) {
			steps = append(steps, Event{What: Digit, Key: key})
		}
		steps = append(append([]Event{{What: Started}}, steps...),
			Event{What: PromptDone}, Event{What: TransferResult, Code: 486})
		asked := false
		for _, e := range steps {
			actions, _ := c.Step(e)
			for _, a := range actions {
				x, ok := a.(Transfer)
				asked = asked || ok && x == Transfer{number, Extension}
				if n, ok := a.(Note); ok && strings.Contains(n.Detail, number) {
					t.Fatalf("%s %s shows the number", n.Name, n.Detail)
				}
			}
		}
		if !asked {
			t.Fatalf("%s was not transferred to", number)
		}
	})
}

func TestMask(t *testing.T) {
	for number, want := range map[string]string{
		"": "", "7": "*", "12": "1*", "201": "2**", "1001": "10**", "0612345678": "06********",
	} {
		if got := Mask(number); got != want {
			t.Errorf("Mask(%q) = %q, want %q", number, got, want)
		}
	}
}

func TestCheckNamesEveryMistake(t *testing.T) {
	err := Script{Language: "de", ExtensionDigits: 16, Operator: "9"}.Check()
	for _, part := range []string{`"de"`, "fr or en", "16 digits", "extension_digits", "set extensions", "the operator"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}

// What is recorded of a transfer that was not settled as RFC 3515 has it: a caller whom the
// PBX took was put through, one whom it lost hears nothing more, and one who is still here
// is told.
func TestTransfersWithoutAnEnd(t *testing.T) {
	plan, err := ParsePlan("1000-1999")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		event   Event
		note    string
		outcome Outcome // "" where the conversation goes on
		detail  string
	}{
		{Event{What: TransferResult, Code: 202, Unreported: true}, "202 end unknown", Transferred, "extension, end unknown"},
		{Event{What: TransferResult, Code: 200}, "200 taken", Transferred, "extension"},
		{Event{What: TransferResult, Code: 481, Lost: true}, "481 failed", Lost, "transfer 481"},
		{Event{What: TransferResult, Code: 503, Lost: true}, "503 failed", Lost, "transfer 503"},
		{Event{What: TransferResult, Code: 100}, "100 not settled", "", ""},
	} {
		c := New(Script{Language: releve.English, ExtensionDigits: 4, Plan: plan})
		c.phase, c.target = transferring, Transfer{"1001", Extension}
		actions, _ := c.Step(row.event)
		if n, ok := actions[0].(Note); !ok || n.Detail != row.note {
			t.Errorf("%+v is recorded as %v", row.event, actions[0])
		}
		end, over := underway(actions).(Hangup)
		if over != (row.outcome != "") || over && (end.Outcome != row.outcome || end.Detail != row.detail) {
			t.Errorf("%+v ends in %v", row.event, underway(actions))
		}
		if over && len(actions) != 2 {
			t.Errorf("%+v: somebody is told something: %v", row.event, actions)
		}
		if play, ok := underway(actions).(Play); !over && (!ok || play.Prompts[0] != "en/noanswer") {
			t.Errorf("%+v: the caller is told %v", row.event, underway(actions))
		}
	}
}
