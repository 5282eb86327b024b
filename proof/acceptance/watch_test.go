package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"releve/screen/browsertest"
)

// What the operator of this story logs in with.
const (
	keeper         = "kim"
	keeperPassword = "a horse, a battery, a staple"
)

// addKeeper makes an account that may run the site.
func (s *server) addKeeper(t *testing.T) {
	t.Helper()
	cmd := exec.Command(product(), "user", "add", keeper, "--role", "keeper", "-c", s.file)
	cmd.Stdin = strings.NewReader(keeperPassword + "\n")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

// page is an address of a server's page, over TLS.
func (s *server) page(t *testing.T, path string) string {
	t.Helper()
	at, err := s.console()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(at, "http://", "https://", 1) + path
}

// opens logs the operator in at a server, on the way to a page of it.
func (s *server) opens(t *testing.T, tab context.Context, path string) {
	t.Helper()
	browsertest.Do(t, tab, chromedp.Navigate(s.page(t, "/login?lang=en&next="+path)), chromedp.WaitVisible("#name"),
		chromedp.SetValue("#name", keeper), chromedp.SetValue("#password", keeperPassword), chromedp.Submit("main form"))
	lands(t, tab, fmt.Sprintf(`location.pathname === %q && document.querySelector(".who")?.textContent.startsWith(%q)`, path, keeper))
}

// lands waits for a condition of a page that a click leads to: what is asked of the one before may come to nothing.
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

// seenWithin is how soon a takeover stands on a wall that nobody touches.
const seenWithin = 2 * time.Second

// tokened is the address of a known screen at a server.
var tokened = regexp.MustCompile(`/screen\?lang=en#\S+`)

// A night with callers (SPEC A5, P1): the server that serves the screen on the wall is killed, and the takeover stands there
// without anybody's touch. The operator takes the alarm in hand, begins the return to normal in a browser and closes it;
// the other server, which serves the page that he then watches, is killed in another step; the procedure goes on, its
// page too, and its report says who answered the test call.
func TestAnOperatorSeesATakeoverAndBringsTheSiteBack(t *testing.T) {
	s := ownSite(t, plan{})
	s.main.addKeeper(t)
	token := tokened.FindString(s.main.mustRun(t, "screen", "add", "wall", "--language", "en"))
	wall := browsertest.Kiosk(t)
	browsertest.Do(t, wall, chromedp.Navigate(s.main.page(t, token)), chromedp.WaitVisible("#part-drawing .wide"))
	browsertest.Until(t, wall, `document.documentElement.dataset.word === "protected"`)
	if got := browsertest.Evaluate[string](t, wall, `document.querySelector("#sound-state").textContent`); got != "" {
		t.Errorf("untouched, its sound is %q", got)
	}
	load := s.callIn(t, callsToPhone(0, 2))
	load.waitGreeted(t, 2, time.Time{})
	s.main.kill9(t)
	s.waitOwner(t, s.secondary, 10*time.Second)
	taken := time.Now()
	browsertest.Until(t, wall, `document.querySelector("#part-wall").textContent.includes("The secondary server is on duty")`)
	if took := time.Since(taken); took > seenWithin {
		t.Errorf("the takeover stood on the wall after %v", took)
	} else {
		t.Logf("the takeover stood on the wall %v after the secondary had said that it is on duty", took)
	}
	browsertest.Until(t, wall, `Number(document.body.dataset.sounded) > 0 && !document.body.classList.contains("stale")`)
	load.finish(t)

	first := browsertest.Open(t)
	s.secondary.opens(t, first, "/alarms")
	const form = `form.order:has([value="takeover"])`
	browsertest.Do(t, first, chromedp.SetValue(form+` [name="remark"]`, "on my way"), chromedp.Click(form+` button[value="ack"]`))
	lands(t, first, `document.querySelector("[role=status]").textContent.startsWith("Acknowledged")`)
	browsertest.Until(t, wall, `document.querySelector("#part-wall").textContent.includes("kim")`)

	s.main.start(t)
	s.waitBothHearPBX(t)
	browsertest.Do(t, first, chromedp.Navigate(s.secondary.page(t, "/procedures/return?lang=en")), chromedp.WaitVisible("#confirm"),
		chromedp.SetValue("#confirm", "main"), chromedp.Click(`button[value="begin"]`))
	lands(t, first, `location.pathname.startsWith("/procedures/runs/")`)
	run := browsertest.Evaluate[string](t, first, "location.pathname")
	browsertest.Do(t, first, chromedp.Navigate("about:blank")) // his browser is closed

	second := browsertest.Open(t)
	s.main.opens(t, second, "/procedures")
	lands(t, second, `document.querySelector("#part-guide .steps, #part-guide .ended") !== null`)
	s.main.kill9(t) // which serves the page, and is what the procedure waits for
	s.main.start(t)
	lands(t, second, `document.querySelector("#part-guide .steps .running, #part-guide .ended") !== null`)
	eventually(t, 2*time.Minute, "the procedure comes to its end", func() error {
		v, err := s.secondary.view()
		if err != nil || v.Procedure == nil || v.Procedure.Finished.IsZero() {
			return errors.Join(err, fmt.Errorf("it is %+v", v.Procedure))
		}
		return nil
	})
	if v := s.secondary.mustView(t); v.Procedure.Failed != nil { // a step cannot wait longer than it may: begun again, it goes on
		s.main.opens(t, second, "/procedures/return")
		browsertest.Do(t, second, chromedp.SetValue("#confirm", "main"), chromedp.Click(`button[value="begin"]`))
		lands(t, second, `location.pathname.startsWith("/procedures/runs/")`)
		run = browsertest.Evaluate[string](t, second, "location.pathname")
	}
	s.waitNormal(t)
	for _, teller := range []*server{s.main, s.secondary} {
		teller.opens(t, second, run)
		lands(t, second, `document.querySelector(".outcome.done") !== null`)
		report := browsertest.Evaluate[string](t, second, `document.querySelector("main").innerText`)
		for _, want := range []string{keeper, "Return to normal", mainHost} {
			if !strings.Contains(report, want) {
				t.Errorf("the report at the %s does not say %q:\n%s", teller.seat, want, report)
			}
		}
	}
	s.checkAudited(t)
}

// checkAudited: both diaries say who ordered the return, and from where.
func (s *site) checkAudited(t *testing.T) {
	t.Helper()
	for _, teller := range []*server{s.main, s.secondary} {
		eventually(t, 30*time.Second, "the diary says who ordered it", func() error {
			for _, e := range teller.explain(t, time.Now().Add(-10*time.Minute)) {
				if e.What.Code == "order-procedure" && len(e.Evidence) > 0 && e.Evidence[0].Args["by"] == keeper {
					return nil
				}
			}
			return fmt.Errorf("that of the %s does not", teller.seat)
		})
	}
}
