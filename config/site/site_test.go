package site_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve"
	"releve/config"
	"releve/config/site"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hospital is a site on loopback with all that has no default.
func hospital(t *testing.T) site.Options {
	t.Helper()
	o := site.Defaults()
	o.Dir = filepath.Join(t.TempDir(), "site")
	o.Name = "Hôpital Sud"
	o.PBX = netip.MustParseAddrPort("127.0.0.10:5060")
	o.Main.Host, o.Secondary.Host = netip.MustParseAddr("127.0.0.21"), netip.MustParseAddr("127.0.0.22")
	o.Main.Data, o.Secondary.Data = "/var/lib/releve/main", "/var/lib/releve/secondary"
	o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = "9", "recep-pw", "stand-pw"
	return o
}

// load reads both files of a site, which must be without a mistake.
func load(t *testing.T, o site.Options) (main, secondary config.Config) {
	t.Helper()
	w, err := site.Init(o)
	if err != nil {
		t.Fatal(err)
	}
	read := func(file string) config.Config {
		c, mistakes := config.Load(file)
		for _, m := range mistakes {
			t.Error(m)
		}
		return c
	}
	return read(w.Main), read(w.Secondary)
}

func TestANewSiteIsOneSeenFromTwoSides(t *testing.T) {
	for _, language := range []releve.Language{releve.French, releve.English} {
		o := hospital(t)
		o.Language = language
		main, secondary := load(t, o)
		if main.Site.ID != secondary.Site.ID || len(main.Site.ID) < 20 {
			t.Errorf("site ids %q and %q", main.Site.ID, secondary.Site.ID)
		}
		if main.Site.Seat != releve.Main || secondary.Site.Seat != releve.Secondary || main.Site.Language != language {
			t.Errorf("main is %+v, secondary %+v", main.Site, secondary.Site)
		}
		for _, link := range [][2]string{
			{main.SIP.Listen, secondary.SIP.Other}, {main.Peer.Listen, secondary.Peer.Other}, {main.Database.Listen, secondary.Database.Other}, {main.Console.Listen, secondary.Console.Other},
			{secondary.SIP.Listen, main.SIP.Other}, {secondary.Peer.Listen, main.Peer.Other}, {secondary.Database.Listen, main.Database.Other}, {secondary.Console.Listen, main.Console.Other},
		} {
			if link[0] != link[1] {
				t.Errorf("one listens on %s and the other looks for it at %s", link[0], link[1])
			}
		}
		if !reflect.DeepEqual(main.PBX, secondary.PBX) || main.Takeover != secondary.Takeover || main.Takeover != config.Defaults().Takeover {
			t.Errorf("the two sides differ: %+v %+v", main, secondary)
		}
	}
}

// Everything that can be said to Init is what the files then say.
func TestWhatWasAskedIsWhatIsWritten(t *testing.T) {
	o := hospital(t)
	o.Domain, o.Operator, o.Evidence, o.Account = "ipbx.test", "1001", releve.EvidenceDiversion, "pg"
	o.Expires, o.Channels, o.ExtensionDigits = config.Duration(90*time.Second), 12, 3
	o.ReceptionUser, o.StandbyUser, o.Binaries = "r", "s", "/opt/pg/bin"
	o.Main = site.Server{
		Host: netip.MustParseAddr("::1"), Data: "/m", SIPPort: 1, PeerPort: 2, DatabasePort: 3, ConsolePort: 4, RTPFirst: 2000, RTPLast: 2099,
	}
	c, _ := load(t, o)
	for what, pair := range map[string][2]any{
		"domain": {c.PBX.Domain, "ipbx.test"}, "operator": {c.Attendant.Operator, "1001"},
		"evidence": {c.PBX.Evidence, releve.EvidenceDiversion}, "account": {c.Database.Account, "pg"},
		"expires": {c.PBX.Expires.Std(), 90 * time.Second}, "channels": {c.SIP.Channels, 12},
		"digits": {c.Attendant.ExtensionDigits, 3}, "users": {c.PBX.ReceptionUser + c.PBX.StandbyUser, "rs"},
		"binaries": {c.Database.Binaries, "/opt/pg/bin"}, "data": {c.Site.Data, "/m"},
		"sip": {c.SIP.Listen, "[::1]:1"}, "peer": {c.Peer.Listen, "[::1]:2"}, "database": {c.Database.Listen, "[::1]:3"},
		"console": {c.Console.Listen, "[::1]:4"}, "rtp": {c.SIP.RTPFirst*10000 + c.SIP.RTPLast, 20002099},
		"number": {c.PBX.ReceptionNumber, "9"}, "passwords": {c.PBX.ReceptionPassword + c.PBX.StandbyPassword, "recep-pwstand-pw"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, asked %v", what, pair[0], pair[1])
		}
	}
}

