package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"releve/doors/identity"
)

// The rules that a value can have to follow.

func (r *reader) required(key, value string) bool {
	if strings.TrimSpace(value) == "" {
		code := "missing"
		if r.lines[key] != 0 {
			code = "empty"
		}
		r.wrong(key, code)
	}
	return value != ""
}

func (r *reader) oneOf(key, value string, allowed ...string) {
	if r.required(key, value) && !slices.Contains(allowed, value) {
		r.wrong(key, "one-of", "value", value, "allowed", strings.Join(allowed, ", "))
	}
}

// built is oneOf where some values are for later.
func (r *reader) built(key, value string, later []string, built ...string) {
	if slices.Contains(later, value) {
		r.wrong(key, "not-built", "value", value, "built", strings.Join(built, ", "))
		return
	}
	r.oneOf(key, value, built...)
}

func (r *reader) between(key string, value, least, most int) {
	if value < least || value > most {
		r.wrong(key, "range", "value", strconv.Itoa(value), "least", strconv.Itoa(least), "most", strconv.Itoa(most))
	}
}

func (r *reader) duration(key string, value Duration, least, most time.Duration) {
	if d := value.Std(); d < least || d > most {
		r.wrong(key, "range", "value", value.String(), "least", Duration(least).String(), "most", Duration(most).String())
	}
}

// rate keeps to what a base backup of PostgreSQL can be held to (manual,
// pg_basebackup --max-rate).
func (r *reader) rate(key string, value Rate) {
	if least, most := Rate(32<<10), Rate(1<<30); value < least || value > most {
		r.wrong(key, "range", "value", value.String(), "least", least.String(), "most", most.String())
	}
}

// size is one that PostgreSQL can be held to, and that is worth keeping: less would be given
// up at every restart of the other server. The disk is looked at elsewhere.
func (r *reader) size(key string, value Size) {
	if least, most := Size(64<<20), Size(1<<40); value != 0 && (value < least || value > most) {
		r.wrong(key, "range", "value", value.String(), "least", least.String(), "most", most.String())
	}
}

func (r *reader) clock(key string, value Clock) {
	if _, err := time.Parse("15:04", string(value)); err != nil {
		r.wrong(key, "clock", "value", string(value))
	}
}

// code is a final response by which a PBX takes the call back. 503 is none: with
// it a PBX may avoid this server for a while, just when it will need it.
func (r *reader) code(key string, value int) {
	if value == 503 {
		r.wrong(key, "code.503")
	}
	r.between(key, value, 400, 699)
}

// address is an IP address with a port. A name is refused: at a takeover nobody
// can wait for a name server.
func (r *reader) address(key, value string) {
	if !r.required(key, value) {
		return
	}
	at, err := netip.ParseAddrPort(value)
	switch {
	case err != nil, at.Addr().IsMulticast():
		r.wrong(key, "address", "value", value)
	case at.Port() == 0:
		r.wrong(key, "address.port", "value", value)
	case at.Addr().IsUnspecified():
		r.wrong(key, "address.wildcard", "value", value)
	}
}

// Address reads an address that was checked; one that the file does not say is the zero value.
func Address(checked string) netip.AddrPort {
	if checked == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(checked)
}

// countryCode is one to three digits, the first no zero (ITU-T E.164 §6.2.1).
func (r *reader) countryCode(key, value string) {
	if n, err := strconv.ParseUint(value, 10, 16); value != "" && (err != nil || n < 1 || n > 999 || value[0] == '0') {
		r.wrong(key, "country-code", "value", value)
	}
}

// host is an address of one machine, without a port.
func (r *reader) host(key, value string) {
	if at, err := netip.ParseAddr(value); err != nil || at.IsMulticast() || at.IsUnspecified() {
		r.wrong(key, "host", "value", value)
	}
}

func (r *reader) checkCertificate(key, file string, authorities identity.Authorities, want identity.Identity) {
	if authorities != nil && want.Site != "" && (want.Seat.Valid() || want.Seat == identity.Witness) {
		r.fault(key, authorities.BelongsIn(file, want)) // its dates are an alarm, and keep nobody from answering (K6)
		return
	}
	_, err := identity.LoadCertificate(file)
	r.fault(key, err)
}

// fault reports what is wrong with a file of the link.
func (r *reader) fault(key string, err error) {
	if fault, ok := identity.FaultOf(err); ok {
		r.say(key, fault.Why)
	}
}

// pbxAddress is where a PBX is: an IP address with a port, or a name, with a port or without (RFC 3263).
func (r *reader) pbxAddress(key, value string) {
	name, port, isPort := strings.Cut(value, ":")
	if !isName(name) { // an address, or meant as one
		r.address(key, value)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); isPort && (err != nil || n == 0) {
		r.wrong(key, "pbx.name", "value", value)
	}
}

// At is where the PBX is: its address, or its name where that is written.
func (p PBX) At() (address netip.AddrPort, name string) {
	if at, err := netip.ParseAddrPort(p.Address); err == nil {
		return at, ""
	}
	return netip.AddrPort{}, p.Address
}
