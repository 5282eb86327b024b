package console_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"releve"
	"releve/screen/console"
	"releve/screen/console/gallery"
	"releve/screen/view"
	"releve/server/accounts"
)

const good = "a horse, a battery, a staple"

// house is a server with accounts: anna the operator, alois the auditor. Two of them are a pair.
type house struct {
	t       *testing.T
	site    *site
	keeper  *accounts.Keeper
	server  *console.Server
	address string
	other   *house

	mu   sync.Mutex
	had  []view.Handling
	acts []releve.Entry
}

func (h *house) Explain(releve.Sentence) {}
func (h *house) OtherHeard() bool        { return h.other != nil }

func (h *house) Audit(e releve.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acts = append(h.acts, e)
}

func (h *house) Command(ctx context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
	return h.other.keeper.Desk()[name](ctx, args, emit)
}

func (h *house) Shown() []view.Alarm { return h.site.View().Alarms }

func (h *house) Maintained() []view.Maintenance { return nil }

func (h *house) Maintain(context.Context, view.Work) error { return nil }

// Story has of each alarm that it was raised, and who has it.
func (h *house) Story(name string) (view.AlarmStory, error) {
	for _, a := range h.Shown() {
		if a.Alarm == name {
			s := view.AlarmStory{Alarm: a, History: []view.Moment{{What: "raised", At: a.Since, Server: releve.Main, Severity: a.Severity}}}
			if a.By != "" {
				s.History = append(s.History, view.Moment{What: "ack", At: a.At, Server: releve.Main, By: a.By, Remark: a.Remark})
			}
			return s, nil
		}
	}
	return view.AlarmStory{}, releve.ErrUnknown
}

// Handle has an alarm acknowledged as the site would.
func (h *house) Handle(_ context.Context, order view.Handling) error {
	if order.Act == "close" {
		return &releve.Fault{Cause: releve.ErrForbidden, Why: releve.Say("alarm-still-up", "alarm", order.Alarm)}
	}
	h.mu.Lock()
	h.had = append(h.had, order)
	h.mu.Unlock()
	for _, s := range []*house{h, h.other} {
		if s == nil {
			continue
		}
		s.site.change(func(g *gallery.State) {
			for i := range g.Site.Alarms {
				if a := &g.Site.Alarms[i]; a.Alarm == order.Alarm {
					a.State, a.By, a.Remark, a.At = "acknowledged", order.By, order.Remark, time.Now()
				}
			}
		})
	}
	return nil
}

func (h *house) orders() []view.Handling {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]view.Handling(nil), h.had...)
}

// newHouse is one that its own certificate seals.
func newHouse(t *testing.T, seat releve.Seat) *house {
	t.Helper()
	h := &house{t: t, site: newSite(t, "alarms"), address: freeAddress(t)}
	h.site.change(func(g *gallery.State) { g.Site.Seat = seat })
	h.keeper = accounts.New(accounts.Options{
		Seat: seat, Dir: t.TempDir(), Link: h, Front: h, Alarms: h, Log: slog.New(slog.DiscardHandler),
	})
	return h
}

func (h *house) open(o console.Options) {
	h.t.Helper()
	o.Listen, o.Alarms, o.Accounts, o.Door, o.Seal = h.address, h.keeper, h.keeper, h.keeper, h.t.TempDir()
	h.server = served(h.t, h.site, o)
}

func (h *house) add(name, role string) {
	h.t.Helper()
	if _, err := h.keeper.Change(h.t.Context(), view.Caller{Unix: "root"}, view.AccountOrder{Act: "add", Name: name, Role: role, Password: good, By: "root"}); err != nil {
		h.t.Fatal(err)
	}
}

func newHome(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, releve.Main)
	h.add("anna", "operator")
	h.add("alois", "auditor")
	h.open(console.Options{})
	return h
}

func (h *house) url(path string) string { return "https://" + h.address + path }

