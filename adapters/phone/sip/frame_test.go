package sip

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// A stream is cut into its messages however the network tore it, keep-alives are answered, and what gives no end of a
// message ends the connection.
func TestAStreamIsCutIntoMessages(t *testing.T) {
	head := "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1\r\n"
	none := head + "Content-Length: 0\r\n\r\n"
	body := head + "l : 3\r\n\r\nabc"
	long := head + "X: " + strings.Repeat("a", maxMessage) + "\r\n\r\n"
	for _, c := range []struct {
		name, stream string
		want         []string
		pings        int
		end          error
	}{
		{"nothing", "", nil, 0, io.EOF},
		{"one", none, []string{none}, 0, io.EOF},
		{"two, with a body and a line end between", body + "\r\n" + none, []string{body, none}, 0, io.EOF},
		{"keep-alives", "\r\n\r\n" + none + "\r\n\r\n\r\n\r\n" + body, []string{none, body}, 3, io.EOF},
		{"no length", head + "\r\n" + none, []string{none, none}, 0, io.EOF},
		{"the same length twice", head + "l: 3\r\nContent-Length: 3\r\n\r\nabc", []string{head + "l: 3\r\nContent-Length: 3\r\n\r\nabc"}, 0, io.EOF},
		{"two lengths", head + "l: 3\r\nContent-Length: 4\r\n\r\nabcd", nil, 0, errLengths},
		{"a length that is none", head + "Content-Length: -1\r\n\r\n", nil, 0, errLengths},
		{"a length beyond the bound", head + "Content-Length: 40000\r\n\r\n", nil, 0, errTooLong},
		{"a head without an end", long, nil, 0, errTooLong},
		{"half a head", none + head, []string{none}, 0, io.EOF},
		{"half a body", head + "Content-Length: 9\r\n\r\nabc", nil, 0, io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, torn := range map[string]io.Reader{
				"whole": strings.NewReader(c.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(c.stream)),
			} {
				f, pings := newFramer(torn), 0
				f.answer = func() { pings++ }
				var got []string
				for {
					text, err := f.next()
					if err != nil {
						if !errors.Is(err, c.end) {
							t.Errorf("%s: it ends with %v", name, err)
						}
						break
					}
					got = append(got, string(bytes.Clone(text)))
				}
				if strings.Join(got, "|") != strings.Join(c.want, "|") || pings != c.pings {
					t.Errorf("%s: %d pings, %q", name, pings, got)
				}
			}
		})
	}
}

// A peer that says nothing at first, ends in the middle of a message, or does not read, is cut.
func TestASlowPeerIsCut(t *testing.T) {
	for _, c := range []struct {
		name  string
		does  func(peer net.Conn, s *stream)
		ours  bool
		after time.Duration
		why   error
	}{
		{"silent from the first", func(net.Conn, *stream) {}, false, firstLimit, errMute},
		{"stops in a message", func(peer net.Conn, _ *stream) { _, _ = peer.Write([]byte("OPTIONS sip:a")) }, false, messageLimit, errHalf},
		{"a PBX that stops in one", func(peer net.Conn, _ *stream) { _, _ = peer.Write([]byte("SIP/2.0")) }, true, messageLimit, errHalf},
		{"does not read", func(_ net.Conn, s *stream) { _ = s.write([]byte("x")) }, true, writeLimit, errSlow},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				e := &Endpoint{log: slog.New(slog.DiscardHandler)}
				e.inlet = &inlet{endpoint: e}
				s := newStream(&streams{endpoint: e}, near, netip.MustParseAddrPort("192.0.2.1:5060"), c.ours)
				began := time.Now()
				go func() { s.cut(s.read()) }()
				c.does(far, s)
				<-s.ended
				if waited := time.Since(began); !errors.Is(s.why, c.why) || waited != c.after {
					t.Errorf("cut after %s: %v", waited, s.why)
				}
			})
		})
	}
}
