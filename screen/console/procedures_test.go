package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/screen/console"
	"releve/screen/view"
)

// chosen is a house where kim the keeper may begin what s.offers.
func chosen(t *testing.T, offers ...view.Offer) *house {
	t.Helper()
	h := newHouse(t, releve.Main)
	h.add("anna", "operator")
	h.add("kim", "keeper")
	h.add("sam", "screen")
	h.site.offers = offers
	h.open(console.Options{})
	return h
}

// begun lets procedures run until they are released, and notes what was asked.
type begun struct {
	mu     sync.Mutex
	wishes []view.Wish
	ends   chan struct{}
}

func (b *begun) run(ctx context.Context, w view.Wish, emit func(view.Procedure)) error {
	if w.DryRun {
		emit(view.Procedure{
			ID: "R", Name: w.Name, DryRun: true, Finished: time.Now(),
			Needs: []view.Need{{What: releve.Say("cond-heard-main"), Met: true, Is: releve.Say("cond-is-yes")}},
			Steps: []view.ProcedureStep{{What: releve.Say("step-duty"), State: "waiting"}},
		})
		return nil
	}
	b.mu.Lock()
	b.wishes = append(b.wishes, w)
	b.mu.Unlock()
	emit(view.Procedure{ID: "P1", Name: w.Name, Started: time.Now()})
	select {
	case <-b.ends:
	case <-ctx.Done():
	}
	return nil
}

func (b *begun) asked() []view.Wish {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]view.Wish(nil), b.wishes...)
}

var moving = view.Offer{Name: "return", Target: releve.Main, Noticed: true}

// The rehearsal is the text of the command line; what callers could notice wants a word that is typed; it goes on
// when its reader has left, and nobody else is asked.
func TestAProcedureIsBegunByWhoTypesItsWord(t *testing.T) {
	h := chosen(t, moving)
	b := &begun{ends: make(chan struct{})}
	h.site.run = b.run
	kim := h.in("kim")
	_, list := h.get(kim, "/procedures?lang=en")
	if !strings.Contains(list, `href="/procedures/return"`) || !strings.Contains(list, "What can be done now") {
		t.Errorf("the list: %s", list)
	}
	_, page := h.get(kim, "/procedures/return?lang=en")
	for _, want := range []string{"○ 1/1", "dry run: nothing is changed", "The main is heard: yes", `data-word="not-protected"`, "Type “main” to confirm"} {
		if !strings.Contains(page, want) {
			t.Errorf("the rehearsal does not say %q:\n%s", want, page)
		}
	}
	for typed, status := range map[string]int{"": 422, "secondary": 422, " Main ": http.StatusSeeOther} {
		response, page := h.post(kim, "/procedures/return?lang=en", url.Values{"act": {"begin"}, "confirm": {typed}})
		if response.StatusCode != status {
			t.Errorf("%q: %s", typed, response.Status)
		}
		if status == 422 && !strings.Contains(page, `aria-describedby="bad-confirm"`) {
			t.Errorf("%q: the field is not named: %s", typed, page)
		}
		if status != 422 && response.Header.Get("Location") != "/procedures/runs/P1" {
			t.Errorf("it leads to %q", response.Header.Get("Location"))
		}
	}
	if got := b.asked(); len(got) != 1 || got[0].Name != "return" || got[0].Ordered != "kim" || got[0].OtherIsOff {
		t.Errorf("the site was asked for %+v", got)
	}
	close(b.ends)
}

// Who has not the right may look, or not even that; nothing is begun, and the diary has it.
func TestWhoMayNotBegin(t *testing.T) {
	h := chosen(t, moving)
	b := &begun{ends: make(chan struct{})}
	h.site.run = b.run
	close(b.ends)
	order := url.Values{"act": {"begin"}, "confirm": {"main"}}
	anna, sam := h.in("anna"), h.in("sam")
	if response, page := h.get(anna, "/procedures/return"); response.StatusCode != 200 || strings.Contains(page, `value="begin"`) {
		t.Errorf("anna's page: %s", response.Status)
	}
	for _, c := range []*http.Client{anna, sam} {
		for _, path := range []string{"/procedures/return", "/procedures/runs/P1/abort"} {
			if response, _ := h.post(c, path, order); response.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s", path, response.Status)
			}
		}
	}
	if response, _ := h.post(reader(t), "/procedures/return", order); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger: %s", response.Status)
	}
	kim := h.in("kim")
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}, {"Sec-Fetch-Site", "same-site"}} {
		if response, _ := h.post(kim, "/procedures/return?lang=en", order, headers...); response.StatusCode != http.StatusForbidden {
			t.Errorf("from another page (%v): %s", headers, response.Status)
		}
	}
	if response, _ := h.post(kim, "/procedures/return?lang=en", order, "Host", "rebound.example"); response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by another name: %s", response.Status)
	}
	if got := b.asked(); len(got) > 0 {
		t.Errorf("begun: %+v", got)
	}
	refused := 0
	for _, e := range h.audited() {
		if len(e.Evidence) > 1 && e.Evidence[1].Code == "audit-no-right" {
			refused++
		}
	}
	if refused < 3 {
		t.Errorf("the diary has %d refusals", refused)
	}
}

