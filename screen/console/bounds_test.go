package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"releve"
	"releve/screen/console"
)

// plenty is a limit for what must not take long, on the slowest machine.
const plenty = 30 * time.Second

// long is a list of calls that never was in memory as a whole; read counts its pages.
func long(calls int, read *atomic.Int64) func(context.Context, int) iter.Seq2[[]releve.Call, error] {
	return func(ctx context.Context, limit int) iter.Seq2[[]releve.Call, error] {
		return func(yield func([]releve.Call, error) bool) {
			for n := 0; n < min(calls, limit); n += 80 {
				read.Add(1)
				page := make([]releve.Call, min(80, calls-n, limit-n))
				for i := range page {
					page[i] = releve.Call{Call: releve.CallID(fmt.Sprint(n + i)), From: strings.Repeat("x", 1500)}
				}
				if ctx.Err() != nil || !yield(page, nil) {
					return
				}
			}
		}
	}
}

// unread asks from an address and reads nothing.
func unread(t *testing.T, from, to, request string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), Timeout: plenty}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// TestFortyReadersWhoDoNotReadHoldLittle: an answer of 15 MB each. What the server holds of
// it is a page; they are cut off, and the page is served to the operator all the while.
func TestFortyReadersWhoDoNotReadHoldLittle(t *testing.T) {
	const readers, mostHeld = 40, 16 << 20
	var pages atomic.Int64
	s := newSite(t, "protected")
	s.pages = long(10000, &pages)
	server := served(t, s, console.Options{})
	before, descriptors := heap(), open(t)
	held := make([]net.Conn, readers)
	for i := range held {
		held[i] = unread(t, "127.0.1.1", server.Address(), "GET /api/calls?limit=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	}
	steady(&pages)
	if now := heap(); now-before > mostHeld {
		t.Errorf("%d answers that nobody reads hold %d MiB", readers, (now-before)>>20)
	}
	if n := pages.Load(); n > readers*10000/80/2 {
		t.Errorf("%d pages of the list were read for nobody", n)
	}
	for _, path := range []string{"/", "/-/healthy", "/metrics", "/api/calls?limit=1"} {
		if response, _ := ask(t, "GET", "http://"+server.Address()+path); response.StatusCode != http.StatusOK {
			t.Errorf("%s meanwhile: %s", path, response.Status)
		}
	}
	for end := time.Now().Add(plenty); open(t) > descriptors+readers; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the server still holds %d connections", open(t)-descriptors-readers)
		}
	}
	if now := heap(); now-before > mostHeld/2 {
		t.Errorf("when they were cut off %d MiB stayed", (now-before)>>20)
	}
}

// steady returns when a count no longer grows.
func steady(n *atomic.Int64) {
	for last := int64(-1); last != n.Load(); time.Sleep(300 * time.Millisecond) {
		last = n.Load()
	}
}

func open(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestWhoReadsSlowlyReadsAll: the whole list, valid, though the server never had it.
func TestWhoReadsSlowlyReadsAll(t *testing.T) {
	var pages atomic.Int64
	s := newSite(t, "protected")
	s.pages = long(2000, &pages)
	response, err := http.Get("http://" + served(t, s, console.Options{}).Address() + "/api/calls?limit=1234")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	var calls []releve.Call
	if err := json.NewDecoder(&slow{response.Body}).Decode(&calls); err != nil ||
		len(calls) != 1234 || calls[1233].Call != "1233" {
		t.Errorf("%d calls were read: %v", len(calls), err)
	}
}

type slow struct{ io.Reader }

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Reader.Read(p[:min(len(p), 8<<10)])
}

// TestAListThatBreaksOffIsNoWholeList: half of it looks whole to nobody.
func TestAListThatBreaksOffIsNoWholeList(t *testing.T) {
	s := newSite(t, "protected")
	s.pages = func(context.Context, int) iter.Seq2[[]releve.Call, error] {
		return func(yield func([]releve.Call, error) bool) {
			if yield([]releve.Call{{Call: "a"}}, nil) {
				yield(nil, errors.New("the database went away"))
			}
		}
	}
	response, err := http.Get("http://" + served(t, s, console.Options{}).Address() + "/api/calls")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
	}
	if err == nil {
		t.Error("the answer ended as if it were whole")
	}
}

func TestNoCallsAreAnEmptyList(t *testing.T) {
	var none atomic.Int64
	s := newSite(t, "protected")
	s.pages = long(0, &none)
	response, body := ask(t, "GET", "http://"+served(t, s, console.Options{}).Address()+"/api/calls")
	if body != "[]\n" || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %q, %s", body, response.Header.Get("Content-Type"))
	}
}

// TestRequestsWhoseBodyNeverComesEnd: announced and not sent, begun and not ended, too long.
func TestRequestsWhoseBodyNeverComesEnd(t *testing.T) {
	server := served(t, newSite(t, "protected"), console.Options{})
	requests := []string{
		"POST /api/site HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n",
		"GET /api/site HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nbegun",
		"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbe",
		"GET /api/site HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
		"GET /api/site HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 70000),
		"GET /api/site HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ",
	}
	before := open(t)
	for i := range 90 {
		unread(t, "127.0.1.1", server.Address(), requests[i%len(requests)])
	}
	for end := time.Now().Add(plenty); open(t) > before+90; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 90 are still held", open(t)-before-90)
		}
	}
	c := unread(t, "127.0.1.2", server.Address(), requests[0])
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusRequestTimeout || !response.Close {
		t.Errorf("who announced a body hears %s", response.Status)
	}
	_ = response.Body.Close()
}

