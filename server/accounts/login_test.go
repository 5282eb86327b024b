package accounts_test

import (
	"encoding/base32"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/access"
	"releve/screen/view"
)

var (
	home     = netip.MustParseAddr("10.0.0.7")
	stranger = netip.MustParseAddr("192.0.2.66")
)

func (s *server) login(name, password, code string, from netip.Addr) (token string, err error) {
	return s.keeper.Login(s.t.Context(), view.Credentials{Name: name, Password: password, Code: code, From: from})
}

func (s *server) in(name, password string) (token string) {
	s.t.Helper()
	token, err := s.login(name, password, "", home)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *server) knows(want bool, token string) {
	s.t.Helper()
	if p, _, ok := s.keeper.Who(token); ok != want {
		s.t.Errorf("the %s knows the session: %t (%+v)", s.seat, ok, p)
	}
}

func why(err error) string {
	if fault, is := errors.AsType[*releve.Fault](err); is {
		return fault.Why.Code
	}
	return fmt.Sprint(err)
}

// A session that one server gave is good at the other when that one is killed, and after both were restarted.
func TestASessionSurvivesATakeoverAndARestart(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "operator"))
		token := main.in("anna", good)
		main.knows(true, token)
		main.stop()
		secondary.knows(true, token)
		secondary.stop()
		secondary.start()
		secondary.knows(true, token)
		if p, _, _ := secondary.keeper.Who(token); p != (view.Person{Name: "anna", Role: "operator", SeesCalls: true, SeesPeople: true, HandlesAlarms: true, Rehearses: true}) {
			t.Errorf("she is %+v", p)
		}
		main.start()
		secondary.keeper.Logout(token)
		pass(time.Second)
		main.knows(false, token)
		secondary.knows(false, token)
		pass(2 * time.Hour)
		again := main.in("anna", good)
		secondary.does(view.AccountOrder{Act: "remove", Name: "anna", By: "root"})
		main.knows(false, again)
	})
}

// Nothing that is said tells an account that there is from one that there is not.
func TestWhoIsNotThereIsRefusedAsWhoIsWrong(t *testing.T) {
	play(t, func(t *testing.T, main, _ *server) {
		main.does(add("anna", "operator"))
		main.does(add("bruno", "operator"))
		main.does(view.AccountOrder{Act: "codes", Name: "bruno", By: "root"})
		for _, c := range [][3]string{{"anna", "wrong wrong wrong", ""}, {"nobody", good, ""}, {"", "", ""}, {"bruno", good, "000000"}, {"bruno", good, ""}, {"anna", "", ""}} {
			if _, err := main.login(c[0], c[1], c[2], stranger); why(err) != "login-refused" {
				t.Errorf("%q: %v", c, err)
			}
			pass(time.Minute)
		}
	})
}

func TestACodeIsAskedForAndTakenOnceOnEitherServer(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "operator"))
		enrolment, err := main.keeper.Change(t.Context(), view.Caller{Unix: "root"}, view.AccountOrder{Act: "codes", Name: "anna", By: "root"})
		if err != nil {
			t.Fatal(err)
		}
		at, err := url.Parse(enrolment)
		if err != nil || at.Scheme != "otpauth" || at.Query().Get("issuer") != "Hôpital Sud" {
			t.Fatalf("%s: %v", enrolment, err)
		}
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(at.Query().Get("secret"))
		if err != nil || len(secret) != access.SecretSize {
			t.Fatalf("%x: %v", secret, err)
		}
		code := func() string { return access.CodeAt(secret, access.Step(time.Now())) }
		used := code()
		if _, err := main.login("anna", good, used, home); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		for _, s := range []*server{main, secondary} {
			if _, err := s.login("anna", good, used, home); why(err) != "login-refused" {
				t.Errorf("the %s takes a code that was used: %v", s.seat, err)
			}
		}
		pass(time.Minute)
		if _, err := secondary.login("anna", good, code(), home); err != nil {
			t.Errorf("a new code: %v", err)
		}
	})
}

