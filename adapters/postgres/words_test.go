package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"releve"
)

func TestWhatLiesBehindAFork(t *testing.T) {
	const fork, page = releve.LSN(0x3000148), releve.LSN(0x3002000)
	after := func(message string) string { return "pg_waldump: error: error in WAL record at 0/3000110: " + message }
	for name, c := range map[string]struct {
		said    string
		flushed releve.LSN
		want    Tail
	}{
		"nothing was written":   {after("invalid record length at 0/3000148: wanted 24, got 0"), fork, TailNone},
		"an old file's content": {after("record with incorrect prev-link 0/1000110 at 0/3000148"), fork, TailNone},
		"the position was forgotten": {
			after("incorrect resource manager data checksum in record at 0/3000148"), 0, TailDamaged},
		"cut at the end of a page": {
			after("invalid magic number 0000 in log segment 000000010000000000000003, offset 8192"), page, TailUnfinished},
		"cut there, an old file behind": {
			after("unexpected pageaddr 0/1002000 in log segment 000000010000000000000003, offset 8192"), page, TailUnfinished},
		"the same as PostgreSQL 16 says": {
			after("invalid magic number 0000 in WAL segment 000000010000000000000003, LSN 0/3002000, offset 8192"),
			page, TailUnfinished},
		"a length that points too far": {
			after("invalid magic number 0000 in log segment 000000010000000000000003, offset 8192"), fork + 600, TailDamaged},
		"a page that was whole": {
			after("invalid magic number 0001 in log segment 000000010000000000000003, offset 8192"), page + 9000, TailDamaged},
		"a record that was whole": {
			after("incorrect resource manager data checksum in record at 0/3000148"), fork + 600, TailDamaged},
		"zeros where rows were": {
			after("invalid record length at 0/3000148: wanted 24, got 0"), fork + 600, TailDamaged},
		"cut at the end of a file": {
			after("invalid magic number 0000 in log segment 000000010000000000000004, offset 0"), 0x4000000, TailUnfinished},
		"promotion stopped before a row": {
			"pg_waldump: error: error in WAL record at 0/3000148: invalid record length at 0/3000180: wanted 24, got 0",
			fork + 56, TailRecords},
		"nothing flushed, no file behind": {
			after("invalid magic number 0000 in log segment 000000010000000000000004, offset 0"), fork, TailNone},
	} {
		end, err := parseWALEnd(c.said)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := end.judge(fork, c.flushed); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if _, err := parseWALEnd("pg_waldump: error: something new"); err == nil {
		t.Error("an answer that is not understood was taken for one")
	}
}

func TestVersions(t *testing.T) {
	for out, want := range map[string]string{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": "",
		"postgres (PostgreSQL) 15.13\n":                          "",
		"postgres (PostgreSQL) 18.0\n":                           "",
		"postgres (PostgreSQL) 15.12\n":                          "apt upgrade postgresql-15",
		"postgres (PostgreSQL) 17.4\n":                           "17.5 mends it",
		"postgres (PostgreSQL) 14.20\n":                          "not one of 15 to 18",
		"postgres (PostgreSQL) 19beta1\n":                        "not a release",
		"nothing\n":                                              "no version",
	} {
		v, err := parseVersion(out)
		inst := Installation{Bin: "/bin", Version: v}
		if err == nil {
			inst, err = judge(inst)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", out, err, want)
		}
		if errors.Is(err, ErrOldMinor) != (inst.Warning != "") {
			t.Errorf("%q: warning %q with %v", out, inst.Warning, err)
		}
	}
}

func TestAMissingPostgreSQLIsSaidWithItsRemedy(t *testing.T) {
	empty := t.TempDir()
	for what, err := range map[string]error{
		"nowhere":          second(find("", empty, empty)),
		"an empty hint":    second(find(empty, empty, "")),
		"a hint into void": second(find(filepath.Join(empty, "bin"), empty, "")),
	} {
		if err == nil || !strings.Contains(err.Error(), "apt install postgresql-15") {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, os.Symlink(filepath.Join(installed(t).Bin, "postgres"), filepath.Join(empty, "postgres")))
	inst, err := find("", filepath.Join(empty, "none"), empty)
	must(t, err)
	if inst.Bin != installed(t).Bin || inst.Version.Major < 15 {
		t.Errorf("along PATH: %+v", inst)
	}
}

func TestWALFilesBearTheirPositions(t *testing.T) {
	for at, name := range map[releve.LSN]string{
		0x3000148:     "000000020000000000000003",
		0x1_FF000000:  "0000000200000001000000FF",
		0xA_00000000:  "000000020000000A00000000",
		0xFF_FFFFFFFF: "00000002000000FF000000FF",
	} {
		if got := segmentName(2, at); got != name {
			t.Errorf("%s: %s, want %s", at, got, name)
		}
		if got := segmentLSN(name); got != segmentStart(at) {
			t.Errorf("%s: %s, want %s", name, got, segmentStart(at))
		}
	}
}

func second(_ Installation, err error) error { return err }

func TestHistories(t *testing.T) {
	forks, err := parseHistory("1\t0/3000148\tno recovery target specified\n" +
		"\n2\t1/A0000028\tno recovery target specified\n# a remark\n")
	must(t, err)
	if len(forks) != 2 || forks[1] != (releve.Fork{Timeline: 2, At: 0x1A0000028}) {
		t.Errorf("%v", forks)
	}
	for _, bad := range []string{"1\n", "one\t0/0\n", "1\tnowhere\n"} {
		if _, err := parseHistory(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestQuotesCannotEscape(t *testing.T) {
	c := &Cluster{opts: Options{Dir: `/srv/l'hôpital \ two`, Seat: releve.Main}}
	info := c.conninfo(c.opts.Upstream, RoleMirror, "name")
	if !strings.Contains(info, `sslkey='/srv/l\'hôpital \\ two/tls/mirror.key'`) {
		t.Error(info)
	}
	if got := quoteSetting(`it's \ it`); got != `'it''s \\ it'` {
		t.Error(got)
	}
}
