package phone_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"releve"
	"releve/adapters/phone"
	"releve/adapters/phone/register"
)

// sipp runs the calling telephone against a PBX.
func sipp(t *testing.T, pbx *kamailio, number, outcome string, more ...string) *process {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("SIPp plays digits through a raw socket: run these tests as root, or `setcap cap_net_raw+ep` the program")
	}
	dir := t.TempDir()
	scenario, err := filepath.Abs("testdata/sipp/caller.xml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "digits.pcap"), digitsCapture("12#"), 0o644); err != nil {
		t.Fatal(err)
	}
	local := freeAddr(t)
	return start(t, append(os.Environ(), "TERM=dumb"), append([]string{"/bin/sh", "-c", `cd "$1" && shift && exec "$@"`, "sh", dir,
		tool(t, "sipp", "sip-tester"), pbx.addr.String(), "-sf", scenario, "-nostdin", "-m", "1", "-max_recv_loops", "1",
		"-i", local.Addr().String(), "-p", portOf(local), "-mi", local.Addr().String(), "-mp", "36000",
		"-s", number, "-key", "from", "1001", "-au", "1001", "-ap", "1001-pw", "-key", "outcome", outcome,
		"-timeout", "30s", "-trace_err", "-error_file", "/dev/stderr"}, more...)...)
}

// digitsCapture is a packet capture with the RTP of some keys (RFC 4733), each event
// 60 ms long with its end three times: SIPp plays it, with its own addresses.
func digitsCapture(keys string) []byte {
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, []uint32{0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1})
	seq, clock := uint16(1), uint32(8000)
	for _, key := range []byte(keys) {
		event := byte(bytes.IndexByte([]byte("0123456789*#"), key))
		for i, end := range []byte{0, 0, 0, 0x80, 0x80, 0x80} {
			rtp := []byte{0x80, 101}
			rtp = binary.BigEndian.AppendUint16(rtp, seq)
			rtp = binary.BigEndian.AppendUint32(rtp, clock)
			rtp = binary.BigEndian.AppendUint32(rtp, 0x7e57ca11)
			rtp = append(rtp, event, end|10)
			rtp = binary.BigEndian.AppendUint16(rtp, uint16(min(i+1, 3)*160))
			packet := append(make([]byte, 12), 0x08, 0x00) // Ethernet, IPv4, UDP
			packet = append(packet, 0x45, 0)
			packet = binary.BigEndian.AppendUint16(packet, uint16(28+len(rtp)))
			packet = append(packet, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1)
			packet = binary.BigEndian.AppendUint16(packet, 6000)
			packet = binary.BigEndian.AppendUint16(packet, 6000)
			packet = binary.BigEndian.AppendUint16(packet, uint16(8+len(rtp)))
			packet = append(append(packet, 0, 0), rtp...)
			at := uint32(seq) * 20_000
			n := uint32(len(packet))
			_ = binary.Write(&out, binary.LittleEndian, []uint32{at / 1e6, at % 1e6, n, n})
			out.Write(packet)
			seq++
		}
		clock += 800
	}
	return out.Bytes()
}

// A telephone calls the published number: the call is answered, both sides send
// packets, its keys are heard once each, and it is transferred.
func TestCallThroughAPBX(t *testing.T) {
	for _, c := range []struct {
		outcome string
		code    int
	}{{"200 OK", 200}, {"486 Busy Here", 486}} {
		t.Run(c.outcome, func(t *testing.T) {
			pbx := startKamailio(t)
			p, calls := newPhone(t, pbx.addr)
			if _, err := p.Register(limit(t, 10*time.Second), reception()); err != nil {
				t.Fatal(err)
			}
			caller := sipp(t, pbx, "9", c.outcome)
			l := answer(t, next(t, calls))
			if got := keys(t, l, 3); got != "12#" {
				t.Errorf("keys %q", got)
			}
			if err := l.Play(limit(t, 10*time.Second), silence(time.Second)); err != nil {
				t.Error(err)
			}
			if code, err := l.Transfer(limit(t, 10*time.Second), "1002"); err != nil || code != c.code {
				t.Errorf("transfer: %d, %v", code, err)
			}
			if err := l.Hangup(limit(t, 10*time.Second)); err != nil {
				t.Errorf("hanging up: %v", err)
			}
			closes(t, "SIPp ends", caller.done)
			if code := caller.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("SIPp ends with %d:\n%s", code, caller.output())
			}
			if s := l.Stats(); s.Sent < 5 || s.Received < 13 { // up to the first packet of the third key
				t.Errorf("%d packets sent, %d received", s.Sent, s.Received)
			}
		})
	}
}

func keys(t *testing.T, l *phone.Leg, n int) string {
	t.Helper()
	var got []byte
	deadline := time.After(10 * time.Second)
	for len(got) < n {
		select {
		case key := <-l.Digits():
			got = append(got, key)
		case <-deadline:
			t.Fatalf("only the keys %q within 10 s", got)
		}
	}
	return string(got)
}

