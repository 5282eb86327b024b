package identity_test

import (
	"crypto/tls"
	"testing"

	"releve"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
)

// A machine of an earlier release names no authorities, and believes the former one alone.
func TestWhoDoesNotSayWhatItBelievesIsShownTheFormerCertificate(t *testing.T) {
	dir, next := t.TempDir(), t.TempDir()
	identitytest.OneForAll(t, dir, "S", identitytest.Everybody...)
	former := identitytest.Every(t, dir)["main."].Leaf
	identitytest.New(t, next, "S")
	identitytest.Both(t, next, dir, identitytest.Names(releve.Main)...)
	held, err := identity.Load(identitytest.Files(dir, releve.Main))
	if err != nil || len(held.Generations()) != 2 {
		t.Fatal(held, err)
	}
	asServer, err := held.ServerTLS(identity.Link).GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || !asServer.Leaf.Equal(former) {
		t.Errorf("as a server it shows %v, %v", asServer.Leaf.Subject, err)
	}
	asClient, err := held.ClientTLS(identity.Link, identity.Identity{}, nil).GetClientCertificate(&tls.CertificateRequestInfo{})
	if err != nil || !asClient.Leaf.Equal(former) {
		t.Errorf("as a client it shows %v, %v", asClient.Leaf.Subject, err)
	}
}
