package overflow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone/register"
	"releve/rules/takeover"
	"releve/screen/view"
	"releve/screen/words"
	"releve/server/calls"
	"releve/server/order"
)

var pbxOfCheck = calls.Profile{
	StandbyUser: "standby", ReceptionUser: "reception", ReceptionNumber: "9", RefusalCode: 486, Evidence: "auto",
}

func refusedWith(code int) error { return &register.StatusError{Code: code} }

// Each thing that a PBX may do has its sentence, in both languages, and what is to be put
// right is told from what is well.
func TestWhatACheckOfThePBXSays(t *testing.T) {
	seen := calls.Sighting{
		At: time.Now(), Evidence: releve.EvidenceDiversion, To: "9", Fits: true,
		Shown: []releve.Evidence{releve.EvidenceDiversion, releve.EvidenceTo}, Sound: releve.Sound{Codecs: []string{"PCMA"}, Keys: true},
	}
	none, other := seen, seen
	none.Evidence, none.Shown = releve.EvidenceNone, nil
	other.Fits = false
	answered := releve.TestCall{AnsweredAfter: time.Second, AnsweredBy: "192.0.2.10:5060"}
	late := context.DeadlineExceeded
	for name, c := range map[string]struct {
		v     verdict
		found string   // "" none
		wrong []string // the codes of what is to be put right
		says  string   // in English
	}{
		"OPTIONS answered":         {judgeOptions(200, false, nil), "calls-options-answered", nil, "200"},
		"OPTIONS challenged":       {judgeOptions(200, true, nil), "calls-options-challenged", nil, "password"},
		"another answer":           {judgeOptions(404, false, nil), "calls-options-answered", nil, "404"},
		"OPTIONS refused":          {judgeOptions(401, true, nil), "", []string{"calls-options-refused"}, "401"},
		"OPTIONS forbidden":        {judgeOptions(403, false, nil), "", []string{"calls-options-refused"}, "403"},
		"OPTIONS unheard":          {judgeOptions(0, false, late), "", []string{"calls-options-silent"}, "2 s"},
		"it overflows":             {judgeOverflow(outcome{came: true, seen: seen, err: refusedWith(480)}, pbxOfCheck), "calls-overflow-seen", nil, "To: 9"},
		"the link is down":         {judgeOverflow(outcome{unasked: late}, pbxOfCheck), "", []string{"calls-overflow-unasked"}, "releve status"},
		"it requires something":    {judgeOverflow(outcome{unfit: "420: Require: timer", err: refusedWith(480)}, pbxOfCheck), "", []string{"calls-overflow-unfit"}, "timer"},
		"the main takes it":        {judgeOverflow(outcome{call: answered}, pbxOfCheck), "", []string{"calls-overflow-unknown"}, "192.0.2.10"},
		"no overflow":              {judgeOverflow(outcome{err: refusedWith(486)}, pbxOfCheck), "", []string{"calls-overflow-absent"}, "486"},
		"the standby may not call": {judgeOverflow(outcome{err: refusedWith(403)}, pbxOfCheck), "", []string{"calls-overflow-forbidden"}, "standby_password"},
		"no such number":           {judgeOverflow(outcome{err: refusedWith(404)}, pbxOfCheck), "", []string{"calls-overflow-no-number"}, "reception_number"},
		"it rings for ever":        {judgeOverflow(outcome{err: late}, pbxOfCheck), "", []string{"calls-overflow-silent"}, "30 s"},
		"it goes back":             {judgeReturn(outcome{call: answered}, pbxOfCheck), "calls-returned", nil, "1 s"},
		"it goes back, mute":       {judgeReturn(outcome{call: answered, err: late}, pbxOfCheck), "", []string{"calls-returned-mute"}, "rtp_first"},
		"it does not go back":      {judgeReturn(outcome{err: refusedWith(480)}, pbxOfCheck), "", []string{"calls-returned-not"}, "480"},
		"it goes back unfit":       {judgeReturn(outcome{err: refusedWith(488)}, pbxOfCheck), "", []string{"calls-returned-unfit"}, "488"},
		"it goes nowhere":          {judgeReturn(outcome{err: late}, pbxOfCheck), "", []string{"calls-returned-silent"}, "nothing"},
		"evidence":                 {judgeEvidence(seen, "auto", true, true), "calls-evidence-learned", nil, "diversion, to"},
		"no evidence":              {judgeEvidence(none, "auto", true, true), "calls-evidence-none", nil, "Diversion"},
		"other evidence":           {judgeEvidence(other, "to", true, true), "", []string{"notice-overflow-other"}, "overflow_evidence"},
		"kept nowhere":             {judgeEvidence(seen, "auto", false, false), "calls-evidence-learned", []string{"calls-evidence-unkept", "calls-evidence-untold"}, "disk"},
		"sound":                    {judgeSound(seen.Sound), "calls-sound", nil, "PCMA"},
		"a late offer":             {judgeSound(releve.Sound{Late: true}), "calls-sound-late", nil, "ACK"},
		"no G.711":                 {judgeSound(releve.Sound{Codecs: []string{"OPUS"}, Unfit: "no common codec"}), "", []string{"calls-sound-unfit"}, "OPUS"},
		"no keys":                  {judgeSound(releve.Sound{Codecs: []string{"PCMU"}}), "", []string{"calls-sound-keyless"}, "RFC 4733"},
	} {
		t.Run(name, func(t *testing.T) {
			var codes []string
			for _, w := range c.v.wrong {
				codes = append(codes, w.Code)
			}
			if c.v.found.Code != c.found || !slices.Equal(codes, c.wrong) {
				t.Errorf("found %q, wrong %v", c.v.found.Code, codes)
			}
			text := ""
			for _, s := range append(c.v.wrong, c.v.found) {
				text += words.Say(releve.English, s)
				if french := words.Say(releve.French, s); strings.Contains(french, "<no value>") || strings.HasPrefix(french, "calls-") {
					t.Errorf("in French: %s", french)
				}
			}
			if !strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), c.says) || strings.Contains(text, "<no value>") {
				t.Errorf("says %q, without %q", text, c.says)
			}
		})
	}
}