// reader is a browser without a screen: it keeps cookies, and follows no redirection.
func reader(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the servers made their certificates just now
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (h *house) get(c *http.Client, path string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	return h.send(c, http.MethodGet, path, nil, headers...)
}

func (h *house) post(c *http.Client, path string, form url.Values, headers ...string) (*http.Response, string) {
	h.t.Helper()
	return h.send(c, http.MethodPost, path, form, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

func (h *house) send(c *http.Client, method, path string, form url.Values, headers ...string) (*http.Response, string) {
	h.t.Helper()
	where := path
	if strings.HasPrefix(path, "/") {
		where = h.url(path)
	}
	request, err := http.NewRequestWithContext(h.t.Context(), method, where, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if request.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	response, err := c.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response, string(body)
}

func (h *house) login(c *http.Client, name, password string) *http.Response {
	h.t.Helper()
	response, _ := h.post(c, "/login", url.Values{"name": {name}, "password": {password}, "next": {"/alarms"}})
	return response
}

// in is somebody who is logged in.
func (h *house) in(name string) *http.Client {
	h.t.Helper()
	c := reader(h.t)
	if response := h.login(c, name, good); response.StatusCode != http.StatusSeeOther {
		h.t.Fatalf("%s is not logged in: %s", name, response.Status)
	}
	return c
}

var ack = url.Values{"act": {"ack"}, "alarm": {"server-silent/main"}, "remark": {"I see to it"}}

func TestWhoIsLoggedInTakesAnAlarmInHand(t *testing.T) {
	h := newHome(t)
	c := h.in("anna")
	_, page := h.get(c, "/alarms?lang=en")
	for _, want := range []string{"Acknowledge", "server-silent/main", "le serveur principal est au contrôle", "anna", "(operator)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the alarms lacks %q", want)
		}
	}
	response, _ := h.post(c, "/alarms", ack)
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != "/alarms?done=ack" {
		t.Fatalf("%s to %q", response.Status, got)
	}
	if got := h.orders(); len(got) != 1 || got[0] != (view.Handling{Act: "ack", Alarm: "server-silent/main", By: "anna", Remark: "I see to it"}) {
		t.Errorf("ordered %+v", got)
	}
	if _, page = h.get(c, "/alarms?done=ack&lang=en"); !strings.Contains(page, "I see to it") || !strings.Contains(page, "Acknowledged: it is yours.") {
		t.Error("it is not said that it was done")
	}
	if response, page = h.post(c, "/alarms", url.Values{"act": {"shelve"}, "alarm": {"takeover"}, "remark": {"later"}, "hours": {"2"}}); response.StatusCode != http.StatusSeeOther {
		t.Errorf("%s %s", response.Status, page)
	}
	if got := h.orders(); got[1].For != 2*time.Hour {
		t.Errorf("shelved for %s", got[1].For)
	}
	response, page = h.post(c, "/alarms", url.Values{"act": {"close"}, "alarm": {"takeover"}, "remark": {"it was <nothing>"}})
	if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, "is not over, and cannot be closed") || !strings.Contains(page, `value="it was &lt;nothing&gt;"`) {
		t.Errorf("what is refused: %s %s", response.Status, page)
	}
}

// Without the right it is forbidden, and the diary says who tried.
func TestWhoHasNoRightIsForbidden(t *testing.T) {
	h := newHome(t)
	c := h.in("alois")
	if _, page := h.get(c, "/alarms?lang=en"); strings.Contains(page, "<form method=\"post\" action=\"/alarms\"") || !strings.Contains(page, "A. Martin") {
		t.Error("an auditor sees forms, or not who has an alarm")
	}
	response, page := h.post(c, "/alarms?lang=en", ack)
	if response.StatusCode != http.StatusForbidden || !strings.Contains(page, "alois may not do this with the role auditor") {
		t.Errorf("%s %s", response.Status, page)
	}
	last := h.acts[len(h.acts)-1]
	if who := last.Evidence[0].Args; last.What.Code != "event-alarm-ack" || who["by"] != "alois" || who["from"] != "127.0.0.1" || last.Evidence[1].Code != "audit-no-right" {
		t.Errorf("the diary says %+v", last)
	}
	if len(h.orders()) > 0 {
		t.Error("it was carried out")
	}
}

func TestWhatAnybodyMaySee(t *testing.T) {
	h := newHome(t)
	stranger, anna := reader(t), h.in("anna")
	h.site.change(func(g *gallery.State) {
		told := releve.Say("event-alarm-ack", "alarm", "drill", "by", "B. Petit", "remark", "seen at night")
		g.Site.Events = append([]view.Event{{At: time.Now(), Seat: releve.Main, Severity: releve.Info, What: told}}, g.Site.Events...)
	})
	for _, path := range []string{"/?lang=en", "/api/site", "/events?lang=en"} {
		ctx, cancel := context.WithCancel(t.Context())
		read := func(c *http.Client) string {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := c.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var text strings.Builder
			lines := bufio.NewScanner(response.Body)
			for lines.Buffer(nil, 1<<20); lines.Scan(); {
				text.WriteString(lines.Text() + "\n")
				if strings.HasPrefix(path, "/events") && strings.HasPrefix(lines.Text(), "data: ") {
					break // the first picture is enough
				}
			}
			return text.String()
		}
		open, seen := read(stranger), read(anna)
		cancel()
		for _, personal := range []string{"A. Martin", "disque commandé", "B. Petit", "seen at night", "carte mère changée"} {
			if path == "/?lang=en" && personal == "disque commandé" || path != "/api/site" && personal == "carte mère changée" {
				continue // the page has no room for it
			}
			if strings.Contains(open, personal) || !strings.Contains(seen, personal) {
				t.Errorf("%s: %q is seen by anybody (%t), or not by who is logged in", path, personal, strings.Contains(open, personal))
			}
		}
	}
	_, open := h.get(stranger, "/?lang=en")
	_, seen := h.get(anna, "/?lang=en")
	if !strings.Contains(open, "Calls are seen after a login.") || strings.Contains(open, "<tbody>") || !strings.Contains(seen, "<tbody>") {
		t.Error("calls are seen by anybody, or not by who is logged in")
	}
	for c, want := range map[*http.Client]bool{stranger: false, anna: true} {
		_, story := h.get(c, "/api/alarms/history?alarm=takeover")
		if !strings.Contains(story, `"what":"ack"`) || strings.Contains(story, "A. Martin") != want || strings.Contains(story, "contrôle") != want {
			t.Errorf("the history of an alarm is %s", story)
		}
	}
	if !strings.Contains(open, "NOT PROTECTED") || !strings.Contains(open, "<svg") || !strings.Contains(open, "not heard") {
		t.Error("the word, the drawing or the alarms are not anybody's")
	}
	for c, want := range map[*http.Client]int{stranger: http.StatusUnauthorized, anna: http.StatusOK} {
		if response, body := h.get(c, "/api/calls"); response.StatusCode != want {
			t.Errorf("calls: %s %s", response.Status, body)
		}
	}
	for _, path := range []string{"/-/healthy", "/drawing.svg", "/api/site", "/metrics"} {
		if response, _ := h.get(stranger, path); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}

// A cookie goes to this very host alone, sealed, and no script reads it; without TLS nobody logs in.
func TestASessionIsCarriedSealed(t *testing.T) {
	h := newHome(t)
	c := reader(t)
	response := h.login(c, "anna", good)
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	if k := cookies[0]; k.Name != "__Host-releve" || !k.Secure || !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Domain != "" || k.MaxAge != 0 {
		t.Errorf("the cookie is %s", k)
	}
	if got := response.Header.Get("Location"); got != "/alarms" {
		t.Errorf("it leads to %q", got)
	}
	plain := "http://" + h.address
	response, _ = h.get(reader(t), plain+"/login?next=/alarms")
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != h.url("/login?next=/alarms") {
		t.Errorf("without TLS: %s %q", response.Status, got)
	}
	response, body := h.post(reader(t), plain+"/login", url.Values{"name": {"anna"}, "password": {good}})
	if response.StatusCode != http.StatusForbidden || len(response.Cookies()) > 0 {
		t.Errorf("without TLS: %s %s", response.Status, body)
	}
	response, body = h.send(reader(t), http.MethodGet, plain+"/api/calls", nil, "Cookie", "__Host-releve="+cookies[0].Value)
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a session without TLS: %s %s", response.Status, body)
	}
	for _, elsewhere := range []string{"https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)"} {
		response, _ := h.post(reader(t), "/login", url.Values{"name": {"anna"}, "password": {good}, "next": {elsewhere}})
		if got := response.Header.Get("Location"); got != "/" {
			t.Errorf("a login leads to %q", got)
		}
	}
}

// What was there before a login is not what is there after it (session fixation), and what ended does not come back.
func TestASessionBeginsAndEnds(t *testing.T) {
	h := newHome(t)
	c := reader(t)
	given := "given-by-somebody-else"
	response, _ := h.post(c, "/login", url.Values{"name": {"anna"}, "password": {good}}, "Cookie", "__Host-releve="+given)
	first := response.Cookies()[0].Value
	second := h.login(reader(t), "anna", good).Cookies()[0].Value
	if first == given || first == second {
		t.Error("a session is not a new one")
	}
	carrying := func(token string) int {
		response, _ := h.get(reader(t), "/api/calls", "Cookie", "__Host-releve="+token)
		return response.StatusCode
	}
	if carrying(first) != http.StatusOK || carrying(second) != http.StatusOK || carrying(given) != http.StatusUnauthorized {
		t.Error("the sessions are not what they should be")
	}
	for _, forged := range []string{first + "x", "x" + first, strings.ToUpper(first), first[:len(first)-4], strings.Repeat("x", 3000)} {
		if carrying(forged) != http.StatusUnauthorized {
			t.Errorf("%q is believed", forged)
		}
	}
	if response, _ := h.post(c, "/logout", nil); response.StatusCode != http.StatusSeeOther || response.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logged out: %s %v", response.Status, response.Cookies())
	}
	if carrying(first) != http.StatusUnauthorized || carrying(second) != http.StatusOK {
		t.Error("what was ended goes on, or the other one does not")
	}
	if _, err := h.keeper.Change(t.Context(), view.Caller{Unix: "root"}, view.AccountOrder{Act: "remove", Name: "anna", By: "root"}); err != nil {
		t.Fatal(err)
	}
	if carrying(second) != http.StatusUnauthorized {
		t.Error("somebody who was removed is still logged in")
	}
	response, page := h.post(reader(t), "/alarms?lang=en", ack, "Cookie", "__Host-releve="+second)
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(page, "not logged in any more") || len(h.orders()) > 0 {
		t.Errorf("ordered without a session: %s %s", response.Status, page)
	}
}

