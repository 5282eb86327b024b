// Package sip is the little SIP that a practice PBX, its telephones and its
// callers need: messages as text, digest, and transactions over UDP (RFC 3261).
//
// It is written apart from the telephone link that it exercises, and shares no
// library with it, so that one misreading of the RFC cannot stand on both sides.
// SIPp, a third party, is what both are measured against.
package sip

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const version = "SIP/2.0"

// Message is a request or a response. A request has a Method, a response a
// Status; header fields keep their order and their text, so that what a proxy
// does not understand passes through it unchanged.
type Message struct {
	Method string // of a request, "" in a response
	URI    string // Request-URI of a request
	Status int    // of a response
	Reason string // of a response
	Fields []Field
	Body   []byte
}

// Field is one header field value. Fields that list several values in one line
// are one Field for each (RFC 3261 §7.3.1).
type Field struct {
	Name  string
	Value string
}

// compact maps the short names of RFC 3261 §7.3.3, RFC 3515 and RFC 3892.
var compact = map[string]string{
	"i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type",
	"f": "From", "t": "To", "v": "Via", "k": "Supported", "s": "Subject",
	"e": "Content-Encoding", "r": "Refer-To", "b": "Referred-By", "o": "Event",
}

// listed are the fields that routing reads value by value.
var listed = []string{"Via", "Route", "Record-Route", "Contact", "Diversion"}

// mandatory are the fields that every message has (RFC 3261 §8.1.1).
var mandatory = []string{"Via", "From", "To", "Call-ID", "CSeq"}

// ErrMalformed is wrapped by every error of [Parse].
var ErrMalformed = errors.New("not a SIP message")

// Parse reads one datagram.
func Parse(datagram []byte) (*Message, error) {
	head, body, ok := bytes.Cut(datagram, []byte("\r\n\r\n"))
	if !ok {
		return nil, fmt.Errorf("%w: no empty line ends the header", ErrMalformed)
	}
	lines := unfold(string(head))
	m := &Message{}
	if err := m.parseStart(lines[0]); err != nil {
		return nil, err
	}
	for _, line := range lines[1:] {
		if err := m.parseField(line); err != nil {
			return nil, err
		}
	}
	for _, name := range mandatory {
		if m.Get(name) == "" {
			return nil, fmt.Errorf("%w: no %s", ErrMalformed, name)
		}
	}
	return m, m.takeBody(body)
}

// unfold joins continuation lines to the line before (RFC 3261 §7.3.1).
func unfold(head string) []string {
	var lines []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if len(lines) > 0 && line != "" && strings.ContainsRune(" \t", rune(line[0])) {
			lines[len(lines)-1] += " " + strings.TrimSpace(line)
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

func (m *Message) parseStart(line string) error {
	first, rest, _ := strings.Cut(line, " ")
	second, third, ok := strings.Cut(rest, " ")
	if first == version {
		status, err := strconv.Atoi(second)
		if err != nil || status < 100 || status > 699 {
			return fmt.Errorf("%w: status %q", ErrMalformed, second)
		}
		m.Status, m.Reason = status, third
		return nil
	}
	if !ok || third != version || first == "" || second == "" {
		return fmt.Errorf("%w: first line %.40q", ErrMalformed, line)
	}
	m.Method, m.URI = first, second
	return nil
}

func (m *Message) parseField(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%w: header line %.40q", ErrMalformed, line)
	}
	name = canonical(strings.TrimSpace(name))
	if !slices.Contains(listed, name) {
		m.Add(name, strings.TrimSpace(value))
		return nil
	}
	for _, one := range splitList(value) {
		m.Add(name, one)
	}
	return nil
}

func (m *Message) takeBody(body []byte) error {
	if announced := m.Get("Content-Length"); announced != "" {
		n, err := strconv.Atoi(announced)
		if err != nil || n < 0 || n > len(body) {
			return fmt.Errorf("%w: Content-Length %q with %d bytes of body", ErrMalformed, announced, len(body))
		}
		body = body[:n]
	}
	m.Body = bytes.Clone(body)
	m.Remove("Content-Length") // written afresh by Bytes
	return nil
}

// canonical gives a field the name that the rest of the package uses.
func canonical(name string) string {
	if long, ok := compact[strings.ToLower(name)]; ok {
		return long
	}
	for _, known := range append(listed, mandatory...) {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return name
}

// splitList cuts a list at the commas that stand outside quotes and brackets.
func splitList(text string) []string {
	var parts []string
	quoted, depth, start := false, 0, 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			depth++
		case c == '>' && !quoted:
			depth--
		case c == ',' && !quoted && depth == 0:
			parts = append(parts, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[start:]))
}

// Bytes writes the message for the wire.
func (m *Message) Bytes() []byte {
	var b bytes.Buffer
	if m.Method != "" {
		fmt.Fprintf(&b, "%s %s %s\r\n", m.Method, m.URI, version)
	} else {
		fmt.Fprintf(&b, "%s %d %s\r\n", version, m.Status, m.Reason)
	}
	for _, f := range m.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(m.Body))
	b.Write(m.Body)
	return b.Bytes()
}

