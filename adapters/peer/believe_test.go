package peer_test

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"releve"
	"releve/adapters/peer"
	"releve/doors/identity/identitytest"
	"releve/screen/view"
)

const wordSite = "THISSITE"

// signer is one server's end of a link that nobody uses: it signs and verifies.
func signer(t *testing.T, dir string, seat releve.Seat) *peer.Peer {
	t.Helper()
	file := func(name string) string { return filepath.Join(dir, name) }
	p, err := peer.New(peer.Options{
		Listen: netip.MustParseAddrPort("127.0.0.1:0"), Other: netip.MustParseAddrPort("127.0.0.1:1"),
		CA: file("ca.pem"), Cert: file(string(seat) + ".pem"), Key: file(string(seat) + ".key"), OtherCert: file(string(seat.Other()) + ".pem"),
		Seat: seat, SiteID: wordSite, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func believed(p *peer.Peer, word view.Abdication) *releve.Sentence {
	return p.Believe(word.Site, word.Seat, word.Statement(), word.Signature)
}

// The main believes the secondary's word as it was written, and nobody else's (R3).
func TestWhoseWordIsBelieved(t *testing.T) {
	dir := identitytest.Until(t, wordSite, time.Now().Add(time.Hour))
	mirror := signer(t, dir, releve.Secondary)
	main := signer(t, dir, releve.Main)
	word := view.Abdication{Site: wordSite, Seat: releve.Secondary, Term: 4, Number: 9}
	signature, err := mirror.Sign(word.Statement())
	if err != nil {
		t.Fatal(err)
	}
	word.Signature = signature
	if why := believed(main, word); why != nil {
		t.Fatalf("%+v", why)
	}
	stranger := signer(t, identitytest.Until(t, wordSite, time.Now().Add(time.Hour)), releve.Secondary)
	for name, c := range map[string]struct {
		change func(*view.Abdication)
		code   string
	}{
		"another number":    {func(w *view.Abdication) { w.Number++ }, "before-word-forged"},
		"another term":      {func(w *view.Abdication) { w.Term++ }, "before-word-forged"},
		"another site":      {func(w *view.Abdication) { w.Site = "OTHERSITE" }, "before-word-foreign"},
		"our own":           {func(w *view.Abdication) { w.Seat = releve.Main }, "before-word-own"},
		"no signature":      {func(w *view.Abdication) { w.Signature = "" }, "before-word-forged"},
		"half a signature":  {func(w *view.Abdication) { w.Signature = w.Signature[:20] }, "before-word-forged"},
		"another authority": {func(w *view.Abdication) { w.Signature, _ = stranger.Sign(w.Statement()) }, "before-word-forged"},
	} {
		changed := word
		c.change(&changed)
		if why := believed(main, changed); why == nil || why.Code != c.code {
			t.Errorf("%s: %+v, want %s", name, why, c.code)
		}
	}
}

func TestAWordOfAnExpiredCertificateProvesNothing(t *testing.T) {
	dir := identitytest.Until(t, wordSite, time.Now().Add(-time.Minute))
	main := signer(t, dir, releve.Main)
	if why := believed(main, view.Abdication{Site: wordSite, Seat: releve.Secondary, Signature: "c2ln"}); why == nil || why.Code != "before-word-certificate" {
		t.Errorf("%+v", why)
	}
}
