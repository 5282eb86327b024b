package peer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"releve"
	"releve/adapters/peer"
)

// The other server's question is answered past the link as on it, and says whether a call
// waits; anybody else's is answered nothing.
func TestAQuestionPastTheLink(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	var asked []releve.CheckQuestion
	check := func(_ context.Context, q releve.CheckQuestion) releve.CheckAnswer {
		asked = append(asked, q)
		return releve.CheckAnswer{Seat: releve.Main, Term: 4, Well: q.Call, PBXAnswered: true}
	}
	road := func(ctx context.Context, question string) (string, int, error) {
		answer, _ := main.AnswerPast(ctx, question, check)
		return answer, 200, nil
	}
	for i, call := range []bool{true, false} {
		got, err := secondary.CheckPast(within(t, plenty), road, releve.CheckQuestion{Call: call})
		if err != nil || got.Term != 4 || got.Well != call || len(asked) != i+1 || asked[i].Call != call {
			t.Errorf("asked %+v, answered %+v (%v)", asked, got, err)
		}
	}
	for story, question := range map[string]string{"nobody's": "call-N1", "our own": sealedBy(t, main)} {
		if answer, well := main.AnswerPast(t.Context(), question, check); answer != "" || well || len(asked) != 2 {
			t.Errorf("%s is answered %q", story, answer)
		}
	}
	wordless := func(context.Context, string) (string, int, error) { return "", 503, nil }
	if _, err := secondary.CheckPast(t.Context(), wordless, releve.CheckQuestion{}); err == nil {
		t.Error("an answer without a word is one")
	}
}

func sealedBy(t *testing.T, p *peer.Peer) string {
	t.Helper()
	sealed, err := p.SealQuestion("N")
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// One question past the link is answered after the other; who gives up meanwhile is answered
// nothing.
func TestQuestionsPastTheLinkComeOneAfterTheOther(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	begun, end := make(chan struct{}), make(chan struct{})
	slow := func(context.Context, releve.CheckQuestion) releve.CheckAnswer {
		close(begun)
		<-end
		return releve.CheckAnswer{}
	}
	ended := make(chan string, 1)
	go func() {
		answer, _ := main.AnswerPast(context.Background(), sealedBy(t, secondary), slow)
		ended <- answer
	}()
	<-begun
	soon, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("given up"))
	defer cancel()
	both := func(context.Context, releve.CheckQuestion) releve.CheckAnswer {
		t.Error("two are answered at the same time")
		return releve.CheckAnswer{}
	}
	if answer, _ := main.AnswerPast(soon, sealedBy(t, secondary), both); answer != "" {
		t.Errorf("answered %q", answer)
	}
	close(end)
	if <-ended == "" {
		t.Error("the first is answered nothing")
	}
}
