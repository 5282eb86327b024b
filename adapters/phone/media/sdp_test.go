package media

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"releve"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:20000")
	terms = Terms{
		Local: here, Caller: netip.MustParseAddr("192.0.2.9"), Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")},
	}
)

// offer writes a description as PBXs do, from its m= lines on.
func offer(lines ...string) []byte {
	head := []string{"v=0", "o=pbx 1 2 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0"}
	return []byte(strings.Join(append(head, lines...), "\r\n") + "\r\n")
}

func TestAnAnswerTakesTheFirstCodecOfTheOfferThatIsOurs(t *testing.T) {
	stories := []struct {
		name  string
		offer []byte
		want  Format
		lines string // of the answer, from m= on
	}{
		{"Asterisk", offer("m=audio 4000 RTP/AVP 9 8 0 101",
			"a=rtpmap:9 G722/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000",
			"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", "a=maxptime:150", "a=sendrecv"),
			Format{PayloadType: 8, ALaw: true, DTMF: 101, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8 101|a=rtpmap:8 PCMA/8000|" +
				"a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv"},
		{"µ-law first, no rtpmap", offer("m=audio 4000 RTP/AVP 0 8"),
			Format{PayloadType: 0, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv"},
		{"numbers of its own, lower case, one channel", offer("m=audio 4000 RTP/AVP 96 97 98",
			"a=rtpmap:96 opus/48000/2", "a=rtpmap:97 pcma/8000/1", "a=rtpmap:98 Telephone-Event/8000"),
			Format{PayloadType: 97, ALaw: true, DTMF: 98, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 97 98|a=rtpmap:97 PCMA/8000|" +
				"a=rtpmap:98 telephone-event/8000|a=fmtp:98 0-15|a=ptime:20|a=sendrecv"},
		{"events at two rates", offer("m=audio 4000 RTP/AVP 8 100 101",
			"a=rtpmap:100 telephone-event/48000", "a=rtpmap:101 telephone-event/8000"),
			Format{PayloadType: 8, ALaw: true, DTMF: 101, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8 101|a=rtpmap:8 PCMA/8000|" +
				"a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv"},
		{"video and fax beside it", offer("m=video 5000 RTP/AVP 99",
			"a=rtpmap:99 H264/90000", "m=audio 4000 RTP/AVP 8", "m=image 6000 udptl t38"),
			Format{PayloadType: 8, ALaw: true, Direction: SendRecv},
			"m=video 0 RTP/AVP 99|m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv|m=image 0 udptl t38"},
		{"an address that cannot be reached, then one that can",
			offer("m=audio 4002 RTP/AVP 8", "c=IN IP6 2001:db8::9", "m=audio 4000 RTP/AVP 8"),
			Format{PayloadType: 8, ALaw: true, Direction: SendRecv},
			"m=audio 0 RTP/AVP 8|m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv"},
		{"a name, which nobody looks up", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 media.example"),
			Format{PayloadType: 8, ALaw: true, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv"},
		{"packets of 10 ms at most", offer("m=audio 4000 RTP/AVP 8", "a=ptime:10", "a=maxptime:10"),
			Format{PayloadType: 8, ALaw: true, Short: 80, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:10|a=sendrecv"},
		{"packets of 8 ms at most", offer("m=audio 4000 RTP/AVP 8", "a=maxptime:8"),
			Format{PayloadType: 8, ALaw: true, Short: 40, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:5|a=sendrecv"},
		{"packets of 10 ms at most, said for the session", offer("a=maxptime:10", "m=audio 4000 RTP/AVP 8", "a=maxptime:x"),
			Format{PayloadType: 8, ALaw: true, Short: 80, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:10|a=sendrecv"},
		{"the medium's own maxptime before the session's", offer("a=maxptime:10", "m=audio 4000 RTP/AVP 8", "a=maxptime:30"),
			Format{PayloadType: 8, ALaw: true, Direction: SendRecv},
			"m=audio 20000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv"},
		{"audio refused, then encrypted, then plain",
			offer("m=audio 0 RTP/AVP 8", "m=audio 4002 RTP/SAVP 8", "m=audio 4000 RTP/AVPF 8", "m=audio 4004 RTP/AVP 0"),
			Format{PayloadType: 8, ALaw: true, Direction: SendRecv},
			"m=audio 0 RTP/AVP 8|m=audio 0 RTP/SAVP 8|" +
				"m=audio 20000 RTP/AVPF 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv|m=audio 0 RTP/AVP 0"},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			answer, remote, got, err := terms.Answer(story.offer, 7, 8)
			if err != nil {
				t.Fatal(err)
			}
			if got != story.want {
				t.Errorf("agreed on %+v, want %+v", got, story.want)
			}
			if remote != netip.MustParseAddrPort("192.0.2.9:4000") {
				t.Errorf("sends to %v", remote)
			}
			head := "v=0|o=releve 7 8 IN IP4 192.0.2.1|s=-|c=IN IP4 192.0.2.1|t=0 0|"
			if got := bars(answer); got != head+story.lines {
				t.Errorf("answered\n%s\nwant\n%s", got, head+story.lines)
			}
		})
	}
}

func TestAHoldIsAnsweredFromTheOtherSide(t *testing.T) {
	stories := []struct {
		name  string
		offer []byte
		want  Direction
	}{
		{"nothing said", offer("m=audio 4000 RTP/AVP 8"), SendRecv},
		{"sendonly", offer("m=audio 4000 RTP/AVP 8", "a=sendonly"), RecvOnly},
		{"recvonly", offer("m=audio 4000 RTP/AVP 8", "a=recvonly"), SendOnly},
		{"inactive", offer("m=audio 4000 RTP/AVP 8", "a=inactive"), Inactive},
		{"said for the session", offer("a=inactive", "m=audio 4000 RTP/AVP 8"), Inactive},
		{"said for the session, else for the sound", offer("a=inactive", "m=audio 4000 RTP/AVP 8", "a=sendrecv"), SendRecv},
		{"the old way", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 0.0.0.0"), RecvOnly},
		{"the old way and the new", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 0.0.0.0", "a=inactive"), Inactive},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			answer, _, f, err := terms.Answer(story.offer, 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			if f.Direction != story.want || !strings.HasSuffix(bars(answer), "|a="+string(story.want)) {
				t.Errorf("agreed on %s, want %s, in the answer %s", f.Direction, story.want, bars(answer))
			}
		})
	}
}

func TestWhatIsReadThoughItIsNotByTheBook(t *testing.T) {
	stories := map[string]string{
		"lines end with LF":            "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 4000 RTP/AVP 8\n",
		"the last line does not end":   "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 8",
		"attributes before the time":   "v=0\r\na=x\r\nb=AS:64\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
		"the address after attributes": "v=0\r\nm=audio 4000 RTP/AVP 8 \r\na=sendrecv\r\nc=IN IP4 192.0.2.9\r\n",
		"a blank line":                 "v=0\r\nc=IN IP4 192.0.2.9\r\n\r\nm=audio 4000 RTP/AVP 8\r\n\r\n",
	}
	for name, text := range stories {
		if _, remote, _, err := terms.Answer([]byte(text), 1, 1); err != nil || remote.String() != "192.0.2.9:4000" {
			t.Errorf("%s: sends to %v, %v", name, remote, err)
		}
	}
}

func TestAnOfferThatCannotBeAnsweredSaysWhy(t *testing.T) {
	stories := []struct {
		name  string
		offer []byte
		want  error
		says  string
	}{
		{"other codecs", offer("m=audio 4000 RTP/AVP 9 18"), ErrNoCodec, "m=audio 4000 RTP/AVP 9 18"},
		{"8 is not PCMA here", offer("m=audio 4000 RTP/AVP 8", "a=rtpmap:8 G729/8000"), ErrNoCodec, "allow PCMA or PCMU"},
		{"all refused", offer("m=audio 0 RTP/AVP 8"), ErrNoCodec, "m=audio 0"},
		{"encrypted", offer("m=audio 4000 RTP/SAVP 8"), ErrNoCodec, "SRTP"},
		{"fax", offer("m=image 4000 udptl t38"), ErrNoCodec, "m=image"},
		{"empty", nil, ErrSDP, "no m= line"},
		{"no port", offer("m=audio x RTP/AVP 8"), ErrSDP, "no port"},
		{"a short line", offer("m=audio 4000"), ErrSDP, "fewer than four parts"},
		{"a group", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1"), ErrSDP, "groups"},
		{"an address with a slip", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 192.0.2.300"), ErrSDP, "192.0.2.300"},
		{"no name", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 p\"x"), ErrSDP, `p\"x`},
		{"IPv6 to a server of IPv4", offer("m=audio 4000 RTP/AVP 8", "c=IN IP6 2001:db8::9"), ErrProtocol, "2001:db8::9"},
		{"a third's address", offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 192.0.2.77"),
			ErrOutside, "names 192.0.2.77, outside of [pbx] networks"},
		{"a third's, as IPv6 writes it", offer("m=audio 4000 RTP/AVP 8", "c=IN IP6 ::ffff:192.0.2.77"), ErrOutside, "192.0.2.77"},
		{"shorter packets than ours can be", offer("m=audio 4000 RTP/AVP 8", "a=maxptime:4"), ErrNoCodec, "5 ms"},
		{"no address", []byte("v=0\r\nm=audio 4000 RTP/AVP 8\r\n"), ErrSDP, "no c= line"},
	}
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			_, _, _, err := terms.Answer(story.offer, 1, 1)
			if !errors.Is(err, story.want) || !strings.Contains(err.Error(), story.says) {
				t.Errorf("got %v, want %v that says %q", err, story.want, story.says)
			}
		})
	}
}

// Two of us talk: what one offers the other answers, and both mean the same.
func TestAnOfferAndItsAnswerAgree(t *testing.T) {
	there := netip.MustParseAddrPort("192.0.2.2:30000")
	proposed := Terms{Local: here}.Offer(1, 1, SendRecv)
	want := "v=0|o=releve 1 1 IN IP4 192.0.2.1|s=-|c=IN IP4 192.0.2.1|t=0 0|m=audio 20000 RTP/AVP 8 0 101|" +
		"a=rtpmap:8 PCMA/8000|a=rtpmap:0 PCMU/8000|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv"
	if bars(proposed) != want {
		t.Errorf("offered\n%s\nwant\n%s", bars(proposed), want)
	}
	answer, toHere, theirs, err := Terms{Local: there, Networks: terms.Networks}.Answer(proposed, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	toThere, ours, err := terms.ParseAnswer(answer)
	if err != nil {
		t.Fatal(err)
	}
	if ours.Offered != payloadEvent {
		t.Errorf("the number of our own offer is not heard: %+v", ours)
	}
	ours.Offered = 0
	if toHere != here || toThere != there || ours != theirs {
		t.Errorf("%v and %v, %+v and %+v", toHere, toThere, ours, theirs)
	}
	if _, _, err := terms.ParseAnswer(offer("m=audio 0 RTP/AVP 8")); !errors.Is(err, ErrNoCodec) {
		t.Errorf("an answer that refuses: %v", err)
	}
}

// bars writes a description in one line.
func bars(text []byte) string {
	return strings.Join(strings.Split(strings.TrimSuffix(string(text), "\r\n"), "\r\n"), "|")
}

// Whatever the network sends: no panic, and an answer that answers every m= line.
func FuzzAnswer(f *testing.F) {
	f.Add(offer("m=audio 4000 RTP/AVP 9 8 101", "a=rtpmap:101 telephone-event/8000", "a=sendonly", "m=image 0 udptl t38"))
	f.Add(offer("m=audio 4000/2 RTP/AVP 8", "c=IN IP6 ::1"))
	f.Add(offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 media.example", "a=maxptime:10"))
	f.Add(offer("m=audio 4000 RTP/AVP 8", "c=IN IP4 0.0.0.0", "a=inactive"))
	f.Add(offer("m=audio 4000 RTP/AVP 8", "c=IN IP6 ::ffff:192.0.2.77", "m=audio 4002 RTP/AVPF 0", "c=IN IP4 192.0.2.300"))
	f.Fuzz(func(t *testing.T, text []byte) {
		answer, remote, format, err := terms.Answer(text, 1, 1)
		if err != nil {
			if !slices.ContainsFunc([]error{ErrSDP, ErrNoCodec, ErrProtocol, ErrOutside},
				func(kind error) bool { return errors.Is(err, kind) }) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if host := remote.Addr(); !host.IsUnspecified() && (!within(terms.Networks, host) || !host.Is4()) {
			t.Errorf("agreed to send to %v", remote)
		}
		_, again, err := terms.ParseAnswer(answer)
		if err != nil || again.PayloadType != format.PayloadType || again.Direction != format.Direction.Opposite() {
			t.Errorf("our own answer reads %+v, %v, want %+v:\n%s", again, err, format, answer)
		}
	})
}

// What an offer holds is told by the names that people know.
func TestWhatAnOfferHolds(t *testing.T) {
	local := netip.MustParseAddrPort("192.0.2.1:0")
	terms := Terms{Local: local, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
	for name, c := range map[string]struct {
		media  string
		codecs string
		keys   bool
		unfit  string
	}{
		"usual":   {"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", "PCMA PCMU", true, ""},
		"no keys": {"m=audio 4000 RTP/AVP 8\r\n", "PCMA", false, ""},
		"wideband": {"m=audio 4000 RTP/AVP 9 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
			"G722 OPUS", true, "cause-no-codec"},
		"encrypted":  {"m=audio 4000 RTP/SAVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", "PCMA", true, "cause-no-codec"},
		"other keys": {"m=audio 4000 RTP/AVP 8 102\r\na=rtpmap:102 telephone-event/48000\r\n", "PCMA", false, ""},
		"elsewhere": {"c=IN IP4 198.51.100.1\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP4 198.51.100.1\r\n",
			"PCMA", false, "cause-outside"},
		"fax":     {"m=image 4000 udptl t38\r\n", "", false, "cause-no-codec"},
		"nothing": {"", "", false, "cause-sdp"},
	} {
		got := terms.Sound([]byte(head + c.media))
		if strings.Join(got.Codecs, " ") != c.codecs || got.Keys != c.keys || got.Late ||
			(c.unfit == "") != (got.Unfit == "") {
			t.Errorf("%s: %+v", name, got)
		}
		if why, _ := releve.Inner(got.Unfit); why.Code != c.unfit { // people read it in their own language
			t.Errorf("%s: it is unfit by %q", name, got.Unfit)
		}
	}
	if got := terms.Sound(nil); !got.Late || got.Unfit != "" {
		t.Errorf("no offer: %+v", got)
	}
}
