package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axeBundle is the script of Chromium's own developer tools in which axe-core stands, as a text in back quotes: it is
// there wherever the browser is, and nothing has to be fetched for it. These are its first letters.
const (
	axeBundle = "/devtools/third_party/lighthouse/lighthouse-dt-bundle.js"
	axeBegins = "`/*! axe v4."
)

// Axe is axe-core (Deque Systems, MPL-2.0), out of the browser that is installed.
func Axe(t testing.TB) (source string) {
	t.Helper()
	bundle := developerTools(t)
	from := bytes.Index(bundle, []byte(axeBegins))
	if from < 0 {
		t.Fatalf("the developer tools of this Chromium have no axe-core in %s: see where it is now", axeBundle)
	}
	return Evaluate[string](t, Open(t), string(quoted(bundle[from:])))
}

// quoted is a text in back quotes from the first on.
func quoted(script []byte) []byte {
	for i := 1; i < len(script); i++ {
		switch script[i] {
		case '\\':
			i++
		case '`':
			return script[:i+1]
		}
	}
	return nil
}

// listening is how a browser says where its developer tools are served.
var listening = regexp.MustCompile(`ws://(127\.0\.0\.1:\d+)/`)

// developerTools is the script, as a browser of its own serves it, which is gone afterwards.
func developerTools(t testing.TB) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
		"--user-data-dir="+t.TempDir(), "about:blank")
	browser.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	browser.Cancel = func() error { return syscall.Kill(-browser.Process.Pid, syscall.SIGKILL) } // its children too
	said, err := browser.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := browser.Start(); err != nil {
		t.Fatalf("the page is tried in a real browser: install Debian's package chromium (%v)", err)
	}
	defer func() {
		cancel()
		_ = browser.Wait() // it was killed
	}()
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if at := listening.FindStringSubmatch(lines.Text()); at != nil {
			return fetch(t, ctx, "http://"+at[1]+axeBundle)
		}
	}
	t.Fatalf("the browser did not say where its developer tools are: %v", lines.Err())
	return nil
}

func fetch(t testing.TB, ctx context.Context, address string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	bundle, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", axeBundle, answer.Status, err)
	}
	return bundle
}

// axeRules are those of WCAG 2.2, levels A and AA; what axe cannot decide by itself is not among what it reports.
const axeRules = `axe.run(document, {resultTypes: ["violations"], runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}})
	.then((r) => r.violations.map((v) => v.id + " (" + v.help + "): " + v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + n.html.slice(0, 120)).join(" | ")))`

// Violations are what axe-core finds wrong with the page that is open. It is put in beside the page's policy, which
// forbids the page itself any script but its own.
func Violations(t testing.TB, tab context.Context, axe string) []string {
	t.Helper()
	if !Evaluate[bool](t, tab, `typeof axe === "object"`) {
		Evaluate[bool](t, tab, axe+"\n;true")
	}
	found, err := chromedp.Run(tab, chromedp.Evaluate[[]string](axeRules, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(fmt.Errorf("axe does not run: %w", err))
	}
	return found
}
