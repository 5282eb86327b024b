package text_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/text"
	"releve/screen/view"
)

// What is licensed and what runs stand side by side, and where they differ, why.
func TestWhatIsLicensedStandsBesideWhatRuns(t *testing.T) {
	now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	licensed, unlicensed := licencesOf(t, "protected", now), licencesOf(t, "unlicensed", now)
	endless, nothing, demonstration := *licensed, *unlicensed, *licensed
	endless.Until, nothing.Licensed, demonstration.Demonstration = time.Time{}, nil, true
	for _, c := range []struct {
		of   *view.Licences
		lang releve.Language
		says string
	}{
		{nil, releve.English, ""},
		{licensed, releve.English, "Licensed: high availability, 30 channels, until 2027-11-30. Running: high availability, 30 channels."},
		{&endless, releve.English, "Licensed: high availability, 30 channels. Running: high availability, 30 channels."},
		{&nothing, releve.English, "Licensed: nothing. Running: high availability, 30 channels."},
		{&demonstration, releve.English, "For a demonstration only."},
		{unlicensed, releve.English, "Licensed: base. Running: high availability, 30 channels. Level high availability is not licensed (licence 2026-2 ended with 2026-11-21). On 2026-12-21 03:00 it is to fall back to level base"},
		{unlicensed, releve.French, "Sous licence : base. En service : haute disponibilité, 30 voies. Le niveau haute disponibilité est sans licence (la licence 2026-2 a pris fin avec le 2026-11-21)"},
	} {
		said := strings.ReplaceAll(strings.Join(text.Licensing(c.of, c.lang), " "), "\u00a0", " ")
		if !strings.Contains(said, c.says) || (said == "") != (c.says == "") {
			t.Errorf("says %q, not %q", said, c.says)
		}
	}
}

func TestWhatIsLicensedInAFewWords(t *testing.T) {
	now := time.Now()
	demonstration := *licencesOf(t, "protected", now)
	demonstration.Demonstration = true
	for said, l := range map[string]*view.Licences{
		"": nil, "sous licence": licencesOf(t, "protected", now), "licence : base": licencesOf(t, "unlicensed", now),
		"licence : rien": {Running: releve.Base}, "licence de démonstration": &demonstration,
	} {
		if got := strings.ReplaceAll(text.Licensed(l, releve.French), "\u00a0", " "); got != said {
			t.Errorf("it says %q, not %q", got, said)
		}
	}
}

func licencesOf(t *testing.T, name string, now time.Time) *view.Licences {
	t.Helper()
	state, err := gallery.Find(name, now)
	if err != nil {
		t.Fatal(err)
	}
	if l := state.Site.Licences; !l.Until.IsZero() { // it ends with the last hour of a day
		l.Until = l.Until.Truncate(24*time.Hour).AddDate(0, 0, 1)
	}
	return state.Site.Licences
}

func TestEachLicenceIsALineOfATable(t *testing.T) {
	now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	l := *licencesOf(t, "unlicensed", now)
	l.All[0].Until = ""
	for _, width := range []int{80, 200} {
		said := text.Licences(l, releve.English, width)
		for _, want := range []string{
			"2026-1  base               30        2026-01-01  –           holds                  Hôpital Saint-Roch  vendor.example\n",
			"2026-2  high availability  30        2026-01-01  2027-11-30  ended with 2027-11-30  Hôpital Saint-Roch  vendor.example\n",
			"Both servers hold these licences.\n",
		} {
			if !strings.Contains(said, want) {
				t.Errorf("%d wide, it does not say %q:\n%s", width, want, said)
			}
		}
	}
	l.Shared, l.All[0].IssuedTo = false, "a\x1b[2Jb"
	said := text.Licences(l, releve.French, 80)
	if !strings.Contains(said, "L'autre serveur n'a pas encore dit") || strings.ContainsRune(said, '\x1b') {
		t.Errorf("it says %s", said)
	}
	l.All = nil
	if said := text.Licences(l, releve.English, 80); strings.Contains(said, "SERIAL") || !strings.Contains(said, "Licensed: base") {
		t.Errorf("without one it says %s", said)
	}
}
