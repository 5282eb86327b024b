package witness_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"testing"

	"releve"
	"releve/adapters/witness"
	"releve/doors/identity/identitytest"
)

// Of all certificates of a site each server's own one claims, and one is believed behind the
// witness's address.
func TestOneCertificateOpensTheRegister(t *testing.T) {
	s := newSite(t)
	identitytest.New(t, s.dir, siteID)
	main := s.client(releve.Main, s.at)
	var believed, claims []string
	for name, shown := range identitytest.Every(t, s.dir) {
		stop := s.impostor(shown)
		if _, err := main.Read(within(t, plenty)); err == nil {
			believed = append(believed, name)
		}
		stop()
	}
	s.start(s.options(&disk{}))
	for name, shown := range identitytest.Every(t, s.dir) {
		if status, _ := s.asks(shown, s.at.String(), http.MethodGet, "/register", ""); status == http.StatusOK {
			claims = append(claims, name)
		}
	}
	slices.Sort(claims)
	if want := []string{"witness.register"}; !slices.Equal(believed, want) {
		t.Errorf("behind the witness's address %q is believed, want %q", believed, want)
	}
	if want := []string{"main.claim", "secondary.claim"}; !slices.Equal(claims, want) {
		t.Errorf("the register is shown to %q, want %q", claims, want)
	}
}

// impostor answers at the witness's address by a certificate.
func (s *site) impostor(shown tls.Certificate) (stop func()) {
	s.t.Helper()
	l, err := tls.Listen("tcp", s.at.String(), &tls.Config{Certificates: []tls.Certificate{shown}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	return func() { _ = server.Close(); <-done }
}

func TestASiteOfOneCertificateForAllGoesOn(t *testing.T) {
	s := newSite(t)
	identitytest.OneForAll(t, s.dir, siteID, identitytest.Everybody...)
	s.start(s.options(&disk{}))
	if _, err := s.client(releve.Main, s.at).Read(within(t, plenty)); err != nil {
		t.Error(err)
	}
	if _, err := s.client(releve.Secondary, s.at).Claim(within(t, plenty), seed()); errors.Is(err, witness.ErrForeign) {
		t.Error(err)
	}
}
