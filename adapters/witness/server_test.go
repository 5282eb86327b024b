package witness_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/adapters/witness"
	"releve/doors/identity"
	"releve/doors/identity/identitytest"
	"releve/rules/takeover"
)

func TestAWitnessWithoutMemoryGrantsNothingUntilItIsSeeded(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	main, secondary := s.client(releve.Main, s.at), s.client(releve.Secondary, s.at)
	empty := read(t, secondary)
	if empty != (takeover.Register{Site: siteID}) {
		t.Fatalf("an empty register is %+v", empty)
	}
	for story, claim := range map[string]takeover.Claim{
		"a takeover": after(empty, func(r *takeover.Register) { r.Term, r.Owner, r.Alone = 2, releve.Secondary, true }),
		"an incarnation that begins with a hand-over": after(empty, func(r *takeover.Register) { r.Incarnation, r.Owner = 1, releve.Secondary }),
	} {
		r, err := secondary.Claim(within(t, plenty), claim)
		if !errors.Is(err, takeover.ErrClaim) || r != empty {
			t.Errorf("%s: %+v, %v", story, r, err)
		}
	}
	if r := must(t, main, seed()); r.Version != 1 || !r.Alone || r.Owner != releve.Main {
		t.Errorf("seeded it is %+v", r)
	}
}

// A register is for one site: the witness's own, whatever a claim says.
func TestAClaimForAnotherSiteIsRefused(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	main := s.client(releve.Main, s.at)
	claim := seed()
	claim.Want.Site = "ELSEWHERE"
	if _, err := main.Claim(within(t, plenty), claim); !errors.Is(err, takeover.ErrClaim) || !strings.Contains(err.Error(), "ELSEWHERE") {
		t.Errorf("got %v", err)
	}
	if r := read(t, main); r.Version != 0 {
		t.Errorf("it is written all the same: %+v", r)
	}
}

// Who claims is in the certificate: nothing that the request says of itself counts.
func TestAServerSpeaksForItselfAlone(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	secondary := s.client(releve.Secondary, s.at)
	r, err := secondary.Claim(within(t, plenty), seed()) // which names the main
	if !errors.Is(err, takeover.ErrClaim) || r.Version != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOfTwoClaimsAtOnceOneIsGranted(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	main, secondary := s.client(releve.Main, s.at), s.client(releve.Secondary, s.at)
	now := must(t, main, seed())
	for range 30 {
		owner, other := main, secondary
		if now.Owner == releve.Secondary {
			owner, other = secondary, main
		}
		now = must(t, owner, after(now, handOver))
		var claims sync.WaitGroup
		var errs [2]error
		var got [2]takeover.Register
		claims.Go(func() { got[0], errs[0] = owner.Claim(within(t, plenty), after(now, goAlone)) })
		claims.Go(func() { got[1], errs[1] = other.Claim(within(t, plenty), after(now, takeOver)) })
		claims.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both or neither: %v, %v", errs[0], errs[1])
		}
		if err := errors.Join(errs[:]...); !errors.Is(err, takeover.ErrClaim) || got[0] != got[1] {
			t.Fatalf("who was refused got %v and sees %+v; the other has %+v", err, got[0], got[1])
		}
		now = got[0]
	}
}

func TestWhoIsNoServerOfThisSiteIsRefusedWithTheReason(t *testing.T) {
	expired := identity.Validity{From: time.Now().Add(-48 * time.Hour), Until: time.Now().Add(-24 * time.Hour)}
	future := identity.Validity{From: time.Now().Add(24 * time.Hour), Until: time.Now().Add(48 * time.Hour)}
	for story, c := range map[string]struct {
		id    identity.Identity
		valid identity.Validity
		says  string
	}{
		"of another site":  {identity.Identity{Site: "ELSEWHERE", Seat: releve.Main}, lasting(), identity.OtherSite},
		"expired":          {identity.Identity{Site: siteID, Seat: releve.Main}, expired, identity.Expired},
		"of the future":    {identity.Identity{Site: siteID, Seat: releve.Main}, future, identity.NotYetValid},
		"without identity": {identity.Identity{}, lasting(), identity.Nameless},
		"a witness":        {identity.Identity{Site: siteID, Seat: identity.Witness}, lasting(), "ask with a server's certificate"},
	} {
		t.Run(story, func(t *testing.T) {
			s, d := newSite(t), &disk{}
			s.issue(c.id, "main", c.valid)
			s.start(s.options(d))
			main := s.client(releve.Main, s.at)
			_, err := main.Claim(within(t, plenty), seed())
			if !errors.Is(err, witness.ErrForeign) || errors.Is(err, takeover.ErrClaim) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if _, err := main.Read(within(t, plenty)); !errors.Is(err, witness.ErrForeign) {
				t.Errorf("reading: %v", err)
			}
			if d.saves != 0 {
				t.Error("it wrote")
			}
		})
	}
}

