package console_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"releve"
	"releve/screen/browsertest"
	"releve/screen/console/gallery"
	"releve/screen/view"
)

// wallOf is a screen that is known to both servers, and its token.
func wallOf(t *testing.T, h *house) string {
	t.Helper()
	token, err := h.keeper.Change(t.Context(), view.Caller{Unix: "root"}, view.AccountOrder{Act: "screen", Name: "desk"})
	if err != nil || token == "" {
		t.Fatalf("%q, %v", token, err)
	}
	return token
}

// taken has anna take the first alarm in hand.
func taken(houses ...*house) {
	for _, h := range houses {
		h.site.change(func(g *gallery.State) {
			g.Site.Alarms[0].State, g.Site.Alarms[0].By, g.Site.Alarms[0].At = "acknowledged", "anna", time.Now()
		})
	}
}

// A screen on a wall shows who has an alarm in hand, and goes on from the other server alone when the one that served
// it dies, names included; once it is removed it shows no name.
func TestAWallGoesOnAtTheOtherServer(t *testing.T) {
	tab := browsertest.Open(t)
	main, secondary := newPairOfHouses(t)
	token := wallOf(t, main)
	taken(main, secondary)
	browsertest.Do(t, tab, chromedp.Navigate(main.url("/screen?lang=en#"+token)), chromedp.WaitVisible("#part-drawing .wide"))
	browsertest.Until(t, tab, `document.querySelector("#part-wall").textContent.includes("anna")`)
	main.server.Close()
	secondary.site.change(func(g *gallery.State) { g.Site.Alarms[0].By = "bruno" })
	browsertest.Until(t, tab, `document.querySelector("#part-wall").textContent.includes("bruno") && !document.body.classList.contains("stale")`)
	if _, err := secondary.keeper.Change(t.Context(), view.Caller{Unix: "root"}, view.AccountOrder{Act: "remove", Name: "desk"}); err != nil {
		t.Fatal(err)
	}
	secondary.site.change(func(*gallery.State) {})
	browsertest.Until(t, tab, `document.querySelector("#part-wall").textContent.includes("•••")`)
}

// Nobody's word is a token: not one that was guessed, none without TLS, and it orders nothing.
func TestATokenIsForAScreenAlone(t *testing.T) {
	h := newHome(t)
	token := wallOf(t, h)
	taken(h)
	alarms := func(url string) string {
		_, body := h.get(reader(t), url)
		return body
	}
	for name, query := range map[string]string{"none": "", "a guess": "?device=AAAA", "an empty one": "?device=", "no text": "?device=%ff", "one letter too many": "?device=" + token + "A"} {
		if strings.Contains(alarms("/api/site"+query), `"by":"anna"`) {
			t.Errorf("%s shows a name", name)
		}
	}
	if !strings.Contains(alarms("/api/site?device="+token), `"by":"anna"`) {
		t.Error("the token shows no name")
	}
	if strings.Contains(alarms("http://"+h.address+"/api/site?device="+token), `"by":"anna"`) {
		t.Error("without TLS it shows a name")
	}
	if response, _ := h.get(reader(t), "/calls?device="+token); response.StatusCode == 200 {
		t.Error("it opens a page")
	}
	if response, _ := h.get(reader(t), "/api/calls?device="+token); response.StatusCode != 401 {
		t.Errorf("it shows calls: %s", response.Status)
	}
	if response, _ := h.post(reader(t), "/alarms?device="+token, ack); response.StatusCode != 401 {
		t.Errorf("it orders: %s", response.Status)
	}
	for _, o := range []view.AccountOrder{{Act: "role", Name: "desk", Role: "administrator"}, {Act: "password", Name: "desk", Password: good}, {Act: "codes", Name: "desk"}} {
		if _, err := h.keeper.Change(t.Context(), view.Caller{Unix: "root"}, o); err == nil {
			t.Errorf("a screen is given %s", o.Act)
		}
	}
	if response := h.login(reader(t), "desk", ""); response.StatusCode != 401 {
		t.Errorf("it logs in: %s", response.Status)
	}
}

