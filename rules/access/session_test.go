package access_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/rules/access"
)

// pairOf is two servers that know anna, and a session that the main server gave her.
func pairOf(t *testing.T) (main, secondary *access.Desk, token string) {
	t.Helper()
	main, secondary = desk(releve.Main), desk(releve.Secondary)
	change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
	main.Draw([]byte("0123456789abcdef0123456789abcdef"))
	meet(t, main, secondary)
	return main, secondary, main.Begin(now, "anna", "id-1")
}

func holds(t *testing.T, want bool, token string, at time.Time, desks ...*access.Desk) {
	t.Helper()
	for _, d := range desks {
		if s, got := d.Book.Holds(token, at); got != want || got && s.Name != "anna" {
			t.Errorf("at the %s: %t (%+v)", d.Seat, got, s)
		}
	}
}

func TestASessionIsGoodOnBothServers(t *testing.T) {
	main, secondary, token := pairOf(t)
	holds(t, true, token, now, main, secondary)
	holds(t, true, token, now.Add(-5*time.Minute), main, secondary) // a clock that is behind
	holds(t, true, token, now.Add(access.SessionIdle-time.Second), main, secondary)
	holds(t, false, token, now.Add(access.SessionIdle), main, secondary)
	holds(t, false, token, now.Add(-access.SessionIdle), main, secondary) // of a time that is not yet
}

// One that is used goes on, to the end of a shift and no further.
func TestASessionEndsByItself(t *testing.T) {
	main, _, token := pairOf(t)
	s, _ := main.Book.Holds(token, now)
	if main.Book.Renew(s, now.Add(30*time.Second)) != "" {
		t.Error("it is written anew at each look")
	}
	at := now
	for at.Sub(now) < access.SessionLongest-30*time.Minute {
		at = at.Add(30 * time.Minute)
		s, ok := main.Book.Holds(token, at)
		if !ok {
			t.Fatalf("it ended after %s", at.Sub(now))
		}
		token = main.Book.Renew(s, at)
	}
	holds(t, true, token, now.Add(access.SessionLongest-time.Second), main)
	holds(t, false, token, now.Add(access.SessionLongest), main)
}

func TestWhatEndsASession(t *testing.T) {
	for name, o := range map[string]access.Order{
		"another password": {Act: access.Rekey, Name: "anna", Password: good + "!"}, "another role": {Act: access.Promote, Name: "anna", Role: access.Administrator},
		"a removal": {Act: access.Remove, Name: "anna"}, "one-time codes": {Act: access.Enrol, Name: "anna", Secret: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			main, secondary, token := pairOf(t)
			change(t, secondary, o)
			holds(t, false, token, now, secondary)
			holds(t, true, token, now, main) // it has not heard of it
			meet(t, main, secondary)
			holds(t, false, token, now, main, secondary)
			if o.Act == access.Remove {
				change(t, main, access.Order{Act: access.Add, Name: "anna", Role: access.Operator, Password: good})
				holds(t, false, token, now, main)
			}
		})
	}
	main, secondary, token := pairOf(t)
	s, _ := main.Book.Holds(token, now)
	main.End(now, s)
	meet(t, main, secondary)
	holds(t, false, token, now, main, secondary)
	holds(t, true, main.Begin(now, "anna", "id-2"), now, main, secondary)
	main.Hear(now.Add(13*time.Hour), secondary.Book)
	if len(main.Book.Ended) > 0 {
		t.Error("what would have ended by itself is remembered")
	}
}

func TestASessionThatNobodySigned(t *testing.T) {
	main, secondary, token := pairOf(t)
	said, signature, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(said)
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), "id-1", "id-2", 1)))
	for _, text := range []string{
		"", ".", said, said + ".", "." + signature, forged + "." + signature, token + "x", token[:len(token)-2], said + "." + said, strings.Repeat("x", 1<<20),
		access.Sign([]byte("another key of as many bytes...."), access.Session{ID: "id-1", Name: "anna", Began: now, Seen: now}),
		access.Sign(nil, access.Session{ID: "id-1", Name: "anna", Began: now, Seen: now}),
	} {
		holds(t, false, text, now, main, secondary)
	}
	empty := desk(releve.Main) // it has no key, and believes nobody
	holds(t, false, access.Sign(nil, access.Session{ID: "id-1", Name: "anna", Began: now, Seen: now}), now, empty)
}

// The codes are those of RFC 6238, appendix B (SHA-1), cut to six digits.
func TestOneTimeCodesAreThoseOfTheRFC(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"} {
		if got := access.CodeAt(secret, access.Step(time.Unix(at, 0))); got != want {
			t.Errorf("at %d: %s, not %s", at, got, want)
		}
	}
}

func TestACodeIsTakenOnce(t *testing.T) {
	main, secondary, _ := pairOf(t)
	if !main.Use(now, "anna", "") {
		t.Error("who has no codes is asked for one")
	}
	secret := []byte("12345678901234567890")
	change(t, main, access.Order{Act: access.Enrol, Name: "anna", Secret: secret})
	meet(t, main, secondary)
	code := func(away int64) string { return access.CodeAt(secret, access.Step(now)+away) }
	for _, wrong := range []string{"", "000000", code(-2), code(2), code(0) + "0", code(0)[1:]} {
		if main.Use(now, "anna", wrong) {
			t.Errorf("%q is taken", wrong)
		}
	}
	if !main.Use(now, "anna", code(0)) || main.Use(now, "anna", code(0)) || main.Use(now, "anna", code(-1)) {
		t.Error("the code is not taken once, or one before it is")
	}
	meet(t, main, secondary)
	if secondary.Use(now, "anna", code(0)) || !secondary.Use(now, "anna", code(1)) {
		t.Error("the other server takes what was used, or not what was not")
	}
}

func TestWhatAProgramForCodesIsGiven(t *testing.T) {
	want := "otpauth://totp/H%C3%B4pital%20Saint-Luc:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=H%C3%B4pital%20Saint-Luc"
	if got := access.Enrolment("Hôpital Saint-Luc", "anna", []byte("12345678901234567890")); got != want {
		t.Errorf("got %s", got)
	}
}
