package alarm

import (
	"slices"
	"time"

	"releve"
)

const (
	// settles is how long what moves by itself may look wrong: a link that is made again, a tier that
	// starts, a mirror that catches up.
	settles = 10 * time.Second
	// calms is how long it has to be well again. Alarms that come and go are one line.
	calms = 5 * time.Second
)

// kinds is the table, the gravest and the causes first. `docs/alarms.md` is printed from it.
var kinds = []Kind{
	{"service-stopped", releve.Critical, OfSite, Looked, nil, calms, calms, "releve status"},
	{"without-duty", releve.Critical, OfServer, Looked, nil, calms, calms, "releve takeover --other-is-off"},
	{"server-silent", releve.Major, OfServer, Looked, nil, settles, calms, "releve status"},
	{"server-stuck", releve.Critical, OfServer, Looked, under("server-silent"), settles, calms, "releve explain"},
	{"database-lost", releve.Critical, OfServer, Looked, under("server-silent", "server-stuck"), settles, calms, "releve restore"},
	{"mirror-untrue", releve.Critical, OfSite, Looked, nil, 0, 0, "releve mirror rebuild"},
	{"records-unsafe", releve.Critical, OfServer, Told, under("server-silent"), 0, 0, "releve status"},
	{"takeover", releve.Major, OfSite, Looked, nil, 0, 0, "releve return"},
	{"pbx-silent", releve.Major, OfServer, Looked, under("server-silent"), settles, calms, "releve check --calls"},
	{"version", releve.Major, OfSite, Told, nil, 0, 0, "releve version"},
	{"mirror-away", releve.Major, OfSite, Looked, under("server-silent", "server-stuck", "database-lost", "version"), settles, calms, "releve mirror resume"},
	{"telephone", releve.Major, OfServer, Told, under("server-silent", "pbx-silent"), 0, calms, "releve check"},
	{"pbx-certificate", releve.Major, OfServer, Told, under("server-silent"), 0, calms, "releve check"},
	{"line", releve.Major, OfServer, Told, under("server-silent"), settles, calms, "releve lines"},
	{"certificate", releve.Warning, OfServer, Told, nil, 0, 0, "releve certificates renew"},
	{"not-ready", releve.Major, OfSite, Looked,
		under("server-silent", "server-stuck", "database-lost", "mirror-untrue", "mirror-away", "pbx-silent", "telephone", "version"), settles, calms, "releve status"},
	{"records-wait", releve.Major, OfServer, Looked, under("server-silent", "without-duty", "server-stuck", "database-lost"),
		settles, calms, "releve status"},
	{"records-lost", releve.Major, OfServer, Happened, nil, 0, 0, "releve status"},
	{"salvage", releve.Major, OfSite, Kept, nil, 0, 0, "releve salvage list"},
	{"program", releve.Major, OfServer, Happened, nil, 0, 0, "releve explain"},
	{"act-failed", releve.Warning, OfServer, Happened, nil, 0, 0, "releve status"},
	{"overflow", releve.Warning, OfServer, Told, under("pbx-silent", "server-silent"), 0, 0, "releve check --calls"},
	{"witness-silent", releve.Warning, OfServer, Looked, under("server-silent"), settles, calms, "releve arbiter"},
	{"disk-low", releve.Warning, OfServer, Told, nil, 0, calms, "releve status"},
	{"saturated", releve.Warning, OfServer, Told, nil, 0, calms, "releve status"},
	{"unverified", releve.Warning, OfSite, Told, under("mirror-away", "server-silent"), 0, 0, "releve mirror verify"},
	{"copy-old", releve.Major, OfSite, Told, under("server-silent"), 0, 0, "releve copy"},
	{"records-old", releve.Warning, OfSite, Told, under("mirror-away", "server-silent"), 0, 0, "releve status"},
	{"drill", releve.Major, OfSite, Told, under("not-ready"), 0, 0, "releve drill"},
	{"study", releve.Major, OfServer, Kept, nil, 0, 0, "releve study replay"},
	{"licence", releve.Warning, OfSite, Told, nil, 0, 0, "releve licence install"},
	{"clock", releve.Warning, OfServer, Told, nil, 0, 0, "releve status"},
	{Unsent, releve.Major, OfServer, Told, nil, 0, 0, "releve notify test"},
	{"stranger", releve.Warning, OfServer, Told, nil, 0, 0, "releve status"},
	{"secret-open", releve.Warning, OfServer, Told, nil, 0, 0, "releve check"},
}

func under(causes ...Code) []Code { return causes }

// Kinds are all of them, the gravest first.
func Kinds() []Kind {
	all := slices.Clone(kinds)
	slices.SortStableFunc(all, func(x, y Kind) int {
		switch {
		case x.Severity == y.Severity:
			return 0
		case x.Severity.AtLeast(y.Severity):
			return -1
		}
		return 1
	})
	return all
}

// Patience is how long an alarm of a severity may stand without anybody having acknowledged it before
// more people are told (SPEC A4); zero: it waits for the morning.
func Patience(s releve.Severity) time.Duration {
	switch s {
	case releve.Critical:
		return 5 * time.Minute
	case releve.Major:
		return 15 * time.Minute
	}
	return 0
}
