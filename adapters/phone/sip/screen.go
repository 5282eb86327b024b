package sip

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// A datagram is screened before anything else sees it: the library takes what RFC 3261
// refuses (several Call-IDs, another method in CSeq, SIP/7.0) and leaves what it cannot
// parse without an answer, so that its sender repeats it.

// Limits of what comes in (SPEC K4). Each is far above what any telephone writes, and
// below what a database can index or a screen show.
const (
	maxCallID  = 255
	maxTag     = 255
	maxBranch  = 255
	maxURI     = 1024
	maxAddress = 4096 // of From and To, with name and parameters
	maxLine    = 8192
	maxHeaders = 256
)

// screened is what came of a datagram: a request, or a response for the library to read;
// or code is the answer to give; or none of them, and it is dropped.
type screened struct {
	request  *Request
	top      hop // of its topmost Via
	response *Response
	clean    []byte // its text, for the library
	code     int
	why      string
	lines    []field // as they came, unfolded
}

// field is one header line, unfolded, under its long name in lower case.
type field struct{ name, value string }

// longNames are the compact forms (RFC 3261 §7.3.3 and later RFCs).
var longNames = map[string]string{
	"b": "referred-by", "c": "content-type", "e": "content-encoding", "f": "from", "i": "call-id",
	"k": "supported", "l": "content-length", "m": "contact", "o": "event", "r": "refer-to",
	"s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}

// mandatory headers of any message (RFC 3261 §8.1.1). Max-Forwards is left out:
// callers from the days of RFC 2543 do not send it.
var mandatory = []string{"via", "from", "to", "call-id", "cseq"}

// singles may stand once only (RFC 3261 §7.3.1).
var singles = []string{"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"}

// screen looks at one datagram. It never panics, whatever it is given.
func screen(data []byte) (s screened) {
	data = bytes.TrimLeft(data, blank)
	if len(data) == 0 {
		return screened{} // a keep-alive (RFC 5626 §3.5.1)
	}
	head, body, whole := bytes.Cut(data, []byte("\r\n\r\n"))
	start, rest, _ := strings.Cut(string(head), "\r\n")
	lines, err := unfold(rest)
	request := !strings.HasPrefix(start, "SIP/")
	defer func() {
		// A response is never answered, and nor is an ACK.
		if !request || strings.HasPrefix(start, "ACK ") {
			s.code = 0
		}
		s.lines = lines
	}()
	switch {
	case !whole:
		return refuse(400, "no empty line after the headers")
	case len(data) > maxMessage:
		return refuse(513, fmt.Sprintf("%d bytes", len(data)))
	case err != nil:
		return refuse(400, err.Error())
	case !clean(start):
		return refuse(400, "a control character in the first line")
	}
	if !request {
		return screenResponse(start, lines, body)
	}
	return screenRequest(start, lines, body)
}

// blank is what may stand before a message.
const blank = "\r\n\x00"

func screenResponse(start string, lines []field, body []byte) screened {
	if !statusLine(start) {
		return refuse(400, "not a status line of SIP/2.0")
	}
	body, err := check(lines, "", body)
	if err != nil {
		return refuse(400, err.Error())
	}
	text := compose(start, lines, body)
	response, err := parse(text)
	if err != nil {
		return refuse(400, err.Error())
	}
	return screened{response: response, clean: text}
}

func screenRequest(start string, lines []field, body []byte) screened {
	method, uri, bad := requestLine(start)
	if bad.code != 0 {
		return bad
	}
	body, err := check(lines, method, body)
	if err != nil {
		return refuse(400, err.Error())
	}
	top, err := vias(lines)
	if err != nil {
		return refuse(400, err.Error())
	}
	return screened{request: newRequest(method, uri, lines, body), top: top}
}

// newRequest gives every header the value that came, so that whoever reads one reads that.
func newRequest(method string, uri URI, lines []field, body []byte) *Request {
	req := gosip.NewRequest(gosip.RequestMethod(method), uri)
	for _, l := range lines {
		switch l.name {
		case "call-id":
			id := gosip.CallIDHeader(l.value)
			req.AppendHeader(&id)
		case "cseq":
			number, _, _ := strings.Cut(l.value, " ")
			seq, _ := strconv.ParseUint(number, 10, 31) // checked before
			req.AppendHeader(&gosip.CSeqHeader{SeqNo: uint32(seq), MethodName: req.Method})
		case "content-length":
		default:
			req.AppendHeader(gosip.NewHeader(l.name, l.value))
		}
	}
	req.SetBody(bytes.Clone(body)) // the reader's buffer is used again
	return req
}

// vias reads every Via value and returns the topmost.
func vias(lines []field) (top hop, err error) {
	for _, l := range lines {
		if l.name != "via" {
			continue
		}
		values, err := split(l.value, ',')
		if err != nil {
			return top, err
		}
		for _, v := range values {
			h, err := parseHop(v)
			if err != nil {
				return top, err
			}
			if top.host == "" {
				top = h
			}
		}
	}
	if len(top.branch) > maxBranch {
		return top, fmt.Errorf("a branch of %d bytes", len(top.branch))
	}
	return top, nil
}

// clean says whether a line has no control character: no header may (RFC 3261 §25.1),
// and a terminal would obey it.
func clean(text string) bool {
	for _, r := range text {
		if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return false
		}
	}
	return true
}

