package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"releve"
	"releve/doors/identity"
)

// inBoth are words that a refusal must say, in each language.
type inBoth map[releve.Language][]string

// What lies on the disk and is not this server's, or not whole, is refused with a
// sentence in the reader's language, with the way out, and not one byte of it changes
// (R6, R14, U4).
func TestWhatLiesOnTheDiskIsRefusedAndLeftAsItIs(t *testing.T) {
	closeSharedSite()
	for name, c := range map[string]struct {
		spoil func(*testing.T, *site)
		says  inBoth
	}{
		"a journal cut in half":         {journalInHalf, inBoth{"en": {"is cut", "releve return"}, "fr": {"est coupé", "releve return"}}},
		"a journal with another byte":   {journalChanged, inBoth{"en": {"checksum does not match", "releve return"}, "fr": {"somme de contrôle", "releve return"}}},
		"a journal that is gone":        {journalGone, inBoth{"en": {"is gone", "journal.previous", "releve return"}, "fr": {"a disparu", "releve return"}}},
		"a journal of another site":     {journalOfAnotherSite, inBoth{"en": {"of another site (ELSEWHERE", "[site] data"}, "fr": {"d'un autre établissement (ELSEWHERE", "[site] data"}}},
		"a journal of the other seat":   {journalOfTheOtherSeat, inBoth{"en": {"that of the secondary server", "[site] data"}, "fr": {"celui du serveur secondaire", "[site] data"}}},
		"a spool cut in its first line": {spoolCutInItsHead, inBoth{"en": {"does not begin as one", "keep it"}, "fr": {"ne commence pas", "gardez-le"}}},
		"a spool damaged in the middle": {spoolDamaged, inBoth{"en": {"record 3 ", "Nothing was cut off", "keep it"}, "fr": {"l'enregistrement 3 ", "Rien n'a été coupé", "gardez-le"}}},
		"a spool of the other seat":     {spoolOfTheOtherSeat, inBoth{"en": {"that of the secondary server", "[site] data"}, "fr": {"celle du serveur secondaire", "[site] data"}}},
		"files that are no database":    {noDatabase, inBoth{"en": {"not Relève's", "move them away"}, "fr": {"pas de Relève", "mettez-les ailleurs"}}},
		"another site's database":       {databaseOfAnotherSite, inBoth{"en": {"another site (ELSEWHERE", "keep it"}, "fr": {"autre établissement (ELSEWHERE", "gardez-le"}}},
		"a database of a later version": {databaseOfAnotherVersion, inBoth{"en": {"format 9", "install that version"}, "fr": {"format 9", "installez cette version"}}},
		"half of whose database it is":  {identityInHalf, inBoth{"en": {"releve.identity", "cannot be read"}, "fr": {"releve.identity", "ne se lit pas"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosedSite(t)
			c.spoil(t, s)
			s.refusesToServe(t, exitPrecondition, c.says)
		})
	}
}

// A certificate that is not this server's, or not the other's, is a mistake of the
// configuration, found before anything starts. Dates are none (K6): cli/testdata/certificates.txt.
func TestCertificatesOfOthersAreRefused(t *testing.T) {
	closeSharedSite()
	now := time.Now()
	present := identity.Validity{From: now.AddDate(0, 0, -1), Until: now.AddDate(1, 0, 0)}
	for name, c := range map[string]struct {
		seat  releve.Seat // whose certificate it is
		site  string      // "" is the site's own
		valid identity.Validity
		says  inBoth
	}{
		"its own is of another site":     {releve.Main, "ELSEWHERE", present, inBoth{"en": {"peer.certificate", "site ELSEWHERE"}, "fr": {"peer.certificate", "ELSEWHERE"}}},
		"the other's is of another site": {releve.Secondary, "ELSEWHERE", present, inBoth{"en": {"peer.other_certificate", "site ELSEWHERE"}, "fr": {"peer.other_certificate", "ELSEWHERE"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosedSite(t)
			site := c.site
			if site == "" {
				site = s.id(t)
			}
			s.certify(t, c.seat, identity.Identity{Site: site, Seat: c.seat}, c.valid)
			s.refusesToServe(t, exitConfiguration, c.says)
		})
	}
}

// refusesToServe starts the main in both languages, which must end at once, say why and
// change nothing.
func (s *site) refusesToServe(t *testing.T, code int, says inBoth) {
	t.Helper()
	before := fingerprints(t, s.main.data)
	for language, all := range says {
		r := s.main.run("serve", "--language", string(language))
		if r.code != code {
			t.Errorf("exit code %d, want %d", r.code, code)
		}
		for _, words := range all {
			if !strings.Contains(r.stderr, words) {
				t.Errorf("in %s it does not say %q", language, words)
			}
		}
		t.Logf("it says: %s", strings.TrimSpace(r.stderr))
	}
	checkUntouched(t, before, s.main.data)
}

// id is the site's own, as its configuration has it.
func (s *site) id(t *testing.T) string {
	t.Helper()
	var c struct{ Site struct{ ID string } }
	if err := toml.Unmarshal(must(os.ReadFile(s.main.file))(t), &c); err != nil || c.Site.ID == "" {
		t.Fatalf("the configuration has no site id: %v", err)
	}
	return c.Site.ID
}

// A site lives on what it is given wrongly, one thing after the other, and each time
// the way out that it names is gone. Nobody calls by itself meanwhile, so that nothing
// happens that the story does not tell.
func TestASiteIsGivenWhatIsNotItsOwn(t *testing.T) {
	s := ownSite(t, plan{settings: map[string]string{"takeover.own_calls": "false"}})
	early := must(os.ReadFile(s.main.journalFile()))(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *site)
	}{
		{"strangers at its doors", strangersAtTheDoors},
		{"a spool cut in half", spoolInHalf},
		{"a database of another data id", anotherDataID},
		{"a journal from an earlier hour of the same term", func(t *testing.T, s *site) { olderJournal(t, s, early) }},
		{"a journal of an earlier term", func(t *testing.T, s *site) { olderTerm(t, s, early) }},
		{"a journal cut in half", journalInHalfMended},
	} {
		if !t.Run(story.name, func(t *testing.T) { story.tell(t, s) }) {
			break // the site is not what the next story needs
		}
	}
}

// A record that was being written when the power went is cut off and said; those
// before it stand and are stored once (R14).
func spoolInHalf(t *testing.T, s *site) {
	s.main.kill9(t)
	s.keepSpool(t, releve.Main)
	var whole []byte
	rewrite(t, s.main.spoolFile(), func(raw []byte) []byte {
		last := bytes.LastIndex(raw, []byte(recordMark))
		whole = raw[:last]
		return raw[:last+(len(raw)-last)/2]
	})
	kept := s.main.spooledFacts(t)
	if len(kept) == 0 {
		t.Fatal("the spool holds no whole fact")
	}
	start := time.Now()
	s.main.start(t)
	s.main.eventSaid(t, "event-spool-cut", start, 20*time.Second)
	s.waitNormal(t)
	for language, words := range map[releve.Language]string{releve.English: "were cut off", releve.French: "ont été coupés"} {
		if said := s.main.mustRun(t, "status", "--language", string(language)); !strings.Contains(said, words) {
			t.Errorf("releve status in %s does not say %q:\n%s", language, words, said)
		}
	}
	if raw := must(os.ReadFile(s.main.spoolFile()))(t); !bytes.HasPrefix(raw, whole) && !bytes.HasPrefix(whole, raw) {
		t.Error("what stood before the torn record was changed")
	}
	eventually(t, 20*time.Second, "each fact before the torn one is stored once", func() error {
		found, err := s.main.recordedFacts()
		return errJoinMissing(err, kept, found)
	})
}

// anotherDataID: the disk holds a database of this site that is not the one which this
// server had (R2, R6).
func anotherDataID(t *testing.T, s *site) {
	s.main.kill9(t)
	identity := filepath.Join(s.main.data, "postgres", "data", "releve.identity")
	right := must(os.ReadFile(identity))(t)
	rewrite(t, identity, func([]byte) []byte { return fmt.Appendf(nil, `{"format":1,"site":%q,"data":"ANOTHERCOPY"}`, s.id(t)) })
	untouched := fingerprints(t, filepath.Join(s.main.data, "postgres", "data"))
	start := time.Now()
	s.main.start(t)
	s.main.eventSaid(t, "rule-data-missing", start, 20*time.Second)
	s.checkStandsAside(t, s.main)
	s.main.stop()
	checkUntouched(t, untouched, filepath.Join(s.main.data, "postgres", "data"))

	rewrite(t, identity, func([]byte) []byte { return right }) // the disk is brought back
	s.main.start(t)
	s.waitNormal(t)
}

// olderJournal: the journal was put back from a backup, and the mirror has a number of
// this term from this server that the journal does not know (R6).
func olderJournal(t *testing.T, s *site, early []byte) {
	start := time.Now()
	killAll(freeze(s.secondary.postgres))
	s.main.eventSaid(t, "rule-vote-returned", start, 20*time.Second)
	s.waitNormal(t)
	s.putBack(t, early, "rule-journal-lacks")
	s.mendByTakeover(t)
}

// olderTerm: the journal is of a term before the last return, which gave this server
// another copy of the database.
func olderTerm(t *testing.T, s *site, early []byte) {
	s.putBack(t, early, "rule-data-missing")
	s.checkJournalIs(t, early)
	s.mendByTakeover(t)
}

// putBack gives the main an earlier journal, which must cost it the duty with that
// sentence.
func (s *site) putBack(t *testing.T, early []byte, rule string) {
	t.Helper()
	s.main.kill9(t)
	rewrite(t, s.main.journalFile(), func([]byte) []byte { return early })
	start := time.Now()
	s.main.start(t)
	s.main.eventSaid(t, rule, start, 20*time.Second)
	s.checkStandsAside(t, s.main)
}

func (s *site) checkJournalIs(t *testing.T, early []byte) {
	t.Helper()
	if now := must(os.ReadFile(s.main.journalFile()))(t); !bytes.Equal(now, early) {
		t.Errorf("the journal was written over:\n%s", now)
	}
}

// mendByTakeover does what those sentences say.
func (s *site) mendByTakeover(t *testing.T) {
	t.Helper()
	s.main.stop()
	s.callAndCheck(t, s.secondary)
	s.main.start(t)
	s.returnWhenRelieved(t)
}

// journalInHalfMended follows the way out that the refusal names to its end.
func journalInHalfMended(t *testing.T, s *site) {
	s.main.kill9(t)
	rewrite(t, s.main.journalFile(), half)
	cut := must(os.ReadFile(s.main.journalFile()))(t)
	s.refusesToServe(t, exitPrecondition, inBoth{"en": {"is cut", filepath.Dir(s.main.journalFile())}, "fr": {"est coupé"}})
	s.callAndCheck(t, s.secondary)

	aside := filepath.Join(s.dir, "journal.kept")
	if err := os.Rename(filepath.Dir(s.main.journalFile()), aside); err != nil {
		t.Fatal(err)
	}
	s.main.start(t)
	if active := s.onDuty(t); active != s.secondary {
		t.Errorf("the %s server is on duty", active.seat)
	}
	s.checkStandsAside(t, s.main)
	s.returnWhenRelieved(t)
	if now := must(os.ReadFile(filepath.Join(aside, "journal")))(t); !bytes.Equal(now, cut) {
		t.Error("the journal that was moved away was changed")
	}
	s.checkLedger(t, s.main)
	s.checkEqual(t, s.main)
}

// checkStandsAside fails the test if a server says that it is on duty or has bound the
// reception.
func (s *site) checkStandsAside(t *testing.T, aside *server) {
	t.Helper()
	v := aside.mustView(t)
	own := v.Main
	if aside == s.secondary {
		own = v.Secondary
	}
	if own.Duty == releve.Active || len(own.Registered) > 0 {
		t.Errorf("the %s server says that it is %s and has bound %v", aside.seat, own.Duty, own.Registered)
	}
}

// callAndCheck lets two callers call, whom that server must answer.
func (s *site) callAndCheck(t *testing.T, by *server) {
	t.Helper()
	calls := s.callIn(t, load{rate: 2, calls: 2, patience: time.Second}).wait(t, time.Minute)
	checkGreeted(t, calls, by)
}

// returnWhenRelieved gives the duty back to the main once the secondary has it.
func (s *site) returnWhenRelieved(t *testing.T) {
	t.Helper()
	s.waitOwner(t, s.secondary, 20*time.Second)
	s.waitBothHearPBX(t)
	s.returnToNormal(t)
}

// At the other server's address another establishment's answers: both say so on their
// pages, neither founds a site on it, and when the right one is there all goes on (U4).
func TestAPeerOfAnotherSiteIsRefusedAndNothingIsFounded(t *testing.T) {
	closeSharedSite()
	s := must(newSite(newDir(t), plan{}))(t)
	t.Cleanup(s.close)
	stranger := newClosedSite(t).secondary
	t.Cleanup(stranger.stop)

	says := inBoth{"en": {"is not accepted as the other server", "releve init"}, "fr": {"n'est pas accepté comme l'autre serveur", "releve init"}}
	start := time.Now()
	s.replayAtTheEnd(t)
	s.main.start(t)
	stranger.start(t)
	for _, server := range []*server{s.main, stranger} {
		server.eventSaid(t, "event-other-refused", start, 20*time.Second)
		for language, words := range says {
			said := strings.Join(strings.Fields(server.mustRun(t, "status", "--language", string(language))), " ") // it breaks lines
			for _, want := range words {
				if !strings.Contains(said, want) {
					t.Errorf("releve status of the %s server in %s does not say %q:\n%s", server.seat, language, want, said)
				}
			}
		}
		for _, founded := range []string{server.journalFile(), filepath.Join(server.data, "postgres", "data")} {
			if _, err := os.Stat(founded); !os.IsNotExist(err) {
				t.Errorf("%s is there: %v", founded, err)
			}
		}
	}

	stranger.stop() // the way out: the right server at that address
	s.secondary.start(t)
	s.main.eventSaid(t, "event-other-known", start, 20*time.Second)
	s.waitNormal(t)
}
