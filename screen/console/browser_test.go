package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"releve"
	"releve/screen/browsertest"
	"releve/screen/console"
	"releve/screen/console/gallery"
	"releve/screen/view"
	"releve/screen/words"
)

// complaints are what is wrong with a page for those who hear it, zoom it, or
// look at it from afar.
const complaints = `(() => {
	const bad = [];
	const all = (s) => [...document.querySelectorAll(s)];
	if (!document.title) bad.push("no title");
	if (all("h1").length !== 1) bad.push("not one h1");
	for (const s of all("svg"))
		if (s.getAttribute("aria-hidden") !== "true" && !s.hasAttribute("aria-label") && !s.querySelector("title"))
			bad.push("a picture without a name");
	for (const a of all("a")) if (!a.textContent.trim()) bad.push("an empty link");
	for (const t of all("table")) if (!t.querySelector("th[scope]")) bad.push("a table without heads");
	const ids = all("[id]").map((e) => e.id);
	for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1) bad.push("twice the id " + id);
	if (!document.querySelector("[role=status]").textContent.trim()) bad.push("nothing is spoken");
	if (document.documentElement.scrollWidth > innerWidth) bad.push("it is wider than the screen");
	if (document.documentElement.scrollHeight > innerHeight)
		bad.push("it is higher than the screen: " + document.documentElement.scrollHeight);
	for (const r of performance.getEntriesByType("resource"))
		if (!r.name.startsWith(location.origin)) bad.push("it loads " + r.name);
	if (document.querySelector("h1").getBoundingClientRect().height < 0.12 * innerHeight) bad.push("the word is small");
	for (const t of all(".server text, .pbx text")) {
		const card = t.closest("g.server, g.pbx").querySelector(".card").getBoundingClientRect(), b = t.getBoundingClientRect();
		if (b.left < card.left || b.right > card.right) bad.push("out of its box: " + t.textContent);
	}
	for (const s of all(".server")) {
		const name = s.querySelector(".seat").getBoundingClientRect(), badge = s.querySelector(".badge").getBoundingClientRect();
		if (name.right > badge.left) bad.push("the badge covers the name");
	}
	return bad;
})()`

// screen is one on which the page is looked at, and the least height of a letter in its
// drawing: on a telephone and a tablet that of a caption; on a desk, where long remarks may
// take room from the drawing, what still reads at arm's length; on a wall, at three metres.
type screen struct {
	name          string
	width, height int64
	letter        float64 // pixels
}

var screens = []screen{
	{"a telephone", 390, 844, 12}, {"a small telephone", 360, 640, 11}, {"a tablet", 768, 1024, 11}, {"a laptop", 1280, 720, 9.5},
	{"a desk", 1400, 900, 10}, {"a wall", 1920, 1080, 13},
}

