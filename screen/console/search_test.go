package console_test

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console"
	"releve/screen/console/gallery"
)

// newArchive is a house with records of two weeks.
func newArchive(t *testing.T) (*house, *gallery.Records) {
	t.Helper()
	h, records := newHouse(t, releve.Main), gallery.NewRecords(time.Now())
	h.add("anna", "operator")
	h.add("alois", "auditor")
	h.add("wanda", "screen")
	h.add("ada", "administrator")
	h.open(console.Options{Records: records})
	return h, records
}

func (h *house) acted(code string) (found []releve.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.acts {
		if e.What.Code == code {
			found = append(found, e)
		}
	}
	return found
}

var recordLink = regexp.MustCompile(`href="(/calls/record\?[^"]+)"`)

// Each call that is looked for stands on one page of the search, and on one only.
func TestTheSearchIsTurnedPageByPage(t *testing.T) {
	h, records := newArchive(t)
	anna := h.in("anna")
	want := 0
	for _, c := range records.All {
		if c.Outcome == "transferred" {
			want++
		}
	}
	seen := map[string]bool{}
	for address, pages := "/calls?ended=transferred", 0; ; pages++ {
		response, page := h.get(anna, address)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", address, response.Status)
		}
		for _, m := range recordLink.FindAllStringSubmatch(page, -1) {
			if seen[m[1]] {
				t.Errorf("twice: %s", m[1])
			}
			seen[m[1]] = true
		}
		if (pages == 0) != strings.Contains(page, `class="chart"`) {
			t.Error("the chart is on the first page alone")
		}
		_, next, more := strings.Cut(page, `<a class="act" href="`)
		if !more {
			break
		}
		next, _, _ = strings.Cut(next, `"`)
		address = strings.ReplaceAll(next, "&amp;", "&")
	}
	if len(seen) != want {
		t.Errorf("%d calls on all pages, of %d", len(seen), want)
	}
}

// What is asked wrongly names the field and what is expected, and keeps what was typed.
func TestABadQuestionNamesTheField(t *testing.T) {
	h, _ := newArchive(t)
	anna := h.in("anna")
	for question, want := range map[string][2]string{
		"from=24.11.2026":               {"from", "“24.11.2026” is no day"},
		"from=2026-11-24&to=2026-11-20": {"to", "The last day is before the first"},
		"caller=061234":                 {"caller", "its first 4 digits at most"},
		"ended=eaten":                   {"ended", "There is no such outcome"},
		"seat=third":                    {"seat", "There is no such server"},
		"after=%3Cscript%3E":            {"", "The mark of that page cannot be read"},
	} {
		response, page := h.get(anna, "/calls?lang=en&"+question)
		marked := `name="` + want[0] + `"`
		if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, want[1]) {
			t.Errorf("%s: %s, without %q", question, response.Status, want[1])
		}
		if want[0] == "from" || want[0] == "caller" {
			i := strings.Index(page, marked)
			if field, _, _ := strings.Cut(page[i:], ">"); i < 0 || !strings.Contains(field, `aria-invalid="true"`) {
				t.Errorf("%s: the field is not marked", question)
			}
		}
		if response, _ := h.get(anna, "/calls/export?"+question); response.StatusCode != http.StatusBadRequest {
			t.Errorf("as a table, %s: %s", question, response.Status)
		}
	}
}

// What callers, their telephones and PBXs write stays text, on each page and in a spreadsheet.
func TestWhatCallersWriteStaysText(t *testing.T) {
	h, records := newArchive(t)
	anna := h.in("anna")
	evil := records.All[2]
	for _, path := range []string{"/calls", "/calls/record?" + url.Values{"call": {string(evil.Call)}}.Encode(), "/calls?caller=%3Cb%3E&ended=failed"} {
		_, page := h.get(anna, path)
		for _, bad := range []string{"<img", "<script>alert", "<b>*", "\x1b"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if !strings.Contains(page, "&lt;b&gt;**") {
			t.Errorf("%s does not show the caller", path)
		}
	}
	response, table := h.get(anna, "/calls/export")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 1+len(records.All) || !strings.HasPrefix(response.Header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if strings.ContainsRune("=+-@", rune((cell + " ")[0])) || strings.Contains(cell, "\x1b") {
				t.Errorf("the cell %q", cell)
			}
		}
	}
}

// Who may not see calls gets 403; who may is told of in the diary, with what he looked for, once.
func TestWhoLooksAtCallsIsKnown(t *testing.T) {
	h, _ := newArchive(t)
	wanda, anna := h.in("wanda"), h.in("anna")
	for _, path := range []string{"/calls", "/calls/record?call=0-night@pbx.example", "/calls/export"} {
		response, page := h.get(wanda, path)
		if response.StatusCode != http.StatusForbidden || strings.Contains(page, "******") {
			t.Errorf("%s for a screen: %s", path, response.Status)
		}
		if response, _ := h.get(reader(t), path); response.StatusCode != http.StatusSeeOther {
			t.Errorf("%s for a stranger: %s", path, response.Status)
		}
	}
	if _, page := h.get(wanda, "/"); strings.Contains(page, `href="/calls"`) {
		t.Error("the navigation leads where a screen may not go")
	}
	if got := h.acted("event-denied"); len(got) != 1 || got[0].What.Args["page"] != "/calls" {
		t.Errorf("denied: %+v", got)
	}
	for range 3 {
		h.get(anna, "/calls?caller=06&ended=lost")
	}
	h.get(anna, "/calls/export?caller=06")
	looked, taken := h.acted("event-calls-looked"), h.acted("event-calls-exported")
	if len(looked) != 1 || looked[0].What.Args["which"] != "caller=06&ended=lost" || looked[0].What.Args["by"] != "anna" || len(taken) != 1 {
		t.Errorf("looked %+v, taken %+v", looked, taken)
	}
}

// Without a database the pages say so.
func TestADatabaseThatIsAwayIsSaid(t *testing.T) {
	h, records := newArchive(t)
	records.Away = errors.New("no such host 10.0.0.5")
	anna := h.in("anna")
	_, page := h.get(anna, "/calls?lang=en")
	if !strings.Contains(page, "The calls cannot be read now: the database is away.") || !strings.Contains(page, "cannot be counted now") || strings.Contains(page, "10.0.0.5") {
		t.Error("the search does not say it")
	}
	if response, page := h.get(anna, "/calls/record?lang=en&call=x"); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "the database is away") {
		t.Errorf("the page of a call: %s", response.Status)
	}
	records.Away = nil
	if response, page := h.get(anna, "/calls/record?lang=en&call=x"); response.StatusCode != http.StatusNotFound || !strings.Contains(page, "no record of this call") {
		t.Errorf("a call that is not there: %s", response.Status)
	}
}
