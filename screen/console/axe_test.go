package console_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"releve"
	"releve/screen/browsertest"
	"releve/screen/console"
	"releve/screen/console/gallery"
)

// axeScreens are those on which every page is judged: a wall, a telephone, a large screen that stands upright.
var axeScreens = []screen{{"a wall", 1920, 1080, 0}, {"a telephone", 390, 844, 0}, {"4K upright", 2160, 3840, 0}}

// judge has axe-core look at the page that is open, on a screen, light or dark.
func judge(t *testing.T, tab context.Context, axe, name string, on screen, dark bool) {
	t.Helper()
	browsertest.Do(t, tab, chromedp.EmulateViewport(on.width, on.height))
	browsertest.Evaluate[bool](t, tab, fmt.Sprintf("%s(%v)", scheme, dark))
	if found := browsertest.Violations(t, tab, axe); len(found) > 0 {
		t.Errorf("%s on %s, dark %t:\n%s", name, on.name, dark, strings.Join(found, "\n"))
	}
	if bad := browsertest.Evaluate[[]string](t, tab, strange); len(bad) > 0 {
		t.Errorf("%s on %s: %s", name, on.name, strings.Join(bad, "; "))
	}
}

// strange is what no page may do: ask another host for something, weigh more than 100 kB with all that it loads, be
// wider than its screen.
const strange = `(() => {
	const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
	const bad = all.filter((e) => !e.name.startsWith(location.origin)).map((e) => "it loads " + e.name);
	const bytes = all.reduce((sum, e) => sum + e.encodedBodySize, 0);
	if (bytes > 100000) bad.push("it weighs " + bytes + " bytes");
	const wider = document.documentElement.scrollWidth - innerWidth;
	if (wider > 0) bad.push("it is " + wider + " pixels wider than the screen");
	return bad;
})()`

// What is wrong with a page is found: a judge who never speaks proves nothing.
func TestTheJudgeOfAccessibilitySpeaks(t *testing.T) {
	axe := browsertest.Axe(t)
	tab := browsertest.Open(t)
	browsertest.Do(t, tab, chromedp.Navigate(`data:text/html,<html><title>a</title><body><input><p style="color:%23aaa">hard to read</p><button></button>`))
	found := strings.Join(browsertest.Violations(t, tab, axe), "\n")
	for _, rule := range []string{"label", "color-contrast", "button-name", "html-has-lang"} {
		if !strings.Contains(found, rule+" (") {
			t.Errorf("%s is not found among:\n%s", rule, found)
		}
	}
}

// The front in every state of the gallery breaks no rule of WCAG 2.2 A or AA that a machine can judge: in both
// languages and both colours, and each state on each screen.
func TestTheFrontBreaksNoRuleOfAccessibility(t *testing.T) {
	axe := browsertest.Axe(t)
	for i, lang := range []releve.Language{releve.English, releve.French} {
		for k, dark := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dark %t", lang, dark), func(t *testing.T) { // a browser each: none is asked for more than it has time for
				tab := browsertest.Open(t, browsertest.OnlyFonts(t, "fonts-dejavu-core"))
				s := newSite(t, "protected")
				address := "http://" + served(t, s, console.Options{}).Address()
				for j, shown := range gallery.States(time.Now()) {
					s.change(func(g *gallery.State) { *g = shown })
					browsertest.Do(t, tab, chromedp.Navigate(address+"/?lang="+string(lang)), chromedp.WaitReady("#part-drawing svg"))
					judge(t, tab, axe, shown.Name, axeScreens[(2*i+j+k)%len(axeScreens)], dark)
				}
			})
		}
	}
}

// So do all pages behind the login, and that of the login itself, on each screen in both colours.
func TestNoRoomBreaksARuleOfAccessibility(t *testing.T) {
	axe := browsertest.Axe(t)
	now := time.Now()
	h, told, records := newHouse(t, releve.Main), gallery.NewChronicle(now), gallery.NewRecords(now)
	h.add("ada", "administrator")
	h.add("anna", "operator")
	h.open(console.Options{Records: records, History: told})
	at := told.Takeover.UTC().Format(time.RFC3339Nano)
	paths := []string{
		"/", "/alarms", "/calls", "/calls?caller=061234", "/calls/record?" + url.Values{"call": {string(records.All[2].Call)}}.Encode(),
		"/calls/record?call=nobody", "/servers", "/history", "/history/moment?at=" + at, "/users", "/own", "/procedures",
	}
	for _, lang := range []string{"en", "fr"} {
		for _, on := range axeScreens {
			t.Run(lang+" on "+on.name, func(t *testing.T) {
				tab := browsertest.Open(t, browsertest.OnlyFonts(t, "fonts-dejavu-core"))
				browsertest.Do(t, tab, chromedp.Navigate(h.url("/login?lang="+lang)), chromedp.WaitVisible("#name"))
				judge(t, tab, axe, "/login", on, false)
				judge(t, tab, axe, "/login", on, true)
				logIn(t, tab, "ada", good)
				lands(t, tab, `!!document.querySelector(".who")`)
				for _, path := range paths {
					browsertest.Do(t, tab, chromedp.Navigate(h.url(path)), chromedp.WaitReady("main"))
					judge(t, tab, axe, path, on, false)
					judge(t, tab, axe, path, on, true)
				}
			})
		}
	}
}
