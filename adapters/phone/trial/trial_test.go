package trial_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/adapters/phone/trial"
	"releve/proof/practice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var home = netip.MustParseAddr("127.0.0.1")

// freePort is one of this machine that nobody holds.
func freePort(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenPacket("udp", home.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return uint16(conn.LocalAddr().(*net.UDPAddr).Port)
}

// pbx is a practice PBX, and the question that names it.
func pbx(t *testing.T, change func(*practice.PBXOptions)) (*practice.PBX, releve.StudyQuestion) {
	t.Helper()
	o := practice.PBXOptions{
		Listen: netip.AddrPortFrom(home, 0), Realm: "pbx.example", Number: "9", Log: slog.New(slog.DiscardHandler),
		ReceptionPassword: "recep-pw", StandbyPassword: "stand-pw", PhonePassword: "phone-pw", NoReply: 700 * time.Millisecond, MinExpires: 5 * time.Second,
	}
	change(&o)
	p, err := practice.NewPBX(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, releve.StudyQuestion{
		PBX: p.Addr().String(), Domain: "pbx.example", SIPPort: freePort(t), RTPFirst: 20000, RTPLast: 20999,
		ReceptionNumber: "9", ReceptionUser: practice.ReceptionUser, StandbyUser: practice.StandbyUser,
	}
}

var secrets = releve.StudySecrets{Reception: "recep-pw", Standby: "stand-pw"}

// told is what was found, "check about" to its text, its reason, or "seen".
func told(all []releve.Measurement) map[string]string {
	found := map[string]string{}
	for _, m := range all {
		text := "seen"
		switch {
		case m.State != releve.Measured:
			text = string(m.State) + " " + m.Why.Code
		case m.Text != "":
			text = m.Text
		}
		found[strings.TrimSpace(m.Check+" "+m.About)] = text
	}
	return found
}

// well is what is found of a PBX that does all.
func well() map[string]string {
	return map[string]string{
		"pbx-answers": "seen", "pbx-register": "seen", "pbx-bindings": "shown", "pbx-second": "replaces", "pbx-removal": "unmeasured study-pbx-one-binding",
		"pbx-expiry": "seen", "pbx-silence": "seen", "pbx-busy": "seen", "pbx-unregistered": "seen", "pbx-return 486": "seen",
		"pbx-return-other 480": "seen", "pbx-return-other 503": "seen", "pbx-return-other 603": "seen", "pbx-origin": "to", "pbx-keys": "telephone-event",
		"pbx-keys-info": "info", "pbx-keys-tone": "tone", "pbx-userless": "seen", "pbx-refer": "unmeasured study-pbx-refer-passed", "pbx-reinvite": "seen",
	}
}

// isEvent tells telephone events by the payload type of the study's own offer.
func isEvent(packet []byte) bool { return len(packet) > 1 && packet[1]&0x7f == 101 }

// all sets the same for every check but those that need no user.
func all(text string, but map[string]string) map[string]string {
	found := well()
	for check := range found {
		found[check] = text
	}
	maps.Copy(found, but)
	return found
}

func TestEachThingThatAPBXDoesNotDoIsFoundAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*practice.PBXOptions)
		ask    func(*releve.StudyQuestion, *releve.StudySecrets)
		want   func(map[string]string)
	}{
		"one that does all": {},
		"one that refuses a second binding": {
			change: func(o *practice.PBXOptions) { o.Extra = practice.Refuse },
			want: func(f map[string]string) {
				f["pbx-second"], f["pbx-removal"] = "refused", "unmeasured study-pbx-not-seen"
			},
		},
		"one that shows no bindings": {
			change: func(o *practice.PBXOptions) { o.Hidden = true },
			want: func(f map[string]string) {
				f["pbx-bindings"], f["pbx-second"] = "hidden", "unmeasured study-pbx-not-seen"
				f["pbx-removal"] = "unmeasured study-pbx-not-seen"
			},
		},
		"one that does not return": {
			change: func(o *practice.PBXOptions) { o.BackMax = -1 },
			want: func(f map[string]string) {
				for check := range f {
					if strings.HasPrefix(check, "pbx-return") {
						f[check] = "broken study-pbx-no-return"
					}
				}
			},
		},
		"one that takes a question of nobody for an attack": {
			change: func(o *practice.PBXOptions) { o.Wary = true },
			want:   func(f map[string]string) { f["pbx-userless"] = "broken study-pbx-userless" },
		},
		"one that lets nothing change within a call": {
			change: func(o *practice.PBXOptions) { o.Fixed = true },
			want:   func(f map[string]string) { f["pbx-reinvite"] = "broken study-pbx-no-reinvite" },
		},
		"one that keeps what is said by INFO to itself": {
			change: func(o *practice.PBXOptions) { o.DropsInfo = true },
			want:   func(f map[string]string) { f["pbx-keys-info"] = "broken study-pbx-keys-gone" },
		},
		"one through which the sound goes": {change: func(o *practice.PBXOptions) { o.Relay = func([]byte) bool { return true } }},
		"one that loses telephone events": {
			change: func(o *practice.PBXOptions) { o.Relay = func(packet []byte) bool { return !isEvent(packet) } },
			want:   func(f map[string]string) { f["pbx-keys"] = "broken study-pbx-keys-lost" },
		},
		"one that lets no sound but telephone events pass": {
			change: func(o *practice.PBXOptions) { o.Relay = isEvent },
			want: func(f map[string]string) {
				f["pbx-keys-tone"], f["pbx-reinvite"] = "broken study-pbx-keys-gone", "unmeasured study-pbx-reinvite-unheard"
			},
		},
		"one that says by Diversion what overflowed": {
			change: func(o *practice.PBXOptions) { o.Rewrites, o.Diversion = true, true },
			want:   func(f map[string]string) { f["pbx-origin"] = "diversion" },
		},
		"one that says by History-Info what overflowed": {
			change: func(o *practice.PBXOptions) { o.Rewrites, o.History = true, true },
			want:   func(f map[string]string) { f["pbx-origin"] = "history-info" },
		},
		"one that says nowhere what overflowed": {
			change: func(o *practice.PBXOptions) { o.Rewrites = true },
			want:   func(f map[string]string) { f["pbx-origin"] = "seen" },
		},
		"one that asks for passwords in calls": {change: func(o *practice.PBXOptions) { o.AuthCalls = true }},
		"one whose number is another": {
			ask: func(q *releve.StudyQuestion, _ *releve.StudySecrets) { q.ReceptionNumber = "8" },
			want: func(f map[string]string) {
				for check := range f {
					if strings.HasPrefix(check, "pbx-return") || slices.Contains([]string{"pbx-origin", "pbx-refer", "pbx-reinvite"}, check) ||
						strings.HasPrefix(check, "pbx-keys") {
						f[check] = "unmeasured study-pbx-not-seen"
					}
				}
				f["pbx-busy"], f["pbx-silence"] = "broken study-pbx-no-call", "broken study-pbx-no-silence"
				f["pbx-unregistered"] = "broken study-pbx-no-unregistered"
			},
		},
		"a wrong password": {
			ask: func(_ *releve.StudyQuestion, s *releve.StudySecrets) { s.Reception = "another" },
			want: func(f map[string]string) {
				maps.Copy(f, all("unmeasured study-pbx-register-first", map[string]string{"pbx-answers": "seen", "pbx-register": "broken study-pbx-register"}))
			},
		},
		"no users": {
			ask: func(_ *releve.StudyQuestion, s *releve.StudySecrets) { *s = releve.StudySecrets{} },
			want: func(f map[string]string) {
				maps.Copy(f, all("unmeasured study-no-users", map[string]string{"pbx-answers": "seen"}))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := func(o *practice.PBXOptions) {
				if c.change != nil {
					c.change(o)
				}
			}
			p, q := pbx(t, change)
			s, want := secrets, well()
			if c.ask != nil {
				c.ask(&q, &s)
			}
			if c.want != nil {
				c.want(want)
			}
			found := trial.Measure(t.Context(), home, q, s, releve.Main)
			if got := told(found); !maps.Equal(got, want) {
				for _, check := range slices.Sorted(maps.Keys(want)) {
					if got[check] != want[check] {
						t.Errorf("%s is %q, want %q", check, got[check], want[check])
					}
				}
			}
			for _, user := range []string{practice.ReceptionUser, practice.StandbyUser} {
				if left := p.Bindings(user); len(left) > 0 {
					t.Errorf("%s is left registered: %v", user, left)
				}
			}
		})
	}
}

