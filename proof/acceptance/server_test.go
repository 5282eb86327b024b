package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"releve"
	"releve/screen/view"
)

// server is one of the two, as `releve serve` runs it.
type server struct {
	machine
	seat releve.Seat
	host string
}

func newServer(seat releve.Seat, dir, host string) *server {
	return &server{newMachine(string(seat), "serve", dir), seat, host}
}

// postgres are the server's PostgreSQL processes.
func (s *server) postgres() []process { return family(0, filepath.Join(s.data, "postgres")) }

// thawPostgres lets only its PostgreSQL go on.
func (s *server) thawPostgres() { thaw(s.postgres()) }

// view is the site as this server's page shows it.
func (s *server) view() (view.Site, error) {
	var v view.Site
	console, err := s.console()
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, console+"/api/site", nil)
	if err != nil {
		return v, err
	}
	answer, err := oneShot.Do(request)
	if err != nil {
		return v, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return v, errors.New(answer.Status)
	}
	return v, json.NewDecoder(answer.Body).Decode(&v)
}

// oneShot keeps no connection: a frozen server must not hold the next question.
var oneShot = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (s *server) console() (string, error) {
	c, err := s.settings()
	return "http://" + c.Console.Listen.String(), err
}

// settings are what the tests need of a server's configuration file.
type settings struct {
	SIP struct {
		RTPFirst int `toml:"rtp_first"`
		RTPLast  int `toml:"rtp_last"`
	} `toml:"sip"`
	Peer     struct{ Listen netip.AddrPort }
	Database struct{ Listen netip.AddrPort }
	Console  struct{ Listen netip.AddrPort }
}

// settings are what the server's file says.
func (s *server) settings() (settings, error) {
	var c settings
	raw, err := os.ReadFile(s.file)
	if err != nil {
		return c, err
	}
	return c, toml.Unmarshal(raw, &c)
}

// mustView is view, for a test that relies on an answer.
func (s *server) mustView(t testing.TB) view.Site {
	t.Helper()
	v, err := s.view()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// explain is the server's diary since a moment. It tells the last hundred entries by itself,
// and where calls wait each of them leaves several.
func (s *server) explain(t testing.TB, since time.Time) []releve.Entry {
	t.Helper()
	var all, found []releve.Entry
	if err := json.Unmarshal([]byte(s.mustRun(t, "explain", "--limit", "1000", "--output", "json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if !e.At.Before(since) {
			found = append(found, e)
		}
	}
	return found
}

// eventSaid waits until the server's page has an event whose code holds a word.
func (s *server) eventSaid(t testing.TB, word string, since time.Time, limit time.Duration) view.Event {
	t.Helper()
	var found view.Event
	eventually(t, limit, fmt.Sprintf("event %q at the %s server", word, s.seat), func() error {
		v, err := s.view()
		if err != nil {
			return err
		}
		var codes []string
		for _, e := range v.Events {
			if strings.Contains(e.What.Code, word) && !e.At.Before(since) {
				found = e
				return nil
			}
			codes = append(codes, e.What.Code)
		}
		return fmt.Errorf("events: %v", codes)
	})
	return found
}
