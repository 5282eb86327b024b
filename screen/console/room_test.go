package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A login leads to the page that was asked for, its question included, and never out of the console.
func TestALoginLeadsToThePageThatWasAskedFor(t *testing.T) {
	h := newHome(t)
	response, _ := h.get(reader(t), "/alarms?lang=fr")
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != "/login?next=%2Falarms%3Flang%3Dfr" {
		t.Fatalf("%s to %q", response.Status, got)
	}
	for asked, want := range map[string]string{
		"/alarms?lang=fr": "/alarms?lang=fr", "/": "/", "": "/", "/nowhere": "/", "/alarmsx": "/",
		"//elsewhere.example/alarms": "/", "https://elsewhere.example/alarms": "/", "javascript:alert(1)": "/", `/\elsewhere.example`: "/", "%": "/",
	} {
		response, _ := h.post(reader(t), "/login", url.Values{"name": {"anna"}, "password": {good}, "next": {asked}})
		if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("%q leads to %q", asked, got)
		}
	}
}

// The navigation stands on each page for who is logged in, and on none for who is not.
func TestTheNavigationIsOnEachPage(t *testing.T) {
	h := newHome(t)
	anna := h.in("anna")
	for _, path := range []string{"/", "/alarms"} {
		_, page := h.get(anna, path+"?lang=en")
		if !strings.Contains(page, `<nav class="rooms"`) || !strings.Contains(page, `<a href="`+path+`" aria-current="page">`) {
			t.Errorf("%s has no navigation, or does not say where one is", path)
		}
	}
	for _, path := range []string{"/", "/login"} {
		if _, page := h.get(reader(t), path); strings.Contains(page, `class="rooms"`) {
			t.Errorf("%s shows a stranger the pages", path)
		}
	}
}