func TestTheTimesAreThoseOfThePBX(t *testing.T) {
	_, q := pbx(t, func(o *practice.PBXOptions) { o.NoReply = 1500 * time.Millisecond })
	for _, m := range trial.Measure(t.Context(), home, q, secrets, releve.Main) {
		if m.Check == "pbx-silence" && (m.Value < 1.4 || m.Value > 4) || m.Check == "pbx-expiry" && m.Value != 10 {
			t.Errorf("%s takes %v s", m.Check, m.Value)
		}
	}
}

// A site that runs is not disturbed: nobody's registration is touched.
func TestWhoIsRegisteredElsewhereIsLeftAlone(t *testing.T) {
	p, q := pbx(t, func(*practice.PBXOptions) {})
	other := q
	other.SIPPort = freePort(t)
	stay := registered(t, other)
	defer stay()
	found := told(trial.Measure(t.Context(), home, q, secrets, releve.Main))
	want := all("unmeasured study-pbx-in-use", map[string]string{"pbx-answers": "seen"})
	if !maps.Equal(found, want) {
		t.Errorf("found %v", found)
	}
	if left := p.Bindings(practice.ReceptionUser); len(left) != 1 || !strings.Contains(left[0].Contact, fmt.Sprint(other.SIPPort)) {
		t.Errorf("the other's registration is %v", left)
	}
}

func TestTheSecondaryRegistersItsUserAlone(t *testing.T) {
	p, q := pbx(t, func(*practice.PBXOptions) {})
	found := told(trial.Measure(t.Context(), home, q, secrets, releve.Secondary))
	if want := map[string]string{"pbx-answers": "seen", "pbx-register": "seen"}; !maps.Equal(found, want) {
		t.Errorf("found %v", found)
	}
	if left := p.Bindings(practice.StandbyUser); len(left) > 0 {
		t.Errorf("left registered: %v", left)
	}
}
