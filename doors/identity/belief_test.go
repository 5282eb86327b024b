package identity

import (
	"crypto/x509"
	"testing"
	"time"

	"releve"
)

// Who asks several times a second is not proved anew each time; what was proved of a certificate
// says nothing of another, of another's place, or of another day.
func TestWhatWasProvedOfACertificateIsNotProvedAgainAndHoldsForItAlone(t *testing.T) {
	main := Identity{Site: "S", Seat: releve.Main, Purpose: Link}
	lasts := newAuthority(t, "S", from(-9*day, 9*day))
	for _, c := range []struct {
		by          *Authority
		dates       Validity
		after, past string // outside of what both their dates allow
	}{
		{lasts, from(-day, day), Expired, NotYetValid},
		{newAuthority(t, "S", from(-day, day)), from(-9*day, 9*day), AuthorityExpired, NotYetValid},
	} {
		held := &Credentials{authorities: pool(c.by)}
		cert, now := issuedTo(t, c.by, main, c.dates), time.Now()
		verify := func(cert *x509.Certificate, want Identity, now time.Time) string {
			return code(held.verify(cert, want, now))
		}
		if got := verify(cert, main, now); got != "" {
			t.Fatal(got)
		}
		if often := testing.AllocsPerRun(10, func() { _ = held.verify(cert, main, now) }); often > 0 {
			t.Errorf("it is proved again, with %v allocations", often)
		}
		for _, moment := range []struct {
			at   time.Duration
			want string
		}{{day - time.Hour, ""}, {day + time.Hour, c.after}, {time.Hour - day, ""}, {-day - time.Hour, c.past}} {
			if got := verify(cert, main, now.Add(moment.at)); got != moment.want {
				t.Errorf("%v from now: %q, want %q", moment.at, got, moment.want)
			}
		}
		if got := verify(cert, Identity{Site: "S", Seat: releve.Secondary, Purpose: Link}, now); got != WrongSeat {
			t.Errorf("as the other seat's: %q", got)
		}
		if got := verify(cert, main.For(Claim), now); got != WrongPurpose {
			t.Errorf("for another purpose: %q", got)
		}
		if got := verify(issuedTo(t, newAuthority(t, "S", from(-day, day)), main, c.dates), main, now); got != ForeignAuthority {
			t.Errorf("of another authority: %q", got)
		}
	}
}