// TestWhoIsStillAskingGivesWay: a full house of requests whose body does not come, two from
// each address; who has a screen already is served beside it.
func TestWhoIsStillAskingGivesWay(t *testing.T) {
	server := served(t, newSite(t, "protected"), console.Options{})
	screen := listen(t, "http://"+server.Address()+"/events")
	next(t, screen, "site")
	for i := range 255 {
		c := unread(t, fmt.Sprintf("127.0.1.%d", 1+i%128), server.Address(),
			"GET /api/site HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 100"))); err != nil {
			t.Fatal(err) // it says so when it waits for the body
		}
	}
	for range 3 {
		if response, body := ask(t, "GET", "http://"+server.Address()+"/api/site"); response.StatusCode != http.StatusOK {
			t.Errorf("who has a screen gets %s %s", response.Status, body)
		}
	}
}

// TestAThousandStrangersLockNobodyOut: from as many addresses, idle, half asked and in
// screens that nobody looks at. Who comes then is served, and who was there before stays.
func TestAThousandStrangersLockNobodyOut(t *testing.T) {
	server := served(t, newSite(t, "protected"), console.Options{})
	url := "http://" + server.Address()
	screen := listen(t, url+"/events")
	next(t, screen, "site")
	before := open(t)
	half := []string{"", "GET / HT", "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"GET /api/stored HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"}
	for i := range 1000 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%250))}, Timeout: plenty}
		c, err := d.Dial("tcp", server.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, half[i/250]) // some were let go already
	}
	from := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, 1)}}).DialContext}, Timeout: plenty}
	for _, path := range []string{"/", "/api/site", "/-/active"} {
		response, err := from.Get(url + path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	for len(screen) > 0 {
		<-screen // what came before the last of them
	}
	next(t, screen, "beat")
	if held := open(t) - before - 1000; held > 256 {
		t.Errorf("the server holds %d connections", held)
	}
}

func TestWhoHoldsTheMostGivesWay(t *testing.T) {
	t.Run("screens", func(t *testing.T) { givesWay(t, "/events", 48, 64, 20) })
	t.Run("ledgers", func(t *testing.T) { givesWay(t, "/api/stored", 4, 8, 3, 2) })
}

// givesWay: one address has as many as it may, and others want so many each.
func givesWay(t *testing.T, path string, each, most int, others ...int) {
	server := served(t, newSite(t, "protected"), console.Options{})
	request := "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	opened, ended := 0, make(chan string, 2*most) // whose answers do
	status := func(from string) int {
		response, err := http.ReadResponse(bufio.NewReader(unread(t, from, server.Address(), request)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode == http.StatusOK {
			opened++
			go func() { _, _ = io.Copy(io.Discard, response.Body); ended <- from }()
		}
		return response.StatusCode
	}
	const greedy = "127.0.1.1"
	for range each {
		if got := status(greedy); got != http.StatusOK {
			t.Fatalf("one of them gets %d", got)
		}
	}
	if got := status(greedy); got != http.StatusServiceUnavailable {
		t.Errorf("one more of the same address gets %d", got)
	}
	for i, wanted := range others {
		for range wanted {
			if got := status(fmt.Sprintf("127.0.1.%d", 2+i)); got != http.StatusOK {
				t.Errorf("one of another address gets %d", got)
			}
		}
	}
	for range opened - most {
		select {
		case from := <-ended:
			if from != greedy {
				t.Errorf("one of %s gave way", from)
			}
		case <-time.After(plenty):
			t.Fatalf("%d are open", opened)
		}
	}
	if n := len(ended); n > 0 {
		t.Errorf("%d more gave way than had to", n)
	}
}

func TestTheHostIsOurs(t *testing.T) {
	server := served(t, newSite(t, "protected"),
		console.Options{OtherConsole: "releve2.hospital.example:8080", Names: []string{"Reception.hospital.example"}})
	for host, want := range map[string]int{
		"":                                http.StatusOK,
		"127.0.0.1":                       http.StatusOK,
		"192.0.2.1:8080":                  http.StatusOK,
		"[::1]:8080":                      http.StatusOK,
		"localhost:8080":                  http.StatusOK,
		"LocalHost.":                      http.StatusOK,
		"reception.hospital.example":      http.StatusOK,
		"reception.HOSPITAL.example:8080": http.StatusOK,
		"releve2.hospital.example":        http.StatusOK, // what forwards to both
		"elsewhere.example":               http.StatusMisdirectedRequest,
		"elsewhere.example:8080":          http.StatusMisdirectedRequest,
		"127.0.0.1.elsewhere.example":     http.StatusMisdirectedRequest,
		"localhost.elsewhere.example":     http.StatusMisdirectedRequest,
		"0x7f000001":                      http.StatusMisdirectedRequest,
		"x":                               http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/", "/api/calls?limit=1", "/api/site", "/events", "/-/healthy", "/metrics", "/nothing"} {
			version := "HTTP/1.1\r\nHost: " + host
			if host == "" {
				version = "HTTP/1.0"
			}
			c := unread(t, "127.0.0.1", server.Address(), "GET "+path+" "+version+"\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			want := want
			if path == "/nothing" && want == http.StatusOK {
				want = http.StatusNotFound
			}
			if response.StatusCode != want {
				t.Errorf("%s of %q: %s", path, host, response.Status)
			}
			_ = c.Close()
		}
	}
}