// The telephone calls itself through the PBX, as a procedure does to prove that the
// published number is answered.
func TestTestCall(t *testing.T) {
	pbx := startKamailio(t)
	p, calls := newPhone(t, pbx.addr)
	tester, _ := newPhone(t, pbx.addr)
	ctx := limit(t, 20*time.Second)
	if _, err := p.Register(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	tested := make(chan releve.TestCall, 1)
	standby := phone.Account{User: "standby", Password: "standby-pw", Expires: time.Minute}
	go func() {
		seen, err := tester.TestCall(ctx, standby, "9", "drill-7")
		if err != nil {
			t.Errorf("test call: %v", err)
		}
		tested <- seen
	}()
	in := next(t, calls)
	if in.Invite().TestID != "drill-7" || in.Invite().From != "standby" {
		t.Errorf("offered as %+v", in.Invite())
	}
	l := answer(t, in)
	closes(t, "the test call ends", l.Gone())
	seen := <-tested
	if seen.AnsweredBy != p.Addr().String() || seen.AnsweredAfter <= 0 || seen.SoundAfter < seen.AnsweredAfter {
		t.Errorf("seen: %+v", seen)
	}
}

// The other side of a call that a telephone of ours made changes it, as a server does that takes it up.
func TestACallOfOursIsChangedByTheOtherSide(t *testing.T) {
	pbx := startKamailio(t)
	p, calls := newPhone(t, pbx.addr)
	caller, _ := newPhone(t, pbx.addr, func(s *setup) {
		s.Explain = func(what releve.Sentence) { t.Errorf("the telephone that called says %+v", what) }
	})
	ctx := limit(t, 20*time.Second)
	if _, err := p.Register(ctx, reception()); err != nil {
		t.Fatal(err)
	}
	made := make(chan *phone.Leg, 1)
	go func() {
		l, err := caller.Call(ctx, phone.Account{User: "standby", Password: "standby-pw", Expires: time.Minute}, "9", "x")
		if err != nil {
			t.Errorf("the call: %v", err)
		}
		made <- l
	}()
	l := answer(t, next(t, calls))
	ours := <-made
	for range 2 {
		if err := l.Reinvite(ctx); err != nil {
			t.Errorf("the re-INVITE: %v", err)
		}
	}
	if err := l.Hangup(ctx); err != nil {
		t.Error(err)
	}
	closes(t, "the call ends", ours.Gone())
}

func TestTestCallRefused(t *testing.T) {
	pbx := startKamailio(t)
	p, _ := newPhone(t, pbx.addr)
	standby := phone.Account{User: "standby", Password: "standby-pw"}
	_, err := p.TestCall(limit(t, 10*time.Second), standby, "9", "x")
	if status, ok := errors.AsType[*register.StatusError](err); !ok || status.Code != 480 {
		t.Errorf("nobody is registered: %v", err)
	}
}

// A test call that is given up is cancelled; an answer that crosses is hung up.
func TestTestCallGivenUp(t *testing.T) {
	for _, crosses := range []bool{false, true} {
		pbx := newPeer(t)
		p, _ := newPhone(t, pbx.addr)
		ctx := limit(t, time.Second/2)
		ended := make(chan error, 1)
		go func() { _, err := p.TestCall(ctx, reception(), "9", "x"); ended <- err }()
		invite := pbx.incoming("INVITE")
		for range 15 { // a ring group says so many times that it rings
			pbx.send(p.Addr(), pbx.reply(invite, 180, "Record-Route: <sip:192.0.2.1;lr>\r\n"))
		}
		if err := <-ended; err == nil {
			t.Error("the call succeeded")
		}
		cancel := pbx.incoming("CANCEL")
		if cancel.header("Via") != invite.header("Via") || cancel.header("Route") != "" {
			t.Errorf("CANCEL of another way:\n%s", cancel)
		}
		pbx.send(p.Addr(), pbx.reply(cancel, 200, ""))
		if !crosses {
			pbx.send(p.Addr(), pbx.reply(invite, 487, ""))
			pbx.incoming("ACK")
			continue
		}
		pbx.send(p.Addr(), pbx.reply(invite, 200, "Contact: <sip:ghost@"+pbx.addr.String()+">\r\n"))
		pbx.incoming("ACK")
		bye := pbx.incoming("BYE")
		pbx.send(p.Addr(), pbx.reply(bye, 200, ""))
	}
}

// A 200 that comes again wants its ACK again; one from another fork is hung up.
func TestAnswersThatComeAgain(t *testing.T) {
	pbx := newPeer(t)
	p, _ := newPhone(t, pbx.addr)
	ended := make(chan error, 1)
	ctx := limit(t, 10*time.Second)
	go func() { _, err := p.TestCall(ctx, reception(), "9", "x"); ended <- err }()
	invite := pbx.incoming("INVITE")
	contact := "Contact: <sip:fork@" + pbx.addr.String() + ">\r\nContent-Type: application/sdp\r\n"
	ok := pbx.answer(invite, "fork-1", contact)
	pbx.send(p.Addr(), ok)
	first := pbx.incoming("ACK")
	pbx.send(p.Addr(), ok)
	if again := pbx.incoming("ACK"); again.header("To") != first.header("To") || again.header("CSeq") != "1 ACK" {
		t.Errorf("acknowledged again with\n%s", again)
	}
	pbx.send(p.Addr(), pbx.answer(invite, "fork-2", contact))
	bye := pbx.incoming("BYE")
	if bye.header("To") != invite.header("To")+";tag=fork-2" {
		t.Errorf("hung up: %s", bye.header("To"))
	}
	pbx.send(p.Addr(), pbx.reply(bye, 200, ""))
	pbx.send(p.Addr(), pbx.request("BYE", "sip:reception@"+p.Addr().String(), map[string]string{
		"From": first.header("To"), "To": first.header("From"), "Call-ID": first.header("Call-ID"), "CSeq": "1 BYE",
	}))
	if err := <-ended; !errors.Is(err, phone.ErrGone) {
		t.Errorf("a call without sound: %v", err)
	}
}
