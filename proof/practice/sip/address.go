package sip

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is SIP's over UDP.
const DefaultPort = 5060

// URI is a SIP URI: who, and where.
type URI struct {
	User   string
	Host   string // a name or an address
	Port   uint16 // 0: the default port
	Params string // from the first semicolon on, without it
}

// String writes the URI as it stands in a Request-URI.
func (u URI) String() string {
	text := "sip:"
	if u.User != "" {
		text += u.User + "@"
	}
	text += u.Host
	if u.Port != 0 {
		text += ":" + strconv.Itoa(int(u.Port))
	}
	if u.Params != "" {
		text += ";" + u.Params
	}
	return text
}

// ParseURI reads a SIP URI, alone or as the address in a header field value:
// sip:1001@host, "Name" <sip:1001@host:5060;lr>;tag=x.
func ParseURI(value string) (URI, error) {
	text := value
	if i := strings.LastIndexByte(value, '<'); i >= 0 { // a display name may hold one too
		text, _, _ = strings.Cut(value[i+1:], ">")
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "sip:")
	if !ok {
		return URI{}, fmt.Errorf("%q is not a SIP URI: expected sip:user@host:port", value)
	}
	rest, _, _ = strings.Cut(rest, "?")
	hostport, params, _ := strings.Cut(rest, ";")
	u := URI{Params: params}
	if user, host, ok := strings.Cut(hostport, "@"); ok {
		u.User, hostport = user, host
	}
	host, port, ok := strings.Cut(hostport, ":")
	u.Host = host
	if !ok {
		return u, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	u.Port = uint16(n)
	if err != nil {
		return u, fmt.Errorf("%q is not a SIP URI: port %q", value, port)
	}
	return u, nil
}

// UserAt is the URI of a user at an address of this machine.
func UserAt(user string, at netip.AddrPort) URI {
	return URI{User: user, Host: at.Addr().String(), Port: at.Port()}
}

// Address is where a URI's requests go. Names are not resolved: a practice site
// has numeric addresses only.
func (u URI) Address() (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(u.Host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s has no numeric address: use sip:user@127.0.0.x:port", u)
	}
	if u.Port == 0 {
		return netip.AddrPortFrom(addr, DefaultPort), nil
	}
	return netip.AddrPortFrom(addr, u.Port), nil
}

// Param is a parameter of a header field value, outside its address: the tag of
// From, the branch of Via, the expires of Contact.
func Param(value, name string) string {
	value = value[strings.LastIndexByte(value, '>')+1:]
	for part := range strings.SplitSeq(value, ";") {
		key, v, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// WithTag gives a From or To value a tag, unless it has one.
func WithTag(value, tag string) string {
	if Param(value, "tag") != "" {
		return value
	}
	return value + ";tag=" + tag
}

// NewTag draws a tag or an id that no other has.
func NewTag() string { return rand.Text()[:16] }

// newBranch draws a transaction's branch (RFC 3261 §8.1.1.7).
func newBranch() string { return "z9hG4bK" + rand.Text()[:16] }

// viaAddress is where a response goes: the sent-by of its topmost Via, corrected
// by received and rport (RFC 3581 §4).
func viaAddress(via string) (netip.AddrPort, error) {
	u, err := ParseURI("sip:" + sentBy(via))
	if err != nil {
		return netip.AddrPort{}, err
	}
	if received := Param(via, "received"); received != "" {
		u.Host = received
	}
	if n, err := strconv.ParseUint(Param(via, "rport"), 10, 16); err == nil {
		u.Port = uint16(n)
	}
	return u.Address()
}

// markSource writes in the topmost Via where a request came from, so that its
// responses go there (RFC 3261 §18.2.1, RFC 3581).
func markSource(m *Message, from netip.AddrPort) {
	for i, f := range m.Fields {
		if f.Name != "Via" {
			continue
		}
		via := f.Value + ";received=" + from.Addr().String()
		via = strings.Replace(via, ";rport;", fmt.Sprintf(";rport=%d;", from.Port()), 1)
		m.Fields[i].Value = via
		return
	}
}
