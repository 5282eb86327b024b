package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const token = "TOKENTOKENTOKENTOKENTOKEN2"

// heard is what a log that holds lines makes of them.
func heard(lines string) (*serverLog, *ailments) {
	a := new(ailments)
	l := &serverLog{token: token, note: a.read, each: func(logEntry) {}}
	_, _ = io.WriteString(l, lines)
	l.flush()
	return l, a
}

func by(process, code, text string) string {
	return fmt.Sprintf("%s %s [%s] %s\n", token, code, process, text)
}

func TestWhatPostgreSQLSaysIsTold(t *testing.T) {
	const base, wal, xact = "base", "pg_wal", "pg_xact"
	for name, c := range map[string]struct {
		lines string
		want  error
		try   string // the directory that is to be tried
	}{
		"a panic for the log": {by("client backend", "53100",
			`PANIC:  could not write to file "pg_wal/xlogtemp.77": No space left on device`), ErrDiskFull, ""},
		"a panic that names no directory": {by("walwriter", "58030",
			`PANIC:  could not fdatasync file "000000010000000000000003": Input/output error`), ErrDamaged, ""},
		"the checkpointer finds no room": {by("checkpointer", "53100",
			`ERROR:  could not write block 5 in file "base/5/16384": No space left on device`), ErrDiskFull, ""},
		"the checkpointer is over its quota": {by("checkpointer", "XX000",
			`ERROR:  could not write block 5 in file "base/5/16384": Disk quota exceeded`), ErrDiskFull, ""},
		"the checkpointer cannot write": {by("checkpointer", "58030",
			`ERROR:  could not write block 5 in file "base/5/16384": Input/output error`), ErrDamaged, ""},
		"a file of the commit log is gone": {by("startup", "58P01", `FATAL:  could not access status of transaction 9`) +
			by("startup", "58P01", `DETAIL:  Could not open file "pg_xact/0000": No such file or directory.`), ErrFilesGone, ""},
		"replay reads a damaged page": {by("startup", "XX001",
			`FATAL:  invalid page in block 3 of relation base/5/16384`), ErrDamaged, ""},
		"a session finds no room for a table": {by("client backend", "53100",
			`ERROR:  could not extend file "base/5/16384": No space left on device`), nil, base},
		"a session is over the quota": {by("client backend", "XX000",
			`ERROR:  could not extend file "base/5/16384": Disk quota exceeded`), nil, base},
		"a session finds no room for the log": {by("walsender", "53100",
			`ERROR:  could not create file "pg_wal/xlogtemp.7": No space left on device`), nil, wal},
		"a session finds no room for the commit log": {
			by("autovacuum worker", "53100", `ERROR:  could not access status of transaction 9`) +
				by("autovacuum worker", "53100",
					`DETAIL:  Could not write to file "pg_xact/0000" at offset 0: No space left on device.`), nil, xact},

		"a session writes to a full device": {by("client backend", "53100",
			`ERROR:  could not write to COPY file: No space left on device`), nil, ""},
		"a session's temporary files find no room": {by("client backend", "53100",
			`ERROR:  could not write to file "base/pgsql_tmp/pgsql_tmp77.0": No space left on device`), nil, ""},
		"shared memory is full": {by("parallel worker", "53100",
			`ERROR:  could not resize shared memory segment "/PostgreSQL.77" to 1052672 bytes: No space left on device`),
			nil, ""},
		"shared memory is full for the checkpointer": {by("checkpointer", "53100",
			`ERROR:  could not resize shared memory segment "/PostgreSQL.77" to 1052672 bytes: No space left on device`),
			nil, ""},
		"a session reads from a broken device": {by("client backend", "58030",
			`ERROR:  could not read from COPY file: Input/output error`), nil, ""},
		"a session raises what it likes": {
			by("client backend", "XX001", `ERROR:  invalid page in block 3 of relation base/5/16384`) +
				by("client backend", "XX002", `FATAL:  x`) + by("client backend", "58P01", `ERROR:  "base/5/16384"`), nil, ""},
		"a session's statement":                {by("client backend", "53100", `STATEMENT:  SELECT '"base/5/1'`), nil, ""},
		"a session's severity within its text": {by("client backend", "XX001", `ERROR:  PANIC:  x`), nil, ""},
		"a history that is asked for": {by("startup", "58P01",
			`LOG:  could not open file "pg_wal/00000002.history": No such file or directory`), nil, ""},
		"without the token":   {"XX001 [postmaster] PANIC:  x\n", nil, ""},
		"another token":       {strings.ToLower(by("postmaster", "XX001", "PANIC:  x")), nil, ""},
		"a token in the text": {by("client backend", "28000", `FATAL:  x`+"\r"+by("postmaster", "XX001", "PANIC:  x")), nil, ""},
		"a blank before it":   {" " + by("postmaster", "XX001", "PANIC:  x"), nil, ""},
		"the tab of what goes on": {by("client backend", "28000", "FATAL:  user \"\n\t"+
			by("postmaster", "XX001", "PANIC:  x")), nil, ""},
	} {
		_, a := heard(c.lines)
		if got, try := a.current().kind, a.suspected(); got != c.want || try != c.try {
			t.Errorf("%s: %v, to be tried %q; want %v and %q", name, got, try, c.want, c.try)
		}
	}
}

