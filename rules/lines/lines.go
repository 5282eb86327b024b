// Package lines is the rule book of analogue lines (SPEC T2, B5): which line goes into which port of which
// server, and, from what gateways and cards say of their ports, whether each is where it has to be.
//
// A port shows whether a line feeds it, and not which: two lines of one server that are exchanged look as they
// should until one of them rings.
package lines

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"releve"
)

// Card is the device of the lines of DAHDI cards, whose channels are numbered over all of them.
const Card = "dahdi"

const (
	// mostPorts is the greatest number of a port: more than any gateway has, and DAHDI's channels.
	mostPorts = 1024
	// mostDigits is how long a telephone number may be (ITU-T E.164 §6.1).
	mostDigits = 15
)

// Parse reads where a line goes: "192.0.2.31/1 0140200001" is the first port of the gateway of that address,
// "dahdi/3 0140200001" the third channel of the cards.
func Parse(text string) (line releve.Line, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return line, false
	}
	device, port, found := strings.Cut(fields[0], "/")
	n, err := strconv.Atoi(port)
	if !found || err != nil || n < 1 || n > mostPorts || port[0] == '+' || !isNumber(fields[1]) {
		return line, false
	}
	if device != Card {
		at, err := netip.ParseAddr(device)
		if err != nil || at.Zone() != "" || at.IsMulticast() || at.IsUnspecified() {
			return line, false
		}
		device = at.Unmap().String()
	}
	return releve.Line{Number: fields[1], Device: device, Port: n, State: releve.LineUnknown, Verdict: releve.LineUnseen}, true
}

// isNumber: digits, with a plus in front where it is international.
func isNumber(text string) bool {
	digits := strings.TrimPrefix(text, "+")
	return digits != "" && len(digits) <= mostDigits && strings.Trim(digits, "0123456789") == ""
}

// Plan is a server's lines in the order in which they are written, which numbers their channels. What cannot be
// read is left out.
func Plan(texts []string) (all []releve.Line) {
	for i, text := range texts {
		if line, ok := Parse(text); ok {
			line.Channel = i + 1
			all = append(all, line)
		}
	}
	return all
}

// Devices are those of a plan: each once, in their order.
func Devices(plan []releve.Line) (all []string) {
	for _, l := range plan {
		if !slices.Contains(all, l.Device) {
			all = append(all, l.Device)
		}
	}
	return all
}

// Gateways are the addresses of those that are no card.
func Gateways(plan []releve.Line) (all []netip.Addr) {
	for _, device := range Devices(plan) {
		if at, err := netip.ParseAddr(device); err == nil {
			all = append(all, at)
		}
	}
	return all
}