// Another page has a browser that is logged in order something: nothing happens. Nor may it turn its own name around.
func TestAnotherPageOrdersNothing(t *testing.T) {
	h := newHome(t)
	c := h.in("anna")
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}, {"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://" + h.address}, {"Origin", "https://" + h.address + ".elsewhere.example"},
	} {
		for _, path := range []string{"/alarms", "/logout", "/login"} {
			if response, body := h.post(c, path, ack, headers...); response.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %q: %s %s", path, headers, response.Status, body)
			}
		}
	}
	response, _ := h.post(c, "/alarms", ack, "Host", "elsewhere.example", "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "same-origin")
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %s", response.Status)
	}
	if len(h.orders()) > 0 {
		t.Errorf("ordered %+v", h.orders())
	}
	if response, _ := h.post(c, "/alarms", ack, "Origin", "https://"+h.address, "Sec-Fetch-Site", "same-origin"); response.StatusCode != http.StatusSeeOther {
		t.Errorf("the page itself: %s", response.Status)
	}
	response, page := h.get(c, "/alarms")
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'") || !strings.Contains(policy, "form-action 'self'; frame-ancestors 'self'") {
		t.Errorf("the policy is %q", policy)
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "style=") {
		t.Error("the page has what its policy forbids")
	}
}

// Guesses are told to wait, and say nothing of who is there.
func TestGuessesAreToldToWait(t *testing.T) {
	h := newHome(t)
	c := reader(t)
	answers := map[string]string{}
	for _, name := range []string{"anna", "nobody"} {
		response, page := h.post(c, "/login?lang=en", url.Values{"name": {name}, "password": {"guess guess guess"}})
		if response.StatusCode != http.StatusUnauthorized || len(response.Cookies()) > 1 {
			t.Errorf("%s: %s", name, response.Status)
		}
		answers[name] = strings.ReplaceAll(page, name, "NAME")
	}
	if answers["anna"] != answers["nobody"] {
		t.Error("the answer tells who is there")
	}
	for i := range 20 {
		response, page := h.post(c, "/login?lang=en", url.Values{"name": {"anna"}, "password": {"guess guess guess"}})
		if response.StatusCode == http.StatusTooManyRequests {
			if response.Header.Get("Retry-After") == "" || !strings.Contains(page, "Too many attempts: wait") {
				t.Errorf("%v %s", response.Header, page)
			}
			return
		}
		if i > 5 {
			t.Fatal("who guesses is not told to wait")
		}
	}
}

