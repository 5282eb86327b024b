package acceptance

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"releve"
	"releve/peer/identity"
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

// A certificate that is not this server's, or not valid now, is a mistake of the
// configuration, found before anything starts.
func TestCertificatesThatMayNotBeBelievedAreRefused(t *testing.T) {
	closeSharedSite()
	now := time.Now()
	past := identity.Validity{From: now.AddDate(-2, 0, 0), Until: now.AddDate(-1, 0, 0)}
	future := identity.Validity{From: now.AddDate(1, 0, 0), Until: now.AddDate(2, 0, 0)}
	present := identity.Validity{From: now.AddDate(0, 0, -1), Until: now.AddDate(1, 0, 0)}
	for name, c := range map[string]struct {
		seat  releve.Seat // whose certificate it is
		site  string      // "" is the site's own
		valid identity.Validity
		says  inBoth
	}{
		"its own has expired":            {releve.Main, "", past, inBoth{"en": {"peer.certificate", "expired on"}, "fr": {"peer.certificate", "a expiré le"}}},
		"its own is not valid yet":       {releve.Main, "", future, inBoth{"en": {"peer.certificate", "valid from"}, "fr": {"peer.certificate", "à partir du"}}},
		"its own is of another site":     {releve.Main, "ELSEWHERE", present, inBoth{"en": {"peer.certificate", "site ELSEWHERE"}, "fr": {"peer.certificate", "ELSEWHERE"}}},
		"the other's has expired":        {releve.Secondary, "", past, inBoth{"en": {"peer.other_certificate", "expired on"}, "fr": {"peer.other_certificate", "a expiré le"}}},
		"the other's is not valid yet":   {releve.Secondary, "", future, inBoth{"en": {"peer.other_certificate", "valid from"}, "fr": {"peer.other_certificate", "à partir du"}}},
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
	before := fingerprints(t, s.dir)
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
	checkUntouched(t, before, s.dir)
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
