package study_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"releve"
	"releve/rules/study"
	"releve/screen/browsertest"
	paper "releve/screen/study"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// longest is a study in which each check there is was asked for and none could be measured: each
// says what is to be done about it.
func longest() releve.Study {
	q := releve.StudyQuestion{
		Establishment: "Centre hospitalier intercommunal de Villeneuve-sur-Lot et de la vallée", Integrator: "Télécommunications du Sud-Ouest",
		Main: "192.0.2.11", Secondary: "192.0.2.12", Channels: 30, Telephony: releve.TelephonySIP, SIPPort: 5060, RTPFirst: 10000, RTPLast: 10999,
		PeerPort: 7443, DatabasePort: 5432, ConsolePort: 8080, PBX: "pbx.hopital.example:5060", Domain: "hopital.example",
		ReceptionNumber: "0512345678", ReceptionUser: "reception", StandbyUser: "standby",
		NTP: "ntp.hopital.example", Mail: "mail.hopital.example:25", SNMP: "snmp.hopital.example:162", Witness: "192.0.2.30:7444",
	}
	s := releve.Study{Question: q, At: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), Version: "0.4.0"}
	s.Findings, s.Levels = study.Judge(q, nil)
	s = study.Sign(s, releve.Establishment, "Mme A. Martin, directrice des systèmes d'information", s.At)
	return study.Sign(s, releve.Integrator, "M. B. Durand", s.At)
}

// mediaBox is the size of a page in a PDF, in points (ISO 32000-1, 7.7.3.3).
var mediaBox = regexp.MustCompile(`/MediaBox ?\[0 0 ([0-9.]+) ([0-9.]+)\]`)

// A report is printed and signed: it fits the width of A4 with the fonts of each Debian machine, and
// comes out on pages of that size.
func TestAReportPrintsOnA4(t *testing.T) {
	for font := range browsertest.Fonts {
		for _, lang := range []releve.Language{releve.French, releve.English} {
			t.Run(font+" "+string(lang), func(t *testing.T) {
				text, err := paper.Page(longest(), lang)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), "study.html")
				if err := os.WriteFile(file, text, 0o644); err != nil {
					t.Fatal(err)
				}
				fonts := browsertest.OnlyFonts(t, font)
				fitsA4(t, browsertest.Open(t, fonts), "file://"+file)
				printsOnA4(t, fonts, "file://"+file)
			})
		}
	}
}

// fitsA4 looks at it as wide as the paper is between its margins: 180 mm at 96 points an inch.
func fitsA4(t *testing.T, tab context.Context, address string) {
	t.Helper()
	browsertest.Do(t, tab, chromedp.EmulateViewport(680, 1000), chromedp.Navigate(address))
	if wide := browsertest.Evaluate[int](t, tab, `document.documentElement.scrollWidth`); wide > 680 {
		t.Errorf("it is %d points wide, and the paper 680", wide)
	}
	places := browsertest.Evaluate[[]string](t, tab, `[...document.querySelectorAll(".sign div")].map(d => d.innerText)`)
	if len(places) != 2 {
		t.Fatalf("it has %d places to sign", len(places))
	}
	for i, name := range []string{"A. Martin", "B. Durand"} {
		if !regexp.MustCompile(name).MatchString(places[i]) {
			t.Errorf("place %d to sign lacks %s: %s", i, name, places[i])
		}
	}
	if rows := browsertest.Evaluate[int](t, tab, `document.querySelectorAll("tr").length`); rows < len(longest().Findings) {
		t.Errorf("it has %d rows for %d findings", rows, len(longest().Findings))
	}
}

func printsOnA4(t *testing.T, fonts, address string) {
	t.Helper()
	pdf := filepath.Join(t.TempDir(), "study.pdf")
	command := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--no-pdf-header-footer", "--print-to-pdf="+pdf, address)
	command.Env = append(os.Environ(), fonts)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(pdf)
	if err != nil {
		t.Fatal(err)
	}
	pages := mediaBox.FindAllSubmatch(text, -1)
	if len(pages) == 0 || len(pages) > 20 {
		t.Fatalf("it prints on %d pages", len(pages))
	}
	for i, page := range pages {
		for j, want := range []float64{210, 297} {
			points, err := strconv.ParseFloat(string(page[j+1]), 64)
			if mm := points / 72 * 25.4; err != nil || mm < want-0.5 || mm > want+0.5 {
				t.Errorf("page %d is %.1f mm, and A4 %.0f (%v)", i+1, mm, want, err)
			}
		}
	}
}
