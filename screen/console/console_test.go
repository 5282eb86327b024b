package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/screen/console"
	"releve/screen/console/client"
	"releve/screen/console/gallery"
	"releve/screen/view"
)

// ask sends a request, with headers as pairs, and reads the whole answer.
func ask(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	request.Close = true // no idle connection outlives the test
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestTheAPIShowsTheSite(t *testing.T) {
	s := newSite(t, "taken-over")
	url := "http://" + served(t, s, console.Options{}).Address()

	var got view.Site
	_, body := ask(t, "GET", url+"/api/site")
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Term != 8 ||
		got.Owner != releve.Secondary || got.Word != view.NotProtected {
		t.Errorf("the site is shown as %s (%v)", body, err)
	}
	var calls []releve.Call
	_, body = ask(t, "GET", url+"/api/calls?limit=2")
	if err := json.Unmarshal([]byte(body), &calls); err != nil || len(calls) != 2 {
		t.Errorf("two calls are shown as %s (%v)", body, err)
	}
	s.lose(errors.New("the database is away"))
	if response, body := ask(t, "GET", url+"/api/calls"); response.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(body, "the database is away") {
		t.Errorf("without the database: %s %s", response.Status, body)
	}
}

func TestProbesTellTheDuty(t *testing.T) {
	for name, want := range map[string]struct{ active, standby, ready int }{
		"protected":     {http.StatusOK, http.StatusServiceUnavailable, http.StatusOK},
		"taking-over":   {http.StatusServiceUnavailable, http.StatusOK, http.StatusServiceUnavailable}, // seen from the secondary, which is still passive
		"stopped":       {http.StatusServiceUnavailable, http.StatusServiceUnavailable, http.StatusServiceUnavailable},
		"database-away": {http.StatusOK, http.StatusServiceUnavailable, http.StatusServiceUnavailable},
	} {
		url := "http://" + served(t, newSite(t, name), console.Options{}).Address()
		active, _ := ask(t, "GET", url+"/-/active")
		standby, _ := ask(t, "GET", url+"/-/standby")
		healthy, _ := ask(t, "GET", url+"/-/healthy")
		ready, _ := ask(t, "GET", url+"/-/ready")
		if ready.StatusCode != want.ready {
			t.Errorf("%s: ready %d", name, ready.StatusCode)
		}
		if active.StatusCode != want.active || standby.StatusCode != want.standby || healthy.StatusCode != http.StatusOK {
			t.Errorf("%s: active %d, standby %d, healthy %d", name, active.StatusCode, standby.StatusCode, healthy.StatusCode)
		}
	}
}

func TestThePublicAddressOnlyShows(t *testing.T) {
	url := "http://" + served(t, newSite(t, "protected"), console.Options{}).Address()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/api/procedures/return", http.StatusMethodNotAllowed},
		{"DELETE", "/api/site", http.StatusMethodNotAllowed},
		{"GET", "/api/diary", http.StatusNotFound},
		{"GET", "/nothing", http.StatusNotFound},
		{"GET", "/api/calls?limit=many", http.StatusBadRequest},
	} {
		response, body := ask(t, c.method, url+c.path)
		var problem struct {
			Type, Title, Detail string
			Status              int
		}
		err := json.Unmarshal([]byte(body), &problem)
		if response.StatusCode != c.status || err != nil || problem.Status != c.status || problem.Detail == "" ||
			response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s %s", c.method, c.path, response.Status, body)
		}
	}
}

func TestThePageTakesNothingFromElsewhere(t *testing.T) {
	url := "http://" + served(t, newSite(t, "protected"), console.Options{OtherConsole: "192.0.2.2:8080"}).Address()
	response, body := ask(t, "GET", url+"/", "Origin", "http://192.0.2.2:8080")
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'") ||
		!strings.Contains(policy, "connect-src 'self' http://192.0.2.2:8080;") {
		t.Errorf("the policy is %q", policy)
	}
	if got := response.Header.Get("Access-Control-Allow-Origin"); got != "http://192.0.2.2:8080" {
		t.Errorf("the other server's page may not read: %q", got)
	}
	if strings.Contains(body, "style=") || strings.Contains(body, "onclick") {
		t.Error("the page has what its own policy forbids")
	}
	if response, _ := ask(t, "GET", url+"/api/site",
		"Origin", "http://elsewhere.example"); response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("any page may read the site")
	}
}

