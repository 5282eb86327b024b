package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve"
	"releve/adapters/journal"
	"releve/adapters/spool"
	"releve/doors/identity"
	"releve/rules/takeover"
)

// What is spoilt on a main server that does not run. The files themselves are made by
// the rooms that own them.

func (s *server) journalFile() string { return filepath.Join(s.data, "journal", "journal") }
func (s *server) spoolFile() string   { return filepath.Join(s.data, "spool", "spool") }

// rewrite gives a file another content.
func rewrite(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	raw := must(os.ReadFile(file))(t)
	if err := os.WriteFile(file, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func half(raw []byte) []byte { return raw[:len(raw)/2] }

// otherByte changes one byte in the middle.
func otherByte(raw []byte) []byte {
	raw[len(raw)/2] ^= 0x04
	return raw
}

// keepJournal writes two journals of a server on duty, one after the other.
func (s *site) keepJournal(t *testing.T, id string, seat releve.Seat) {
	t.Helper()
	if err := os.MkdirAll(s.main.data, 0o755); err != nil {
		t.Fatal(err)
	}
	j := must(journal.Open(filepath.Join(s.main.data, "journal"), id, seat))(t)
	for term := range releve.Term(2) {
		if err := j.Save(takeover.Durable{Seat: seat, Term: term + 1, Owner: seat, Vote: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func journalInHalf(t *testing.T, s *site) {
	s.keepJournal(t, s.id(t), releve.Main)
	rewrite(t, s.main.journalFile(), half)
}

func journalChanged(t *testing.T, s *site) {
	s.keepJournal(t, s.id(t), releve.Main)
	rewrite(t, s.main.journalFile(), otherByte)
}

func journalGone(t *testing.T, s *site) {
	s.keepJournal(t, s.id(t), releve.Main)
	if err := os.Remove(s.main.journalFile()); err != nil {
		t.Fatal(err)
	}
}

func journalOfAnotherSite(t *testing.T, s *site) { s.keepJournal(t, "ELSEWHERE", releve.Main) }

func journalOfTheOtherSeat(t *testing.T, s *site) { s.keepJournal(t, s.id(t), releve.Secondary) }

// spooled is how many facts keepSpool keeps, each with an fsync of its own.
const spooled = 5

func (s *site) keepSpool(t *testing.T, seat releve.Seat) {
	t.Helper()
	var kept *spool.Spool
	err := await(10*time.Second, func() (err error) { // a child that the killed server was starting may hold its lock a moment longer
		kept, err = spool.Open(filepath.Dir(s.main.spoolFile()), seat, spool.Options{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range spooled {
		fact := must(releve.NewFact(releve.CallStepped, releve.CallID(fmt.Sprint("call-", i)), seat, 1, time.Now(), releve.StepBody{Number: 1, Name: "greeting"}))(t)
		if err := kept.Append(t.Context(), fact); err != nil {
			t.Fatal(err)
		}
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
}

func spoolCutInItsHead(t *testing.T, s *site) {
	s.keepSpool(t, releve.Main)
	rewrite(t, s.main.spoolFile(), func(raw []byte) []byte { return half(raw[:bytes.IndexByte(raw, '\n')]) })
}

// recordMark begins each record of a spool.
const recordMark = "RLVf"

// spoolDamaged changes the third record of five.
func spoolDamaged(t *testing.T, s *site) {
	s.keepSpool(t, releve.Main)
	rewrite(t, s.main.spoolFile(), func(raw []byte) []byte {
		at := 0
		for range 3 {
			at += bytes.Index(raw[at:], []byte(recordMark)) + len(recordMark)
		}
		raw[at+40] ^= 0x04
		return raw
	})
}

func spoolOfTheOtherSeat(t *testing.T, s *site) { s.keepSpool(t, releve.Secondary) }

// keepData puts files where PostgreSQL's data belongs.
func (s *site) keepData(t *testing.T, files map[string]string) {
	t.Helper()
	dir := filepath.Join(s.main.data, "postgres", "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func noDatabase(t *testing.T, s *site) {
	s.keepData(t, map[string]string{"thesis.txt": "years of work\n"})
}

func databaseOfAnotherSite(t *testing.T, s *site) {
	s.keepData(t, map[string]string{"PG_VERSION": "15\n", "releve.identity": `{"format":1,"site":"ELSEWHERE","data":"ABC"}`})
}

func databaseOfAnotherVersion(t *testing.T, s *site) {
	s.keepData(t, map[string]string{"PG_VERSION": "15\n", "releve.identity": fmt.Sprintf(`{"format":9,"site":%q,"data":"ABC"}`, s.id(t))})
}

func identityInHalf(t *testing.T, s *site) {
	s.keepData(t, map[string]string{"PG_VERSION": "15\n", "releve.identity": `{"format":1,"si`})
}

// certify writes another certificate of the site's authority, with its key, to the files
// of a seat.
func (s *site) certify(t *testing.T, seat releve.Seat, id identity.Identity, valid identity.Validity) {
	t.Helper()
	dir := filepath.Join(s.dir, "tls")
	authority := must(identity.LoadAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")))(t)
	certificate, key, err := authority.Issue(id, valid)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, text := range map[string][]byte{".pem": certificate, ".key": key} {
		if err := os.WriteFile(filepath.Join(dir, string(seat)+suffix), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
