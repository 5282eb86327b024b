package peer_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"releve/adapters/peer"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// Of all certificates of a site one opens the link's door, and one is believed behind the
// other's address.
func TestOneCertificateOpensTheLink(t *testing.T) {
	p := newPair(t)
	identitytest.New(t, p.dir, siteID)
	main, _ := p.start(p.main), p.secondary
	var opens, believed []string
	for name, shown := range identitytest.Every(t, p.dir) {
		if knock(t, p.main.Listen.String(), shown) == http.StatusOK {
			opens = append(opens, name)
		}
		stop := impostor(t, p, shown, "{}")
		if err := main.Exchange(within(t, plenty), word{}, new(word)); err == nil {
			believed = append(believed, name)
		}
		stop()
	}
	if want := []string{"secondary.link"}; !slices.Equal(opens, want) || !slices.Equal(believed, want) {
		t.Errorf("the main's door is opened by %q, and behind the secondary's address it believes %q: want %q", opens, believed, want)
	}
}

// knock asks for an exchange by a certificate, and gives the status of the answer.
func knock(t *testing.T, at string, shown tls.Certificate) int {
	t.Helper()
	client := http.Client{Timeout: plenty, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: identitytest.Careless(shown)}}
	answer, err := client.Post("https://"+at+"/exchange", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}

// impostor answers at the secondary's address by a certificate, whatever is asked.
func impostor(t *testing.T, p *pair, shown tls.Certificate, answer string) (stop func()) {
	t.Helper()
	l, err := tls.Listen("tcp", p.secondary.Listen.String(), &tls.Config{Certificates: []tls.Certificate{shown}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	return func() { _ = server.Close(); <-done }
}

// Whoever has the authority's key makes a certificate of any name. That alone opens nothing.
func TestTheAuthoritysKeyAloneIsNotEnough(t *testing.T) {
	p, thief := newPair(t), newPair(t)
	authority := identitytest.New(t, p.dir, siteID)
	thief.main.Listen, thief.main.Other = p.main.Listen, p.main.Other
	for _, seat := range identitytest.Everybody {
		identitytest.Issue(t, authority, thief.dir, identity.Identity{Site: siteID, Seat: seat}, lasting())
	}
	thief.write("ca.pem", authority.Certificate())
	p.copyTo(thief, "secondary.pem") // it knows whom it talks to
	secondary, forged := p.start(p.secondary), thief.start(thief.main)
	err := forged.Exchange(within(t, plenty), word{}, new(word))
	wantForeign(t, err, identity.NotPinned)
	err = secondary.Exchange(within(t, plenty), word{}, new(word))
	wantForeign(t, err, identity.NotPinned)
	signature, err := forged.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if secondary.Verify([]byte("x"), signature) == nil {
		t.Error("what it signed is believed")
	}
}

// A site from before there was a certificate for each purpose goes on.
func TestASiteOfOneCertificateForAllGoesOn(t *testing.T) {
	p := newPair(t)
	identitytest.OneForAll(t, p.dir, siteID, identitytest.Everybody...)
	main, secondary := p.start(p.main), p.start(p.secondary)
	for _, server := range []*peer.Peer{main, secondary} {
		if err := server.Exchange(within(t, plenty), word{}, new(word)); err != nil {
			t.Error(err)
		}
	}
	signature, err := main.Sign([]byte("x"))
	if err := errors.Join(err, secondary.Verify([]byte("x"), signature)); err != nil {
		t.Error(err)
	}
}