func TestWhyItEndedIsInItsOwnWords(t *testing.T) {
	ended := func(lines string) string {
		l, _ := heard(lines)
		p := &postmaster{log: l, err: errors.New("exit status 1")}
		return p.failure().Error()
	}
	mode := by("postmaster", "F0000", `FATAL:  data directory "/srv/data" has invalid permissions`) +
		by("postmaster", "F0000", `DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).`)
	if got := ended(mode); !strings.Contains(got, "Permissions should be u=rwx (0700)") {
		t.Errorf("without the detail: %s", got)
	}
	strangers := strings.Repeat(by("client backend", "28000", `FATAL:  no pg_hba.conf entry for host "192.0.2.1"`)+
		by("client backend", "28000", `DETAIL:  Client IP address resolved to "x".`), 50)
	if got := ended(mode + strangers); !strings.Contains(got, "invalid permissions") || strings.Contains(got, "192.0.2.1") {
		t.Errorf("a stranger speaks for it: %s", got)
	}
	early := "postgres: could not access directory \"/srv/data\": Permission denied\n"
	if l, _ := heard(early); !strings.Contains(spoken(l.entries())[0], "could not access directory") {
		t.Errorf("what it says before its configuration is lost: %v", l.entries())
	}
	if l, _ := heard(by("postmaster", "00000", "LOG:  starting") + "XX001 FATAL:  x\n"); len(l.entries()) != 1 {
		t.Errorf("it lent its voice: %v", l.entries())
	}
	endless := by("postmaster", "00000", "LOG:  "+strings.Repeat("x", 2*longLine)+token+" XX001 [postmaster] PANIC:  x")
	if l, a := heard(endless + by("postmaster", "00000", "LOG:  ready")); a.current().kind != nil || len(l.entries()) != 2 {
		t.Errorf("a line without end: %v, %d entries", a.current().kind, len(l.entries()))
	}
}

// FuzzNobodyForgesALine: whatever a name holds, PostgreSQL quotes it after a prefix of its own
// and marks each line feed within it; then no fault is read, however the log is cut.
func FuzzNobodyForgesALine(f *testing.F) {
	for _, name := range []string{
		"\rXX001 ERROR:  x", "\n" + by("postmaster", "XX001", "PANIC:  x"), "\r\n\r\nXX001 [postmaster] PANIC:  x",
		"\v\f\x85\u2028" + "XX001 [postmaster] PANIC:  x", strings.Repeat("x", longLine) + "\nXX001 PANIC:  x", "\x00", "%e [%b]",
	} {
		f.Add(name, "client backend", 7)
	}
	f.Fuzz(func(t *testing.T, name, process string, cut int) {
		if strings.Contains(name, token) || logEntry.own(logEntry{process: process}) || strings.ContainsAny(process, "[]\n") {
			t.Skip()
		}
		quoted := strings.ReplaceAll(name, "\n", "\n\t")
		whole := by(process, "28000", fmt.Sprintf(
			`FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "%s", database "%s"`, quoted, quoted)) +
			by(process, "22023", "STATEMENT:  "+quoted)
		a := new(ailments)
		l := &serverLog{token: token, note: a.read, each: func(logEntry) {}, begun: true}
		for rest := whole; rest != ""; {
			n := 1 + max(cut, -cut, 0)%len(rest)
			_, _ = io.WriteString(l, rest[:n])
			rest = rest[n:]
		}
		l.flush()
		if found := a.current(); found.kind != nil || a.suspected() != "" || a.starved() != nil || len(l.entries()) != 0 {
			t.Errorf("%q was believed: %+v, %v", name, found, l.entries())
		}
	})
}

