package flood

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers every third INVITE with 200, refuses the others, does not hear every fifth the first
// time, and counts what comes after its answers.
type server struct {
	conn *net.UDPConn

	mu   sync.Mutex
	seen map[string]int // messages, by method and Call-ID
}

func (s *server) run() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		s.take(string(buf[:n]), from)
	}
}

func (s *server) take(text string, from netip.AddrPort) {
	method, _, _ := strings.Cut(text, " ")
	_, rest, _ := strings.Cut(text, "Call-ID: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[method+" "+id]++
	last := id[strings.IndexByte(id, '@')-1]
	status := "486 Busy Here"
	switch {
	case method == "ACK" || method == "INVITE" && last%5 == 0 && s.seen["INVITE "+id] == 1:
		return
	case method == "BYE" || last%3 == 0:
		status = "200 OK"
	}
	answer := "SIP/2.0 " + status + "\r\n"
	for line := range strings.SplitSeq(text, "\r\n") {
		for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
			if strings.HasPrefix(line, name+":") {
				if name == "To" && !strings.Contains(line, "tag=") {
					line += ";tag=here"
				}
				answer += line + "\r\n"
			}
		}
	}
	_, _ = s.conn.WriteToUDPAddrPort([]byte(answer+"\r\n"), from)
}

// Each call has its end: an ACK, a BYE where it was answered, and its INVITE again where nobody heard it.
func TestAFloodBehavesAsATelephone(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{conn: conn, seen: map[string]int{}}
	var reading sync.WaitGroup
	reading.Go(s.run)
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	const calls = 200
	all, err := Offer(t.Context(), Options{From: netip.MustParseAddrPort("127.0.0.1:0"), To: conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		User: "reception", Rate: 1000, Calls: calls, Hold: 100 * time.Millisecond, Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for i, c := range all {
		last := byte('0' + i%10)
		code, sent := 486, 1
		if last%3 == 0 {
			code = 200
			want["BYE"]++
		}
		if last%5 == 0 {
			sent = 2
		}
		want["INVITE"] += sent
		want["ACK"]++
		if c.Code != code || c.Sent != sent || c.Ended != 1 || sent == 2 && c.Answered < t1 || sent == 1 && c.Answered > t1 {
			t.Errorf("call %d: %+v, want %d after %d INVITEs", i, c, code, sent)
		}
	}
	got := map[string]int{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, n := range s.seen {
		method, _, _ := strings.Cut(what, " ")
		got[method] += n
	}
	if len(all) != calls || got["INVITE"] != want["INVITE"] || got["ACK"] != want["ACK"] || got["BYE"] != want["BYE"] {
		t.Errorf("%d calls sent %v, want %v", len(all), got, want)
	}
}
