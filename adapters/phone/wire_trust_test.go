package phone_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone/sip"
)

// A certificate of the PBX that proves nothing is said, once, with what is wrong with it; calls go on over it where the site
// chose that, and else not.
func TestACertificateOfThePBXThatProvesNothing(t *testing.T) {
	past, soon := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	for _, c := range []struct {
		name, bears string
		until       time.Time
		known       bool
		why         string // code of what is wrong; "": nothing
	}{
		{"well", ownIP().String(), soon, true, ""},
		{"of the domain", "pbx.hospital.example", soon, true, ""},
		{"out of its dates", ownIP().String(), past, true, "cause-pbx-certificate-dates"},
		{"signed by somebody else", ownIP().String(), soon, false, "cause-pbx-certificate-unknown"},
		{"of another", "192.0.2.99", soon, true, "cause-pbx-certificate-name"},
	} {
		for _, anyway := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", taken all the same"}[anyway], func(t *testing.T) {
				a, signer := newAuthority(t), newAuthority(t)
				if c.known {
					signer = a
				}
				pbx := startBearing(t, signer, c.bears, c.until)
				told := make(chan releve.Sentence, 16)
				p, _ := newPhone(t, pbx.over, by(pbx, sip.TLS, a), func(s *setup) {
					s.Certificates.Anyway, s.Explain = anyway, func(what releve.Sentence) { told <- what }
					s.Certificates.Names = append(s.Certificates.Names, "pbx.hospital.example")
				})
				_, err := p.Register(limit(t, 10*time.Second), reception())
				if goes := c.why == "" || anyway; (err == nil) != goes {
					t.Errorf("registered: %v", err)
				}
				want := map[bool]string{true: "event-pbx-certificate-accepted", false: "event-pbx-certificate-refused"}[anyway]
				switch {
				case c.why == "" && len(told) > 0:
					t.Errorf("said: %+v", <-told)
				case c.why == "":
				case len(told) != 1:
					t.Errorf("%d things said", len(told))
				default:
					if got := <-told; got.Code != want || !strings.Contains(got.Args["cause"], c.why) {
						t.Errorf("said: %+v", got)
					}
				}
			})
		}
	}
}

// Who is not the PBX is heard on no connection (K1).
func TestAStrangersConnectionIsEnded(t *testing.T) {
	pbx := startKamailio(t)
	stranger := newStranger(t)
	p, _ := newPhone(t, pbx.addr, func(s *setup) { s.Transport = sip.TCP })
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: stranger.addr.Addr().AsSlice()}}
	if conn, err := dialer.DialContext(t.Context(), "tcp", p.Addr().String()); err == nil { // or it is ended sooner
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, stranger.request("OPTIONS", "sip:"+p.Addr().String(), nil))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
			t.Errorf("a stranger reads %d bytes, %v", n, err)
		}
	}
	until(t, "counted", 5*time.Second, func() bool { return p.Strangers() == sip.Strangers{Dropped: 1, Last: stranger.addr.Addr()} })
	// The PBX's own address speaks by connections here: what comes as a datagram is somebody else's.
	peer := newPeer(t)
	peer.send(p.Addr(), peer.request("OPTIONS", "sip:"+p.Addr().String(), nil))
	until(t, "counted", 5*time.Second, func() bool { return p.Strangers() == sip.Strangers{Dropped: 2, Last: peer.addr.Addr()} })
	// And the PBX may open connections of its own, from any port.
	dialer.LocalAddr = &net.TCPAddr{IP: pbx.addr.Addr().AsSlice()}
	own, err := dialer.DialContext(t.Context(), "tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	_ = own.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(own, "\r\n\r\n"+peer.request("OPTIONS", "sip:"+p.Addr().String(), nil))
	answer := make([]byte, 64)
	if _, err := io.ReadFull(own, answer); err != nil || !strings.HasPrefix(string(answer), "\r\nSIP/2.0 200 OK") {
		t.Errorf("answered with %q, %v", answer, err)
	}
}

func isTimeout(err error) bool {
	waited, ok := errors.AsType[net.Error](err)
	return ok && waited.Timeout()
}

// The call by which a standby tries the overflow goes and comes over connections.
func TestATestCallOverConnections(t *testing.T) {
	overStreams(t, func(t *testing.T, pbx *kamailio, at netip.AddrPort, how func(*setup)) {
		on, calls := newPhone(t, at, how)
		standby := reception()
		standby.User, standby.Password = "standby", "standby-pw"
		if _, err := on.Register(limit(t, 10*time.Second), reception()); err != nil {
			t.Fatal(err)
		}
		tester, _ := newPhone(t, at, how)
		done := make(chan error, 1)
		go func() {
			seen, err := tester.TestCall(limit(t, 10*time.Second), standby, "9", "drill-7")
			if err == nil && seen.AnsweredBy != on.Addr().String() {
				err = fmt.Errorf("answered by %q", seen.AnsweredBy)
			}
			done <- err
		}()
		in := next(t, calls)
		l := answer(t, in)
		if err := <-done; err != nil {
			t.Error(err)
		}
		closes(t, "the test call hangs up", l.Gone())
	})
}

// startBearing runs a PBX that shows such a certificate.
func startBearing(t *testing.T, a *authority, name string, until time.Time) *kamailio {
	t.Helper()
	certificate, key := a.issue(name, until)
	return startKamailioWith(t, certificate, key)
}
