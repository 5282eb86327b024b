// Package study says which prerequisites a site has, what values they must have and what
// follows for each level of protection (SPEC E1 to E4).
package study

import (
	"fmt"
	"slices"
	"strings"

	"releve"
)

// Check is a prerequisite. Its names and units have their words in the catalogue.
type Check struct {
	ID string
	// Main and Secondary are the levels that need it of that server. A check that no level
	// needs is advice: it is poor at worst.
	Main, Secondary []releve.Level
	// About are which of several are looked at; nil: there is one. None: it is not asked for.
	About func(releve.StudyQuestion) []string
	// Where are the servers on which it is measured; nil: on each that there is.
	Where []releve.Seat
	Unit  string
	// Bounds of the value: Good is ok, Least is poor, beyond it has failed. More: the larger
	// the better.
	Bounds func(releve.StudyQuestion) (good, least float64)
	More   bool
	// Weigh judges what has no number.
	Weigh func(releve.StudyQuestion, releve.Measurement) (releve.StudyVerdict, releve.Sentence)
	Who   releve.Party // who has to change it, where the measurement does not say
}

// Units of values.
const (
	UnitCount   = "count"
	UnitBytes   = "bytes"
	UnitRate    = "bytes-per-second"
	UnitSeconds = "seconds"
	UnitPercent = "percent"
	UnitOctets  = "octets" // of a datagram
	UnitVersion = "version"
)

var (
	all      = []releve.Level{releve.Base, releve.Mirroring, releve.Backup, releve.HighAvailability}
	two      = all[1:] // with a second server
	service  = []releve.Level{releve.Backup, releve.HighAvailability}
	mirrored = []releve.Level{releve.Mirroring, releve.HighAvailability}
	highest  = []releve.Level{releve.HighAvailability}
)

func between(good, least float64) func(releve.StudyQuestion) (float64, float64) {
	return func(releve.StudyQuestion) (float64, float64) { return good, least }
}

// What a server takes. A channel took 18 kB and 0.07 % of a processor where it was measured
// (docs/benchmarks.md has the product's figures); a processor is held for 500 of them.
const (
	gib                = 1 << 30
	channelsAProcessor = 500
	memoryOfServer     = gib
	memoryOfChannel    = 100 << 10
	diskOfServer       = 5 * gib
)

func processors(q releve.StudyQuestion) (good, least float64) {
	least = float64(1 + (q.Channels-1)/channelsAProcessor)
	return least + 1, least
}

func memory(q releve.StudyQuestion) (good, least float64) {
	least = memoryOfServer + float64(q.Channels)*memoryOfChannel
	// A machine of one or two GiB shows less: the kernel keeps some for itself.
	return 2 * least * 0.9, least * 0.9
}

