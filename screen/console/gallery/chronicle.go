package gallery

import (
	"context"
	"strconv"
	"time"

	"releve"
	"releve/screen/view"
)

// Chronicle is what two diaries say of two days: a takeover with its evidence, decisions, acts of people, routine.
type Chronicle struct {
	All      []releve.Entry // newest first
	Takeover time.Time
	Silent   bool // the other server is not heard
	Err      error
}

// NewChronicle is one that ends now.
func NewChronicle(now time.Time) *Chronicle {
	c := Chronicle{Takeover: now.Add(-5 * time.Minute)}
	note := func(at time.Time, kind, code string, pairs ...string) *releve.Entry {
		c.All = append(c.All, releve.Entry{At: at, Seat: releve.Secondary, Term: 8, Kind: kind, What: releve.Say(code, pairs...)})
		return &c.All[len(c.All)-1]
	}
	for i := range 3 {
		note(c.Takeover.Add(time.Duration(3000-1000*i)*time.Millisecond), "non-decision", "round-good", "failed", "0", "of", "3")
	}
	taken := note(c.Takeover, "decision", "rule-takeover", "seat", "secondary", "other", "main", "term", "8")
	taken.Call = "0-night@pbx.example"
	taken.Evidence = []releve.Sentence{
		releve.Say("evidence-control-answered", "took", "52ms"), releve.Say("evidence-silent", "path", "link", "why", "<script>alert(1)</script>"),
		releve.Say("evidence-silent", "path", "sip"), releve.Say("evidence-control-answered", "took", "51ms"), releve.Say("evidence-silent", "path", "link"),
	}
	for i := range 5 {
		note(c.Takeover.Add(time.Duration(-500*i-1)*time.Millisecond), "non-decision", "round-failed", "failed", strconv.Itoa(3-i%3), "of", "3")
	}
	for i := range 160 {
		at := now.Add(-time.Duration(10+17*i) * time.Minute)
		note(at, "decision", "rule-alone", "seat", "main", "other", "secondary", "term", "7")
		act := note(at.Add(-time.Second), "fact", "event-login", "user", "anna")
		act.Evidence = []releve.Sentence{releve.Say("audit-who", "by", "anna", "role", "operator", "from", "10.0.0.7"), releve.Say("audit-done")}
	}
	for i := range 2000 {
		note(now.Add(-48*time.Hour-time.Duration(i)*time.Second), "fact", "event-login-refused").Routine = true
	}
	return &c
}

// History are the last so many between two times.
func (c *Chronicle) History(_ context.Context, from, to time.Time, limit int) (h view.History, err error) {
	h.OtherSilent = c.Silent
	for _, e := range c.All {
		if len(h.Entries) < limit && !e.At.Before(from) && (to.IsZero() || !e.At.After(to)) {
			h.Entries = append(h.Entries, e)
		}
	}
	return h, c.Err
}
