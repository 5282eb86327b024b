package identity

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve"
)

const day = 24 * time.Hour

// from is a time within which a certificate is believed, counted from now.
func from(begin, end time.Duration) Validity {
	return Validity{From: time.Now().Add(begin), Until: time.Now().Add(end)}
}

func newAuthority(t *testing.T, site string, valid Validity) *Authority {
	t.Helper()
	a, err := NewAuthority(site, valid)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issued is a certificate that an authority has just made for the main server.
func issued(t *testing.T, a *Authority, site string, valid Validity) *x509.Certificate {
	t.Helper()
	return issuedTo(t, a, Identity{Site: site, Seat: releve.Main}, valid)
}

func issuedTo(t *testing.T, a *Authority, who Identity, valid Validity) *x509.Certificate {
	t.Helper()
	text, _, err := a.Issue(who, valid)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, text) // the first of them: for the link
}

func parsed(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// saved is a file of one certificate.
func saved(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "one.pem")
	if err := os.WriteFile(file, certificatePEM(cert), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func pool(a *Authority) Authorities { return Authorities{a.cert} }

// While one machine has its new files and the other not yet, each must believe the other.
func TestOldAndNewCertificatesAreBelievedTogether(t *testing.T) {
	old := newAuthority(t, "S", from(-day, day))
	renewed, err := old.Renew(time.Now(), time.Now().Add(100*day))
	if err != nil {
		t.Fatal(err)
	}
	before := issued(t, old, "S", from(-day, day))
	text, err := renewed.Reissue(saved(t, before), releve.Main, from(-day, 100*day))
	if err != nil {
		t.Fatal(err)
	}
	after := parsed(t, text)
	main := Identity{Site: "S", Seat: releve.Main, Purpose: Link}
	for story, err := range map[string]error{
		"old of old": pool(old).Verify(before, main, time.Now()), "new of old": pool(old).Verify(after, main, time.Now()),
		"old of new": pool(renewed).Verify(before, main, time.Now()), "new of new": pool(renewed).Verify(after, main, time.Now()),
		"new of new, later": pool(renewed).Verify(after, main, time.Now().Add(50*day)),
	} {
		if err != nil {
			t.Errorf("%s: %v", story, err)
		}
	}
	later := time.Now().Add(50 * day)
	if code(pool(renewed).Verify(before, main, later)) != Expired || pool(old).Verify(after, main, later) == nil {
		t.Error("an old certificate is believed after its end")
	}
	if !before.PublicKey.(*ecdsa.PublicKey).Equal(after.PublicKey) {
		t.Error("the key is another one")
	}
}

func code(err error) string {
	if f, ok := FaultOf(err); ok {
		return f.Why.Code
	}
	return ""
}

func TestWhatIsNotIssuedAnew(t *testing.T) {
	ours, theirs := newAuthority(t, "S", from(-day, day)), newAuthority(t, "S", from(-day, day))
	own := issued(t, ours, "S", from(-2*day, -day))
	if _, err := ours.Reissue(saved(t, own), releve.Main, from(-day, day)); err != nil {
		t.Errorf("one that expired: %v", err)
	}
	if _, err := ours.Reissue(saved(t, own), releve.Secondary, from(-day, day)); code(err) != WrongSeat {
		t.Errorf("another seat's: %v", err)
	}
	if _, err := theirs.Reissue(saved(t, own), releve.Main, from(-day, day)); code(err) != ForeignAuthority {
		t.Errorf("another authority's: %v", err)
	}
	if _, err := ours.Reissue(saved(t, issued(t, ours, "OTHER", from(-day, day))), releve.Main, from(-day, day)); code(err) != OtherSite {
		t.Errorf("another site's: %v", err)
	}
	if _, err := ours.Renew(time.Now().Add(-2*day), time.Now().Add(day)); code(err) != NotYetValid {
		t.Errorf("by a clock that is behind: %v", err)
	}
}

func TestWhatIsSaidOfTheDatesOfACertificate(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name        string
		begin, left time.Duration
		want        string
	}{
		{"main", -day, 31 * day, ""}, {"main", -day, 29 * day, EndsSoon}, {"main", -day, -time.Second, Expired}, {"main", day, 40 * day, NotYetValid},
		{AuthorityName, -day, 31 * day, ""}, {AuthorityName, -day, 29 * day, AuthorityEndsSoon}, {AuthorityName, -day, -time.Second, AuthorityExpired},
	} {
		got := ""
		if f := (Lasting{Name: c.name, From: now.Add(c.begin), Until: now.Add(c.left)}).Ending(now); f != nil {
			got = f.Why.Code
		}
		if got != c.want {
			t.Errorf("%s with %s left: %q, want %q", c.name, c.left, got, c.want)
		}
	}
}

// Who gave a machine its new certificate and forgot the authority's must read that.
func TestAnAuthorityThatExpiredIsSaidToHave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	old := newAuthority(t, "S", from(-2*day, -day))
	if err := os.WriteFile(file, old.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	authorities, err := LoadAuthorities(file)
	if err != nil {
		t.Fatal("its dates keep its file from being read:", err)
	}
	main := Identity{Site: "S", Seat: releve.Main, Purpose: Link}
	cert := issuedTo(t, old, main, from(-day, day))
	if err := authorities.Verify(cert, main, time.Now()); code(err) != AuthorityExpired {
		t.Errorf("got %v", err)
	}
	if err := authorities.Belongs(cert, main); err != nil {
		t.Errorf("whose it is depends on the clock: %v", err)
	}
	held, err := Look(file)
	if err != nil || len(held) != 1 || held[0].Name != AuthorityName || held[0].Site != "S" || held[0].File != file {
		t.Errorf("got %+v, %v", held, err)
	}
}

// Whose a certificate is does not depend on any date; what is another's stays so.
func TestWhoseACertificateIsTheClockDoesNotSay(t *testing.T) {
	main := Identity{Site: "S", Seat: releve.Main, Purpose: Link}
	for _, dates := range []Validity{from(-2*day, -day), from(-day, day), from(day, 2*day)} {
		for _, above := range []Validity{from(-9*day, -8*day), from(-9*day, 9*day), from(8*day, 9*day)} {
			ours, others := newAuthority(t, "S", above), newAuthority(t, "S", above)
			for _, c := range []struct {
				story string
				by    *Authority
				of    Identity
				want  string
			}{
				{"ours", ours, main, ""},
				{"of another authority", others, main, ForeignAuthority},
				{"of another site", ours, Identity{Site: "T", Seat: releve.Main}, OtherSite},
				{"of the other seat", ours, Identity{Site: "S", Seat: releve.Secondary}, WrongSeat},
			} {
				err := pool(ours).Belongs(issuedTo(t, c.by, c.of, dates), main)
				if got := code(err); got != c.want {
					t.Errorf("%s, valid %v, its authority %v: %q, want %q", c.story, dates, above, got, c.want)
				}
			}
		}
	}
}

// What bears no purpose is good for all of them only where it always was.
func TestACertificateForEverythingIsBelievedOfAnOldAuthorityAlone(t *testing.T) {
	main := Identity{Site: "S", Seat: releve.Main}
	old, err := authorityOf("S", "", from(-day, day))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		by   *Authority
		of   Purpose
		as   Purpose
		want string
	}{
		{old, Any, Link, ""}, {old, Any, Claim, ""},
		{newAuthority(t, "S", from(-day, day)), Any, Link, WrongPurpose},
		{newAuthority(t, "S", from(-day, day)), Any, Any, WrongPurpose},
		{newAuthority(t, "S", from(-day, day)), Link, Link, ""},
		{newAuthority(t, "S", from(-day, day)), Claim, Link, WrongPurpose},
	} {
		text, _, err := c.by.issue(main.For(c.of), from(-day, day))
		if err != nil {
			t.Fatal(err)
		}
		if got := code(pool(c.by).Verify(parsed(t, text), main.For(c.as), time.Now())); got != c.want {
			t.Errorf("%q of %q as %q: %q, want %q", c.of, Generation(c.by.cert), c.as, got, c.want)
		}
	}
}
