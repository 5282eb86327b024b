package console_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"releve"
	"releve/screen/console"
	"releve/screen/view"
)

// guarded is a door that lets nobody in, and remembers who came.
type guarded struct {
	mu   sync.Mutex
	came []view.Order
}

func (g *guarded) Order(_ context.Context, o view.Order, _ func(context.Context) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.came = append(g.came, o)
	return &releve.Fault{Cause: view.ErrNoRight, Why: releve.Say("order-no-right", "user", "anna", "role", "operator")}
}

// Handle asks the door, as who keeps alarms does.
func (g *guarded) Handle(ctx context.Context, by view.Caller, _ view.Handling) error {
	return g.Order(ctx, view.Order{By: by, Deed: view.HandleAlarm}, nil)
}
func (g *guarded) Maintained() []view.Maintenance { return nil }

// Maintain asks the door, as who keeps alarms does.
func (g *guarded) Maintain(ctx context.Context, by view.Caller, w view.Work) error {
	return g.Order(ctx, view.Order{By: by, Deed: view.Maintain, What: w.What()}, func(context.Context) error { return nil })
}

// Story knows of none.
func (g *guarded) Story(string) (view.AlarmStory, error) { return view.AlarmStory{}, releve.ErrUnknown }

func (g *guarded) Shown() []view.Alarm { return nil }

// idle is everything that a server may be given to do, which must never be reached.
type idle struct {
	g *guarded
	t *testing.T
}

func (i idle) Login(context.Context, view.Credentials) (string, error) { return "", nil }
func (i idle) Screen(string) bool                                      { return false }
func (i idle) Logout(string)                                           {}
func (i idle) Denied(string, netip.Addr, releve.Sentence)              {}
func (i idle) Looked(string, netip.Addr, releve.Sentence)              {}
func (i idle) Accounts() []view.Account                                { return nil }
func (i idle) Who(string) (view.Person, string, bool) {
	return view.Person{Name: "anna", Role: "operator"}, "", true
}
func (i idle) Change(ctx context.Context, by view.Caller, _ view.AccountOrder) (string, error) {
	return "", i.g.Order(ctx, view.Order{By: by, Deed: view.ChangeAccount}, nil)
}

func (i idle) reached() { i.t.Error("an order was carried out though the door is closed") }
func (i idle) Salvages(context.Context) ([]releve.Salvage, error) {
	return nil, nil
}
func (i idle) Salvage(context.Context, int64, int) (releve.Salvage, error) {
	return releve.Salvage{}, nil
}
func (i idle) ExtractSalvage(context.Context) ([]releve.Salvage, error) { i.reached(); return nil, nil }
func (i idle) ApplySalvage(context.Context, int64, bool, bool) (releve.Salvage, error) {
	i.reached()
	return releve.Salvage{}, nil
}
func (i idle) DiscardSalvage(context.Context, int64) (releve.Salvage, error) {
	i.reached()
	return releve.Salvage{}, nil
}
func (i idle) VerifyMirror(context.Context, func(view.Procedure)) error { i.reached(); return nil }
func (i idle) CheckCalls(context.Context, func(view.Procedure)) error   { i.reached(); return nil }
func (i idle) Licences() view.Licences                                  { return view.Licences{} }
func (i idle) InstallLicence(context.Context, []byte, view.Installing) (view.Installed, error) {
	i.reached()
	return view.Installed{}, nil
}
func (i idle) AdoptStudy(context.Context, []byte, bool) (view.Adoption, error) {
	i.reached()
	return view.Adoption{}, nil
}
func (i idle) Roles() []string { return nil }
func (i idle) ChangeOwn(context.Context, view.Caller, string, string) error {
	i.reached()
	return nil
}
func (i idle) Drills() view.Drills { return view.Drills{} }
func (i idle) Drill(context.Context, string, bool, func(view.Procedure)) error {
	i.reached()
	return nil
}
func (i idle) Test(context.Context, string, bool) ([]view.OutletTest, error) {
	i.reached()
	return nil, nil
}

// Every address at which something is ordered asks the door first, in the name that the kernel gives, and carries
// nothing out when that stays closed; a rehearsal is a deed of its own.
func TestEveryOrderGoesThroughTheDoor(t *testing.T) {
	s := newSite(t, "protected")
	g := &guarded{}
	i := idle{g: g, t: t}
	s.run = func(context.Context, view.Wish, func(view.Procedure)) error { i.reached(); return nil }
	socket := filepath.Join(t.TempDir(), "s")
	served(t, s, console.Options{
		Socket: socket, Door: g, Salvage: i, Mirror: i, Telephone: i, Alarms: g, Post: i, Licences: i, Accounts: i, Drills: i,
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	c := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	send := func(address, query string) (status int) {
		t.Helper()
		request, err := http.NewRequest(http.MethodPost, "http://releve"+address+query, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(console.OperatorHeader, "Anna")
		answer, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for address, deed := range console.Ordered() {
		path := strings.NewReplacer("POST ", "", "{name}", "return", "{id}", "1").Replace(address)
		if !strings.HasPrefix(path, "/api/") {
			continue // of the page
		}
		for query, deed := range map[string]view.Deed{"": deed, "?dry-run=true": view.Rehearse} {
			g.came = nil
			status := send(path, query)
			switch {
			case deed == view.Rehearse && len(g.came) == 1 && g.came[0].Deed == console.Ordered()[address]: // it cannot be rehearsed
			case len(g.came) != 1 || g.came[0].Deed != deed:
				t.Errorf("%s%s: at the door came %+v", path, query, g.came)
				continue
			}
			if by := g.came[0].By; by.Unix != me.Username || by.Session != "" || by.Name != "Anna" {
				t.Errorf("%s%s: it came in the name of %+v", path, query, by)
			}
			if status != http.StatusForbidden && deed != view.HandleAlarm && deed != view.Maintain && deed != view.ChangeAccount && g.came[0].Deed == deed {
				t.Errorf("%s%s: answered %d", path, query, status)
			}
		}
	}
}

// No file of this room serves an order that the table does not know.
func TestNoOrderPassesTheDoorBy(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	besides := map[string]bool{"/login": true, "/logout": true}
	registered := regexp.MustCompile(`HandleFunc\("(?:POST|PUT|DELETE|PATCH) ([^"]+)"`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range registered.FindAllStringSubmatch(string(source), -1) {
			if !besides[found[1]] {
				t.Errorf("%s serves %s without asking the door", name, found[1])
			}
		}
	}
}

var errReached = errors.New("reached")

// A server that nobody gave a door takes no orders.
func TestWithoutADoorNothingIsOrdered(t *testing.T) {
	s := newSite(t, "protected")
	s.run = func(context.Context, view.Wish, func(view.Procedure)) error { t.Error("it ran"); return errReached }
	socket := filepath.Join(t.TempDir(), "s")
	server, err := console.New(console.Options{Site: s, Guide: s, Listen: "127.0.0.1:0", Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	defer server.Close()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}).Post("http://releve/api/procedures/return", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode < 400 {
		t.Errorf("answered %s", answer.Status)
	}
}
