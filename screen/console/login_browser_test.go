package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"releve"
	"releve/screen/browsertest"
	"releve/screen/console"
	"releve/screen/view"
)

// newPairOfHouses is two servers that know each other's page and accounts, on one host.
func newPairOfHouses(t *testing.T) (main, secondary *house) {
	t.Helper()
	main, secondary = newHouse(t, releve.Main), newHouse(t, releve.Secondary)
	main.other, secondary.other = secondary, main
	main.add("anna", "operator")
	main.open(console.Options{OtherConsole: secondary.address})
	secondary.open(console.Options{OtherConsole: main.address})
	return main, secondary
}

// types presses keys, one after the other, where the focus is.
func types(t *testing.T, tab context.Context, keys ...string) {
	t.Helper()
	for _, k := range keys {
		browsertest.Do(t, tab, chromedp.KeyEvent(k))
	}
}

// lands waits for a condition of a page that a key leads to: what is asked of the one before may come to nothing.
func lands(t *testing.T, tab context.Context, condition string) {
	t.Helper()
	for {
		_, err := chromedp.Run(tab, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(50*time.Millisecond)))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context with specified id") {
			t.Fatalf("the page never had: %s (%v)\n%s", condition, err, browsertest.Evaluate[string](t, tab, "location.href + document.body.innerText"))
		}
	}
}

// logIn fills in the page of the login, by keyboard. The focus is in it when it can be typed into.
func logIn(t *testing.T, tab context.Context, name, password string) {
	t.Helper()
	lands(t, tab, `document.readyState === "complete" && document.activeElement.id === "name"`)
	types(t, tab, name, kb.Tab, password)
	lands(t, tab, fmt.Sprintf(`document.querySelector("#name").value === %q && document.querySelector("#password").value === %q`, name, password))
	types(t, tab, kb.Enter)
}

// reach moves the focus on by the tabulator until it is there: by keyboard alone everything can be reached, and
// what has the focus is seen to have it (WCAG 2.2, 2.1.1, 2.4.7).
func reach(t *testing.T, tab context.Context, selector string) {
	t.Helper()
	for range 60 {
		types(t, tab, kb.Tab)
		if browsertest.Evaluate[bool](t, tab, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			if !browsertest.Evaluate[bool](t, tab, "getComputedStyle(document.activeElement).outlineStyle !== 'none'") {
				t.Errorf("%s has the focus, and does not show it", selector)
			}
			return
		}
	}
	t.Fatalf("by keyboard nobody comes to %s", selector)
}

// An operator logs in at one server and takes an alarm in hand, by keyboard alone; that server is killed, and the
// other one, under the same name, goes on with the session.
func TestASessionGoesOnAtTheOtherServer(t *testing.T) {
	tab := browsertest.Open(t)
	main, secondary := newPairOfHouses(t)
	browsertest.Do(t, tab, chromedp.Navigate(main.url("/?lang=en")), chromedp.WaitVisible("#part-drawing .wide"))
	reach(t, tab, "a[href='/login']")
	types(t, tab, kb.Enter)
	lands(t, tab, `location.pathname === "/login"`)
	logIn(t, tab, "anna", good)
	lands(t, tab, `location.pathname === "/" && document.querySelector(".who")?.textContent === "anna (operator)"`)
	lands(t, tab, `document.querySelectorAll("#part-calls tbody tr").length > 0`)
	reach(t, tab, "a[href='/alarms']")
	types(t, tab, kb.Enter)
	lands(t, tab, `document.querySelectorAll("article.alarm").length === 7`)
	reach(t, tab, "#remark-0")
	types(t, tab, "on my way")
	reach(t, tab, "button[value=ack]")
	types(t, tab, kb.Enter)
	lands(t, tab, `document.querySelector("[role=status]").textContent === "Acknowledged: it is yours."`)
	lands(t, tab, `document.querySelector("article.alarm").textContent.includes("anna")`)
	if got := main.orders(); len(got) != 1 || got[0] != (view.Handling{Act: "ack", Alarm: "server-silent/main", By: "anna", Remark: "on my way"}) {
		t.Errorf("ordered %+v", got)
	}

	main.server.Close()
	browsertest.Do(t, tab, chromedp.Navigate(secondary.url("/alarms")))
	lands(t, tab, `document.querySelector(".who")?.textContent === "anna (operator)" && document.querySelector("article.alarm").textContent.includes("on my way")`)
	reach(t, tab, "#remark-1")
	types(t, tab, "seen")
	reach(t, tab, "button[value=ack]")
	types(t, tab, kb.Enter)
	lands(t, tab, `document.querySelector("[role=status]").textContent === "Acknowledged: it is yours."`)
	if got := secondary.orders(); len(got) != 1 || got[0].By != "anna" {
		t.Errorf("the other server: %+v", got)
	}
	reach(t, tab, ".session button")
	types(t, tab, kb.Enter)
	lands(t, tab, `location.pathname === "/" && !document.querySelector(".who")`)
}

