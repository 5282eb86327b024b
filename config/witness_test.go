package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"releve"
	"releve/config"
	"releve/config/site"
	"releve/doors/identity"
)

// withWitness makes a site that has one, and gives its files.
func withWitness(t *testing.T, language releve.Language) site.Written {
	t.Helper()
	o := site.Defaults()
	o.Dir, o.Name, o.ReceptionNumber, o.ReceptionPassword, o.StandbyPassword = t.TempDir(), "S", "9", "a", "b"
	o.Main.Host, o.Secondary.Host = netip.MustParseAddr("127.0.0.21"), netip.MustParseAddr("127.0.0.22")
	o.PBX, o.Language = netip.MustParseAddrPort("127.0.0.10:5060"), language
	o.Main.Data, o.Secondary.Data = "/var/lib/releve/main", "/var/lib/releve/secondary"
	o.Witness.At = netip.MustParseAddrPort("127.0.0.30:7444")
	w, err := site.Init(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAWitnessIsTheSameSeenFromThreeMachines(t *testing.T) {
	for _, language := range []releve.Language{releve.French, releve.English} {
		files := withWitness(t, language)
		w, mistakes := config.LoadWitness(files.Witness)
		if len(mistakes) > 0 || w.Site.ID != files.SiteID || w.Site.Language != language || !filepath.IsAbs(w.Witness.Data) {
			t.Errorf("the witness's file says %+v, with mistakes %v", w, mistakes)
		}
		for file, host := range map[string]string{files.Main: "127.0.0.21", files.Secondary: "127.0.0.22"} {
			c, mistakes := config.Load(file)
			at, from := c.Witness.At()
			if len(mistakes) > 0 || c.Site.Arbiter != releve.Witness || at.String() != w.Witness.Listen || from.String() != host {
				t.Errorf("%s says %+v and %+v, with mistakes %v", file, c.Site, c.Witness, mistakes)
			}
		}
	}
}

func TestAServersFileIsToldFromAWitnesss(t *testing.T) {
	files := withWitness(t, releve.English)
	for file, want := range map[string]bool{
		files.Main: false, files.Secondary: false, files.Witness: true,
		"testdata/slips.toml": false, "testdata/empty.toml": false, "testdata/absent.toml": false,
	} {
		if got := config.IsWitness(file); got != want {
			t.Errorf("%s is a witness's: %v", file, got)
		}
	}
}

func TestEveryMistakeOfAWitnesssFileIsTold(t *testing.T) {
	for story, c := range map[string]struct {
		text string
		want map[string]string
	}{
		"nothing in it": {"[witness]\n", map[string]string{
			"site.id": "missing", "site.name": "missing", "witness.listen": "missing", "witness.data": "missing",
			"witness.ca": "missing", "witness.certificate": "missing", "witness.key": "missing",
		}},
		"slips": {
			"[site]\nid = \"S\"\nname = \"S\"\nlanguage = \"de\"\nseat = \"main\"\n[witness]\nlisten = \"0.0.0.0:7444\"\ndata = \"file\"\nca = \"file\"\ncertificate = \"absent\"\nkey = \"file\"\n",
			map[string]string{
				"site.language": "one-of", "site.seat": "unknown", "witness.listen": "address.wildcard", "witness.data": "data.no-directory",
				"witness.ca": identity.NoCertificate, "witness.certificate": identity.Missing, "witness.key": "key.open",
			},
		},
		"no TOML": {"[witness\n", map[string]string{"": "syntax", "site.id": "missing", "site.name": "missing", "witness.listen": "missing", "witness.data": "missing", "witness.ca": "missing", "witness.certificate": "missing", "witness.key": "missing"}},
	} {
		t.Run(story, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "witness.toml")
			for name, text := range map[string]string{file: c.text, filepath.Join(dir, "file"): "hello\n"} {
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, mistakes := config.LoadWitness(file)
			got := map[string]string{}
			for _, m := range mistakes {
				got[m.Key] = m.Why.Code
			}
			for key, code := range c.want {
				if got[key] != code {
					t.Errorf("%s is told as %q, want %q", key, got[key], code)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("got %v", got)
			}
			if !slices.IsSortedFunc(mistakes, func(a, b config.Mistake) int { return a.Line - b.Line }) {
				t.Errorf("out of order: %v", mistakes)
			}
		})
	}
	if _, mistakes := config.LoadWitness("testdata/absent.toml"); len(mistakes) != 1 || mistakes[0].Why.Code != "unreadable" {
		t.Errorf("a file that is not there: %v", mistakes)
	}
}

// A server's certificate is not a witness's, nor the other way round.
func TestAWitnesssCertificateIsItsOwn(t *testing.T) {
	files := withWitness(t, releve.English)
	tls := func(name string) string { return filepath.Join(filepath.Dir(files.Main), "tls", name) }
	move := func(from, to string) {
		if err := os.Rename(tls(from), tls(to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []string{".pem", ".key"} {
		move("main"+end, "kept"+end)
		move("witness"+end, "main"+end)
		move("kept"+end, "witness"+end)
	}
	_, mistakes := config.LoadWitness(files.Witness)
	if len(mistakes) != 1 || mistakes[0].Why.Code != identity.WrongSeat {
		t.Errorf("the main's as the witness's: %v", mistakes)
	}
	if _, mistakes = config.Load(files.Main); len(mistakes) != 1 || mistakes[0].Why.Code != identity.WrongSeat {
		t.Errorf("the witness's as the main's: %v", mistakes)
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]config.Rate{"50MB": 50 << 20, "512kB": 512 << 10, "1GB": 1 << 30, "1500kB": 1500 << 10, "0": 0} {
		got, err := config.ParseRate(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s is read as %d, written as %s, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "50", "50 megabytes", "-1MB", "MB", "5.5MB", "99999999999GB"} {
		if got, err := config.ParseRate(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestKeptLogFollowsTheDiskOrHasASize(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.toml")
	for text, want := range map[string]config.Size{
		"": 0, `kept_log = "auto"`: 0, `kept_log = "4GB"`: 4 << 30, `kept_log = "512MB"`: 512 << 20, `kept_log = "65536kB"`: 64 << 20,
	} {
		if err := os.WriteFile(file, []byte("[mirror]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _ := config.Load(file)
		again, err := config.ParseSize(c.Mirror.KeptLog.String())
		if c.Mirror.KeptLog != want || again != want || err != nil {
			t.Errorf("%q is %d, and again %d (%v)", text, c.Mirror.KeptLog, again, err)
		}
	}
	for _, text := range []string{"", "0", "0MB", "Auto", "50", "-1MB", "MB", "5.5GB", "99999999999GB"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestACopyAlwaysHasALimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.toml")
	for text, want := range map[string]string{"": "50MB", `copy_rate = "0"`: "50MB", `copy_rate = "2MB"`: "2MB"} {
		if err := os.WriteFile(file, []byte("[mirror]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, _ := config.Load(file); c.Mirror.CopyRate.String() != want {
			t.Errorf("%q is a limit of %s", text, c.Mirror.CopyRate)
		}
	}
}
