package ports_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"releve"
	"releve/adapters/survey/ports"
	"releve/proof/practice/stranger"
	"releve/rules/study"
)

var (
	main      = netip.MustParseAddr("127.0.0.1")
	secondary = netip.MustParseAddr("127.0.0.2")
	key       = ports.Key("of this study")
)

// free are a TCP and a UDP port that nobody holds on the secondary.
func free(t *testing.T) (tcp, udp string) {
	t.Helper()
	l, err := net.Listen("tcp", secondary.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", secondary.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	return fmt.Sprintf("tcp %d", l.Addr().(*net.TCPAddr).Port), fmt.Sprintf("udp %d", u.LocalAddr().(*net.UDPAddr).Port)
}

func TestOpenPortsAreOpenAndMeasureTheWay(t *testing.T) {
	tcp, udp := free(t)
	l, found := ports.Listen(secondary, main, []string{tcp, udp}, key)
	defer l.Close()
	for port, m := range found {
		if m.State != releve.Measured {
			t.Errorf("%s: %+v", port, m)
		}
	}
	probes := ports.Knock(t.Context(), main, secondary, []string{tcp, udp}, key)
	if probes[0].Outcome != study.Open || probes[1].Outcome != study.Open {
		t.Fatalf("%+v", probes)
	}
	if p := probes[1]; p.Back != p.Sent || p.Sent != 100 || p.Median <= 0 || p.Octets != 1500 {
		t.Errorf("the way is %+v", p)
	}
	if seen := l.Seen(); seen[tcp] != 1 || seen[udp] < 100 {
		t.Errorf("the other end saw %v", seen)
	}
}

func TestAPortThatAnotherHoldsIsHeld(t *testing.T) {
	holder, err := net.Listen("tcp", secondary.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	port := fmt.Sprintf("tcp %d", holder.Addr().(*net.TCPAddr).Port)
	l, found := ports.Listen(secondary, main, []string{port}, key)
	defer l.Close()
	if m := found[port]; m.State != releve.Broken || m.Why.Code != "study-port-held" || m.Who != releve.Integrator {
		t.Errorf("%+v", m)
	}
}

// between is somebody in the place of the other end, who does what a filter does.
func between(t *testing.T, do func(net.Conn)) (port string) {
	t.Helper()
	return fmt.Sprintf("tcp %d", stranger.Listen(t, secondary.String()+":0", do).Port)
}

func TestWhoStandsBetweenIsToldByWhatHeDoes(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(net.Conn)
		want  study.Outcome
		cause study.Outcome // once it is known that the other end saw nothing
	}{
		"a filter that resets": {func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 100))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, study.Cut, study.Foreign},
		"a proxy that answers itself": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, study.Altered, study.Altered},
		"one who swallows": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, study.Swallowed, study.Foreign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ports.Knock(t.Context(), main, secondary, []string{between(t, c.do)}, key)[0]
			if p.Outcome != c.want || p.Arrived(1).Outcome != c.want || p.Arrived(0).Outcome != c.cause {
				t.Errorf("%s, and with nothing seen %s", p.Outcome, p.Arrived(0).Outcome)
			}
		})
	}
}

func TestARefusalIsTold(t *testing.T) {
	tcp, udp := free(t) // and nobody listens
	for _, p := range ports.Knock(t.Context(), main, secondary, []string{tcp, udp}, key) {
		if p.Outcome != study.Rejected {
			t.Errorf("%+v", p)
		}
	}
}

// What is not of this study is neither counted nor answered.
func TestStrangersAreNotAnswered(t *testing.T) {
	_, udp := free(t)
	l, _ := ports.Listen(secondary, main, []string{udp}, key)
	defer l.Close()
	other := ports.Knock(t.Context(), main, secondary, []string{udp}, ports.Key("of another study"))[0]
	if other.Outcome != study.Dropped || l.Seen()[udp] != 0 {
		t.Errorf("with another key: %+v, seen %v", other, l.Seen())
	}
	from := ports.Knock(t.Context(), netip.MustParseAddr("127.0.0.3"), secondary, []string{udp}, key)[0]
	if from.Outcome != study.Dropped || l.Seen()[udp] != 0 {
		t.Errorf("from another address: %+v, seen %v", from, l.Seen())
	}
}
