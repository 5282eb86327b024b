package flood

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strconv"
)

// words are the messages of all calls. Each call has the same but for its number, of eight digits.
type words struct {
	invite, ack, bye []byte
	branch           []byte // what each Via's begins with, before the kind of its transaction and the number of its call
	run              string // of others at the same port, late answers may still come
}

const number = "00000000"

func newWords(o Options, sound netip.AddrPort) words {
	w := words{run: rand.Text()[:8]}
	w.branch = []byte("z9hG4bK-" + w.run)
	sdp := fmt.Sprintf("v=0\r\no=flood 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0 101\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n", sound.Addr(), sound.Port())
	head := func(method, kind, more string, seq int, body string) []byte {
		return fmt.Appendf(nil, "%[1]s sip:%[2]s@%[3]s SIP/2.0\r\nVia: SIP/2.0/UDP %[4]s;branch=%[5]s%[6]s%[7]s\r\n"+
			"From: <sip:0612345678@%[4]s>;tag=%[8]s%[7]s\r\nTo: <sip:%[2]s@%[3]s>%[9]s\r\nCall-ID: flood-%[8]s-%[7]s@%[10]s\r\n"+
			"CSeq: %[11]d %[1]s\r\nMax-Forwards: 70\r\nContact: <sip:0612345678@%[4]s>\r\n%[12]sContent-Length: %[13]d\r\n\r\n%[14]s",
			method, o.User, o.To, o.From, w.branch, kind, number, w.run, map[bool]string{true: ";tag=" + tagHere}[seq > 1 || method == "ACK"],
			o.From.Addr(), seq, more, len(body), body)
	}
	w.invite = head("INVITE", "i", o.Headers+"Content-Type: application/sdp\r\n", 1, sdp)
	w.ack = head("ACK", "a", "", 1, "")
	w.bye = head("BYE", "b", "", 2, "")
	return w
}

// tagHere stands where the other side's tag goes.
const tagHere = "TAG"

// of is a message of one call, with the other side's tag where it has one.
func of(text []byte, call int, tag []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(number), fmt.Appendf(nil, "%08d", call))
	return bytes.Replace(text, []byte(tagHere), tag, 1)
}

// response is what is read of one.
type response struct {
	code, call int
	invite     bool // it is one to an INVITE, and not to a BYE
	tag        []byte
}

// read reads a response to this run.
func (w words) read(data []byte) (r response, ok bool) {
	if !bytes.HasPrefix(data, []byte("SIP/2.0 ")) || len(data) < 12 {
		return r, false
	}
	_, rest, found := bytes.Cut(data, w.branch)
	if !found || len(rest) < 1+len(number) {
		return r, false
	}
	var bad [2]error
	r.invite = rest[0] == 'i'
	r.code, bad[0] = strconv.Atoi(string(data[8:11]))
	r.call, bad[1] = strconv.Atoi(string(rest[1 : 1+len(number)]))
	if _, to, found := bytes.Cut(data, []byte("\r\nTo:")); found {
		line, _, _ := bytes.Cut(to, []byte("\r\n"))
		_, r.tag, _ = bytes.Cut(line, []byte(";tag="))
	}
	return r, bad[0] == nil && bad[1] == nil
}
