package dialog

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	gosip "github.com/emiago/sipgo/sip"

	"releve/adapters/phone/sip"
)

func parse(t *testing.T, lines ...string) sip.Message {
	t.Helper()
	msg, err := gosip.ParseMessage([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

var source = netip.MustParseAddrPort("192.0.2.10:5062")

func invite(t *testing.T, more ...string) *sip.Request {
	return parse(t, append([]string{
		"INVITE sip:reception@192.0.2.21 SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1",
		`From: "Jean; Valjean" <sip:24601@pbx.example;user=phone>;tag=theirs;x=1`, "To: <sip:9@pbx.example>;tag=ours",
		"Call-ID: id@pbx", "CSeq: 7 INVITE", "Contact: <sip:24601@192.0.2.31:5070;transport=tcp>",
	}, more...)...).(*sip.Request)
}

func answered(t *testing.T, more ...string) State {
	t.Helper()
	s, err := Answered(invite(t, more...), "sip:reception@192.0.2.21:5060", source)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRequestOfTheCalledSide(t *testing.T) {
	s := answered(t, "Record-Route: <sip:192.0.2.10;lr;ftag=a>, <sip:192.0.2.11:5080;lr>", "Record-Route: <sip:edge.example;lr>")
	bye, err := s.Request("BYE")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"BYE sip:24601@192.0.2.31:5070;transport=tcp SIP/2.0",
		"From: <sip:9@pbx.example>;tag=ours",
		`To: "Jean; Valjean" <sip:24601@pbx.example;user=phone>;tag=theirs`,
		"Call-ID: id@pbx", "CSeq: 1 BYE",
		"Route: <sip:192.0.2.10;lr;ftag=a>", "Route: <sip:192.0.2.11:5080;lr>", "Route: <sip:edge.example;lr>",
		"Contact: <sip:reception@192.0.2.21:5060>",
	}
	after := bye.String()
	for _, line := range want {
		_, rest, ok := strings.Cut(after, line+"\r\n")
		if !ok {
			t.Fatalf("no %q, in this order, in\n%s", line, bye)
		}
		after = rest
	}
	if bye.Destination() != "192.0.2.10:5060" {
		t.Errorf("goes to %s", bye.Destination())
	}
}

func TestStrictRouter(t *testing.T) {
	s := answered(t, "Record-Route: <sip:192.0.2.10>, <sip:192.0.2.11;lr>")
	bye, err := s.Request("BYE")
	if err != nil {
		t.Fatal(err)
	}
	if bye.Recipient.String() != "sip:192.0.2.10" {
		t.Errorf("Request-URI %s", bye.Recipient.String())
	}
	if got := sip.Values(bye, "Route"); len(got) != 2 || got[1] != "<sip:24601@192.0.2.31:5070;transport=tcp>" {
		t.Errorf("routes %q", got)
	}
}

// No resolver on the way of a call: a name is where the call came from.
func TestHopByName(t *testing.T) {
	s := answered(t, "Record-Route: <sip:edge.example;lr>")
	bye, err := s.Request("BYE")
	if err != nil || bye.Destination() != source.String() {
		t.Errorf("goes to %s, %v", bye.Destination(), err)
	}
}

func TestRequestOfTheCallingSide(t *testing.T) {
	res := parse(t, "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.21;branch=z9hG4bK1",
		"From: <sip:standby@pbx.example>;tag=ours", "To: <sip:9@pbx.example>;tag=theirs", "Call-ID: id", "CSeq: 3 INVITE",
		"Record-Route: <sip:192.0.2.11;lr>, <sip:192.0.2.10;lr>", "Contact: <sip:9@192.0.2.31>").(*sip.Response)
	s, err := Placed(res, "sip:standby@192.0.2.21:5060", source)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := s.Ack(3)
	if err != nil {
		t.Fatal(err)
	}
	if got := sip.Values(ack, "Route"); len(got) != 2 || got[0] != "<sip:192.0.2.10;lr>" {
		t.Errorf("routes %q", got)
	}
	if ack.CSeq().Value() != "3 ACK" || s.Next() != 4 {
		t.Errorf("ACK %s, next %d", ack.CSeq().Value(), s.LocalSeq)
	}
	if s.ID() != (ID{"id", "ours", "theirs"}) {
		t.Errorf("%+v", s.ID())
	}
}

func TestOrderAndTarget(t *testing.T) {
	s := answered(t)
	moved := netip.MustParseAddrPort("192.0.2.12:5060")
	again := invite(t)
	again.CSeq().SeqNo = 8
	if err := s.Reinvite(again, moved); err != nil || s.Source != moved || s.RemoteSeq != 8 {
		t.Errorf("%v, %+v", err, s)
	}
	if err := s.Reinvite(again, source); err != ErrOrder || s.Source != moved {
		t.Errorf("the same again: %v", err)
	}
	again.CSeq().SeqNo = 6
	s.Note(again, source) // overtaken: it changes nothing
	if s.RemoteSeq != 8 || s.Source != moved {
		t.Errorf("%+v", s)
	}
}

func TestStateSurvives(t *testing.T) {
	s := answered(t, "Record-Route: <sip:192.0.2.10;lr>")
	s.LocalSDP, s.RemoteSDP, s.Session, s.Version = "v=0\r\n", "v=0\r\n", 1<<62-1, 3
	written, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var read State
	if err := json.Unmarshal(written, &read); err != nil || !reflect.DeepEqual(s, read) {
		t.Errorf("%v: %+v is not %+v", err, read, s)
	}
}

func TestWhoIsToBeCalledBack(t *testing.T) {
	if _, err := Answered(invite(t, "Contact: <sip:another@192.0.2.32>"), "sip:x@y", source); err == nil {
		t.Error("a dialog with two remote targets")
	}
	old := invite(t)
	old.RemoveHeader("Contact")
	s, err := Answered(old, "sip:x@y", source)
	if err != nil || s.RemoteTarget != "sip:24601@pbx.example;user=phone" {
		t.Errorf("RFC 2543: %q, %v", s.RemoteTarget, err)
	}
}

// What is written down of a call is read as it was, and what could not be gone on with is refused.
func TestADialogIsWrittenDownAndRead(t *testing.T) {
	s := answered(t, "Record-Route: <sip:192.0.2.10;lr;ftag=a>")
	s.Session, s.Version, s.LocalSDP, s.RemoteSDP, s.Refer = 1<<62-1, 3, "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 192.0.2.31\r\n", 4
	read, err := Read(s.Written())
	if err != nil || !reflect.DeepEqual(read, s) {
		t.Errorf("written\n%+v\nread\n%+v (%v)", s, read, err)
	}
	for story, spoil := range map[string]func(*State){
		"no Call-ID":       func(s *State) { s.CallID = "" },
		"no tag of ours":   func(s *State) { s.LocalTag = "" },
		"no session":       func(s *State) { s.Session = 0 },
		"no more CSeq":     func(s *State) { s.LocalSeq = maxSeq },
		"no target":        func(s *State) { s.RemoteTarget = "" },
		"a target of none": func(s *State) { s.RemoteTarget = "tel" },
		"no Contact":       func(s *State) { s.LocalTarget = "::" },
		"a broken route":   func(s *State) { s.Routes = []string{"<"} },
	} {
		broken := s
		spoil(&broken)
		if _, err := Read(broken.Written()); err == nil {
			t.Errorf("%s: it is read", story)
		}
	}
}

// Whatever is read makes requests, and is written as it was read.
func FuzzRead(f *testing.F) {
	good := State{
		CallID: "id@pbx", LocalTag: "ours", RemoteTag: "theirs", Local: "<sip:9@pbx.example>", Remote: "<sip:24601@pbx.example>",
		LocalTarget: "sip:reception@192.0.2.21:5060", RemoteTarget: "sip:24601@192.0.2.31:5070", Routes: []string{"<sip:192.0.2.10;lr>"},
		LocalSeq: 1, RemoteSeq: 2, Transport: "UDP", Source: source, Session: 7, Version: 1, Refer: 3,
	}
	f.Add(good.Written())
	for _, raw := range []string{"", "{}", "null", "[1]", `{"call_id":"a","local_tag":"b","session":1,"local_target":"sip:a"}`, `{"source":"x"}`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Read(raw)
		if err != nil {
			return
		}
		moved := s.Elsewhere("sip:reception@192.0.2.22:5060")
		if _, err := moved.Request("INVITE"); err != nil {
			t.Errorf("%+v makes no request: %v", s, err)
		}
		if again, err := Read(s.Written()); err != nil || !reflect.DeepEqual(again.ID(), s.ID()) {
			t.Errorf("read, written and read again: %+v (%v)", again, err)
		}
	})
}
