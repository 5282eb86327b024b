package console_test

import (
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console/gallery"
	"releve/screen/view"
)

// The page of the servers is the same of the whole site, whichever server serves it, and shows real and wanted duty
// side by side.
func TestThePageOfTheServersHasBoth(t *testing.T) {
	h, _ := newArchive(t)
	anna := h.in("anna")
	for _, seat := range []releve.Seat{releve.Main, releve.Secondary} {
		h.site.change(func(g *gallery.State) { *g = state(t, "without-duty"); g.Site.Seat = seat })
		_, page := h.get(anna, "/servers?lang=en")
		for _, want := range []string{"duty that it has", "duty that it should have", `id="server-main"`, `id="server-secondary"`, "calls since it started", "interfaces"} {
			if !strings.Contains(page, want) {
				t.Errorf("seen from the %s, it lacks %q", seat, want)
			}
		}
	}
	h.site.change(func(g *gallery.State) {
		*g = state(t, "protected")
		g.Site.Secondary.Duty = releve.OutOfService
		g.Site.Secondary.Data.Why = releve.Say("tier-data-down", "why", "<script>alert(1)</script>")
	})
	_, page := h.get(anna, "/servers?lang=en")
	if !strings.Contains(page, `<dd class="bad">out of service</dd><dt>duty that it should have</dt><dd>passive</dd>`) || strings.Contains(page, "<script>alert") {
		t.Error("a duty that is not the one that is wanted does not stand out")
	}
}

// Every state of the gallery has its page, in both languages, with what the mirror's distance was.
func TestTheDistanceOfTheMirrorIsKept(t *testing.T) {
	h, _ := newArchive(t)
	anna := h.in("anna")
	now := time.Now().Truncate(time.Minute)
	for _, m := range []struct {
		ago   time.Duration
		bytes int64
		state view.MirrorState
	}{{90 * time.Minute, 3 << 20, view.MirrorCatchingUp}, {40 * time.Minute, 0, view.MirrorAway}, {39 * time.Minute, 1 << 10, view.MirrorInSync}, {0, 0, view.MirrorInSync}} {
		h.site.change(func(g *gallery.State) {
			g.Site.At, g.Site.Mirror.Bytes, g.Site.Mirror.State = now.Add(-m.ago), m.bytes, m.state
		})
		want := "At most 3.1"
		deadline := time.Now().Add(10 * time.Second)
		for page := ""; !strings.Contains(page, want) || m.state == view.MirrorAway && !strings.Contains(page, "In 1 minute there was no mirror."); {
			if time.Now().After(deadline) {
				t.Fatalf("%s ago: %s", m.ago, page)
			}
			_, page = h.get(anna, "/servers?lang=en")
		}
	}
	for _, shown := range gallery.States(time.Now()) {
		h.site.change(func(g *gallery.State) { *g = shown })
		for _, lang := range []string{"en", "fr"} {
			if response, page := h.get(anna, "/servers?lang="+lang); response.StatusCode != 200 || !strings.Contains(page, `id="readiness"`) {
				t.Errorf("%s in %s: %s", shown.Name, lang, response.Status)
			}
		}
	}
}
