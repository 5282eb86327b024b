package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// hop is what is read of one Via value (RFC 3261 §20.42).
type hop struct {
	host, port string // of sent-by
	branch     string
	rport      bool // asked for, without a value (RFC 3581 §3)
}

// parseHop reads one Via value.
func parseHop(text string) (h hop, err error) {
	parts, err := split(text, ';')
	if err != nil {
		return h, err
	}
	protocol := strings.Split(parts[0], "/")
	if len(protocol) != 3 || !strings.EqualFold(strings.TrimSpace(protocol[0]), "SIP") ||
		strings.TrimSpace(protocol[1]) != "2.0" {
		return h, fmt.Errorf("no Via: %.40q", parts[0])
	}
	fields := strings.Fields(protocol[2])
	if len(fields) < 2 {
		return h, fmt.Errorf("the Via %.40q names no sender", parts[0])
	}
	h.host = strings.Join(fields[1:], "")
	if i := strings.LastIndexByte(h.host, ':'); i >= 0 && !strings.HasSuffix(h.host, "]") {
		h.host, h.port = h.host[:i], h.host[i+1:]
	}
	for _, part := range parts[1:] {
		name, value, valued := strings.Cut(part, "=")
		switch name = strings.TrimSpace(name); {
		case !token(name):
			return h, fmt.Errorf("the Via parameter %.40q", part)
		case strings.EqualFold(name, "branch") && h.branch == "":
			h.branch = strings.TrimSpace(value)
		case strings.EqualFold(name, "rport"):
			h.rport = !valued
		}
	}
	return h, nil
}

// address is where the response to a request goes: the source address, with the port of
// the topmost Via unless rport asks for the source's (RFC 3261 §18.2.2, RFC 3581 §4).
func (h hop) address(from netip.AddrPort) (netip.AddrPort, error) {
	if h.rport {
		return from, nil
	}
	if h.port == "" {
		return netip.AddrPortFrom(from.Addr(), 5060), nil
	}
	port, err := strconv.ParseUint(h.port, 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, errors.New("the Via names no port")
	}
	return netip.AddrPortFrom(from.Addr(), uint16(port)), nil
}

// stamp writes into the topmost Via of a response where its request came from, and
// leaves every other byte as it came (RFC 3261 §8.2.6.2, §18.2.1; RFC 3581 §4).
func (h hop) stamp(line string, from netip.AddrPort) string {
	top, more := line, ""
	if i := indexOutside(line, ","); i >= 0 {
		top, more = line[:i], line[i:]
	}
	parts, err := split(top, ';')
	if err != nil {
		return line
	}
	sent, err := netip.ParseAddr(strings.Trim(h.host, "[]"))
	if !h.rport && err == nil && sent.Unmap() == from.Addr() {
		return line
	}
	kept := parts[:1]
	for _, part := range parts[1:] {
		name, _, valued := strings.Cut(part, "=")
		switch {
		case strings.EqualFold(strings.TrimSpace(name), "received"):
			continue
		case strings.EqualFold(strings.TrimSpace(name), "rport") && !valued:
			part = strings.TrimRight(part, " \t") + "=" + strconv.Itoa(int(from.Port()))
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ";") + ";received=" + from.Addr().String() + more
}