func refuse(code int, why string) screened { return screened{code: code, why: why} }

// unfold splits the header section into lines and joins those that go on with a
// blank (RFC 3261 §7.3.1). It reads to the end also after an error: the answer needs
// the other lines.
func unfold(text string) (lines []field, err error) {
	for line := range strings.SplitSeq(text, "\r\n") {
		if line == "" {
			continue
		}
		if (line[0] == ' ' || line[0] == '\t') && len(lines) > 0 {
			last := &lines[len(lines)-1]
			last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(line))
			continue
		}
		if len(lines) >= maxHeaders {
			return lines, fmt.Errorf("more than %d headers", maxHeaders)
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || !token(name) {
			err = fmt.Errorf("%.40q is not a header", line)
			continue
		}
		if long, ok := longNames[name]; ok {
			name = long
		}
		lines = append(lines, field{name, strings.TrimSpace(value)})
	}
	return lines, err
}

// requestLine checks "METHOD URI SIP/2.0" (RFC 3261 §7.1).
func requestLine(start string) (method string, uri URI, bad screened) {
	parts := strings.Split(start, " ")
	if len(parts) != 3 || !token(parts[0]) {
		return "", uri, refuse(400, "not a request line")
	}
	if parts[2] != "SIP/2.0" {
		return "", uri, refuse(505, fmt.Sprintf("version %.20q", parts[2]))
	}
	// A Request-URI carries no headers (RFC 3261 §19.1.1) and no brackets. In its user
	// part a "?" is a letter like others.
	host := parts[1][strings.LastIndexByte(parts[1], '@')+1:]
	if strings.ContainsAny(parts[1], "<>\t\"") || strings.Contains(host, "?") || len(parts[1]) > maxURI {
		return "", uri, refuse(400, "not a Request-URI")
	}
	uri, err := ParseURI(parts[1])
	if err != nil {
		return "", uri, refuse(400, err.Error())
	}
	return parts[0], uri, screened{}
}

