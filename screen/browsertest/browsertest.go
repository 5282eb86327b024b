// Package browsertest has pages looked at by a real browser, for the tests of the rooms that make them.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Fonts are the sets of a Debian machine on which a page must fit its screen: the one that
// each has, and the one that many add. The first is a fifth wider.
var Fonts = map[string]string{
	"fonts-dejavu-core": "/usr/share/fonts/truetype/dejavu/DejaVuSans{,-Bold,Mono,Mono-Bold}.ttf",
	"fonts-liberation":  "/usr/share/fonts/truetype/liberation*/LiberationSans-{Regular,Bold}.ttf",
}

// OnlyFonts is a configuration of fontconfig in which nothing else is there.
func OnlyFonts(t testing.TB, name string) (variable string) {
	t.Helper()
	dir := t.TempDir()
	stem, rest, _ := strings.Cut(Fonts[name], "{")
	middles, tail, _ := strings.Cut(rest, "}")
	for _, middle := range strings.Split(middles, ",") {
		found, err := filepath.Glob(stem + middle + tail)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s%s%s is not there: install Debian's package %s", stem, middle, tail, name)
		}
		if err := os.Symlink(found[0], filepath.Join(dir, filepath.Base(found[0]))); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "fonts.conf")
	text := fmt.Sprintf(`<?xml version="1.0"?><fontconfig><dir>%s</dir><cachedir>%s</cachedir></fontconfig>`,
		dir, filepath.Join(dir, "cache"))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return "FONTCONFIG_FILE=" + file
}

// Open is a real browser, closed when the test ends.
func Open(t testing.TB, environment ...string) context.Context {
	t.Helper()
	return open(t, environment)
}

// Kiosk is one that plays sound without a gesture, as docs/screen.md sets it up on a wall.
func Kiosk(t testing.TB) context.Context {
	t.Helper()
	return open(t, nil, chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
}

func open(t testing.TB, environment []string, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("the page is tried in a real browser: install Debian's package chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Env(environment...),
		chromedp.Flag("ignore-certificate-errors", true)) // the servers made theirs just now
	options = append(options, flags...)
	ctx, cancelLimit := context.WithTimeout(context.Background(), 2*time.Minute)
	ctx, cancelBrowser := chromedp.NewExecAllocator(ctx, options...)
	tab, _ := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(tab); err != nil {
			t.Errorf("the browser does not end: %v", err)
		}
		cancelBrowser()
		cancelLimit()
	})
	Do(t, tab, chromedp.EmulateViewport(1400, 900))
	return tab
}

// Do carries steps out.
func Do(t testing.TB, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// Evaluate is what a script of the page gives.
func Evaluate[T any](t testing.TB, tab context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// Until waits for a condition in the page.
func Until(t testing.TB, tab context.Context, condition string) {
	t.Helper()
	if _, err := chromedp.Run(tab,
		chromedp.Poll[bool](condition, chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		t.Fatalf("the page never had: %s (%v)\n%s", condition, err, Evaluate[string](t, tab, "document.body.innerText"))
	}
}