// What people wrote is shown and not obeyed.
func TestARemarkIsNoPartOfThePage(t *testing.T) {
	h := newHome(t)
	c := h.in("anna")
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	h.post(c, "/alarms", url.Values{"act": {"ack"}, "alarm": {"server-silent/main"}, "remark": {evil}})
	h.post(reader(t), "/login", url.Values{"name": {evil}, "password": {"guess guess guess"}})
	_, name := h.post(reader(t), "/login", url.Values{"name": {evil}, "password": {"guess guess guess"}})
	_, alarms := h.get(c, "/alarms")
	_, page := h.get(c, "/")
	_, done := h.get(c, "/alarms?done="+url.QueryEscape(evil))
	for where, text := range map[string]string{"the login": name, "the alarms": alarms, "the page": page, "what was done": done} {
		if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img") {
			t.Errorf("%s obeys a remark", where)
		}
	}
	if !strings.Contains(alarms, "&lt;script&gt;alert(1)") {
		t.Error("the remark is not shown")
	}
	for _, e := range h.acts {
		if strings.Contains(e.What.Args["user"], "<") {
			t.Error("what a stranger typed as his name stands in the diary")
		}
	}
}

var _ console.Accounts = (*accounts.Keeper)(nil)

// A server whose certificate cannot be read shows the page all the same.
func TestWithoutACertificateThePageIsThere(t *testing.T) {
	h := newHouse(t, releve.Main)
	server := served(t, h.site, console.Options{Alarms: h.keeper, Accounts: h.keeper, Seal: "/dev/null/page"})
	if response, _ := ask(t, "GET", "http://"+server.Address()+"/"); response.StatusCode != http.StatusOK {
		t.Errorf("%s", response.Status)
	}
}
