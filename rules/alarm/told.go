package alarm

import (
	"slices"
	"strings"

	"releve"
)

// Effect is what a sentence of a room does to an alarm.
type Effect string

// The effects.
const (
	Rises   Effect = "rises"   // it is so from now on
	Ends    Effect = "ends"    // it is well again
	Falls   Effect = "falls"   // it happened, and is over with that
	Tells   Effect = "tells"   // it belongs to an alarm that a look at the site raises
	Settled Effect = "settled" // … and to its end
	News    Effect = ""        // it is no alarm
)

// Rule says what a sentence that a room tells means for the alarms.
type Rule struct {
	Code   Code
	Effect Effect
	Grave  releve.Severity // where it is not the kind's
	About  string          // the argument that names which of several, or a name of its own after "="
}

// all marks an end that is one for all alarms of its kind on that server.
const all = "=*"

// over is the sentence that ends what another raised, which stands in it as "why".
const over = "event-over"

// news are no alarm. What a room tells and stands neither here nor in the rules has failed, in the words
// of whoever found it: the faults of jobs and disks are many.
var news = []string{
	"event-alarm-ack", "event-alarm-close", "event-alarm-shelve", "event-alarm-unshelve", "event-maintenance", "event-maintenance-ended",
	"event-calls-taken-up", "event-no-refer", "event-drill-began", "event-own-call", "event-overflow-returned", "event-procedure-began", "event-procedure-ended",
	"event-records-forgotten", "event-salvage-settled", "event-telephone-closed",
	"event-user-add", "event-user-codes", "event-user-no-codes", "event-user-password", "event-user-remove", "event-user-role", "event-user-screen",
	"event-word-given", "licence-installed", "licence-raise", "licence-received",
	"copy-clones", "copy-no-room", "copy-rewinds", "copy-set-aside", "copy-starts",
}

