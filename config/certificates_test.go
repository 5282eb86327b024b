package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
)

// Each story takes a good site and spoils one file of the main server's.
func TestWhatIsWrongWithTheFilesOfTheLinkIsTold(t *testing.T) {
	for story, c := range map[string]struct {
		spoil func(t *testing.T, s spoilt)
		want  map[string]string
	}{
		"nothing": {func(*testing.T, spoilt) {}, nil},
		"a certificate that has expired": {
			func(t *testing.T, s spoilt) { s.issue(t, s.id, releve.Main, -2*time.Hour, -time.Hour) },
			nil, // said, and no reason not to answer
		},
		"a certificate of tomorrow": {
			func(t *testing.T, s spoilt) { s.issue(t, s.id, releve.Main, time.Hour, 2*time.Hour) },
			nil,
		},
		"a certificate of another site": {
			func(t *testing.T, s spoilt) { s.issue(t, "ELSEWHERE", releve.Main, -time.Hour, time.Hour) },
			map[string]string{"peer.certificate": identity.OtherSite},
		},
		"the other seat's files": {
			func(t *testing.T, s spoilt) {
				s.copy(t, "secondary.pem", "main.pem")
				s.copy(t, "secondary.key", "main.key")
			},
			map[string]string{"peer.certificate": identity.WrongSeat},
		},
		"the other seat's key": {
			func(t *testing.T, s spoilt) { s.copy(t, "secondary.key", "main.key") },
			map[string]string{"peer.key": identity.NoPair},
		},
		"our own certificate as the other's": {
			func(t *testing.T, s spoilt) { s.copy(t, "main.pem", "secondary.pem") },
			map[string]string{"peer.other_certificate": identity.WrongSeat},
		},
		"the authority of another site": {
			func(t *testing.T, s spoilt) { s.write(t, "ca.pem", authority(t).Certificate()) },
			map[string]string{"peer.certificate": identity.ForeignAuthority, "peer.other_certificate": identity.ForeignAuthority},
		},
		"a key that others can read": {
			func(t *testing.T, s spoilt) {
				if err := os.Chmod(s.path("main.key"), 0o644); err != nil {
					t.Fatal(err)
				}
			},
			map[string]string{"peer.key": "key.open"},
		},
		"no files": {
			func(t *testing.T, s spoilt) {
				if err := os.RemoveAll(s.path("")); err != nil {
					t.Fatal(err)
				}
			},
			map[string]string{
				"peer.ca": identity.Missing, "peer.certificate": identity.Missing,
				"peer.key": identity.Missing, "peer.other_certificate": identity.Missing,
			},
		},
		"text that is no certificate": {
			func(t *testing.T, s spoilt) { s.write(t, "secondary.pem", []byte("hello\n")) },
			map[string]string{"peer.other_certificate": identity.NoCertificate},
		},
	} {
		t.Run(story, func(t *testing.T) {
			s := newSpoilt(t)
			c.spoil(t, s)
			_, mistakes := config.Load(s.file)
			got := map[string]string{}
			for _, m := range mistakes {
				got[m.Key] = m.Why.Code
				if m.Line == 0 {
					t.Errorf("%s has no line", m)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			for key, code := range c.want {
				if got[key] != code {
					t.Errorf("%s is told as %q, want %q", key, got[key], code)
				}
			}
		})
	}
}

// spoilt is a site made for a test, and an authority that can pass for its own.
type spoilt struct {
	file, id, dir string
	authority     *identity.Authority
}

// newSpoilt makes a good site whose certificates come from an authority at hand.
func newSpoilt(t *testing.T) spoilt {
	t.Helper()
	o := site.Defaults()
	givePlaces(t, &o)
	o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = "9", "a", "b"
	w, err := site.Init(o)
	if err != nil {
		t.Fatal(err)
	}
	s := spoilt{file: w.Main, id: w.SiteID, dir: filepath.Join(o.Dir, "tls"), authority: authority(t)}
	s.write(t, "ca.pem", s.authority.Certificate())
	s.issue(t, s.id, releve.Main, -time.Hour, time.Hour)
	s.issue(t, s.id, releve.Secondary, -time.Hour, time.Hour)
	return s
}

// givePlaces gives a new site its addresses and directories.
func givePlaces(t *testing.T, o *site.Options) {
	t.Helper()
	o.Dir, o.Name = t.TempDir(), "S"
	o.Main.Host, o.Secondary.Host = netip.MustParseAddr("127.0.0.21"), netip.MustParseAddr("127.0.0.22")
	o.PBX = netip.MustParseAddrPort("127.0.0.10:5060")
	// Below a temporary directory the sockets could be left without room.
	o.Main.Data, o.Secondary.Data = "/var/lib/releve/main", "/var/lib/releve/secondary"
}

func authority(t *testing.T) *identity.Authority {
	t.Helper()
	now := time.Now()
	a, err := identity.NewAuthority("any", identity.Validity{From: now.Add(-time.Hour), Until: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s spoilt) path(name string) string { return filepath.Join(s.dir, name) }

func (s spoilt) issue(t *testing.T, id string, seat releve.Seat, from, until time.Duration) {
	t.Helper()
	valid := identity.Validity{From: time.Now().Add(from), Until: time.Now().Add(until)}
	certificate, key, err := s.authority.Issue(identity.Identity{Site: id, Seat: seat}, valid)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, string(seat)+".pem", certificate)
	s.write(t, string(seat)+".key", key)
}

func (s spoilt) copy(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(s.path(from))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, to, text)
}

func (s spoilt) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
