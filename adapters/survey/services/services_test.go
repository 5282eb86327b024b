package services_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"releve"
	"releve/adapters/survey/services"
	"releve/proof/practice/stranger"
)

var from = services.From(netip.MustParseAddr("127.0.0.1"))

func only(t *testing.T, q releve.StudyQuestion) releve.Measurement {
	t.Helper()
	all := from.Measure(t.Context(), q, releve.Main)
	if len(all) != 1 {
		t.Fatalf("measured %+v", all)
	}
	return all[0]
}

// serve is a server of one port that answers each connection so.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	return stranger.Listen(t, "127.0.0.1:0", answer).String()
}

// smtp is a mail server that offers so much.
func smtp(offers ...string) func(net.Conn) {
	return func(conn net.Conn) {
		fmt.Fprint(conn, "220 mail.example ESMTP\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			switch {
			case strings.HasPrefix(lines.Text(), "EHLO"):
				fmt.Fprintf(conn, "250%s\r\n", strings.Join(append([]string{"-mail.example"}, offers...), "\r\n250-")+"\r\n250 HELP")
			default:
				fmt.Fprint(conn, "221 bye\r\n")
				return
			}
		}
	}
}

func TestAMailServerIsGreeted(t *testing.T) {
	if m := only(t, releve.StudyQuestion{Mail: serve(t, smtp("STARTTLS"))}); m.State != releve.Measured || m.Text != "starttls" {
		t.Errorf("%+v", m)
	}
	if m := only(t, releve.StudyQuestion{Mail: serve(t, smtp())}); m.State != releve.Measured || m.Text != "" {
		t.Errorf("without STARTTLS: %+v", m)
	}
	proxy := serve(t, func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	if m := only(t, releve.StudyQuestion{Mail: proxy}); m.State != releve.Broken || m.Why.Code != "study-mail-strange" {
		t.Errorf("what is no mail server: %+v", m)
	}
}

// closed is an address at which nobody listens.
func closed(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		return u.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestARefusalIsNoSilence(t *testing.T) {
	for code, q := range map[string]releve.StudyQuestion{
		"study-service-refused": {Mail: closed(t, "tcp")}, "study-witness-refused": {Witness: closed(t, "tcp")},
	} {
		if m := only(t, q); m.State == releve.Measured || m.Why.Code != code {
			t.Errorf("%+v", m)
		}
	}
	if m := only(t, releve.StudyQuestion{SNMP: closed(t, "udp")}); m.State != releve.Broken || m.Why.Code != "study-service-refused" {
		t.Errorf("%+v", m)
	}
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if m := only(t, releve.StudyQuestion{SNMP: silent.LocalAddr().String()}); m.State != releve.Unmeasured || m.Why.Code != "study-snmp-silence" {
		t.Errorf("a manager that only listens: %+v", m)
	}
}

// timeServer says that it is so much later (RFC 5905 §7.3).
func timeServer(t *testing.T, ahead time.Duration) string {
	t.Helper()
	return services.Answers(t, func(asked []byte) []byte {
		if len(asked) < 48 {
			return nil
		}
		now := time.Now().Add(ahead)
		stamp := uint64(now.Unix()+2208988800)<<32 | uint64(now.Nanosecond())<<32/1e9
		answer := make([]byte, 48)
		answer[0], answer[1], answer[3] = 4<<3|4, 1, 0xec // version 4, a server; stratum 1
		copy(answer[12:], "TEST")
		binary.BigEndian.PutUint64(answer[16:], stamp)
		copy(answer[24:32], asked[40:48])
		binary.BigEndian.PutUint64(answer[32:], stamp)
		binary.BigEndian.PutUint64(answer[40:], stamp)
		return answer
	})
}

func TestAClockIsComparedWithATimeServer(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -90 * time.Second} {
		m := only(t, releve.StudyQuestion{NTP: timeServer(t, ahead)})
		if m.State != releve.Measured || m.Value+ahead.Seconds() > 2 || m.Value+ahead.Seconds() < -2 {
			t.Errorf("against one that is %v ahead: %+v", ahead, m)
		}
	}
	if m := only(t, releve.StudyQuestion{NTP: closed(t, "udp")}); m.State != releve.Broken || m.Why.Code != "study-ntp-silence" {
		t.Errorf("%+v", m)
	}
}

func TestANameThatMeansNothingIsTold(t *testing.T) {
	all := from.Measure(t.Context(), releve.StudyQuestion{PBX: "pbx.invalid:5060"}, releve.Main)
	if len(all) != 2 || all[0].Check != "name" || all[0].State != releve.Broken {
		t.Errorf("%+v", all)
	}
	all = from.Measure(t.Context(), releve.StudyQuestion{PBX: "localhost:5060"}, releve.Main)
	if len(all) != 2 || all[0].State != releve.Measured || !strings.Contains(all[0].Text, "127.0.0.1") {
		t.Errorf("%+v", all)
	}
}