// rules are what rooms tell, by the code of the sentence.
var rules = map[string]Rule{
	"event-database-ill": {"database-lost", Rises, "", ""}, "event-database-not-started": {"database-lost", Rises, "", ""},
	"event-database-well": {"database-lost", Ends, "", ""},

	"event-disk-low": {"disk-low", Rises, "", "directory"}, "event-disk-roomy": {"disk-low", Ends, "", "directory"},
	"event-kept-log-grows": {"disk-low", Rises, "", "=kept-log"}, "event-kept-log-stranger": {"disk-low", Rises, "", "=kept-log"},
	"event-kept-log-given-up": {"disk-low", Rises, releve.Major, "=kept-log"}, "event-kept-log-well": {"disk-low", Ends, "", "=kept-log"},
	"kept-log-too-large": {"disk-low", Rises, "", "=bound"},

	"event-held-up": {"records-wait", Rises, releve.Major, "pid"}, "event-held-up-no-more": {"records-wait", Ends, "", "pid"},
	"doubt-records": {"records-wait", Rises, releve.Warning, "=doubt"}, "doubt-promotion": {"records-wait", Rises, releve.Warning, "=doubt"},
	"doubt-change": {"records-wait", Rises, releve.Warning, "=doubt"}, "doubt-settled": {"records-wait", Ends, "", "=doubt"},
	"event-spool-full": {"records-unsafe", Rises, "", ""}, "event-spool-failed": {"records-unsafe", Rises, "", ""},
	"event-spool-takes":  {"records-unsafe", Ends, "", ""},
	"event-records-lost": {"records-lost", Falls, "", ""}, "event-records-refused": {"records-lost", Falls, "", "=refused"},
	"event-records-missing": {"records-lost", Falls, "", "=missing"}, "event-spool-cut": {"records-lost", Falls, releve.Warning, "=cut"},
	"event-records-missing-over": {"records-lost", Ends, "", "=missing"}, "event-records-refused-over": {"records-lost", Ends, "", "=refused"},

	"event-records-old": {"records-old", Rises, "", ""}, "event-records-old-over": {"records-old", Ends, "", ""},

	"event-register-refused": {"telephone", Rises, releve.Warning, "user"}, "event-register-challenge": {"telephone", Rises, releve.Warning, "user"},
	"event-registered":           {"telephone", Ends, "", "user"},
	"event-telephone-not-opened": {"telephone", Rises, "", "=closed"}, "event-telephone-opened": {"telephone", Ends, "", "=closed"},
	"event-pbx-connection-lost": {"telephone", Rises, releve.Warning, "=connection"}, "event-pbx-connected": {"telephone", Ends, "", "=connection"},
	"event-pbx-name-unknown": {"telephone", Rises, releve.Warning, "=name"}, "event-pbx-name-known": {"telephone", Ends, "", "=name"},
	"event-pbx-certificate-refused":  {"pbx-certificate", Rises, "", ""},
	"event-pbx-certificate-accepted": {"pbx-certificate", Rises, releve.Warning, ""}, "event-pbx-certificate-well": {"pbx-certificate", Ends, "", ""},
	"event-overflow-unseen": {"overflow", Rises, "", ""}, "event-overflow-seen": {"overflow", Ends, "", ""},
	"event-strangers": {"stranger", Rises, "", ""}, "event-no-strangers": {"stranger", Ends, "", ""},
	"event-crowd": {"saturated", Rises, "", "=crowd"}, "event-crowd-over": {"saturated", Ends, "", "=crowd"},
	"event-saturated": {"saturated", Rises, "", ""}, "event-unsaturated": {"saturated", Ends, "", ""},

	"event-line-missing": {"line", Rises, "", "number"}, "event-line-elsewhere": {"line", Rises, "", "number"},
	"event-line-stray": {"line", Rises, releve.Warning, "number"}, "event-line-well": {"line", Ends, "", "number"},
	"event-line-away": {"line", Ends, "", "number"}, "event-line-unseen": {"line", Ends, "", "number"},
	"event-line-device-silent": {"line", Rises, "", "device"}, "event-line-device-answers": {"line", Ends, "", "device"},

	"event-certificate": {"certificate", Rises, "", "=dates"}, "event-certificates-unfit": {"certificate", Rises, "", "=files"},
	"event-certificates-taken": {"certificate", Ends, releve.Info, "=files"},
	"event-other-refused":      {"certificate", Rises, releve.Major, "=link"}, "event-other-refuses": {"certificate", Rises, releve.Major, "=link"},
	"event-other-stranger": {"certificate", Rises, releve.Major, "=link"}, "event-other-known": {"certificate", Ends, "", "=link"},
	"event-unsent": {Unsent, Rises, "", "outlet"}, "event-sent-again": {Unsent, Ends, "", "outlet"},
	"event-secret-open": {"secret-open", Rises, "", "file"}, "event-secret-closed": {"secret-open", Ends, "", "file"},

	"licence-base-only": {"licence", Rises, "", "=level"}, "licence-lapsed": {"licence", Rises, releve.Major, "=level"},
	"licence-over": {"licence", Rises, releve.Major, "=level"}, "licence-falls": {"licence", Rises, releve.Major, "=level"},
	"licence-fell": {"licence", Rises, releve.Major, "=level"}, "licence-left": {"licence", Ends, "", "=level"},
	"licence-again": {"licence", Ends, "", "=level"}, "licence-ends-soon": {"licence", Rises, "", "=ends"},
	"licence-channels": {"licence", Rises, "", "=channels"}, "licence-contradicts": {"licence", Rises, "", "serial"},
	"licence-clock": {"clock", Rises, "", ""}, "licence-unreadable": {"licence", Rises, "", "file"},
	"licence-fall-failed": {"act-failed", Falls, "", "=level"},
	"study-vouched-for":   {"licence", Rises, "", "=study"}, "study-adopted": {"licence", Ends, "", "=study"},
	"study-prerequisite-lost": {"study", Rises, "", "check"}, "study-prerequisite-back": {"study", Ends, "", "check"},
	"version-apart": {"version", Rises, "", "=programs"}, "version-postgresql": {"version", Rises, "", "=postgresql"},
	"version-together": {"version", Ends, "", "about"}, "version-differs": {"version", Ends, releve.Info, "=programs"},

	"event-mirror-differs": {"mirror-untrue", Tells, "", ""}, "event-verified": {"unverified", Ends, "", ""},
	"event-verify-failed": {"unverified", Rises, "", ""}, "event-order-aged": {"unverified", Falls, "", "=order"},
	"event-order-differs": {"unverified", Falls, "", "=order"},
	"event-copy-old":      {"copy-old", Rises, "", ""}, "event-copy-young": {"copy-old", Ends, "", all},
	"event-copy-in-vain": {"copy-old", Rises, "", "=vain"},
	"event-drill-never":  {"drill", Rises, "", ""}, "event-drill-overdue": {"drill", Rises, "", ""},
	"drill-failed": {"drill", Rises, "", "=failed"}, "drill-interrupted": {"drill", Rises, "", "=failed"},
	"event-drill-passed": {"drill", Ends, "", all},
	"event-not-ready":    {"not-ready", Tells, "", ""}, "event-ready-again": {"not-ready", Settled, "", ""},

	"event-salvaged": {"salvage", Rises, "", "id"}, "event-salvage-compared": {"salvage", Rises, releve.Warning, "id"},
	"event-salvage-differs": {"salvage", Rises, releve.Warning, "id"}, "event-salvage-failed": {"act-failed", Falls, releve.Major, "directory"},
	"event-salvage-applied": {"salvage", Ends, releve.Info, "id"}, "event-salvage-discarded": {"salvage", Ends, releve.Info, "id"},

	"event-message-broken": {"program", Falls, "", "=message"}, "event-call-broken": {"program", Falls, "", "=call"},
	"event-procedure-failed": {"act-failed", Falls, "", "procedure"}, "event-not-undone": {"act-failed", Falls, "", "=undo"},
	"event-telephone-close": {"act-failed", Falls, "", "=telephone"}, "event-slot-made-again": {"mirror-away", Tells, releve.Warning, ""},
	"event-own-call-failed": {"pbx-silent", Tells, releve.Warning, ""}, "job-in-vain": {"act-failed", Falls, "", "job"},
}