// startUp is a stranger's start-up packet (manual §55.7).
func startUp(pairs ...string) []byte {
	body := binary.BigEndian.AppendUint32(nil, 196608)
	for _, text := range pairs {
		body = append(append(body, text...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func TestAStrangerAtThePortIsRefusedAndNothingElse(t *testing.T) {
	c, log := overheard(t)
	for i, forged := range []string{
		"\rXX001 ERROR:  x", "\r\nXX001 [postmaster] PANIC:  x", "\nXX001 ERROR:  x",
		"\r53100 ERROR:  could not extend file \"base/1\"",
		"\r58030 [checkpointer] PANIC:  x", "x\rXXXXX XX001 [startup] FATAL:  x",
	} {
		conn, err := net.Dial("tcp", c.opts.Listen.String())
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(limit)))
		_, err = conn.Write(startUp("user", forged, "database", forged, "application_name", forged))
		must(t, err)
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !strings.Contains(string(answer), "C28000") {
			t.Errorf("%q is answered %q (%v)", forged, answer, err)
		}
		until(t, "the log has the refusal", func() bool { return log.times("pg_hba.conf rejects") == i+1 })
		if err := c.Health(within(t)); err != nil {
			t.Errorf("after packet %d: %v", i, err)
		}
	}
	if c.ExitError() != nil || c.postmaster().ailments.current().kind != nil {
		t.Errorf("%v, %+v", c.ExitError(), c.postmaster().ailments.current())
	}
}

func TestNoRoomElsewhereIsNoFaultOfTheDatabase(t *testing.T) {
	c, log := overheard(t)
	pool := openPool(t, c)
	raise := func(code, message string) string {
		return fmt.Sprintf("DO $$ BEGIN RAISE EXCEPTION '%s' USING ERRCODE = '%s'; END $$", message, code)
	}
	for i, statement := range []string{
		"COPY (SELECT generate_series(1, 100000)) TO '/dev/full'",
		raise("53100", "no room"), raise("58030", "no room"), raise("XX001", `"base/1/1"`),
		raise("53100", `could not extend file "base/1/1": No space left on device`), // tried, and there is some
	} {
		someone := stranger(t, c)
		_, err := someone.Exec(within(t), statement).ReadAll()
		if refusal := (*pgconn.PgError)(nil); !errors.As(err, &refusal) {
			t.Fatalf("%s: %v", statement, err)
		}
		until(t, "the log has it", func() bool { return log.times("msg=\"ERROR") > i })
		for range 3 {
			if err := c.Health(within(t)); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
		must(t, someone.Close(within(t)))
	}
	local(t, pool, "CREATE TABLE facts (n int)")
}

// stranger is a session of somebody's, as psql opens one.
func stranger(t testing.TB, c *Cluster) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(within(t), c.localInfo(superuser)+" dbname="+database)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestADiskThatIsFullForPostgreSQLAloneIsFoundByTrying(t *testing.T) {
	c := alone(t)
	well(t, c)
	p := c.postmaster()
	small := mount(t, "-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs")
	must(t, asRoot("chmod", "777", small).Run())
	must(t, asRoot("mkdir", c.path("data", "small")).Run())
	must(t, asRoot("mount", "--bind", small, c.path("data", "small")).Run())
	t.Cleanup(func() { must(t, asRoot("umount", c.path("data", "small")).Run()) })
	p.ailments.suspect("base")
	must(t, c.tryRoom(within(t), p, p.ailments.suspected()))
	for range 2 { // and again, while there is none
		if err := c.tryRoom(within(t), p, "small"); !errors.Is(err, ErrDiskFull) {
			t.Errorf("no room was found: %v", err)
		}
		if dir := p.ailments.suspected(); dir != "small" {
			t.Errorf("it is not tried again: %q", dir)
		}
	}
}