// Each case gives the witness a certificate that no server must believe.
func TestWhatIsNoWitnessOfThisSiteIsNotBelieved(t *testing.T) {
	expired := identity.Validity{From: time.Now().Add(-48 * time.Hour), Until: time.Now().Add(-24 * time.Hour)}
	for story, c := range map[string]struct {
		id    identity.Identity
		valid identity.Validity
	}{
		"of another site": {identity.Identity{Site: "ELSEWHERE", Seat: identity.Witness}, lasting()},
		"a server":        {identity.Identity{Site: siteID, Seat: releve.Secondary}, lasting()},
		"expired":         {identity.Identity{Site: siteID, Seat: identity.Witness}, expired},
	} {
		t.Run(story, func(t *testing.T) {
			s := newSite(t)
			s.issue(c.id, "witness", c.valid)
			s.start(s.options(&disk{}))
			_, err := s.client(releve.Main, s.at).Read(within(t, plenty))
			if !errors.Is(err, witness.ErrForeign) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A site of the same name and seats, made by another `releve init`.
func TestAServerOfAnotherAuthorityIsRefused(t *testing.T) {
	s, stranger, d := newSite(t), newSite(t), &disk{}
	s.start(s.options(d))
	_, err := stranger.client(releve.Main, s.at).Claim(within(t, plenty), seed())
	if !errors.Is(err, witness.ErrForeign) || !strings.Contains(err.Error(), identity.ForeignAuthority) {
		t.Errorf("got %v", err)
	}
	// One that does not look at whom it talks to gets nothing all the same.
	for _, path := range []string{"/register", "/status"} {
		status, text := stranger.careless(s.at.String(), http.MethodGet, path, "")
		if status != http.StatusForbidden || !strings.Contains(text, "authority") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := stranger.careless(s.at.String(), http.MethodPost, "/claim", "{}"); status != http.StatusForbidden || d.saves != 0 {
		t.Errorf("claim: %d %s", status, text)
	}
}

// careless sends a request without looking at whom it goes to.
func (s *site) careless(at, method, path, body string) (status int, text string) {
	s.t.Helper()
	return s.asks(identitytest.Shown(s.t, s.path("main.pem"), s.path("main.key"))[identity.Claim], at, method, path, body)
}

// asks is careless, by another certificate.
func (s *site) asks(shown tls.Certificate, at, method, path, body string) (status int, text string) {
	s.t.Helper()
	client := http.Client{Timeout: plenty, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   identitytest.Careless(shown),
	}}
	request, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+at+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(said)
}

func TestWhatIsNoClaimChangesNothing(t *testing.T) {
	s, d := newSite(t), &disk{}
	s.start(s.options(d))
	for _, body := range []string{"", "claim", `{"was":-1}`, "{} {}", `{"want":"` + strings.Repeat("x", 32<<10) + `"}`} {
		status, text := s.careless(s.at.String(), http.MethodPost, "/claim", body)
		if status != http.StatusBadRequest || !strings.Contains(text, "cannot read the claim") {
			t.Errorf("%.20q: %d %s", body, status, text)
		}
	}
	if d.saves != 0 {
		t.Error("it wrote")
	}
}

func TestAnotherServiceBehindTheAddressIsForeign(t *testing.T) {
	s := newSite(t)
	l, err := net.Listen("tcp", s.at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
			_ = conn.Close()
		}
	}()
	if _, err := s.client(releve.Main, s.at).Read(within(t, plenty)); !errors.Is(err, witness.ErrForeign) {
		t.Errorf("got %v", err)
	}
}

func TestNobodyListensIsNotHeard(t *testing.T) {
	s := newSite(t)
	_, err := s.client(releve.Main, s.at).Claim(within(t, plenty), seed())
	if !errors.Is(err, witness.ErrNotHeard) || errors.Is(err, takeover.ErrClaim) {
		t.Errorf("got %v", err)
	}
}

func TestTheStatusSaysWhoWasHeardAndSinceWhen(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	before := time.Now().Add(-time.Second)
	must(t, s.client(releve.Main, s.at), seed())
	for _, asks := range []releve.Seat{identity.Witness, releve.Secondary} { // which are not heard by it
		status, err := s.client(asks, s.at).Status(within(t, plenty))
		if err != nil {
			t.Fatal(err)
		}
		if status.By != releve.Main || status.At.Before(before) || status.Register.Version != 1 {
			t.Errorf("the register is told as %+v", status)
		}
		if status.Heard[releve.Main].Before(before) || len(status.Heard) != 1 || status.Now.Before(status.Heard[releve.Main]) {
			t.Errorf("heard is %v at %v", status.Heard, status.Now)
		}
	}
}

// TestStrangersKeepNoServerFromItsWitness: a thousand of them, from one address and from many.
func TestStrangersKeepNoServerFromItsWitness(t *testing.T) {
	s := newSite(t)
	s.start(s.options(&disk{}))
	before := descriptors(t)
	const strangers = 1000
	for i := range strangers {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%2), byte(1+i/2%250*(i%2)))}, Timeout: plenty}
		c, err := d.Dial("tcp", s.at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	// First by a client that waits for long: the door takes one after the other, and when this one
	// has its answer it has seen all of them. How long that lasts is the machine's affair.
	if status, text := s.careless(s.at.String(), http.MethodGet, "/register", ""); status != http.StatusOK {
		t.Errorf("with strangers at the door: %d %s", status, text)
	}
	if _, err := s.client(releve.Main, s.at).Read(within(t, plenty)); err != nil {
		t.Errorf("with strangers at the door: %v", err)
	}
	if held := descriptors(t) - before - strangers; held > 64+8 {
		t.Errorf("the witness holds %d connections", held)
	}
	for end := time.Now().Add(plenty); descriptors(t) > before+strangers+4; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of strangers who do nothing %d connections stay open", descriptors(t)-before-strangers)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