// An alarm is heard until somebody has it in hand. A browser that wants a gesture first says so; one click, or its
// flag, and it sounds; silence ends by itself and is said meanwhile.
func TestAWallSoundsUntilSomebodyHasIt(t *testing.T) {
	tab := browsertest.Open(t)
	h := newHome(t)
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/screen?lang=en")), chromedp.WaitVisible("#part-drawing .wide"))
	browsertest.Until(t, tab, `document.querySelector("#sound-state").textContent.includes("blocks the sound")`)
	browsertest.Do(t, tab, chromedp.Click("#part-word"))
	browsertest.Until(t, tab, `Number(document.body.dataset.sounded) >= 1 && document.querySelector("#sound-state").textContent === ""`)
	browsertest.Do(t, tab, chromedp.Click("#mute"))
	browsertest.Until(t, tab, `document.querySelector("#sound-state").textContent === "Sound is off for 15 min more"`)
	browsertest.Do(t, tab, chromedp.Click("#mute"))
	browsertest.Until(t, tab, `document.querySelector("#sound-state").textContent === ""`)
	h.site.change(func(g *gallery.State) {
		for i := range g.Site.Alarms {
			g.Site.Alarms[i].State = "acknowledged"
		}
	})
	browsertest.Until(t, tab, `document.querySelector("#part-wall [data-sounds]").dataset.sounds === ""`)
	h.site.change(func(g *gallery.State) {
		g.Site.Alarms[0].State, g.Site.Alarms[0].Severity = "raised", releve.Critical
	})
	browsertest.Until(t, tab, `document.querySelector("#part-wall [data-sounds]").dataset.sounds === "critical"`)
	before := browsertest.Evaluate[int](t, tab, `Number(document.body.dataset.sounded)`)
	browsertest.Until(t, tab, fmt.Sprintf(`Number(document.body.dataset.sounded) > %d`, before))
}

// With the flag of a kiosk nothing is touched, and a screen without news is heard too.
func TestAKioskSoundsUntouchedAndWhenItIsOld(t *testing.T) {
	tab := browsertest.Kiosk(t)
	h := newHome(t)
	h.site.change(func(g *gallery.State) { g.Site.Alarms = nil })
	browsertest.Do(t, tab, chromedp.Navigate(h.url("/screen?lang=en")), chromedp.WaitVisible("#part-drawing .wide"))
	browsertest.Until(t, tab, `document.querySelector("#part-wall").textContent.includes("No alarm")`)
	h.server.Close()
	browsertest.Until(t, tab, `document.body.classList.contains("stale") && Number(document.body.dataset.sounded) >= 1`)
	if got := browsertest.Evaluate[string](t, tab, `document.querySelector("#ago").textContent`); !strings.Contains(got, " s") {
		t.Errorf("it is old, and says %q", got)
	}
}

// On a wall nothing is scrolled, and all is there; on a telephone nothing is wider than that.
func TestAWallFitsItsScreen(t *testing.T) {
	for font := range browsertest.Fonts {
		t.Run(font, func(t *testing.T) {
			tab := browsertest.Open(t, browsertest.OnlyFonts(t, font))
			h := newHome(t)
			browsertest.Do(t, tab, chromedp.Navigate(h.url("/screen?lang=fr")), chromedp.WaitVisible("#part-word h1"))
			for _, size := range [][2]int64{{1920, 1080}, {1366, 768}, {390, 844}, {2160, 3840}} {
				browsertest.Do(t, tab, chromedp.EmulateViewport(size[0], size[1]))
				if wide := browsertest.Evaluate[int64](t, tab, `document.documentElement.scrollWidth`); wide > size[0] {
					t.Errorf("at %v it is %d wide", size, wide)
				}
				if size[0] > 1180 && size[1] > 640 {
					if tall := browsertest.Evaluate[int64](t, tab, `document.documentElement.scrollHeight`); tall > size[1] {
						t.Errorf("at %v it is %d tall", size, tall)
					}
					if h := browsertest.Evaluate[float64](t, tab, `document.querySelector("#part-word h1").getBoundingClientRect().height`); h < float64(min(size[0]/2, size[1]))*.1 {
						t.Errorf("at %v the word is %.0f tall", size, h)
					}
				}
			}
		})
	}
}
