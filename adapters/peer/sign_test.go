package peer_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity"
)

func TestAnAbdicationIsCarriedByHand(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	abdication := []byte(`{"abdicates":3,"term":7}`)
	signature, err := secondary.Sign(abdication)
	if err != nil {
		t.Fatal(err)
	}
	if err := main.Verify(abdication, signature); err != nil {
		t.Error(err)
	}
	for story, refused := range map[string]error{
		"another message":  main.Verify([]byte(`{"abdicates":4,"term":7}`), signature),
		"cut short":        main.Verify(abdication, signature[:len(signature)-4]),
		"not text of ours": main.Verify(abdication, "?"),
		"our own":          secondary.Verify(abdication, signature),
	} {
		if refused == nil {
			t.Errorf("a signature was believed: %s", story)
		}
	}
}

// A question is the other server's, or it is nobody's: neither another nonce, nor our own
// signature, nor one that was given for something else makes it one (K1).
func TestASealedQuestionIsTheOthers(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	sealed, err := secondary.SealQuestion("call-N1")
	if err != nil || len(sealed) > peer.MaxSealed || strings.ContainsAny(sealed, " \r\n,;\"<>") {
		t.Fatalf("%q, %v", sealed, err)
	}
	if nonce, err := main.OpenQuestion(sealed); err != nil || nonce != "call-N1" {
		t.Errorf("%q, %v", nonce, err)
	}
	carried, err := secondary.Sign([]byte("call-N1"))
	if err != nil {
		t.Fatal(err)
	}
	for story, try := range map[string]string{
		"unsigned": "call-N1", "empty": "", "another nonce": "call-N2" + sealed[len("call-N1"):],
		"signed for something else": "call-N1." + carried, "too long": sealed + strings.Repeat("x", peer.MaxSealed),
	} {
		if _, err := main.OpenQuestion(try); err == nil {
			t.Errorf("believed: %s", story)
		}
	}
	if _, err := secondary.OpenQuestion(sealed); err == nil {
		t.Error("our own question was believed")
	}
}

func TestASealedAnswerFitsAHeaderAndOpensOnceForItsQuestion(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	want := releve.CheckAnswer{
		Seat: releve.Main, Term: 1 << 62, Well: true, Registered: true, PBXAnswered: true,
		LastInvite: time.Hour, Why: releve.Say("check.well"),
	}
	sealed, err := main.SealAnswer("n1", want)
	if err != nil {
		t.Fatal(err)
	}
	if len(sealed) > peer.MaxSealed || strings.ContainsAny(sealed, " \r\n,;\"<>") {
		t.Errorf("%d bytes: %s", len(sealed), sealed)
	}
	got, err := secondary.OpenAnswer("n1", sealed)
	want.Nonce = "n1"
	if err != nil || got.Term != want.Term || got.Nonce != want.Nonce || got.Why.Code != want.Why.Code || !got.PBXAnswered {
		t.Errorf("got %+v, %v", got, err)
	}
	for story, try := range map[string]struct {
		by            *peer.Peer
		nonce, sealed string
	}{
		"another question":  {secondary, "n2", sealed},
		"its own, returned": {main, "n1", sealed},
		"changed":           {secondary, "n1", "e30" + sealed[strings.IndexByte(sealed, '.'):]},
		"nothing":           {secondary, "n1", ""},
		"too long":          {secondary, "n1", strings.Repeat("A", 4000)},
	} {
		if answer, err := try.by.OpenAnswer(try.nonce, try.sealed); err == nil || answer.Well {
			t.Errorf("%s was believed: %+v", story, answer)
		}
	}
}

// A carried message that happens to read like an answer is none.
func TestASignatureIsForOnePurposeOnly(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	const text, encoded = `2 n1 {"seat":"main","well":true}`, "eyJzZWF0IjoibWFpbiIsIndlbGwiOnRydWV9"
	signature, err := main.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := secondary.OpenAnswer("n1", encoded+"."+signature); err == nil {
		t.Errorf("believed: %+v", answer)
	}
}

func TestALongReasonIsLeftOutOfASealedAnswer(t *testing.T) {
	p := newPair(t)
	main, secondary := p.start(p.main), p.start(p.secondary)
	sealed, err := main.SealAnswer("n", releve.CheckAnswer{Seat: releve.Main, Why: releve.Say("check.failed", "cause", strings.Repeat("x", 2000))})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := secondary.OpenAnswer("n", sealed)
	if err != nil || answer.Why.Code != "check.failed" || answer.Why.Args != nil {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestWhatAnExpiredCertificateSignedIsNotBelieved(t *testing.T) {
	p := newPair(t)
	p.issue(identity.Identity{Site: siteID, Seat: releve.Secondary}, "secondary", expired())
	main, secondary := p.start(p.main), p.start(p.secondary)
	signature, err := secondary.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	err = main.Verify([]byte("x"), signature)
	if fault, ok := identity.FaultOf(err); !ok || fault.Why.Code != identity.Expired {
		t.Errorf("got %v", err)
	}
}