// Each word that is asked for is a field, and the one that is bad is named.
func TestTheWordsOfAProcedureAreFields(t *testing.T) {
	h := chosen(t, view.Offer{Name: "solo-carried", Target: releve.Main, Carried: true, Off: true, Named: true, Vouched: true})
	b := &begun{ends: make(chan struct{})}
	h.site.run = b.run
	close(b.ends)
	kim := h.in("kim")
	good := `{"site":"S","seat":"secondary","term":7,"number":3,"signature":"c2ln"}`
	full := func(change ...string) url.Values {
		form := url.Values{"act": {"begin"}, "off": {"true"}, "by": {"Kim"}, "word": {good}, "vouch": {"true"}}
		for i := 0; i < len(change); i += 2 {
			form.Set(change[i], change[i+1])
		}
		return form
	}
	for field, form := range map[string]url.Values{
		"off": full("off", ""), "by": full("by", " "), "word": full("word", `{"site":`),
	} {
		response, page := h.post(kim, "/procedures/solo-carried", form)
		if response.StatusCode != 422 || !strings.Contains(page, `aria-describedby="bad-`+field+`"`) || strings.Count(page, "aria-invalid") != 1 {
			t.Errorf("%s: %s", field, response.Status)
		}
	}
	if response, _ := h.post(kim, "/procedures/solo-carried", full()); response.StatusCode != http.StatusSeeOther {
		t.Errorf("all well: %s", response.Status)
	}
	got := b.asked()
	if len(got) != 1 || !got[0].OtherIsOff || got[0].By != "Kim" || got[0].WithoutStudy != "kim" || got[0].Abdication == nil || got[0].Abdication.Number != 3 {
		t.Errorf("the site was asked for %+v", got)
	}
}

// A run whose server was stopped says so and leads on; one that is over is a report.
func TestARunAndItsReport(t *testing.T) {
	h := chosen(t, moving)
	now := time.Now()
	found := releve.Say("found-registered", "seat", "main")
	step := func(state string) []view.ProcedureStep {
		return []view.ProcedureStep{{What: releve.Say("step-duty"), State: state, Started: now.Add(-time.Minute), Finished: now, Found: &found}}
	}
	h.site.runs = []view.Run{
		{Procedure: view.Procedure{ID: "CUT", Name: "return", Started: now, Steps: step("running")}, Seat: releve.Secondary, By: "kim", What: releve.Say("order-procedure", "procedure", "return")},
		{Procedure: view.Procedure{ID: "DONE", Name: "return", Started: now.Add(-time.Hour), Finished: now, Steps: step("done")}, Seat: releve.Main, By: "<b>x</b>", What: releve.Say("order-procedure", "procedure", "return")},
	}
	kim := h.in("kim")
	for path, wants := range map[string][]string{
		"/procedures":           {"cut short", ">done<", "&lt;b&gt;x"},
		"/procedures/runs/CUT":  {"was stopped in the middle", `href="/procedures/return"`},
		"/procedures/runs/DONE": {"main", "Took", "signature", "&lt;b&gt;x"},
	} {
		response, page := h.get(kim, path+"?lang=en")
		for _, want := range wants {
			if response.StatusCode != 200 || !strings.Contains(page, want) {
				t.Errorf("%s (%s) does not say %q", path, response.Status, want)
			}
		}
	}
	if response, _ := h.get(kim, "/procedures/runs/NONE"); response.StatusCode != http.StatusNotFound {
		t.Errorf("of none: %s", response.Status)
	}
}

// An abort is refused in a step that is not taken back, and that is said.
func TestAnAbort(t *testing.T) {
	h := chosen(t, moving)
	h.site.runs = []view.Run{{Procedure: view.Procedure{ID: "P1", Name: "return", Started: time.Now()}}}
	var firm error = releve.Refused(releve.ErrForbidden, "firm")
	h.site.abort = func(string) error { return firm }
	kim := h.in("kim")
	if response, page := h.post(kim, "/procedures/runs/P1/abort?lang=en", nil); response.StatusCode != http.StatusConflict || !strings.Contains(page, "not taken back") {
		t.Errorf("%s", response.Status)
	}
	firm = nil
	if response, _ := h.post(kim, "/procedures/runs/P1/abort", nil); response.StatusCode != http.StatusSeeOther {
		t.Errorf("%s", response.Status)
	}
}

func (h *house) audited() []releve.Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]releve.Entry(nil), h.acts...)
}