// A check is one call at a time: who asks meanwhile is told, and not kept waiting.
func TestOneCheckOfThePBXAtATime(t *testing.T) {
	l := &Tester{orders: make(chan checkOrder), busy: make(chan struct{}, 1)}
	first, started := make(chan error, 1), make(chan struct{})
	go func() { first <- l.order(t.Context(), func(view.Procedure) {}) }()
	go func() {
		o := <-l.orders
		close(started)
		<-t.Context().Done()
		o.done <- errors.New("the server stops")
	}()
	<-started
	var said string
	err := l.order(t.Context(), func(p view.Procedure) { said = p.Failed.Code })
	if !errors.Is(err, releve.ErrBusy) || said != "calls-check-runs" {
		t.Errorf("the second is answered %v (%s)", err, said)
	}
	select {
	case err := <-first:
		t.Errorf("the first has ended: %v", err)
	default:
	}
}

// standing is a server with a duty, and the way to a standby that refuses every check.
type standing struct {
	Site
	stance  takeover.StanceKind
	refuses string
}

func (standing) View() view.Site { return view.Site{Level: releve.HighAvailability} }

func (s standing) Stance() (takeover.StanceKind, releve.Term) { return s.stance, 4 }

func (s standing) Command(_ context.Context, _ string, _ json.RawMessage, emit func(json.RawMessage) error) error {
	return errors.Join(refuseCheck(func(p view.Procedure) { _ = order.Line(emit, p) }, s.refuses), errors.New("cut"))
}

// Whoever made it, a refusal says what it is and what to do, whichever server was asked.
func TestARefusedCheckSaysWhy(t *testing.T) {
	for code, says := range map[string]string{
		"calls-check-runs": "wait until", "calls-check-too-soon": "again in 30s", "calls-check-not-now": "releve status",
		"calls-check-no-standby": "level mirroring", "calls-check-of-tomorrow": "may not",
	} {
		main := &Tester{Options: Options{Site: standing{stance: takeover.OnDuty}, Link: standing{refuses: code}}}
		said := ""
		err := main.CheckCalls(t.Context(), func(p view.Procedure) { said = p.Failed.Code })
		if err == nil || said != code || !strings.Contains(err.Error(), says) || errors.Is(err, releve.ErrBusy) != (code == "calls-check-runs") {
			t.Errorf("%s: %v, said %s", code, err, said)
		}
	}
	fresh := &Tester{Options: Options{Site: standing{stance: takeover.OnDuty}}}
	if err := fresh.check(t.Context(), func(view.Procedure) {}); !errors.Is(err, releve.ErrForbidden) || !strings.Contains(err.Error(), "releve status") {
		t.Errorf("who is no standby is answered %v", err)
	}
}
