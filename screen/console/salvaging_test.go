package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"releve"
	"releve/screen/console"
)

// found is a salvage that an operator is to decide about.
type found struct {
	asked []string
}

var lone = releve.Salvage{
	ID: 3, Seat: releve.Main, State: releve.SalvageOpen, Counts: releve.SalvageCounts{New: 1, Conflict: 1},
	Changes: []releve.SalvageChange{
		{Number: 1, Table: "call", Op: releve.RowInserted, Class: releve.SalvageNew, After: releve.Row{"caller": some("<b>0612</b>")}},
		{Number: 2, Table: "extension", Op: releve.RowUpdated, Class: releve.SalvageConflict, Known: true, Before: releve.Row{"name": some("Anna")}, After: releve.Row{"name": some("Anne")}, Theirs: releve.Row{"name": some("Annie")}},
	},
}

func (f *found) Salvages(context.Context) ([]releve.Salvage, error) {
	return []releve.Salvage{lone}, nil
}
func (f *found) Salvage(_ context.Context, id int64, _ int) (releve.Salvage, error) {
	if id != 3 {
		return releve.Salvage{}, releve.ErrNoSalvage
	}
	return lone, nil
}
func (f *found) ExtractSalvage(context.Context) ([]releve.Salvage, error) { return nil, nil }
func (f *found) ApplySalvage(_ context.Context, _ int64, dryRun, replace bool) (releve.Salvage, error) {
	f.asked = append(f.asked, map[bool]string{true: "rehearse", false: "apply"}[dryRun]+map[bool]string{true: " all"}[replace])
	return releve.Salvage{Counts: releve.SalvageCounts{Applied: 1}}, nil
}
func (f *found) DiscardSalvage(context.Context, int64) (releve.Salvage, error) {
	f.asked = append(f.asked, "discard")
	return lone, nil
}

// What only the old server had stands beside what the site has; who has the right decides, and a rehearsal comes first.
func TestSalvageIsDecidedOnThePage(t *testing.T) {
	f := &found{}
	h := newHouse(t, releve.Main)
	h.add("anna", "operator")
	h.add("kim", "keeper")
	h.open(console.Options{Salvage: f})
	kim := h.in("kim")
	_, list := h.get(kim, "/salvage?lang=en")
	if !strings.Contains(list, `<a href="/salvage/3">3</a>`) {
		t.Errorf("the list: %s", list)
	}
	_, page := h.get(kim, "/salvage/3?lang=en")
	for _, want := range []string{"Anna", "Anne", "Annie", "&lt;b&gt;0612", `value="apply"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if _, page := h.post(kim, "/salvage/3?lang=en", url.Values{"act": {"rehearse"}}); !strings.Contains(page, "1 would be applied") {
		t.Errorf("the rehearsal: %s", page)
	}
	for act, status := range map[string]int{"apply": 303, "discard": 303, "else": 400} {
		if response, _ := h.post(kim, "/salvage/3", url.Values{"act": {act}, "replace": {"true"}}); response.StatusCode != status {
			t.Errorf("%s: %s", act, response.Status)
		}
	}
	if response, _ := h.get(kim, "/salvage/4"); response.StatusCode != http.StatusNotFound {
		t.Errorf("of one that there is not: %s", response.Status)
	}
	f.asked = nil
	anna := h.in("anna")
	for _, act := range []string{"apply", "discard"} {
		if response, _ := h.post(anna, "/salvage/3", url.Values{"act": {act}}); response.StatusCode != http.StatusForbidden {
			t.Errorf("anna: %s", response.Status)
		}
	}
	if response, _ := h.post(kim, "/salvage/3", url.Values{"act": {"apply"}}, "Sec-Fetch-Site", "cross-site"); response.StatusCode != http.StatusForbidden {
		t.Errorf("from another page: %s", response.Status)
	}
	if len(f.asked) > 0 {
		t.Errorf("done: %q", f.asked)
	}
}

func some(text string) *string { return &text }
