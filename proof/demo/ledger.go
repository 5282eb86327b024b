package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"releve"
)

// askLimit is the time of one question to a console.
const askLimit = 2 * time.Second

// ask reads JSON from a server's console.
func ask(ctx context.Context, console netip.AddrPort, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	res, err := get(ctx, console, path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(into)
}

// client keeps no connection: the servers it speaks with are killed.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func get(ctx context.Context, console netip.AddrPort, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+console.String()+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/x-ndjson, application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("%s%s: %s", console, path, res.Status)
	}
	return res, nil
}

// entry is one row that a server has acknowledged, with when and from whom the ledger first
// heard of it.
type entry struct {
	id releve.FactID
	at time.Time
	by releve.Seat
}

// ledger stands outside both servers and notes each row that they acknowledge.
type ledger struct {
	wg sync.WaitGroup

	mu      sync.Mutex
	entries []entry
	known   map[releve.FactID]bool
}

func newLedger() *ledger { return &ledger{known: map[releve.FactID]bool{}} }

// follow reads a server's stream until ctx ends, and again when the server is back.
func (l *ledger) follow(ctx context.Context, seat releve.Seat, console netip.AddrPort) {
	l.wg.Go(func() {
		for ctx.Err() == nil {
			if res, err := get(ctx, console, "/api/stored"); err == nil {
				for lines := bufio.NewScanner(res.Body); lines.Scan(); {
					l.note(seat, lines.Bytes())
				}
				res.Body.Close()
			}
			pause(ctx, 50*time.Millisecond)
		}
	})
}

func (l *ledger) note(by releve.Seat, line []byte) {
	var stored struct {
		ID releve.FactID `json:"id"`
	}
	if json.Unmarshal(line, &stored) != nil || stored.ID == "" {
		return // a heartbeat
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known[stored.ID] {
		l.known[stored.ID] = true
		l.entries = append(l.entries, entry{stored.ID, time.Now(), by})
	}
}

func (l *ledger) all() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]entry(nil), l.entries...)
}

// firstOf is when the first row of a server came after a moment.
func (l *ledger) firstOf(seat releve.Seat, after time.Time) (time.Time, bool) {
	for _, e := range l.all() {
		if e.by == seat && e.at.After(after) {
			return e.at, true
		}
	}
	return time.Time{}, false
}

// pause waits, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
