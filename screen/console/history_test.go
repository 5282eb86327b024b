package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console"
	"releve/screen/console/gallery"
)

// newChronicle is a house with a history of its own and of the gallery.
func newChronicle(t *testing.T) (*house, *gallery.Chronicle) {
	t.Helper()
	h, told := newHouse(t, releve.Main), gallery.NewChronicle(time.Now())
	h.add("alois", "auditor")
	h.add("wanda", "screen")
	h.open(console.Options{History: told, Records: gallery.NewRecords(time.Now())})
	return h, told
}

// Each entry that is asked for is on one page of the history, and on one only.
func TestTheHistoryIsTurnedPageByPage(t *testing.T) {
	h, told := newChronicle(t)
	alois := h.in("alois")
	for kind, want := range map[string]int{"": 1 + 8 + 2*160, "people": 160, "decision": 1 + 160, "non-decision": 8, "routine": 2000} {
		seen, pages := map[string]int{}, 0
		for address := "/history?lang=en&kind=" + kind; address != ""; pages++ {
			response, page := h.get(alois, address)
			if response.StatusCode != http.StatusOK || pages > 30 {
				t.Fatalf("%s: %s", address, response.Status)
			}
			for _, part := range strings.Split(page, `href="/history/moment?`)[1:] {
				link, _, _ := strings.Cut(part, `"`)
				seen[link]++
			}
			_, next, more := strings.Cut(page, `<a class="act" href="`)
			if next, _, _ = strings.Cut(next, `"`); !more {
				break
			}
			address = strings.ReplaceAll(next, "&amp;", "&")
		}
		sum := 0
		for link, n := range seen {
			if sum += n; n > 1 {
				t.Errorf("%q, %d times %s", kind, n, link)
			}
		}
		if sum != want {
			t.Errorf("%q: %d entries on %d pages, of %d (%d in all)", kind, sum, pages, want, len(told.All))
		}
	}
}

// A takeover is shown with its evidence and with what came before and after it, in milliseconds.
func TestATakeoverIsShownOnATimeLine(t *testing.T) {
	h, told := newChronicle(t)
	_, page := h.get(h.in("alois"), "/history/moment?lang=en&"+url.Values{"at": {told.Takeover.Format(time.RFC3339Nano)}}.Encode())
	for _, want := range []string{"A decision and what was around it", "takes over, in term 8", "silent", "&#43;0 ms", "&#43;5001 ms", `class="decision this"`, "/calls/record?call="} {
		if !strings.Contains(page, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(page, "<script>alert") || strings.Count(page, "<circle") < 9 {
		t.Error("what was said as evidence is no text, or the line lacks its marks")
	}
}

// What is missing is said, and what cannot be asked; walls see nothing of it.
func TestAHistoryThatIsHalfSaysSo(t *testing.T) {
	h, told := newChronicle(t)
	alois := h.in("alois")
	told.Silent = true
	for _, path := range []string{"/history", "/history/moment?at=" + told.Takeover.Format(time.RFC3339Nano)} {
		if _, page := h.get(alois, path); !strings.Contains(page, "other server") && !strings.Contains(page, "l&#39;autre serveur") {
			t.Errorf("%s does not say that half of it is missing", path)
		}
		if response, _ := h.get(h.in("wanda"), path); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s for a wall: %s", path, response.Status)
		}
	}
	for _, question := range []string{"?from=yesterday", "?kind=gossip", "?before=then", "/moment", "/moment?at=then"} {
		if response, page := h.get(alois, "/history"+question); response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%s: %s", question, response.Status)
		}
	}
	told.Err = fmt.Errorf("disk <b>gone</b>")
	if response, page := h.get(alois, "/history?lang=en"); response.StatusCode != http.StatusServiceUnavailable || strings.Contains(page, "<b>gone") {
		t.Errorf("a diary that cannot be read: %s", response.Status)
	}
}