// statusLine checks "SIP/2.0 CODE reason" (RFC 3261 §7.2).
func statusLine(start string) bool {
	version, rest, _ := strings.Cut(start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	return version == "SIP/2.0" && err == nil && n >= 100 && n <= 699
}

// check looks at the headers that every handler relies on, tidies them in place,
// and returns the body that Content-Length announces.
func check(lines []field, method string, body []byte) ([]byte, error) {
	count := make(map[string]int)
	for i, l := range lines {
		count[l.name]++
		if l.name == "cseq" {
			lines[i].value = strings.Join(strings.Fields(l.value), " ")
		}
		if err := bounded(l); err != nil {
			return nil, err
		}
	}
	for _, name := range mandatory {
		if value(lines, name) == "" {
			return nil, fmt.Errorf("no %s", name)
		}
	}
	for _, name := range singles {
		if count[name] > 1 {
			return nil, fmt.Errorf("%d headers %s", count[name], name)
		}
	}
	if err := sequence(value(lines, "cseq"), method); err != nil {
		return nil, err
	}
	if hops := value(lines, "max-forwards"); hops != "" && !below(hops, 255) {
		return nil, fmt.Errorf("Max-Forwards %.20q", hops)
	}
	length := value(lines, "content-length")
	if length == "" {
		return body, nil
	}
	if !below(length, len(body)) {
		return nil, fmt.Errorf("Content-Length %.20q with %d bytes of body", length, len(body))
	}
	n, err := strconv.Atoi(length)
	return body[:n], err // what follows in the datagram is ignored (RFC 3261 §18.3)
}

// bounded says what is wrong with one header by itself: its length, a control character,
// or an address that cannot be read.
func bounded(l field) error {
	switch {
	case len(l.value) > maxLine:
		return fmt.Errorf("a header %.40s of %d bytes", l.name, len(l.value))
	case !clean(l.value):
		return fmt.Errorf("a control character in %.40s", l.name)
	case l.name == "call-id" && (len(l.value) > maxCallID ||
		strings.IndexFunc(l.value, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0):
		return fmt.Errorf("Call-ID %.40q of %d bytes", l.value, len(l.value))
	case l.name == "from" || l.name == "to":
		return boundedAddress(l)
	}
	return nil
}

func boundedAddress(l field) error {
	a, err := ParseAddress(l.value)
	switch {
	case err != nil:
		return err
	case len(l.value) > maxAddress || len(a.Text) > maxURI:
		return fmt.Errorf("%s of %d bytes", l.name, len(l.value))
	case len(a.Params["tag"]) > maxTag || strings.ContainsAny(a.Params["tag"], " \t\";,<>"):
		return fmt.Errorf("the tag of %s", l.name)
	}
	return nil
}

// sequence checks "NUMBER METHOD" (RFC 3261 §8.1.1.5); responses give no method.
func sequence(cseq, method string) error {
	number, of, _ := strings.Cut(cseq, " ")
	if !below(number, 1<<31-1) {
		return fmt.Errorf("CSeq %.40q", cseq)
	}
	if method != "" && of != method {
		return fmt.Errorf("CSeq says %.20q and the request is %.20q", of, method)
	}
	return nil
}

// below says whether text is a plain decimal number of at most limit.
func below(text string, limit int) bool {
	n, err := strconv.ParseUint(text, 10, 63)
	return err == nil && n <= uint64(limit)
}

// value is the first value of a header, "" when there is none.
func value(lines []field, name string) string {
	for _, l := range lines {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

// token says whether s is a token of RFC 3261 §25.1.
func token(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// compose writes the message with one line for each header.
func compose(start string, lines []field, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(start + "\r\n")
	for _, l := range lines {
		b.WriteString(l.name + ": " + l.value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// parser is the library's, for responses: whatever has parameters stays as it came, save
// Via, of which the library needs the branch.
var parser = gosip.NewParser(gosip.WithHeadersParsers(map[string]gosip.HeaderParser{
	"via":            readVia,
	"call-id":        gosip.DefaultHeadersParser()["call-id"],
	"cseq":           gosip.DefaultHeadersParser()["cseq"],
	"content-length": gosip.DefaultHeadersParser()["content-length"],
}))

func readVia(_ []byte, text string) (gosip.Header, error) {
	h, err := parseHop(text)
	return &gosip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: h.host,
		Params: gosip.HeaderParams{{K: "branch", V: h.branch}},
	}, err
}

// parse tries the library on a response, so that what it refuses, or dies of, is found here.
func parse(message []byte) (res *Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = nil, fmt.Errorf("the parser panics: %v", p)
		}
	}()
	msg, err := parser.ParseSIP(message)
	if err != nil {
		return nil, err
	}
	res, ok := msg.(*Response)
	if !ok || res.Via() == nil || res.CallID() == nil || res.CSeq() == nil {
		return nil, errors.New("a mandatory header is empty")
	}
	return res, nil
}