// families are faults in the words of who found them, by the beginning of their codes.
var families = map[string]Rule{
	"database-": {"database-lost", Rises, "", ""}, "account-": {"secret-open", Rises, "", "=root"},
	"difference-": {"mirror-untrue", Tells, "", ""},
}

// ofTakeover are the rows of the takeover's table that tell of an alarm: a look at the site raises it.
var ofTakeover = map[string]Rule{
	"journal-lacks": {"server-stuck", Tells, "", ""}, "data-foreign": {"server-stuck", Tells, "", ""}, "data-missing": {"server-stuck", Tells, "", ""},
	"data-unknown": {"server-stuck", Tells, "", ""}, "halted": {"server-stuck", Tells, "", ""}, "promotion-unsafe": {"server-stuck", Tells, "", ""},
	"journal-takes-again": {"server-stuck", Tells, releve.Warning, ""},

	"takeover": {"takeover", Tells, "", ""}, "duty-lost": {"takeover", Tells, "", ""}, "duty-ours-after-all": {"takeover", Tells, "", ""},
	"duty-taken-from-released": {"takeover", Tells, "", ""}, "duty-granted": {"takeover", Tells, "", ""},
	"duty-taken-by-order": {"takeover", Tells, releve.Critical, ""}, "term-reopened": {"takeover", Tells, releve.Warning, ""},
	"answered-without-duty": {"without-duty", Tells, "", ""}, "owner-well-again": {"without-duty", Settled, "", ""},

	"vote-returned": {"mirror-away", Tells, "", ""}, "vote-regained": {"mirror-away", Tells, "", ""}, "alone": {"mirror-away", Tells, "", ""},
	"vote-returned-by-hand": {"mirror-away", Tells, "", ""}, "solo-by-order": {"mirror-away", Tells, releve.Critical, ""},
	"mirror-abdicates": {"mirror-away", Tells, releve.Warning, ""}, "vote-refused": {"mirror-away", Tells, releve.Warning, ""},
	"vote-void": {"mirror-away", Tells, releve.Warning, ""}, "copy-failed": {"mirror-away", Tells, releve.Warning, ""},
	"abdication-asked": {"mirror-away", Tells, releve.Warning, ""}, "copy-too-old": {"mirror-away", Tells, releve.Warning, ""},
	"gate-opened-alone": {"mirror-away", Tells, releve.Warning, ""}, "register-void": {"witness-silent", Tells, "", ""},

	"database-lost": {"database-lost", Tells, releve.Major, ""}, "owner-database-starts": {"database-lost", Tells, "", ""},
	"restore-failed": {"database-lost", Tells, "", ""},
	"pbx-lost":       {"pbx-silent", Tells, "", ""}, "voice-lost": {"telephone", Tells, "", ""},
	"own-call": {"pbx-silent", Tells, releve.Warning, ""}, "call-unseen": {"pbx-silent", Tells, releve.Warning, ""},
	"level-changed": {"mirror-away", Tells, releve.Warning, ""},
}