// unreadable is what cannot be read on this screen: letters below the least, or that do not
// stand out from what they lie on by 4.5 to 1 (WCAG 2.2, 1.4.3; 3 to 1 from 24 pixels on).
const unreadable = `((least) => {
	const bad = new Set(), shown = (e) => e.getClientRects().length > 0;
	const drawings = [...document.querySelectorAll("#part-drawing svg")].filter(shown);
	if (drawings.length !== 1) return ["drawings shown: " + drawings.length];
	if (document.documentElement.scrollWidth > innerWidth)
		bad.add("wider than the screen: " + document.documentElement.scrollWidth);
	const scale = drawings[0].getScreenCTM().a;
	const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
	const mixed = (top, under) => {
		pixel.fillStyle = "rgb(" + under.join() + ")"; pixel.fillRect(0, 0, 1, 1);
		pixel.fillStyle = top; pixel.fillRect(0, 0, 1, 1);
		return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
	};
	const light = (c) => c.map((v) => v / 255)
		.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => e ? mixed(getComputedStyle(e).backgroundColor, ground(e.parentElement)) : [255, 255, 255];
	const filled = (e) => e && getComputedStyle(e).fill !== "none" ? e : null;
	const under = (t) => {
		const card = t.closest(".server, .pbx")?.querySelector(".card");
		const own = t.classList.contains("badge-text") ? t.previousElementSibling
			: t.closest(".tier, .label")?.querySelector("rect");
		const on = filled(own) || filled(card);
		return on ? mixed(getComputedStyle(on).fill, [255, 255, 255]) : ground(t.closest(".picture"));
	};
	const judge = (text, size, colour, on) => {
		const [a, b] = [light(mixed(colour, on)), light(on)];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < (size >= 24 ? 3 : 4.5)) bad.add("contrast " + ratio.toFixed(2) + ": " + text);
	};
	for (const t of drawings[0].querySelectorAll("text")) {
		if (!t.textContent.trim()) continue;
		const style = getComputedStyle(t), size = parseFloat(style.fontSize) * scale;
		if (size < least) bad.add("letters of " + size.toFixed(1) + " pixels: " + t.textContent);
		judge(t.textContent, size, style.fill, under(t));
	}
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest("svg, script, noscript, .unseen") || !shown(e)) continue;
		const style = getComputedStyle(e);
		judge(n.data.trim(), parseFloat(style.fontSize), style.color, ground(e));
	}
	for (const s of drawings[0].querySelectorAll(".server")) {
		const name = s.querySelector(".seat").getBoundingClientRect(), badge = s.querySelector(".badge").getBoundingClientRect();
		if (name.right > badge.left) bad.add("the badge covers " + s.querySelector(".seat").textContent);
	}
	return [...bad];
})`

// scheme puts the page into light or dark colours, whatever the machine has.
const scheme = `((dark) => {
	for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
		if (rule.media && (rule.releve ||= rule.media.mediaText).includes("prefers-color-scheme"))
			rule.media.mediaText = dark ? "all" : "not all";
	return true;
})`

// TestEveryScreenCanBeRead looks at every state in the wider font and the longer language.
func TestEveryScreenCanBeRead(t *testing.T) {
	tab := browsertest.Open(t, browsertest.OnlyFonts(t, "fonts-dejavu-core"))
	s := newSite(t, "protected")
	url := "http://" + served(t, s, console.Options{}).Address()
	for i, state := range gallery.States(time.Now()) {
		s.change(func(g *gallery.State) { *g = state })
		browsertest.Do(t, tab, chromedp.Navigate(url+"/?lang=fr"), chromedp.WaitReady("#part-drawing svg"))
		for j, on := range screens {
			browsertest.Do(t, tab, chromedp.EmulateViewport(on.width, on.height))
			browsertest.Evaluate[bool](t, tab, fmt.Sprintf("%s(%v)", scheme, (i+j)%2 == 1))
			if bad := browsertest.Evaluate[[]string](t, tab, fmt.Sprintf("%s(%v)", unreadable, on.letter)); len(bad) > 0 {
				t.Errorf("%s on %s: %s", state.Name, on.name, strings.Join(bad, "; "))
			}
		}
	}
}