// Table is every check, in the order in which people read them.
func Table() []Check {
	return []Check{
		{ID: "processors", Main: all, Secondary: two, Unit: UnitCount, More: true, Bounds: processors, Who: releve.Establishment},
		{ID: "memory", Main: all, Secondary: two, Unit: UnitBytes, More: true, Bounds: memory, Who: releve.Establishment},
		{ID: "system", Main: all, Secondary: two, Weigh: system, Who: releve.Establishment},
		{ID: "virtual", Main: all, Secondary: service, Weigh: virtual, Who: releve.Establishment},
		{ID: "postgresql", Main: all, Secondary: two, Unit: UnitVersion, More: true, Bounds: between(15, 15), Who: releve.Integrator},

		{ID: "disk-space", Main: all, Secondary: two, Unit: UnitBytes, More: true, Bounds: between(4*diskOfServer, diskOfServer),
			Who: releve.Establishment},
		{ID: "disk-sync", Main: all, Secondary: two, Unit: UnitSeconds, Bounds: between(0.020, 0.100), Who: releve.Establishment},
		{ID: "disk-sync-worst", Main: all, Secondary: two, Unit: UnitSeconds, Bounds: between(0.5, 5), Who: releve.Establishment},
		{ID: "disk-rate", Main: all, Secondary: two, Unit: UnitRate, More: true, Bounds: between(20<<20, 2<<20), Who: releve.Establishment},

		{ID: "clock-other", Main: two, Secondary: two, Where: []releve.Seat{releve.Secondary}, Unit: UnitSeconds, Bounds: between(1, 60),
			Who: releve.Establishment},
		{ID: "clock-ntp", Unit: UnitSeconds, About: given(func(q releve.StudyQuestion) string { return q.NTP }), Bounds: between(1, 60),
			Who: releve.Establishment},
		{ID: "name", Main: all, Secondary: two, About: names, Who: releve.Establishment},
		{ID: "name-same", Main: two, Secondary: two, About: names, Where: []releve.Seat{releve.Secondary}, Who: releve.Establishment},
		{ID: NameBack, About: Backwards, Weigh: nameBack, Who: releve.Establishment},

		{ID: "port-free", Main: all, Secondary: two, About: ports(releve.Base), Who: releve.Integrator},
		{ID: "port-free-mirror", Main: mirrored, Secondary: mirrored, About: ports(releve.Mirroring), Who: releve.Integrator},
		{ID: "port-link", Main: two, Secondary: two, About: ports(releve.Backup), Who: releve.Establishment},
		{ID: "port-mirror", Main: mirrored, Secondary: mirrored, About: ports(releve.Mirroring), Who: releve.Establishment},
		{ID: "port-telephone", Main: highest, Secondary: highest, About: ports(releve.HighAvailability), Who: releve.Establishment},
		{ID: "port-sound", About: sound, Who: releve.Establishment},
		{ID: "port-page", About: page, Who: releve.Establishment},
		{ID: "latency", Main: two, Secondary: two, Unit: UnitSeconds, Bounds: between(0.010, 0.040), Who: releve.Establishment},
		{ID: "loss", Main: two, Secondary: two, Unit: UnitPercent, Bounds: between(0, 2), Who: releve.Establishment},
		{ID: "datagram", Main: highest, Secondary: highest, Unit: UnitOctets, More: true, Bounds: between(1500, 1280), Who: releve.Establishment},
		{ID: "witness", Main: highest, Secondary: highest, About: given(func(q releve.StudyQuestion) string { return q.Witness }),
			Who: releve.Establishment},

		{ID: "mail", About: given(func(q releve.StudyQuestion) string { return q.Mail }), Weigh: mail, Who: releve.Establishment},
		{ID: "snmp", About: given(func(q releve.StudyQuestion) string { return q.SNMP }), Who: releve.Establishment},

		{ID: "pbx-answers", Main: all, Secondary: service, Unit: UnitSeconds, Bounds: between(0.1, 0.5), Who: releve.PBXMaintainer},
		{ID: "pbx-register", Main: all, Secondary: service, Who: releve.PBXMaintainer},
		{ID: "pbx-bindings", Main: service, Where: once, Weigh: poorAt(ShowsNone, "study-pbx-no-bindings"), Who: releve.PBXMaintainer},
		{ID: "pbx-second", Where: once, Weigh: poorAt(SecondRefused, "study-pbx-second-refused"), Who: releve.PBXMaintainer},
		{ID: "pbx-removal", Where: once, Weigh: poorAt(RemovesAll, "study-pbx-removes-all"), Who: releve.PBXMaintainer},
		{ID: "pbx-expiry", Main: service, Where: once, Unit: UnitSeconds, Bounds: between(60, 600), Who: releve.PBXMaintainer},
		{ID: "pbx-silence", Main: highest, Where: once, Unit: UnitSeconds, Bounds: between(5, 20), Who: releve.PBXMaintainer},
		{ID: "pbx-busy", Main: highest, Where: once, Unit: UnitSeconds, Bounds: between(2, 5), Who: releve.PBXMaintainer},
		{ID: "pbx-unregistered", Main: highest, Where: once, Unit: UnitSeconds, Bounds: between(2, 5), Who: releve.PBXMaintainer},
		{ID: "pbx-return", Main: highest, Where: once, About: codes(486), Unit: UnitSeconds, Bounds: between(2, 5), Who: releve.PBXMaintainer},
		{ID: "pbx-return-other", Where: once, About: codes(480, 503, 603), Unit: UnitSeconds, Bounds: between(2, 5), Who: releve.PBXMaintainer},
		{ID: "pbx-origin", Main: highest, Where: once, Weigh: poorAt(noOrigin, "study-pbx-no-origin"), Who: releve.PBXMaintainer},
		{ID: "pbx-userless", Where: once, Who: releve.PBXMaintainer},
		{ID: "pbx-refer", Where: once, Who: releve.PBXMaintainer},
		{ID: "pbx-keys", Main: all, Where: once, Who: releve.PBXMaintainer},
		{ID: "pbx-keys-info", Where: once, Weigh: keys, Who: releve.PBXMaintainer},
		{ID: "pbx-keys-tone", Where: once, Weigh: keys, Who: releve.PBXMaintainer},
		{ID: "pbx-reinvite", Where: once, Who: releve.PBXMaintainer},
	}
}

