package sip

import (
	"fmt"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// Values returns every value of a header, also where several stand in one line
// (RFC 3261 §7.3.1).
func Values(msg Message, name string) []string {
	var all []string
	for _, h := range msg.GetHeaders(name) {
		all = append(all, splitValues(h.Value())...)
	}
	return all
}

// Value is the first value of a header, "" where it is absent.
func Value(msg Message, name string) string {
	if hs := msg.GetHeaders(name); len(hs) > 0 {
		return strings.TrimSpace(hs[0].Value())
	}
	return ""
}

// Contacts returns every contact of a message, in order. The library's own
// Contact() gives the last of them.
func Contacts(msg Message) []Address {
	var all []Address
	for _, value := range Values(msg, "Contact") {
		if a, err := ParseAddress(value); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// splitValues cuts a header's text at its commas, save those inside quotes or
// angle brackets.
func splitValues(text string) []string {
	var values []string
	quoted, bracket, start := false, false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<' || c == '>':
			bracket = c == '<'
		case c == ',' && !bracket:
			values = append(values, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(text[start:]); last != "" {
		values = append(values, last)
	}
	return values
}

// Set puts a header in the place of the one that bears its name, or adds it.
func Set(msg interface {
	RemoveHeader(string) bool
	AppendHeader(gosip.Header)
}, name, value string) {
	for msg.RemoveHeader(name) {
		continue
	}
	msg.AppendHeader(gosip.NewHeader(name, value))
}

// NewRequest builds a request without Via, which the endpoint adds when it sends
// it. From and to are header values without a tag, written as they are; an empty tag is
// left out.
func NewRequest(method string, target URI, from, fromTag, to, toTag, callID string, seq uint32) (*Request, error) {
	req := gosip.NewRequest(gosip.RequestMethod(method), target)
	for _, value := range []string{from, to} {
		if _, err := ParseAddress(value); err != nil {
			return nil, err
		}
	}
	id := gosip.CallIDHeader(callID)
	hops := gosip.MaxForwardsHeader(70)
	req.AppendHeader(gosip.NewHeader("From", from+tagParam(fromTag)))
	req.AppendHeader(gosip.NewHeader("To", to+tagParam(toTag)))
	req.AppendHeader(&id)
	req.AppendHeader(&gosip.CSeqHeader{SeqNo: seq, MethodName: req.Method})
	req.AppendHeader(&hops)
	req.SetBody(nil)
	return req, nil
}

func tagParam(tag string) string {
	if tag == "" {
		return ""
	}
	return ";tag=" + tag
}

// FromTag and ToTag are the tags of a message, "" where there is none.
func FromTag(msg Message) string { return FromAddress(msg).Params["tag"] }

// ToTag is the tag of the To header.
func ToTag(msg Message) string { return ToAddress(msg).Params["tag"] }

// FromAddress and ToAddress read those headers; of what cannot be read they give nothing.
func FromAddress(msg Message) Address { return readable(Value(msg, "From")) }

// ToAddress reads the To header.
func ToAddress(msg Message) Address { return readable(Value(msg, "To")) }

func readable(value string) Address {
	a, err := ParseAddress(value)
	if err != nil {
		return Address{}
	}
	return a
}

// AddRoute appends one route to a request (RFC 3261 §20.34).
func AddRoute(req *Request, route string) { req.AppendHeader(gosip.NewHeader("Route", route)) }

// Escape writes a user part so that it can stand in a URI (RFC 3261 §25.1).
func Escape(user string) string {
	var b strings.Builder
	for _, c := range []byte(user) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if letter || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Cancel builds the CANCEL of an INVITE as it was sent: the same Via, Request-URI and
// routes, so that it takes the same way (RFC 3261 §9.1).
func Cancel(sent *Request) *Request { return sameWay(gosip.CANCEL, sent, sent) }

// Ack builds the ACK of a refused INVITE as it was sent: the same Via, Request-URI and
// routes, and the To of the refusal (RFC 3261 §17.1.1.3).
func Ack(sent *Request, res *Response) *Request { return sameWay(gosip.ACK, sent, res) }

// sameWay builds a request that goes where one that was sent went, to whom a message names.
func sameWay(method gosip.RequestMethod, sent *Request, to gosip.Message) *Request {
	r := gosip.NewRequest(method, *sent.Recipient.Clone())
	gosip.CopyHeaders("Via", sent, r)
	gosip.CopyHeaders("From", sent, r)
	gosip.CopyHeaders("To", to, r)
	gosip.CopyHeaders("Call-ID", sent, r)
	for _, route := range Values(sent, "Route") {
		AddRoute(r, route)
	}
	r.AppendHeader(&gosip.CSeqHeader{SeqNo: sent.CSeq().SeqNo, MethodName: method})
	hops := gosip.MaxForwardsHeader(70)
	r.AppendHeader(&hops)
	r.SetBody(nil)
	r.SetDestination(sent.Destination())
	return r
}