// TestEachStateHasAColourOfItsOwn, and a shape and a word beside it: who sees no colours
// tells them apart.
func TestEachStateHasAColourOfItsOwn(t *testing.T) {
	tab := browsertest.Open(t)
	s := newSite(t, "protected")
	url := "http://" + served(t, s, console.Options{}).Address()
	colours, shapes := map[string]string{}, map[string]string{}
	look := func(state, name, colour, shape string) {
		t.Helper()
		for other, c := range colours {
			if c == colour || shapes[other] == shape {
				t.Errorf("%s in %s looks like %s: colour %s, shape %.40s", name, state, other, colour, shape)
			}
		}
		colours[name], shapes[name] = colour, shape
	}
	for _, name := range []string{"protected", "taken-over", "stopped"} {
		s.change(func(g *gallery.State) { *g = state(t, name) })
		browsertest.Do(t, tab, chromedp.Navigate(url), chromedp.WaitVisible(".hero h1"))
		look(name, name, browsertest.Evaluate[string](t, tab, `getComputedStyle(document.querySelector(".hero")).backgroundColor`),
			browsertest.Evaluate[string](t, tab, `document.querySelector(".sign").innerHTML`))
	}
	colours, shapes = map[string]string{}, map[string]string{}
	for _, tier := range []releve.TierState{
		releve.TierWell, releve.TierStarting, releve.TierDegraded, releve.TierDown, releve.TierUnknown,
	} {
		s.change(func(g *gallery.State) { *g = state(t, "protected"); g.Site.Main.Data.State = tier })
		browsertest.Do(t, tab, chromedp.Navigate(url), chromedp.WaitVisible(".wide .tier"))
		look("protected", string(tier), browsertest.Evaluate[string](t, tab,
			`getComputedStyle(document.querySelectorAll(".wide .server")[0].querySelectorAll(".state")[2]).fill`),
			browsertest.Evaluate[string](t, tab,
				`document.querySelectorAll(".wide .server")[0].querySelectorAll(".tier")[2].querySelector("g g").innerHTML`))
	}
	colours, shapes = map[string]string{}, map[string]string{}
	for _, mirror := range []view.MirrorState{view.MirrorInSync, view.MirrorCatchingUp, view.MirrorAway} {
		s.change(func(g *gallery.State) { *g = state(t, "protected"); g.Site.Mirror.State = mirror })
		browsertest.Do(t, tab, chromedp.Navigate(url), chromedp.WaitVisible(".wide .mirror"))
		look("protected", string(mirror),
			browsertest.Evaluate[string](t, tab, `getComputedStyle(document.querySelector(".wide .mirror .shaft")).stroke`),
			browsertest.Evaluate[string](t, tab, `getComputedStyle(document.querySelector(".wide .mirror .shaft")).strokeDasharray`))
	}
}

func TestEveryStateIsShownInABrowser(t *testing.T) {
	for name := range browsertest.Fonts {
		t.Run(name, func(t *testing.T) { showsEveryState(t, browsertest.Open(t, browsertest.OnlyFonts(t, name))) })
	}
}

func showsEveryState(t *testing.T, tab context.Context) {
	t.Helper()
	s := newSite(t, "protected")
	url := "http://" + served(t, s, console.Options{}).Address()
	for _, shown := range gallery.States(time.Now()) {
		s.change(func(g *gallery.State) { *g = shown })
		for _, lang := range []releve.Language{releve.English, releve.French} {
			browsertest.Do(t, tab, chromedp.Navigate(url+"/?lang="+string(lang)), chromedp.WaitVisible("#part-drawing .wide"))
			name := fmt.Sprintf("%s in %s", shown.Name, lang)
			page := browsertest.Evaluate[string](t, tab, "document.body.innerText")
			for _, want := range []string{words.Word(lang, shown.Site.Word), words.Say(lang, shown.Site.Why), shown.Site.Name} {
				if !strings.Contains(page, want) {
					t.Errorf("%s does not show %q", name, want)
				}
			}
			if got := browsertest.Evaluate[string](t, tab, "document.documentElement.lang"); got != string(lang) {
				t.Errorf("%s is marked as %q", name, got)
			}
			if n := browsertest.Evaluate[int](t, tab, "document.querySelectorAll('#part-drawing .wide .server .tier').length"); n != 6 {
				t.Errorf("%s draws %d tiers", name, n)
			}
			if bad := browsertest.Evaluate[[]string](t, tab, complaints); len(bad) > 0 {
				t.Errorf("%s: %s", name, strings.Join(bad, "; "))
			}
		}
	}
}