// once is where something is measured that belongs to the PBX and not to a server.
var once = []releve.Seat{releve.Main}

// codes are refusals of SIP.
func codes(all ...int) func(releve.StudyQuestion) []string {
	return func(releve.StudyQuestion) (texts []string) {
		for _, code := range all {
			texts = append(texts, fmt.Sprint(code))
		}
		return texts
	}
}

// given is a check that is asked for by naming what to look at.
func given(of func(releve.StudyQuestion) string) func(releve.StudyQuestion) []string {
	return func(q releve.StudyQuestion) []string {
		if of(q) == "" {
			return []string{}
		}
		return []string{of(q)}
	}
}

func tcp(port uint16) string { return fmt.Sprintf("tcp %d", port) }
func udp(port uint16) string { return fmt.Sprintf("udp %d", port) }

// ports are those that a level adds.
func ports(of releve.Level) func(releve.StudyQuestion) []string {
	return func(q releve.StudyQuestion) []string {
		switch of {
		case releve.Base:
			return append([]string{udp(q.SIPPort), tcp(q.PeerPort), tcp(q.ConsolePort)}, sound(q)...)
		case releve.Mirroring:
			return []string{tcp(q.DatabasePort)}
		case releve.Backup:
			return []string{tcp(q.PeerPort)}
		}
		return []string{udp(q.SIPPort)}
	}
}

// sound are the ports of sound that are tried: the first, the last and one between.
func sound(q releve.StudyQuestion) []string {
	return []string{udp(uint16(q.RTPFirst)), udp(uint16((q.RTPFirst + q.RTPLast) / 2)), udp(uint16(q.RTPLast))}
}

func page(q releve.StudyQuestion) []string { return []string{tcp(q.ConsolePort)} }

// names are the hosts of the question that are no addresses.
func names(q releve.StudyQuestion) []string {
	all := []string{}
	for _, place := range []string{q.PBX, q.NTP, q.Mail, q.SNMP, q.Witness} {
		host := hostOf(place)
		if host != "" && strings.ContainsFunc(host, isLetter) && !strings.Contains(host, ":") {
			all = append(all, host)
		}
	}
	return all
}

// hostOf is a host without its port; an IPv6 address keeps its colons.
func hostOf(place string) string {
	if strings.Count(place, ":") == 1 {
		place, _, _ = strings.Cut(place, ":")
	}
	return place
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// Names are the hosts of a question that are to be resolved.
func Names(q releve.StudyQuestion) []string { return names(q) }

// Backwards are the hosts whose addresses are to be looked up for their names: both servers and the PBX.
func Backwards(q releve.StudyQuestion) []string {
	return slices.DeleteFunc([]string{q.Main, q.Secondary, hostOf(q.PBX)}, func(host string) bool { return host == "" })
}

// Listens are all ports that a server listens on, "tcp 7443", as they are tried.
func Listens(q releve.StudyQuestion) []string {
	return append(ports(releve.Base)(q), ports(releve.Mirroring)(q)...)
}

// portChecks are the checks that a port tried from the other server answers.
func portChecks(q releve.StudyQuestion, port string) (ids []string) {
	for _, c := range Table() {
		if strings.HasPrefix(c.ID, "port-") && !strings.HasPrefix(c.ID, "port-free") && slices.Contains(c.About(q), port) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// FreeCheck is the check whether a port is free on its own server.
func FreeCheck(q releve.StudyQuestion, port string) string {
	if port == tcp(q.DatabasePort) {
		return "port-free-mirror"
	}
	return "port-free"
}
