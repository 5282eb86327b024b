package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"releve"
	"releve/rules/takeover"
	"releve/server/agent"
)

// The rooms that an agent works with are made before it, and may have something to say.
func TestWhatIsToldBeforeTheAgentIsMadeIsKept(t *testing.T) {
	var written pages
	front := agent.NewFront(agent.FrontOptions{Settings: takeover.Settings{Seat: releve.Main}, Refusal: 486, Diary: &written, Log: slog.New(slog.DiscardHandler)})
	what := releve.Say("event-saturated", "channels", "30")
	front.Explain(what)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if d := front.Verify(ctx, "early@pbx", releve.OverflowReason(""), false); d.Answer || d.Code != 486 || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("a call whose verdict nobody can give is told %+v, %v", d, ctx.Err())
	}
	if front.Protected() || front.MayRegister(true, true) {
		t.Error("it says yes for an agent that is yet to come")
	}
	a := agent.New(front, agent.Options{Telephone: agent.Absent{}, Voice: agent.Absent{}, Spool: nothing{}})
	if events := a.View().Events; len(events) != 1 || events[0].What.Code != what.Code || events[0].Seat != releve.Main {
		t.Errorf("the screens show %+v", events)
	}
	if len(written) != 1 || written[0].What.Code != what.Code {
		t.Errorf("the diary has %+v", written)
	}
}

// pages are a diary in memory.
type pages []releve.Entry

func (p *pages) Write(step ...releve.Entry) { *p = append(*p, step...) }

// nothing is a spool without a fact.
type nothing struct{}

func (nothing) Waiting() int { return 0 }