func TestTheReaderChoosesTheLanguage(t *testing.T) {
	url := "http://" + served(t, newSite(t, "protected"), console.Options{}).Address()
	for _, c := range []struct {
		query, cookie, accept, want string
	}{
		{"", "", "", "en"},
		{"", "", "de, fr;q=0.8, en;q=0.7", "fr"},
		{"", "", "zz, en-GB", "en"},
		{"", "en", "fr-FR", "en"},
		{"?lang=fr", "en", "en", "fr"},
		{"?lang=xx", "", "fr-CA", "fr"},
	} {
		headers := []string{"Accept-Language", c.accept}
		if c.cookie != "" {
			headers = append(headers, "Cookie", "releve-language="+c.cookie)
		}
		response, body := ask(t, "GET", url+"/"+c.query, headers...)
		if !strings.Contains(body, `<html lang="`+c.want+`"`) || response.Header.Get("Content-Language") != c.want {
			t.Errorf("%+v: the page is in %s", c, response.Header.Get("Content-Language"))
		}
		if kept := strings.Contains(response.Header.Get("Set-Cookie"), "releve-language="+c.want); kept != (c.query != "") {
			t.Errorf("%+v: the choice is kept: %v", c, kept)
		}
	}
}

func TestEveryDrawingIsWellFormed(t *testing.T) {
	s := newSite(t, "protected")
	url := "http://" + served(t, s, console.Options{}).Address()
	for _, shown := range gallery.States(time.Now()) {
		s.change(func(g *gallery.State) { *g = shown })
		for _, lang := range []string{"en", "fr"} {
			_, body := ask(t, "GET", url+"/drawing.svg?lang="+lang)
			decoder := xml.NewDecoder(strings.NewReader(body))
			for {
				if _, err := decoder.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("%s in %s: %v", shown.Name, lang, err)
					break
				}
			}
			if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<no value>") {
				t.Errorf("%s in %s: something could not be drawn", shown.Name, lang)
			}
		}
	}
}

// event is one of a stream.
type event struct{ name, data string }

// listen opens the stream and sends its events until the test ends.
func listen(t *testing.T, url string) <-chan event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	out, ended := make(chan event, 100), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(out)
		read(response.Body, out)
	}()
	t.Cleanup(func() { cancel(); _ = response.Body.Close(); <-ended })
	return out
}

func read(body io.Reader, out chan<- event) {
	var e event
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			out <- e
		}
	}
}

type message struct {
	Title string
	Site  view.Site
	Parts map[string]string
}

// next waits for an event of that name.
func next(t *testing.T, events <-chan event, name string) message {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the stream ended before a %s", name)
			}
			if e.name != name {
				continue
			}
			var m message
			if err := json.Unmarshal([]byte(e.data), &m); err != nil {
				t.Fatalf("%s: %v", e.data, err)
			}
			return m
		case <-deadline:
			t.Fatalf("no %s came", name)
		}
	}
}

func TestTheStreamSendsWhatChanged(t *testing.T) {
	s := newSite(t, "protected")
	events := listen(t, "http://"+served(t, s, console.Options{}).Address()+"/events?lang=fr")
	first := next(t, events, "site")
	if len(first.Parts) != 11 || !strings.Contains(first.Parts["word"], "PROTÉGÉ") ||
		first.Title != "PROTÉGÉ · Hôpital Saint-Roch" {
		t.Errorf("the first picture has %d parts, its word %q", len(first.Parts), first.Parts["word"])
	}
	if !strings.Contains(first.Parts["calls"], "0612") {
		t.Errorf("the first picture has no calls: %s", first.Parts["calls"])
	}
	s.change(func(g *gallery.State) { g.Site.Main.ChannelsBusy = 17 })
	changed := next(t, events, "site")
	if len(changed.Parts) != 1 || !strings.Contains(changed.Parts["drawing"], "17 voies sur 30") {
		t.Errorf("one more call changed %d parts", len(changed.Parts))
	}
	next(t, events, "beat")
}