// A site that gives no number plan gets one that says so, and one that gives its own has
// no word about it.
func TestASiteBeginsWithANumberPlan(t *testing.T) {
	for story, c := range map[string]struct {
		digits   int
		operator string
		given    []string
		want     []string
	}{
		"four digits, the operator among them": {4, "1001", nil, []string{"1000-8999"}},
		"an operator of his own":               {4, "9", nil, []string{"1000-8999", "9"}},
		"an operator behind a star":            {4, "*9", nil, []string{"1000-8999", "*9"}},
		"three digits, and no 112":             {3, "", nil, []string{"200-899"}},
		"two digits, and no 15":                {2, "", nil, []string{"20-89"}},
		"one digit":                            {1, "", nil, []string{"1-8"}},
		"given":                                {4, "9", []string{"9", "2000-2999"}, []string{"9", "2000-2999"}},
	} {
		for _, language := range []releve.Language{releve.French, releve.English} {
			o := hospital(t)
			o.Language, o.ExtensionDigits, o.Operator, o.Extensions = language, c.digits, c.operator, c.given
			main, secondary := load(t, o)
			if !slices.Equal(main.Attendant.Extensions, c.want) || !slices.Equal(secondary.Attendant.Extensions, c.want) {
				t.Errorf("%s: %q and %q, not %q", story, main.Attendant.Extensions, secondary.Attendant.Extensions, c.want)
			}
			text, err := os.ReadFile(filepath.Join(o.Dir, "main.toml"))
			if err != nil {
				t.Fatal(err)
			}
			derived := map[releve.Language]string{releve.English: "this one is derived", releve.French: "celui-ci est déduit"}
			if said := strings.Contains(string(text), derived[language]); said != (c.given == nil) {
				t.Errorf("%s: the file says that the plan is derived: %v", story, said)
			}
		}
	}
}

func TestAnyTextSurvivesBeingWritten(t *testing.T) {
	o := hospital(t)
	o.Name = "a \"b\" \\ 'c'\n[pbx]\ndomain = \"x\" # é\u2028<&>\t😀"
	o.ReceptionPassword = `"""'''\u0041#`
	c, _ := load(t, o)
	if c.Site.Name != o.Name || c.PBX.ReceptionPassword != o.ReceptionPassword {
		t.Errorf("got %q and %q", c.Site.Name, c.PBX.ReceptionPassword)
	}
}

func TestASecretIsForItsOwnerOnly(t *testing.T) {
	w, err := site.Init(hospital(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range w.Files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
	if len(w.Files) != 8 {
		t.Errorf("wrote %q", w.Files)
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	o := hospital(t)
	kept := filepath.Join(o.Dir, "secondary.toml")
	if err := errors.Join(os.MkdirAll(o.Dir, 0o755), os.WriteFile(kept, []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := site.Init(o)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), kept) {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "mine" {
		t.Errorf("the file that was there reads %q, %v", text, err)
	}
	if left := filesBelow(t, o.Dir); !slices.Equal(left, []string{kept}) {
		t.Errorf("left behind: %q", left)
	}
}

func TestOptionsThatMakeNoSiteLeaveNothingBehind(t *testing.T) {
	o := hospital(t)
	o.ReceptionPassword, o.ReceptionNumber, o.PBX = "", "", netip.AddrPort{}
	o.Secondary.Host = o.Main.Host
	_, err := site.Init(o)
	var refused *site.MistakesError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	var keys []string
	for _, m := range refused.Mistakes {
		keys = append(keys, m.Key)
		if m.Line != 0 || strings.Contains(m.String(), o.Dir) {
			t.Errorf("%s speaks of a file that is gone", m)
		}
	}
	for _, want := range []string{"pbx.reception_password", "pbx.reception_number", "pbx.address", "sip.other", "peer.other", "database.other"} {
		if !slices.Contains(keys, want) {
			t.Errorf("%s is not told: %q", want, keys)
		}
	}
	if !strings.Contains(refused.Error(), "pbx.reception_number: empty") {
		t.Errorf("for logs it is %s", refused)
	}
	if left := filesBelow(t, o.Dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