// Get is the first value of a field, "" when there is none.
func (m *Message) Get(name string) string {
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// All is every value of a field, in order.
func (m *Message) All(name string) []string {
	var values []string
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Add appends a field.
func (m *Message) Add(name, value string) { m.Fields = append(m.Fields, Field{name, value}) }

// Prepend puts a field before all others, where Via and Record-Route belong.
func (m *Message) Prepend(name, value string) {
	m.Fields = slices.Insert(m.Fields, 0, Field{name, value})
}

// Set replaces each value of a field by one.
func (m *Message) Set(name, value string) {
	m.Remove(name)
	m.Add(name, value)
}

// Remove takes every value of a field away.
func (m *Message) Remove(name string) {
	m.Fields = slices.DeleteFunc(m.Fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
}

// RemoveFirst takes the first value of a field away: a proxy's own Via or Route.
func (m *Message) RemoveFirst(name string) {
	i := slices.IndexFunc(m.Fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
	if i >= 0 {
		m.Fields = slices.Delete(m.Fields, i, i+1)
	}
}

// Clone is a copy whose fields can be changed; the body is shared.
func (m *Message) Clone() *Message {
	c := *m
	c.Fields = slices.Clone(m.Fields)
	return &c
}

// CallID is the Call-ID field.
func (m *Message) CallID() string { return m.Get("Call-ID") }

// CSeq is the number and the method of the CSeq field.
func (m *Message) CSeq() (number uint32, method string) {
	text, method, _ := strings.Cut(m.Get("CSeq"), " ")
	n, _ := strconv.ParseUint(text, 10, 32)
	return uint32(n), strings.TrimSpace(method)
}

// Provisional says whether m is a response that announces another.
func (m *Message) Provisional() bool { return m.Status >= 100 && m.Status < 200 }

// Success says whether m is a 2xx response.
func (m *Message) Success() bool { return m.Status >= 200 && m.Status < 300 }

// Response answers a request: Via, From, To, Call-ID and CSeq are the request's
// (RFC 3261 §8.2.6), Record-Route too, since an answer may make a dialog.
func (m *Message) Response(status int) *Message {
	r := &Message{Status: status, Reason: Reason(status)}
	for _, f := range m.Fields {
		switch f.Name {
		case "Via", "From", "To", "Call-ID", "CSeq", "Record-Route":
			r.Add(f.Name, f.Value)
		}
	}
	return r
}

// SetBody gives the message a body of that type.
func (m *Message) SetBody(contentType string, body []byte) {
	m.Set("Content-Type", contentType)
	m.Body = body
}

var reasons = map[int]string{
	100: "Trying", 180: "Ringing", 200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized",
	403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 407: "Proxy Authentication Required",
	408: "Request Timeout", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 483: "Too Many Hops", 486: "Busy Here", 487: "Request Terminated",
	488: "Not Acceptable Here", 500: "Server Internal Error", 503: "Service Unavailable", 603: "Decline",
}

// Reason is the phrase that goes with a status (RFC 3261 §21).
func Reason(status int) string {
	if text, ok := reasons[status]; ok {
		return text
	}
	return "Status " + strconv.Itoa(status)
}