func TestASlowScreenGetsTheLatest(t *testing.T) {
	s := newSite(t, "protected")
	events := listen(t, "http://"+served(t, s, console.Options{}).Address()+"/events?lang=en")
	next(t, events, "site")
	for n := range 1000 {
		s.change(func(g *gallery.State) { g.Site.Term = releve.Term(n) })
	}
	pictures := 0
	for next(t, events, "site").Site.Term != 999 {
		pictures++
	}
	if pictures > 100 {
		t.Errorf("%d pictures were sent of a thousand changes", pictures)
	}
}

func TestTooManyScreensAreTold(t *testing.T) {
	server := served(t, newSite(t, "protected"), console.Options{})
	url := "http://" + server.Address() + "/events"
	for range 48 {
		next(t, listen(t, url), "site")
	}
	if response, body := ask(t, "GET", url); response.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(body, "close one") {
		t.Errorf("one more screen: %s %s", response.Status, body)
	}
}

func TestClosingEndsTheStreams(t *testing.T) {
	server := served(t, newSite(t, "protected"), console.Options{})
	events := listen(t, "http://"+server.Address()+"/events")
	next(t, events, "site")
	server.Close()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case _, open := <-events:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the stream goes on after the server was closed")
		}
	}
}

func TestEachStoredFactIsTold(t *testing.T) {
	s := newSite(t, "protected")
	response, err := http.Get("http://" + served(t, s, console.Options{}).Address() + "/api/stored")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // a stream ends by it
	lines := bufio.NewScanner(response.Body)
	for n := range 3 {
		s.stored <- []releve.Fact{{
			ID: releve.FactID(fmt.Sprint(n)), Kind: releve.CallStepped, Call: "a@pbx", Term: 7, Seat: releve.Main,
		}}
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if want := fmt.Sprintf(`{"id":"%d","kind":"step","call":"a@pbx","term":7,"seat":"main"}`, n); lines.Text() != want {
			t.Errorf("got %s, want %s", lines.Text(), want)
		}
	}
}

func TestTheOperatorCommandsOverTheSocket(t *testing.T) {
	s := newSite(t, "taken-over")
	s.run = func(_ context.Context, w view.Wish, emit func(view.Procedure)) error {
		for _, state := range []string{"running", "done"} {
			emit(view.Procedure{
				ID: "1", Name: w.Name, DryRun: w.DryRun,
				Steps: []view.ProcedureStep{{What: releve.Say("step-copy"), State: state}},
			})
		}
		return nil
	}
	socket := filepath.Join(t.TempDir(), "control.sock")
	served(t, s, console.Options{Socket: socket})
	operator := client.New(socket)

	var states []string
	err := operator.Procedure(t.Context(), "return", true, func(p view.Procedure) {
		states = append(states, fmt.Sprint(p.Name, p.DryRun, p.Steps[0].State))
	})
	if want := "[returntruerunning returntruedone]"; err != nil || fmt.Sprint(states) != want {
		t.Errorf("the procedure showed %v (%v), want %v", states, err, want)
	}
	for _, cause := range []error{releve.ErrBusy, releve.ErrForbidden, releve.ErrUnknown} {
		s.run = func(context.Context, view.Wish, func(view.Procedure)) error { return fmt.Errorf("no: %w", cause) }
		if err := operator.Procedure(t.Context(), "return", false, func(view.Procedure) {}); !errors.Is(err, cause) {
			t.Errorf("%v came as %v", cause, err)
		}
	}
	if got, err := operator.Site(t.Context()); err != nil || got.Term != 8 {
		t.Errorf("the site is %v (%v)", got, err)
	}
	if got, err := operator.Diary(t.Context(), time.Time{}, time.Time{}, 10); err != nil ||
		len(got) != 1 || got[0].What.Code != "rule-takeover" {
		t.Errorf("the diary is %v (%v)", got, err)
	}
}

func TestNobodyAnswersOnTheSocket(t *testing.T) {
	_, err := client.New(filepath.Join(t.TempDir(), "none.sock")).Site(t.Context())
	if !errors.Is(err, releve.ErrUnreachable) {
		t.Errorf("without a server: %v", err)
	}
}

func TestASecondServerIsToldOfTheFirst(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	s := newSite(t, "protected")
	served(t, s, console.Options{Socket: socket})
	if _, err := console.New(console.Options{Site: s, Listen: "127.0.0.1:0", Socket: socket}); err == nil ||
		!strings.Contains(err.Error(), "stop it first") {
		t.Errorf("a second server on the same socket: %v", err)
	}
}
