package acceptance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"releve/screen/view"
)

// heldByStrangers is the most, in MiB, that a server's memory grows by: some 64 screens that
// the door lets in hold a page of the list each, and its handshakes are few.
const heldByStrangers float64 = 100

// strangersAtTheDoors: readers of a long list who read nothing, requests whose rest does not
// come, and silent connections to the link, which no door may hold against those of the site
// (K4). Memory stays, callers are answered, the operator sees his page, nothing is decided.
func strangersAtTheDoors(t *testing.T, s *site) {
	fillCalls(t, s.main, 10000)
	defer emptyCalls(t, s.main) // later stories count what is stored
	page := s.main.host + ":8080"
	before := must(burdenOf(s.main.pid()))(t)
	for _, crowd := range []struct {
		count    int
		to, says string
	}{
		{40, page, "GET /api/calls?limit=10000 HTTP/1.1\r\nHost: 127.0.0.21\r\n\r\n"},
		{400, page, "GET /api/site HTTP/1.1\r\nHost: 127.0.0.21\r\nContent-Length: 9\r\n\r\n"},
		{500, s.main.host + ":7443", ""},
		{500, s.main.host + ":7443", "\x16\x03\x01\x02\x00"},
	} {
		for i := range crowd.count {
			from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}, Timeout: 10 * time.Second}
			c, err := from.Dial("tcp", crowd.to)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, crowd.says) // some were let go already
		}
	}
	start := time.Now()
	s.callAndCheck(t, s.main)
	if v := s.main.mustView(t); v.Word != view.Protected {
		t.Errorf("with strangers at its doors the site is %s: %+v", v.Word, v.Why)
	}
	after := must(burdenOf(s.main.pid()))(t)
	if after.memory > before.memory+allowed(heldByStrangers) {
		t.Errorf("strangers took %.0f MiB of the main's memory, which was %.0f", after.memory-before.memory, before.memory)
	}
	t.Logf("the main holds %.0f MiB before, %.0f with strangers", before.memory, after.memory)
	eventually(t, 30*time.Second, "who does nothing is let go", func() error {
		now, err := burdenOf(s.main.pid())
		if held := now.descriptors - before.descriptors; held > 20 {
			err = fmt.Errorf("%d descriptors more are open: %v", held, openFiles(s.main))
		}
		return err
	})
	for _, e := range s.main.mustView(t).Events {
		// Two minutes after it came, the copy is compared.
		if e.At.After(start) && e.What.Code != "event-verified" {
			t.Errorf("strangers are told of as %+v", e)
		}
	}
	checkElsewhereIsRefused(t, page)
}

// fillCalls gives a server's database a long list of calls, so that the page has much to tell.
func fillCalls(t *testing.T, s *server, calls int) {
	t.Helper()
	s.execute(t, fmt.Sprintf(`INSERT INTO call (fact_id, call, seat, term, at, caller, dialled, overflowed, reason, without_duty, test, answered_ms, verification)
		SELECT 'FILL' || g, 'CALL' || g || repeat('x', 40), 'main', 1, now() - g * interval '1 s',
		'0612******', '9', false, 'direct', false, false, 5, false FROM generate_series(1, %d) AS g`, calls))
	s.execute(t, fmt.Sprintf(`INSERT INTO call_step (fact_id, call, seat, term, at, number, name, detail)
		SELECT 'FILL' || g || '-' || n, 'CALL' || g || repeat('x', 40), 'main', 1, now(), n,
		'played', 'a detail of some forty characters in a row' FROM generate_series(1, %d) AS g, generate_series(1, 12) AS n`, calls))
}

func emptyCalls(t *testing.T, s *server) {
	t.Helper()
	s.execute(t, `DELETE FROM call_step WHERE fact_id LIKE 'FILL%'`)
	s.execute(t, `DELETE FROM call WHERE fact_id LIKE 'FILL%'`)
}

// openFiles counts what a server's process holds open, by kind.
func openFiles(s *server) map[string]int {
	kinds := map[string]int{}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.pid()))
	for _, link := range links {
		to, _ := os.Readlink(link)
		kind, _, _ := strings.Cut(to, ":")
		kinds[kind]++
	}
	return kinds
}

// checkElsewhereIsRefused: the page is not to be had by a name that is not its own.
func checkElsewhereIsRefused(t *testing.T, page string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+page+"/api/calls?limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "elsewhere.example"
	answer, err := oneShot.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("asked by another's name, the page answers %s", answer.Status)
	}
}
