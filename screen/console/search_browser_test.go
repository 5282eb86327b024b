package console_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"releve/screen/browsertest"
)

// Somebody logs in, looks for calls and comes to one of them, by keyboard alone; what a caller wrote runs nowhere.
func TestCallsAreLookedForByKeyboard(t *testing.T) {
	tab := browsertest.Open(t)
	h, records := newArchive(t)
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/calls?lang=en")))
	logIn(t, tab, "anna", good)
	lands(t, tab, `location.pathname === "/calls" && document.querySelectorAll(".found tbody tr").length === 50`)
	reach(t, tab, "#caller")
	types(t, tab, "<b>", kb.Enter)
	lands(t, tab, `document.querySelectorAll(".found tbody tr").length === 1`)
	reach(t, tab, ".found a")
	types(t, tab, kb.Enter)
	lands(t, tab, `location.pathname === "/calls/record" && document.querySelectorAll(".ladder li").length === 7`)
	if got := browsertest.Evaluate[string](t, tab, `document.querySelector("main code").textContent`); got != string(records.All[2].Call) {
		t.Errorf("it is the call %q", got)
	}
	if browsertest.Evaluate[int](t, tab, `document.querySelectorAll("main script, main img").length`) != 0 {
		t.Error("what a caller wrote became a part of the page")
	}
	reach(t, tab, "main a[href='/calls']")
	types(t, tab, kb.Enter)
	lands(t, tab, `location.pathname === "/calls" && !!document.querySelector(".bars")`)
}
