package agent_test

import (
	"log/slog"
	"slices"
	"testing"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
)

// What the other server's version means for the pair is said once when it begins and once when an
// alarm ends, and stands beside the server in between.
func TestWhatIsSaidOfTheOtherServersVersion(t *testing.T) {
	front := agent.NewFront(agent.FrontOptions{Settings: takeover.Settings{Seat: releve.Main}, Diary: &pages{}, Log: slog.New(slog.DiscardHandler)})
	a := agent.New(front, agent.Options{
		Telephone: agent.Absent{}, Voice: agent.Absent{}, Spool: nothing{},
		Site: agent.SiteWords{Version: func() releve.Version { return releve.Version{Number: "0.4.0", Beside: "0.3.0"} }},
	})
	type told struct {
		severity releve.Severity
		code     string
	}
	for _, c := range []struct {
		other  string
		event  told
		notice string
	}{
		{"", told{}, ""}, // it has told no version yet
		{"0.2.0", told{releve.Major, "version-apart"}, "version-apart"},
		{"0.2.0", told{}, "version-apart"},
		{"", told{}, "version-apart"},
		{"0.1.0", told{releve.Major, "version-apart"}, "version-apart"},
		{"0.3.0", told{releve.Info, "version-differs"}, "version-differs"},
		{"0.4.0", told{}, ""},
		{"0.2.0", told{releve.Major, "version-apart"}, "version-apart"},
		{"0.4.0", told{releve.Cleared, "version-together"}, ""},
		{"0.3.0", told{releve.Info, "version-differs"}, "version-differs"},
		{"0.5.0", told{}, ""}, // the newer one says it
	} {
		before := len(a.View().Events)
		m := agent.Message{Life: "other"}
		m.Server.Version = releve.Version{Number: c.other, Beside: "0.1.0"}
		a.Heard(t.Context(), m)
		shown := a.View()
		var event told
		if len(shown.Events) > before {
			event = told{shown.Events[0].Severity, shown.Events[0].What.Code}
		}
		notice := ""
		if i := slices.IndexFunc(shown.Main.Notices, func(s releve.Sentence) bool { return s.Code != "" }); i >= 0 {
			notice = shown.Main.Notices[i].Code
		}
		if event != c.event || notice != c.notice {
			t.Errorf("beside %q: told %+v, and %q stands; want %+v and %q", c.other, event, notice, c.event, c.notice)
		}
	}
}