// Meaning is what a sentence of a server's room means.
type Meaning struct {
	Key      Key
	Effect   Effect
	Severity releve.Severity // of the event, and of the alarm that it raises
	All      bool            // it ends all alarms of the kind there
}

// Of reads a sentence that a room of the server in a seat tells.
func Of(seat releve.Seat, what releve.Sentence) Meaning {
	if what.Code == over {
		before, _ := releve.Inner(what.Args["why"])
		return Meaning{Of(seat, before).Key, Ends, releve.Cleared, false}
	}
	r, alarms := ruleOf(what.Code)
	if !alarms {
		return Meaning{Severity: releve.Info}
	}
	kind, _ := Find(r.Code)
	told := Meaning{Key{Code: r.Code}, r.Effect, kind.Severity, r.About == all}
	if kind.Scope == OfServer {
		told.Key.Seat = seat
		if named := releve.Seat(what.Args["seat"]); named.Valid() && kind.Source.kept() {
			told.Key.Seat = named
		}
	}
	if own, fixed := strings.CutPrefix(r.About, "="); !told.All && fixed {
		told.Key.About = own
	} else if !told.All {
		told.Key.About = what.Args[r.About]
	}
	return told.graded(r, what)
}

func ruleOf(code string) (r Rule, alarms bool) {
	if row, ofTable := strings.CutPrefix(code, "rule-"); ofTable {
		r, alarms = ofTakeover[row]
		return r, alarms
	}
	if r, alarms = rules[code]; alarms {
		return r, true
	}
	for family, r := range families {
		if strings.HasPrefix(code, family) {
			return r, true
		}
	}
	return Rule{"act-failed", Falls, "", "=" + code}, code != "" && !slices.Contains(news, code)
}

// graded: an end clears, unless it is only news; a certificate that is not believed any more is graver than
// one that will end.
func (t Meaning) graded(r Rule, what releve.Sentence) Meaning {
	switch {
	case r.Grave != "":
		t.Severity = r.Grave
	case t.Effect == Ends || t.Effect == Settled:
		t.Severity = releve.Cleared
	case what.Code == "event-certificate" && slices.Contains(disbelieved, what.Args["fault"]):
		t.Severity = releve.Major
	}
	return t
}

// disbelieved are the faults of certificates for which the servers do not hear each other.
var disbelieved = []string{"certificate.expired", "certificate.authority-expired", "certificate.not-yet-valid"}

// Knows says whether what a sentence of a room means is written here.
func Knows(code string) bool {
	_, ruled := rules[code]
	return ruled || code == over || slices.Contains(news, code)
}