// A stranger who guesses is told to wait, longer each time; the owner gets in all the same.
func TestAStrangerWhoGuessesKeepsNobodyOut(t *testing.T) {
	play(t, func(t *testing.T, main, _ *server) {
		main.does(add("anna", "operator"))
		main.in("anna", good)
		tried, waited := 0, 0
		for range 600 {
			switch _, err := main.login("anna", "guess guess guess", "", stranger); why(err) {
			case "login-refused":
				tried++
			case "login-wait":
				waited++
			default:
				t.Fatal(err)
			}
			pass(time.Second)
		}
		if tried > 15 || waited < 500 {
			t.Errorf("in ten minutes %d guesses were looked at, and %d not", tried, waited)
		}
		main.in("anna", good)
		if _, err := main.login("anna", good, "", netip.MustParseAddr("10.0.0.99")); err != nil && why(err) != "login-wait" {
			t.Errorf("from elsewhere: %v", err)
		}
		pass(3 * time.Second)
		if _, err := main.login("anna", good, "", netip.MustParseAddr("10.0.0.99")); err != nil {
			t.Errorf("from elsewhere, three seconds later: %v", err)
		}
	})
}

// Of IPv6 everybody has more addresses than anybody can count.
func TestOneNetworkGuessesAsOne(t *testing.T) {
	play(t, func(t *testing.T, main, _ *server) {
		main.does(add("anna", "operator"))
		tried := 0
		for i := range 100 {
			from := netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
			if _, err := main.login("anna", "guess guess guess", "", from); why(err) == "login-refused" {
				tried++
			}
		}
		if tried > 4 {
			t.Errorf("%d guesses were looked at", tried)
		}
	})
}

// Both diaries say who did what, from where, and what became of it; who has not the right is refused there too.
func TestTheOneDoorForOrders(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		main.does(add("anna", "operator"))
		main.does(add("alois", "auditor"))
		anna, alois := main.in("anna", good), main.in("alois", good)
		handle := func(token string, h view.Handling) string {
			return why(main.keeper.Handle(t.Context(), view.Caller{Session: token, From: home}, h))
		}
		if got := handle(anna, view.Handling{Act: "ack", Alarm: "drill", By: "somebody else", Remark: "seen"}); got != "<nil>" {
			t.Error(got)
		}
		if got := handle(anna, view.Handling{Act: "ack", Alarm: "nothing"}); got != "alarm-not-there" {
			t.Error(got)
		}
		if got := handle(alois, view.Handling{Act: "close", Alarm: "drill"}); got != "order-no-right" {
			t.Error(got)
		}
		if err := main.keeper.Handle(t.Context(), view.Caller{Session: anna + "x", From: home}, view.Handling{Act: "ack", Alarm: "drill"}); !errors.Is(err, view.ErrNobody) {
			t.Error(err)
		}
		if err := main.keeper.Handle(t.Context(), view.Caller{Unix: "root"}, view.Handling{Act: "ack", Alarm: "drill", By: "root"}); err != nil {
			t.Error(err)
		}
		if len(main.had) != 3 || main.had[0].By != "anna" {
			t.Errorf("carried out: %+v", main.had)
		}
		want := []string{
			"main event-alarm-ack anna operator 10.0.0.7 audit-done", "main event-alarm-ack anna operator 10.0.0.7 audit-failed",
			"main event-alarm-close alois auditor 10.0.0.7 audit-no-right", "main event-alarm-ack root administrator socket audit-done",
		}
		pass(15 * time.Second)
		for _, s := range []*server{main, secondary} {
			got := slices.DeleteFunc(slices.Clone(s.acts), func(a string) bool { return !strings.Contains(a, "alarm") })
			if !slices.Equal(got, want) {
				t.Errorf("the diary of the %s:\n%s", s.seat, strings.Join(got, "\n"))
			}
		}
	})
}

// What is done while the other server is away, its diary has once it is back.
func TestTheOtherDiaryHasItLater(t *testing.T) {
	play(t, func(t *testing.T, main, secondary *server) {
		severed(true, main, secondary)
		main.does(add("anna", "operator"))
		pass(time.Minute)
		if len(secondary.acts) > 0 {
			t.Errorf("cut off, it has %q", secondary.acts)
		}
		severed(false, main, secondary)
		pass(30 * time.Second)
		if got := strings.Join(secondary.acts, "; "); got != "main event-user-add root administrator socket audit-done" {
			t.Errorf("it has %q", got)
		}
	})
}