func TestThePageChangesWithoutBeingLoadedAgain(t *testing.T) {
	tab := browsertest.Open(t)
	s := newSite(t, "protected")
	browsertest.Do(t, tab, chromedp.Navigate("http://"+served(t, s, console.Options{}).Address()+"/?lang=en"))
	browsertest.Until(t, tab, `document.querySelector("h1").textContent === "PROTECTED"`)
	browsertest.Evaluate[bool](t, tab, `window.sameLoad = true`)

	s.change(func(g *gallery.State) { *g = state(t, "taken-over") })
	browsertest.Until(t, tab, `document.querySelector("h1").textContent === "NOT PROTECTED"`)
	browsertest.Until(t, tab, `document.querySelector("#spoken").textContent.includes("nothing would take over")`)
	browsertest.Until(t, tab, `document.title.startsWith("NOT PROTECTED")`)
	browsertest.Until(t, tab, `document.querySelectorAll("#part-drawing .wide .server.away").length === 1`)
	if !browsertest.Evaluate[bool](t, tab, `window.sameLoad === true`) {
		t.Error("the page was loaded again")
	}
}

func TestThePageSaysThatItIsOld(t *testing.T) {
	tab := browsertest.Open(t)
	s, address := newSite(t, "protected"), freeAddress(t)
	first := served(t, s, console.Options{Listen: address})
	browsertest.Do(t, tab, chromedp.Navigate("http://"+address+"/?lang=en"))
	browsertest.Until(t, tab, `document.querySelector("#ago").textContent.startsWith("updated")`)
	first.Close()
	browsertest.Until(t, tab, `document.body.classList.contains("stale") && document.querySelector("#ago").textContent.startsWith("NO NEWS")`)
	if word := browsertest.Evaluate[string](t, tab, `document.querySelector("h1").textContent`); word != "PROTECTED" {
		t.Errorf("what was last known is gone: %q", word)
	}
	s.change(func(g *gallery.State) { *g = state(t, "stopped") })
	served(t, s, console.Options{Listen: address})
	browsertest.Until(t, tab, `!document.body.classList.contains("stale") && document.querySelector("h1").textContent === "SERVICE DOWN"`)
}

func TestLosingTheServerOfThePageDoesNotLoseTheScreen(t *testing.T) {
	tab := browsertest.Open(t)
	mainAddress, secondaryAddress := freeAddress(t), freeAddress(t)
	mainSite, secondarySite := newSite(t, "protected"), newSite(t, "protected")
	secondarySite.change(func(g *gallery.State) { g.Site.Seat = releve.Secondary })
	mainServer := served(t, mainSite, console.Options{Listen: mainAddress, OtherConsole: secondaryAddress})
	served(t, secondarySite, console.Options{Listen: secondaryAddress, OtherConsole: mainAddress})

	browsertest.Do(t, tab, chromedp.Navigate("http://"+mainAddress+"/?lang=en"))
	browsertest.Until(t, tab, `document.querySelector("#part-about").textContent.includes("seen from the main server")`)
	mainServer.Close()
	secondarySite.change(func(g *gallery.State) { *g = state(t, "taken-over") })
	browsertest.Until(t, tab, `document.querySelector("h1").textContent === "NOT PROTECTED"`)
	browsertest.Until(t, tab, `document.querySelector("#part-about").textContent.includes("seen from the secondary server")`)
	browsertest.Until(t, tab, `performance.now() > 9000`) // well past three heartbeats of the lost one
	if browsertest.Evaluate[bool](t, tab, `document.body.classList.contains("stale")`) {
		t.Error("the screen is stale although the other server is heard")
	}

	mainSite.change(func(g *gallery.State) { g.Site.Word = view.Protected; g.Site.Term = 6 })
	served(t, mainSite, console.Options{Listen: mainAddress, OtherConsole: secondaryAddress})
	secondarySite.change(func(g *gallery.State) { g.Site.Secondary.ChannelsBusy = 9 })
	browsertest.Until(t, tab, `document.querySelector("#part-drawing").textContent.includes("9 of 30 channels")`)
	if word := browsertest.Evaluate[string](t, tab, `document.querySelector("h1").textContent`); word != "NOT PROTECTED" {
		t.Errorf("a server with an older term is believed: %s", word)
	}
}