// A screen that is open when a session ends shows no more than anybody may see.
func TestAnOpenScreenForgetsWhoIsNotLoggedInAnyMore(t *testing.T) {
	tab := browsertest.Open(t)
	h := newHome(t)
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/login?lang=en")), chromedp.WaitVisible("#name"))
	logIn(t, tab, "anna", good)
	lands(t, tab, `document.querySelectorAll("#part-calls tbody tr").length > 0`)
	if _, err := h.keeper.Change(t.Context(), view.Caller{Unix: "root"}, view.AccountOrder{Act: "remove", Name: "anna", By: "root"}); err != nil {
		t.Fatal(err)
	}
	lands(t, tab, `document.querySelector("#part-calls").textContent.includes("Calls are seen after a login.")`)
	lands(t, tab, `!document.querySelector("#part-alarms").textContent.includes("A. Martin")`)
}

// faulty is what is wrong with a page on which something is ordered (WCAG 2.2 AA, as far as a script sees it): no
// label, no name, too small a target, letters that do not stand out, wider than the screen.
const faulty = `(() => {
	const bad = [], all = (s) => [...document.querySelectorAll(s)], seen = (e) => e.getClientRects().length > 0;
	if (!document.title || !document.documentElement.lang) bad.push("no title, or no language");
	if (all("h1").length !== 1 || all("main").length !== 1) bad.push("not one h1 in one main");
	for (const e of all("input:not([type=hidden]), select")) if (!e.labels.length || !e.labels[0].textContent.trim()) bad.push("no label: " + e.name);
	for (const e of all("a, button")) if (!e.textContent.trim()) bad.push("no name: " + e.outerHTML);
	for (const e of all("a, button, input:not([type=hidden]), select").filter(seen)) {
		const b = e.getBoundingClientRect();
		if (b.height < 24 || b.width < 24) bad.push("a target of " + b.width + " by " + b.height + ": " + e.outerHTML);
	}
	for (const e of all("[aria-labelledby], [aria-describedby]")) for (const id of (e.getAttribute("aria-labelledby") || e.getAttribute("aria-describedby")).split(" "))
		if (!document.getElementById(id)) bad.push("nothing is " + id);
	const ids = all("[id]").map((e) => e.id);
	for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1) bad.push("twice the id " + id);
	let level = 1;
	for (const h of all("h1, h2, h3")) { const n = Number(h.tagName[1]); if (n > level + 1) bad.push("a heading is left out before " + h.textContent); level = n; }
	if (document.documentElement.scrollWidth > innerWidth) bad.push("wider than the screen: " + document.documentElement.scrollWidth);
	const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
	const mixed = (top, under) => {
		pixel.fillStyle = "rgb(" + under.join() + ")"; pixel.fillRect(0, 0, 1, 1); pixel.fillStyle = top; pixel.fillRect(0, 0, 1, 1);
		return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
	};
	const light = (c) => c.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => e ? mixed(getComputedStyle(e).backgroundColor, ground(e.parentElement)) : [255, 255, 255];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest("svg, option, .unseen") || !seen(e)) continue;
		const style = getComputedStyle(e), on = ground(e), [a, b] = [light(mixed(style.color, on)), light(on)];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) bad.push("contrast " + ratio.toFixed(2) + ": " + n.data.trim());
	}
	return bad;
})()`

func TestThePagesOfOrdersAreForEverybody(t *testing.T) {
	tab := browsertest.Open(t, browsertest.OnlyFonts(t, "fonts-dejavu-core"))
	h := newHome(t)
	look := func(name, ready string) {
		t.Helper()
		for _, lang := range []string{"fr", "en"} {
			at := browsertest.Evaluate[string](t, tab, "location.pathname + location.search")
			mark := "?"
			if strings.Contains(at, "?") {
				mark = "&"
			}
			if name != "refused" { // the answer to a form is not asked for again
				browsertest.Do(t, tab, chromedp.Navigate(h.url(at+mark+"lang="+lang)), chromedp.WaitVisible(ready))
			}
			for i, on := range screens {
				browsertest.Do(t, tab, chromedp.EmulateViewport(on.width, on.height))
				browsertest.Evaluate[bool](t, tab, fmt.Sprintf("%s(%v)", scheme, i%2 == 1))
				if bad := browsertest.Evaluate[[]string](t, tab, faulty); len(bad) > 0 {
					t.Errorf("%s in %s on %s: %s", name, lang, on.name, strings.Join(bad, "; "))
				}
			}
		}
	}
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/login")), chromedp.WaitVisible("#name"))
	look("the login", "#name")
	logIn(t, tab, "anna", "guess guess guess")
	lands(t, tab, `document.querySelector("[role=alert]") !== null`)
	look("refused", "#name")
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/login?next=/alarms")), chromedp.WaitVisible("#name"))
	logIn(t, tab, "anna", good)
	lands(t, tab, `location.pathname === "/alarms"`)
	look("the alarms", "article")
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/alarms?done=ack")), chromedp.WaitVisible("article"))
	look("what was done", "article")
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/?lang=fr")), chromedp.WaitVisible(".who"))
	for _, on := range screens { // the name beside the language finds its place
		browsertest.Do(t, tab, chromedp.EmulateViewport(on.width, on.height))
		if bad := browsertest.Evaluate[[]string](t, tab, fmt.Sprintf("%s(%v)", unreadable, on.letter)); len(bad) > 0 {
			t.Errorf("the page of who is logged in, on %s: %s", on.name, strings.Join(bad, "; "))
		}
	}
}
