package sip

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// A datagram is screened before the library sees it, because the library takes
// what RFC 3261 refuses (several Call-IDs, another method in CSeq, SIP/7.0), hands
// on requests without From or To, misreads blanks around ";" and "=", and leaves
// what it cannot parse without an answer, so that its sender repeats it.

// screened is what came of a datagram: clean is for the library; or code is the
// answer to give; or neither, and it is dropped.
type screened struct {
	clean []byte
	code  int
	why   string
	lines []field // for the answer
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
	data = bytes.TrimLeft(data, "\r\n\x00")
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
	case err != nil:
		return refuse(400, err.Error())
	}
	method := ""
	if request {
		var bad screened
		if method, bad = requestLine(start); bad.code != 0 {
			return bad
		}
	} else if !statusLine(start) {
		return refuse(400, "not a status line of SIP/2.0")
	}
	if body, err = check(lines, method, body); err != nil {
		return refuse(400, err.Error())
	}
	if request {
		brand(lines)
	}
	clean := compose(start, lines, body)
	if err := parses(clean); err != nil {
		return refuse(400, err.Error())
	}
	return screened{clean: clean}
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
func requestLine(start string) (method string, bad screened) {
	parts := strings.Split(start, " ")
	if len(parts) != 3 || !token(parts[0]) {
		return "", refuse(400, "not a request line")
	}
	if parts[2] != "SIP/2.0" {
		return "", refuse(505, fmt.Sprintf("version %.20q", parts[2]))
	}
	// A Request-URI carries no headers (RFC 3261 §19.1.1) and no brackets. In its user
	// part a "?" is a letter like others.
	host := parts[1][strings.LastIndexByte(parts[1], '@')+1:]
	if strings.ContainsAny(parts[1], "<>\t\"") || strings.Contains(host, "?") || !strings.Contains(parts[1], ":") {
		return "", refuse(400, "not a Request-URI")
	}
	return parts[0], screened{}
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
	for i := range lines {
		count[lines[i].name]++
		lines[i].value = tidy(lines[i].name, lines[i].value)
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

// brand gives a request from the days of RFC 2543 the branch that the library needs:
// the same for its repetitions, its ACK and its CANCEL (RFC 3261 §17.2.3).
func brand(lines []field) {
	i := slices.IndexFunc(lines, func(l field) bool { return l.name == "via" })
	top, more, several := strings.Cut(lines[i].value, ",")
	if strings.Contains(strings.ToLower(top), ";branch=") {
		return
	}
	number, _, _ := strings.Cut(value(lines, "cseq"), " ")
	sum := sha256.Sum256([]byte(top + "\n" + value(lines, "from") + "\n" + value(lines, "call-id") + "\n" + number))
	lines[i].value = top + ";branch=" + gosip.RFC3261BranchMagicCookie + hex.EncodeToString(sum[:8])
	if several {
		lines[i].value += "," + more
	}
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

// tidy takes out the blanks that RFC 3261 §25.1 allows around separators and
// that the library would read as parts of names.
func tidy(name, text string) string {
	switch name {
	case "cseq":
		return strings.Join(strings.Fields(text), " ")
	case "via":
		return squeeze(text, "/;=:,")
	case "from", "to", "contact", "route", "record-route":
		return squeeze(text, ";=")
	}
	return text
}

// squeeze removes blanks beside the separators and makes others one blank, save
// inside quotes.
func squeeze(text, separators string) string {
	out := make([]byte, 0, len(text))
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '"' && (i == 0 || text[i-1] != '\\') {
			quoted = !quoted
		}
		last := byte(';')
		if len(out) > 0 {
			last = out[len(out)-1]
		}
		switch {
		case quoted:
		case c == ' ' || c == '\t':
			if last == ' ' || strings.IndexByte(separators, last) >= 0 {
				continue
			}
			c = ' '
		case last == ' ' && strings.IndexByte(separators, c) >= 0:
			out = out[:len(out)-1]
		}
		out = append(out, c)
	}
	return string(out)
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

// parses tries the library on a message, so that what it refuses, or dies of, is
// found where it can still be answered.
func parses(message []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser panics: %v", p)
		}
	}()
	msg, err := gosip.ParseMessage(message)
	if err != nil {
		return err
	}
	if msg.Via() == nil || msg.From() == nil || msg.To() == nil || msg.CallID() == nil || msg.CSeq() == nil {
		return fmt.Errorf("a mandatory header is empty")
	}
	return nil
}
