package identity

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
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
	text, _, err := a.Issue(who, nil, valid)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, text)
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

func pool(a *Authority) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// While one machine has its new files and the other not yet, each must believe the other.
func TestOldAndNewCertificatesAreBelievedTogether(t *testing.T) {
	old := newAuthority(t, "S", from(-day, day))
	renewed, err := old.Renew(time.Now(), time.Now().Add(100*day))
	if err != nil {
		t.Fatal(err)
	}
	before := issued(t, old, "S", from(-day, day))
	text, err := renewed.Reissue(before, releve.Main, from(-day, 100*day))
	if err != nil {
		t.Fatal(err)
	}
	after := parsed(t, text)
	main := Identity{Site: "S", Seat: releve.Main}
	for story, err := range map[string]error{
		"old of old": Verify(before, pool(old), main, time.Now()), "new of old": Verify(after, pool(old), main, time.Now()),
		"old of new": Verify(before, pool(renewed), main, time.Now()), "new of new": Verify(after, pool(renewed), main, time.Now()),
		"new of new, later": Verify(after, pool(renewed), main, time.Now().Add(50*day)),
	} {
		if err != nil {
			t.Errorf("%s: %v", story, err)
		}
	}
	later := time.Now().Add(50 * day)
	if code(Verify(before, pool(renewed), main, later)) != Expired || Verify(after, pool(old), main, later) == nil {
		t.Error("an old certificate is believed after its end")
	}
	if !before.PublicKey.(*ecdsa.PublicKey).Equal(after.PublicKey) {
		t.Error("the key is another one")
	}
}

func code(err error) string {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Why.Code
	}
	return ""
}

func TestWhatIsNotIssuedAnew(t *testing.T) {
	ours, theirs := newAuthority(t, "S", from(-day, day)), newAuthority(t, "S", from(-day, day))
	own := issued(t, ours, "S", from(-2*day, -day))
	if _, err := ours.Reissue(own, releve.Main, from(-day, day)); err != nil {
		t.Errorf("one that expired: %v", err)
	}
	if _, err := ours.Reissue(own, releve.Secondary, from(-day, day)); code(err) != WrongSeat {
		t.Errorf("another seat's: %v", err)
	}
	if _, err := theirs.Reissue(own, releve.Main, from(-day, day)); code(err) != ForeignAuthority {
		t.Errorf("another authority's: %v", err)
	}
	if _, err := ours.Reissue(issued(t, ours, "OTHER", from(-day, day)), releve.Main, from(-day, day)); code(err) != OtherSite {
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
	main := Identity{Site: "S", Seat: releve.Main}
	cert := issuedTo(t, old, main, from(-day, day))
	if err := Verify(cert, authorities, main, time.Now()); code(err) != AuthorityExpired {
		t.Errorf("got %v", err)
	}
	if err := Belongs(cert, authorities, main); err != nil {
		t.Errorf("whose it is depends on the clock: %v", err)
	}
	held, err := Look(file)
	if err != nil || held.Name != AuthorityName || held.Site != "S" || held.File != file {
		t.Errorf("got %+v, %v", held, err)
	}
}

// Whose a certificate is does not depend on any date; what is another's stays so.
func TestWhoseACertificateIsTheClockDoesNotSay(t *testing.T) {
	main := Identity{Site: "S", Seat: releve.Main}
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
				err := Belongs(issuedTo(t, c.by, c.of, dates), pool(ours), main)
				if got := code(err); got != c.want {
					t.Errorf("%s, valid %v, its authority %v: %q, want %q", c.story, dates, above, got, c.want)
				}
			}
		}
	}
}
